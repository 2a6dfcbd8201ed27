// The working end: a BullMQ worker that runs our handlers, and hears when a deliverer's job was cancelled.
import type { Redis } from "ioredis";
import {
  AttemptAbortedError,
  AttemptCancelledError,
  type Handler,
  InvalidInputError,
  LeaseLostError,
} from "../index.ts";
import { Connection, loadBullmq } from "./connection.ts";
import type { BullmqWorker, WorkOptions } from "./contract.ts";
import { cancelChannel } from "./link.ts";
import { checkCount, checkKnown, checkTime, defaults, type QueueOptions } from "./options.ts";
import { Processor } from "./processor.ts";

/** A worker may die under a job so often before BullMQ fails it: as many as Punctual itself allows beyond the first. */
const crashesAllowed = 5;

/** Starts a worker; resolves when it is ready. @throws InvalidInputError; EngineNotConfiguredError */
export async function startWork(
  handlers: readonly Handler[],
  given: WorkOptions,
  queue: QueueOptions,
  onError: (error: unknown) => void,
): Promise<BullmqWorker> {
  checkHandlers(handlers);
  checkKnown(given, ["concurrency", "lease", "scheduler"], "");
  const concurrency = checkCount(given.concurrency ?? defaults.concurrency, "concurrency");
  const lockDuration = checkTime(given.lease, "lease", defaults.leaseMs, 100);
  const driver = await loadBullmq();
  const connection = await Connection.open(queue.connection, onError);
  const processor = new Processor(handlers, driver, given.scheduler, onError);
  const worker = new driver.Worker(queue.name, (job, token) => processor.process(job, token), {
    connection: connection.copy(),
    prefix: queue.prefix,
    concurrency,
    lockDuration,
    stalledInterval: lockDuration,
    maxStalledCount: crashesAllowed,
  });
  worker.on("error", onError);
  worker.on("lockRenewalFailed", (ids) => {
    for (const id of ids) processor.abort(id, new LeaseLostError(`the lock of BullMQ job ${id} is lost`));
  });
  const ear = connection.copy();
  const channel = cancelChannel(queue);
  (ear as Redis).on("message", (_channel: string, id: string) => {
    processor.abort(id, new AttemptCancelledError(`job ${id} was cancelled`));
  });
  let closing: Promise<void> | undefined;
  const close = async (timeoutMs: number) => {
    const timer = setTimeout(() => {
      processor.abortAll(new AttemptAbortedError("the worker stopped before the job was done"));
      worker.close(true).catch(onError);
    }, timeoutMs);
    await worker.close().catch(onError);
    clearTimeout(timer);
    connection.close();
  };
  try {
    await Promise.all([worker.waitUntilReady(), ear.subscribe(channel)]);
  } catch (error) {
    await close(0);
    throw error;
  }
  return {
    close: async (options = {}) => {
      checkKnown(options, ["timeout"], "");
      closing ??= close(checkTime(options.timeout, "timeout", defaults.drainMs));
      await closing;
    },
  };
}

function checkHandlers(handlers: unknown): void {
  const isHandler = (one: unknown) => typeof one === "object" && one !== null && "run" in one && "policy" in one;
  if (Array.isArray(handlers) && handlers.length > 0 && handlers.every(isHandler)) return;
  throw new InvalidInputError("handlers must be an array of at least one handle(task, fn)", { field: "handlers" });
}

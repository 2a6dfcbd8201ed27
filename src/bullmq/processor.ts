// Runs our handlers as BullMQ's processor: input by the task's schema, the task's timeout, and its word on what follows a failure.
import type { Job } from "bullmq";
import {
  AttemptTimeoutError,
  formatDuration,
  type Handler,
  hasCode,
  parseDuration,
  type RetryAt,
  retryDelayMs,
} from "../index.ts";
import type { Driver } from "./connection.ts";
import { contextOf } from "./context.ts";
import type { WorkOptions } from "./contract.ts";
import { type NotedOptions, readNote } from "./mapping.ts";

/** A job of a task that no handler knows waits so long, doubling, in ms: a deploy may be rolling. */
const unknownTaskMs = 5_000;
const unknownTaskMsMax = 5 * 60_000;

/** The handlers of one worker, by the names of their tasks. */
export class Processor {
  readonly #handlers = new Map<string | undefined, Handler>();
  readonly #driver: Pick<Driver, "DelayedError" | "UnrecoverableError">;
  readonly #scheduler: WorkOptions["scheduler"];
  readonly #onError: (error: unknown) => void;
  /** What aborts the jobs that run, by BullMQ's id. */
  readonly #running = new Map<string, AbortController>();

  constructor(
    handlers: readonly Handler[],
    driver: Pick<Driver, "DelayedError" | "UnrecoverableError">,
    scheduler: WorkOptions["scheduler"],
    onError: (error: unknown) => void,
  ) {
    for (const handler of handlers) this.#handlers.set(handler.task?.name, handler);
    this.#driver = driver;
    this.#scheduler = scheduler;
    this.#onError = onError;
  }

  /** Asks a job to stop; nothing happens when it does not run here. */
  abort(bullmqId: string, reason: Error): void {
    this.#running.get(bullmqId)?.abort(reason);
  }

  abortAll(reason: Error): void {
    for (const running of this.#running.values()) running.abort(reason);
  }

  /** BullMQ's processor. */
  async process(job: Job, token: string | undefined): Promise<unknown> {
    const handler = this.#handlers.get(job.name) ?? this.#handlers.get(undefined);
    if (handler === undefined) return await this.#putBack(job, token);
    const running = new AbortController();
    const id = job.id ?? "";
    this.#running.set(id, running);
    const { context, sent } = contextOf(job, running.signal, this.#scheduler, this.#onError);
    try {
      const input = await this.#validated(handler, job.data);
      const { timeoutMs } = handler.policy;
      const run = async () => await (handler.run as (input: unknown, context: unknown) => unknown)(input, context);
      return (await within(timeoutMs, running, run)) ?? null;
    } catch (error) {
      if (hasCode(error, "RETRY_AT")) return await this.#delay(job, token, (error as RetryAt).at.getTime());
      throw this.#verdict(handler, job, error, running.signal);
    } finally {
      await sent();
      this.#running.delete(id);
    }
  }

  async #validated({ task }: Handler, input: unknown): Promise<unknown> {
    if (task?.schema === undefined) return input;
    const result = await task.schema["~standard"].validate(input);
    if (result.issues === undefined) return result.value;
    const [first] = result.issues;
    const path = ["input", ...(first?.path ?? []).map((part) => String(typeof part === "object" ? part.key : part))];
    throw new this.#driver.UnrecoverableError(`${path.join(".")}: ${first?.message ?? "refused by the task's schema"}`);
  }

  /** What is thrown to BullMQ, after the job was told how the task goes on. */
  #verdict({ policy: { retry } }: Handler, job: Job, error: unknown, signal: AbortSignal): unknown {
    if (hasCode(error, "PERMANENT") || hasCode(signal.reason, "ATTEMPT_CANCELLED")) return this.#unrecoverable(error);
    const options: NotedOptions = job.opts;
    // The job's own word counts, where its producer gave it; BullMQ itself makes one attempt.
    const attempts = options.attempts || retry.attempts;
    const isOurs = readNote(options) !== undefined || options.backoff === undefined;
    if (!isOurs) {
      job.opts = { ...options, attempts };
      return error;
    }
    const failures = job.attemptsMade + 1;
    try {
      const { backoff } = retry;
      const waits =
        typeof backoff === "function" ? backoff({ failures, error }) : retryDelayMs(backoff, failures, Math.random());
      if (waits === false) return this.#unrecoverable(error);
      const delay = typeof backoff === "function" ? parseDuration(waits, "backoff") : Number(waits);
      // This instance decides what BullMQ does next; what is stored stays as it was.
      job.opts = { ...options, attempts, backoff: { type: "fixed", delay } };
      return error;
    } catch (policyError) {
      this.#onError(policyError);
      return this.#unrecoverable(error);
    }
  }

  #unrecoverable(error: unknown): Error {
    const last = new this.#driver.UnrecoverableError(error instanceof Error ? error.message : String(error));
    if (error instanceof Error && error.stack !== undefined) last.stack = error.stack;
    return last;
  }

  async #putBack(job: Job, token: string | undefined): Promise<never> {
    this.#onError(
      new Error(`no handler for task "${job.name}" of BullMQ job ${job.id}: it waits for a worker that has one`),
    );
    const waitMs = Math.min(unknownTaskMsMax, unknownTaskMs * 2 ** Math.min(Math.max(0, job.attemptsStarted - 1), 20));
    return await this.#delay(job, token, Date.now() + waitMs);
  }

  /** No attempt is counted. */
  async #delay(job: Job, token: string | undefined, at: number): Promise<never> {
    await job.moveToDelayed(at, token);
    throw new this.#driver.DelayedError();
  }
}

/** Runs it, and fails when it takes longer, whatever it makes of the signal. */
async function within(
  timeoutMs: number | undefined,
  running: AbortController,
  run: () => Promise<unknown>,
): Promise<unknown> {
  if (timeoutMs === undefined) return await run();
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error = new AttemptTimeoutError(`the attempt took longer than ${formatDuration(timeoutMs)}`);
      running.abort(error);
      reject(error);
    }, timeoutMs);
  });
  try {
    return await Promise.race([run(), expired]);
  } finally {
    clearTimeout(timer);
  }
}

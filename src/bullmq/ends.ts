// Both ends of one queue: what `bullmqQueue` answers.
import {
  type HandleOptions,
  type Handler,
  type HandlerFunction,
  handle,
  InvalidInputError,
  resolveRetry,
  type Task,
  task,
  type WorkerHost,
} from "../index.ts";
import type { BullmqQueue, BullmqWorker, DeliverOptions, WorkOptions } from "./contract.ts";
import { Delivery, type Manner } from "./delivery.ts";
import { Link } from "./link.ts";
import { mapRetry } from "./mapping.ts";
import { checkKeepOutlasts, checkKnown, checkTime, type QueueOptions } from "./options.ts";
import { followPause } from "./pause.ts";
import { startWork } from "./work.ts";

export class Ends implements BullmqQueue {
  readonly #options: QueueOptions;
  readonly #how: HandleOptions;
  readonly #hosts = new Set<WorkerHost>();
  readonly #workers = new Set<Promise<BullmqWorker>>();
  /** Queues of Punctual that deliver; `undefined` stands for any. */
  readonly #queues = new Set<string | undefined>();
  readonly #closed = new AbortController();
  #link: Promise<Link> | undefined;

  constructor(options: QueueOptions) {
    this.#options = options;
    const { name, window } = options;
    this.#how = {
      slots: { name: `bullmq:${name}`, count: window },
      waits: true,
      onStart: (host) => this.#started(host),
    };
  }

  deliver<Input, Parsed>(given?: Task<Input, Parsed> | string, options: DeliverOptions = {}): Handler {
    checkKnown(options, ["retry", "delay", "name", "queue"], "");
    if (options.queue !== undefined && typeof given !== "string") {
      throw new InvalidInputError("queue is for a task given by its name; any other has its own", { field: "queue" });
    }
    const named =
      typeof given === "string"
        ? (task(given, options.queue === undefined ? {} : { queue: options.queue }) as Task)
        : (given as Task | undefined);
    const retry = options.retry === undefined && named !== undefined ? named.policy.retry : resolveRetry(options.retry);
    const manner: Manner = {
      retry: mapRetry(retry, "retry"),
      delayMs: checkTime(options.delay, "delay", 0),
      name: options.name,
    };
    const run: HandlerFunction<unknown> = (_input, context) =>
      new Delivery(context, manner, this.#options, this.#closed.signal).run(() => this.#connect());
    this.#queues.add(named?.policy.queue);
    // One attempt here: those that BullMQ makes are all there are.
    if (named === undefined) return handle.default(run, { retry: { attempts: 1 }, ...this.#how });
    const once = { ...named, policy: { ...named.policy, retry: { ...named.policy.retry, attempts: 1 } } };
    return handle(once, run, this.#how);
  }

  work(handlers: readonly Handler[], options: WorkOptions = {}): Promise<BullmqWorker> {
    const worker = startWork(handlers, options, this.#options, (error) => this.#report(error));
    this.#workers.add(worker);
    worker.catch(() => this.#workers.delete(worker));
    return worker;
  }

  async close(): Promise<void> {
    this.#closed.abort(new Error(`the BullMQ queue "${this.#options.name}" was closed`));
    const workers = [...this.#workers].map(async (worker) => (await worker).close());
    await Promise.allSettled([...workers, this.#disconnect()]);
  }

  #started(host: WorkerHost): () => void {
    checkKeepOutlasts(host.leaseMs, this.#options);
    this.#hosts.add(host);
    const queues = () => [...this.#queues].filter((queue) => queue !== undefined);
    const stop = this.#options.followPause
      ? followPause({ host, link: () => this.#connect(), queues: () => (this.#queues.has(undefined) ? [] : queues()) })
      : () => {};
    return () => {
      stop();
      this.#hosts.delete(host);
      // Nobody delivers any more: what is open would keep the process from ending.
      if (this.#hosts.size === 0) this.#disconnect().catch((error) => this.#report(error));
    };
  }

  /** Connects with the first delivery; one that failed is tried again by the next. */
  #connect(): Promise<Link> {
    this.#closed.signal.throwIfAborted();
    if (this.#link === undefined) {
      const link = Link.open(this.#options, (error) => this.#report(error));
      this.#link = link;
      link.catch((error) => {
        if (this.#link === link) this.#link = undefined;
        this.#report(error);
      });
    }
    return this.#link;
  }

  async #disconnect(): Promise<void> {
    const link = this.#link;
    this.#link = undefined;
    await (await link?.catch(() => undefined))?.close();
  }

  #report(error: unknown): void {
    if (this.#closed.signal.aborted) return;
    this.#options.onError?.(error);
    for (const host of this.#hosts) host.report(error, "bullmq");
    if (this.#options.onError === undefined && this.#hosts.size === 0) {
      process.emitWarning(error instanceof Error ? error : String(error));
    }
  }
}

// What "punctual/bullmq" offers, in types that name neither BullMQ nor ioredis: declarations must not ask for them.
import type { Duration, Handler, RetryOptions, Task, TenantScheduler } from "../index.ts";

/** Options of `bullmqQueue`. */
export interface BullmqQueueOptions {
  /** An ioredis client (Redis or Cluster) of yours, which is never closed; or its options, or a URL, for clients that `close` closes. */
  readonly connection: object | string;
  /** What BullMQ's keys begin with; "bull" by default, as BullMQ has it. In a cluster it needs a hash tag: "{bull}". */
  readonly prefix?: string;
  /** Deliveries in flight at once in this process, apart from the worker's `concurrency`; 100 by default. */
  readonly window?: number;
  /** How long BullMQ keeps jobs that have ended. It must outlast the lease twice over: what is gone there is done again after a crash. */
  readonly keep?: {
    /** 1 h by default. */
    readonly completed?: Duration;
    /** 24 h by default. */
    readonly failed?: Duration;
  };
  /** Whether BullMQ's queue is paused and resumed with the queues that deliver into it, within about a second; true by default. */
  readonly followPause?: boolean;
  /** Told of errors besides `worker:error` of the schedulers that deliver: of Redis's connection, mostly. */
  readonly onError?: (error: unknown) => void;
}

/** How jobs are delivered. */
export interface DeliverOptions {
  /** Attempts and curve at BullMQ; the task's own by default. BullMQ knows fixed and exponential curves, and no longest wait. */
  readonly retry?: RetryOptions;
  /** Wait at BullMQ before the first attempt, besides the job's own; none by default. */
  readonly delay?: Duration;
  /** Name of the jobs at BullMQ; the task's by default. */
  readonly name?: string;
  /** Queue at Punctual of a task given by name; "default" by default. */
  readonly queue?: string;
}

/** How our handlers work for BullMQ. */
export interface WorkOptions {
  /** Jobs at once; 5 by default. */
  readonly concurrency?: number;
  /** BullMQ's lock, which it renews; 30 s by default. A killed worker's jobs run again between one and two of it later. */
  readonly lease?: Duration;
  /** For `ctx.enqueue` and `ctx.schedule.lastCompletedAt`, which throw without it. */
  readonly scheduler?: { tenant(id: string): Pick<TenantScheduler, "enqueue" | "schedules"> };
}

/** A BullMQ worker that runs our handlers. */
export interface BullmqWorker {
  /**
   * Takes no more jobs, waits for those that run; after the timeout (30 s by default) their signals abort, and BullMQ gives
   * them to another worker once their locks have ended.
   */
  close(options?: { readonly timeout?: Duration }): Promise<void>;
}

/** Both ends of a BullMQ queue. */
export interface BullmqQueue {
  /**
   * A handler that adds each job of the task to the BullMQ queue and awaits its end there. BullMQ owns attempts and backoff:
   * what fails there at last has failed here, once. Without a task: jobs of any task that has no other handler.
   * @throws InvalidInputError for a retry curve that BullMQ does not have
   */
  deliver<Input, Parsed>(task?: Task<Input, Parsed> | string, options?: DeliverOptions): Handler;
  /**
   * Runs handlers as a BullMQ worker; resolves when it is ready.
   * @throws InvalidInputError; EngineNotConfiguredError when bullmq or ioredis is not installed
   */
  work(handlers: readonly Handler[], options?: WorkOptions): Promise<BullmqWorker>;
  /**
   * Closes its workers and connections, and lets deliveries go: their jobs are delivered again by whoever runs them next. A
   * queue that only delivers disconnects by itself when its schedulers have stopped.
   */
  close(): Promise<void>;
}

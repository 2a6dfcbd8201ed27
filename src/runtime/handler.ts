// Handlers: the worker's code for a task, and what it is told about its job.
import type { Millis } from "../core/clock.ts";
import { shown } from "../core/duration.ts";
import { InvalidInputError } from "../core/errors.ts";
import type { ClaimedJob } from "../core/job.ts";
import { checkFlag, refuseUnknown } from "../core/options.ts";
import { resolvePolicy, type Task, type TaskOptions, type TaskPolicy } from "../core/task.ts";
import { checkId } from "../core/tenant.ts";
import type { EnqueueOptions } from "./enqueue-options.ts";
import type { Enqueued } from "./jobs-client.ts";
import type { Stats } from "./queues-client.ts";
import type { JobView } from "./views.ts";

/** What a handler is told and can do. */
export interface Context {
  readonly job: JobView;
  /** Claims of the job so far, this one included. */
  readonly attempt: number;
  /** Attempts that failed before this one. */
  readonly failures: number;
  readonly tenant: string;
  /** When the job was due. */
  readonly scheduledAt: Date;
  readonly startedAt: Date;
  /** How long after it was due the attempt began, in ms. */
  readonly delayMs: number;
  /** The schedule that made the job. */
  readonly schedule?:
    | { readonly id: string; readonly metadata: unknown; lastCompletedAt(): Promise<Date | undefined> }
    | undefined;
  /** The tick that made the job: its nominal instant, and how many before it were missed. */
  readonly tick?: { readonly at: Date; readonly missed: number } | undefined;
  /** Aborts on timeout, cancellation, lost lease and shutdown deadline; `reason` is the error that says which. */
  readonly signal: AbortSignal;
  /** Adds a line to the job's log; sent with the next extension or the settlement. */
  log(text: string): void;
  /** Says how far the work is, 0 to 1. */
  progress(share: number): void;
  /**
   * Completes the job inside the caller's open transaction: the work and its completion commit together or not at all.
   * @throws TransactionsUnsupportedError on engines without transactions; LeaseLostError when the job is another's.
   */
  complete(tx: object, output?: unknown): Promise<void>;
  /** Enqueues a job of the same tenant. */
  enqueue<Input>(
    task: Task<Input, unknown> | string,
    input: NoInfer<Input>,
    options?: Omit<EnqueueOptions, "tenant">,
  ): Promise<Enqueued>;
}

/** A handler's code; what it returns is kept as the job's output, as JSON. */
export type HandlerFunction<Parsed> = (input: Parsed, context: Context) => unknown;

/** Slots of a name of their own, for handlers that mostly wait for others; those given the same name share them. */
export interface Slots {
  readonly name: string;
  /** Jobs at once, 1 to 10,000. */
  readonly count: number;
}

/** What a handler's `onStart` is told of the worker that runs it. */
export interface WorkerHost {
  /** A lease, in ms. */
  readonly leaseMs: number;
  /** Counts, and which queues are paused. */
  stats(filter: { readonly tenant?: string; readonly queue?: string }): Promise<Stats>;
  /** Tells of an error as `worker:error`. */
  report(error: unknown, where: string): void;
}

/** How a handler is run. */
export interface HandleOptions {
  /** It runs in these slots, apart from the worker's `concurrency`; its task's queue must then be no other slots' queue. */
  readonly slots?: Slots;
  /**
   * It only waits for work done elsewhere, so that no job of it can have killed its worker: however many crashes it has seen,
   * it is run again, beside others.
   */
  readonly waits?: boolean;
  /** Called when a worker starts to run it; what it answers is called when that worker has stopped. */
  readonly onStart?: (host: WorkerHost) => () => void;
}

/** A task together with its code. `task` is absent for a handler of any task name. */
export interface Handler extends HandleOptions {
  readonly task: Task | undefined;
  readonly policy: TaskPolicy;
  readonly run: HandlerFunction<never>;
}

/** Binds code to a task. */
export function handle<Input, Parsed>(
  task: Task<Input, Parsed>,
  run: HandlerFunction<Parsed>,
  options: HandleOptions = {},
): Handler {
  if (typeof task !== "object" || task === null || !("policy" in task)) {
    throw new InvalidInputError(`task must come from task(name), got ${shown(task)}`, { field: "task" });
  }
  refuseUnknown(options, ["slots", "waits", "onStart"], "");
  return Object.freeze({ task: task as Task, policy: task.policy, run: checkRun(run), ...checkHow(options) });
}

/** Code for jobs of any task name that has no handler of its own; it looks at every queue. */
handle.default = (
  run: HandlerFunction<unknown>,
  options: Omit<TaskOptions<undefined>, "schema" | "queue"> & HandleOptions = {},
): Handler => {
  refuseUnknown(options, ["retry", "timeout", "retention", "slots", "waits", "onStart"], "");
  return Object.freeze({
    task: undefined,
    policy: resolvePolicy(options),
    run: checkRun(run),
    ...checkHow(options),
  });
};

function checkHow({ slots, waits, onStart }: HandleOptions): HandleOptions {
  checkFlag(waits, "waits");
  if (onStart !== undefined && typeof onStart !== "function") {
    throw new InvalidInputError(`onStart must be a function, got ${shown(onStart)}`, { field: "onStart" });
  }
  if (slots !== undefined) {
    refuseUnknown(slots, ["name", "count"], "slots");
    checkId(slots.name, "slots.name");
    if (!(Number.isInteger(slots.count) && slots.count >= 1 && slots.count <= 10_000)) {
      throw new InvalidInputError(`slots.count must be a whole number from 1 to 10,000, got ${shown(slots.count)}`, {
        field: "slots.count",
      });
    }
  }
  return {
    ...(slots === undefined ? {} : { slots: Object.freeze({ ...slots }) }),
    ...(waits === undefined ? {} : { waits }),
    ...(onStart === undefined ? {} : { onStart }),
  };
}

function checkRun(run: unknown): HandlerFunction<never> {
  if (typeof run === "function") return run as HandlerFunction<never>;
  throw new InvalidInputError(`a handler must be a function, got ${shown(run)}`, { field: "run" });
}

/** When a job's attempt began, against when it was due, in ms. */
export function delayOf(job: ClaimedJob, startedAt: Millis): number {
  return Math.max(0, startedAt - job.dueAt);
}

// Handlers: the worker's code for a task, and what it is told about its job.
import type { Millis } from "../core/clock.ts";
import { shown } from "../core/duration.ts";
import { InvalidInputError } from "../core/errors.ts";
import type { ClaimedJob } from "../core/job.ts";
import { refuseUnknown } from "../core/options.ts";
import { resolvePolicy, type Task, type TaskOptions, type TaskPolicy } from "../core/task.ts";
import type { EnqueueOptions } from "./enqueue-options.ts";
import type { Enqueued } from "./jobs-client.ts";
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

/** A task together with its code. `task` is absent for a handler of any task name. */
export interface Handler {
  readonly task: Task | undefined;
  readonly policy: TaskPolicy;
  readonly run: HandlerFunction<never>;
}

/** Binds code to a task. */
export function handle<Input, Parsed>(task: Task<Input, Parsed>, run: HandlerFunction<Parsed>): Handler {
  if (typeof task !== "object" || task === null || !("policy" in task)) {
    throw new InvalidInputError(`task must come from task(name), got ${shown(task)}`, { field: "task" });
  }
  return Object.freeze({ task: task as Task, policy: task.policy, run: checkRun(run) });
}

/** Code for jobs of any task name that has no handler of its own; it looks at every queue. */
handle.default = (
  run: HandlerFunction<unknown>,
  options: Omit<TaskOptions<undefined>, "schema" | "queue"> = {},
): Handler => {
  refuseUnknown(options, ["retry", "timeout", "retention"], "");
  return Object.freeze({ task: undefined, policy: resolvePolicy(options), run: checkRun(run) });
};

function checkRun(run: unknown): HandlerFunction<never> {
  if (typeof run === "function") return run as HandlerFunction<never>;
  throw new InvalidInputError(`a handler must be a function, got ${shown(run)}`, { field: "run" });
}

/** The handlers of a worker: one per task name, the last one given wins. */
export class Registry {
  readonly #byName = new Map<string, Handler>();
  #any: Handler | undefined;

  add(handlers: readonly Handler[]): void {
    for (const handler of handlers) {
      if (handler.task === undefined) this.#any = handler;
      else this.#byName.set(handler.task.name, handler);
    }
  }

  get size(): number {
    return this.#byName.size + (this.#any === undefined ? 0 : 1);
  }

  /** Whether jobs of any name can be run. */
  get takesAny(): boolean {
    return this.#any !== undefined;
  }

  find(task: string): Handler | undefined {
    return this.#byName.get(task) ?? this.#any;
  }

  /** The task itself, when this process knows it. */
  task(name: string): Task | undefined {
    return this.#byName.get(name)?.task;
  }

  /** The queues its tasks are in. */
  queues(): readonly string[] {
    return [...new Set([...this.#byName.values()].map((handler) => handler.policy.queue))];
  }
}

/** When a job's attempt began, against when it was due, in ms. */
export function delayOf(job: ClaimedJob, startedAt: Millis): number {
  return Math.max(0, startedAt - job.dueAt);
}

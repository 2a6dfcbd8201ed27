// One attempt: calls a handler under its lease, with its timeout and abort signal, and says how it ended.
import { defaults } from "../core/defaults.ts";
import {
  AttemptAbortedError,
  AttemptCancelledError,
  AttemptTimeoutError,
  hasCode,
  InvalidInputError,
  LeaseLostError,
} from "../core/errors.ts";
import type { ClaimedJob, LogLine } from "../core/job.ts";
import { decodePayload, encodePayload } from "../core/payload.ts";
import { type AttemptEnd, timeoutMessage } from "../core/settling.ts";
import type { Task } from "../core/task.ts";
import type { Cancel, RuntimeClock } from "./clock.ts";
import { type Context, delayOf, type Handler } from "./handler.ts";
import { validateInput } from "./validate-input.ts";
import { viewJob } from "./views.ts";

/** What the worker offers an attempt. */
export interface AttemptHost {
  readonly clock: RuntimeClock;
  /** The store's now, as estimated. */
  now(): number;
  /** Settles the job as completed inside the caller's transaction. */
  complete(tx: object, output: string): Promise<void>;
  readonly enqueue: Context["enqueue"];
  lastCompletedAt(): Promise<Date | undefined>;
}

/** What a handler has said of its progress. */
export interface Report {
  readonly progress?: number;
  readonly log?: readonly LogLine[];
}

export class Attempt {
  readonly job: ClaimedJob;
  readonly startedAt: number;
  /** The handler called `complete(tx)`: what the store then says decides, not what the handler returns. */
  completedInTransaction = false;
  /** Whether the store has been told that the handler was called. */
  startTold: boolean;
  #progress: number | undefined;
  #log: LogLine[] = [];
  readonly #abort = new AbortController();
  readonly #host: AttemptHost;
  readonly #handler: Handler;
  #lost = false;
  #cancelled = false;
  #stopped: AttemptEnd | undefined;
  #onStopped: (end: AttemptEnd) => void = () => {};

  constructor(job: ClaimedJob, handler: Handler, host: AttemptHost) {
    this.job = job;
    this.startTold = job.started === true;
    this.#handler = handler;
    this.#host = host;
    this.startedAt = host.now();
  }

  get lost(): boolean {
    return this.#lost;
  }

  /** The lease is gone: whatever the handler does from here on cannot be settled. */
  lose(message: string): void {
    if (this.#lost) return;
    this.#lost = true;
    this.#stop(new LeaseLostError(message, { details: { job: this.job.id } }), { kind: "aborted" });
  }

  /** Someone cancelled the job: the handler is asked to stop, and decides by returning or throwing (J8). */
  cancel(): void {
    this.#cancelled = true;
    this.#abort.abort(new AttemptCancelledError(`job ${this.job.id} was cancelled`));
  }

  /** The shutdown deadline has passed. */
  shutDown(): void {
    this.#stop(new AttemptAbortedError(`the worker stopped before job ${this.job.id} was done`), { kind: "aborted" });
  }

  /** Aborts the handler, and ends the attempt even when the handler goes on. A cancelled one ends as cancelled. */
  #stop(reason: Error, end: AttemptEnd): void {
    this.#abort.abort(reason);
    this.#stopped ??= this.#cancelled ? { kind: "cancelled" } : end;
    const stopped = this.#stopped;
    // One that returns in the same turn of the event loop speaks for itself; after that, the abort does.
    this.#host.clock.soon(() => this.#onStopped(stopped));
  }

  /** What the handler has reported since the last call, to travel with an extension or the settlement. */
  takeReport(): Report {
    const log = this.#log;
    const progress = this.#progress;
    this.#log = [];
    this.#progress = undefined;
    return { ...(progress === undefined ? {} : { progress }), ...(log.length === 0 ? {} : { log }) };
  }

  /** Gives back a report that did not reach the store; what was said since stays newer. */
  putBack(report: Report | undefined): void {
    this.#progress ??= report?.progress;
    this.#log = [...(report?.log ?? []), ...this.#log].slice(-defaults.logLinesMax);
  }

  /**
   * Runs the handler. `ended` is how the attempt ended; a timeout, a lost lease and a shutdown end it even when the
   * handler goes on, a cancellation only asks. `returned` resolves when the handler itself has returned, which frees
   * its slot (J8).
   */
  run(): { readonly ended: Promise<AttemptEnd>; readonly returned: Promise<void> } {
    const { timeoutMs } = this.#handler.policy;
    const stopped = new Promise<AttemptEnd>((resolve) => {
      this.#onStopped = resolve;
    });
    let cancelTimeout: Cancel = () => {};
    if (timeoutMs !== undefined) {
      const onTimeout = () => {
        const error = new AttemptTimeoutError(timeoutMessage(timeoutMs));
        this.#stop(error, { kind: "timed-out", error });
      };
      cancelTimeout = this.#host.clock.after(timeoutMs, onTimeout);
    }
    // A handler that finishes its work all the same has finished it; one that throws was stopped by the abort.
    const handled = this.#handle().then((end) => (end.kind === "threw" ? (this.#askedToEnd() ?? end) : end));
    const returned = handled.then(() => cancelTimeout());
    return { ended: Promise.race([handled, stopped]), returned };
  }

  #askedToEnd(): AttemptEnd | undefined {
    return this.#stopped ?? (this.#cancelled ? { kind: "cancelled" } : undefined);
  }

  async #handle(): Promise<AttemptEnd> {
    let input: unknown;
    try {
      input = await parseInput(this.#handler.task, this.job.input);
    } catch (error) {
      // A schema that throws (a look-up that failed, say) has refused nothing.
      return hasCode(error, "INPUT_REFUSED") ? { kind: "input-refused", error } : { kind: "threw", error };
    }
    try {
      const run = this.#handler.run as (input: unknown, context: Context) => unknown;
      const output = await run(input, this.#context());
      return { kind: "completed", output: this.#encodeOutput(output) };
    } catch (error) {
      return { kind: "threw", error };
    }
  }

  /** The work is done: an output that cannot be kept must not make it be done again. */
  #encodeOutput(output: unknown): string {
    try {
      return encodePayload(output, "output", defaults.payloadBytesMax);
    } catch (error) {
      this.#note(`the output was not kept: ${error instanceof Error ? error.message : String(error)}`);
      return "null";
    }
  }

  #note(text: string): void {
    const at = Math.round(this.#host.now());
    this.#log.push({ at, attempt: this.job.attempt, text: text.slice(0, defaults.logLineCharsMax) });
    if (this.#log.length > defaults.logLinesMax) this.#log.shift();
  }

  #context(): Context {
    const { job } = this;
    const host = this.#host;
    const origin = job.schedule;
    let view: Context["job"] | undefined;
    return {
      get job() {
        view ??= viewJob(job, job.claimedAt);
        return view;
      },
      attempt: job.attempt,
      failures: job.failures,
      tenant: job.tenant,
      scheduledAt: new Date(job.dueAt),
      startedAt: new Date(this.startedAt),
      delayMs: delayOf(job, this.startedAt),
      ...(origin === undefined
        ? {}
        : {
            schedule: {
              id: origin.id,
              get metadata() {
                return job.metadata === undefined ? undefined : decodePayload(job.metadata);
              },
              lastCompletedAt: () => host.lastCompletedAt(),
            },
            tick: { at: new Date(origin.tick), missed: origin.missed },
          }),
      signal: this.#abort.signal,
      log: (text) => this.#note(String(text)),
      progress: (share) => {
        if (typeof share !== "number" || !(share >= 0 && share <= 1)) {
          throw new InvalidInputError(`progress must be 0 to 1, got ${share}`, { field: "progress" });
        }
        this.#progress = share;
      },
      complete: async (tx, output) => {
        await host.complete(tx, encodePayload(output, "output", defaults.payloadBytesMax));
        this.completedInTransaction = true;
      },
      enqueue: host.enqueue,
    };
  }
}

async function parseInput(task: Task | undefined, stored: string): Promise<unknown> {
  const input = decodePayload(stored);
  return task?.schema === undefined ? input : await validateInput(task, input);
}

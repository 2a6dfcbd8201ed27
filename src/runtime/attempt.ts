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
import { type ContextHost, contextOf } from "./attempt-context.ts";
import type { Cancel, RuntimeClock } from "./clock.ts";
import type { Handler, HandlerFunction } from "./handler.ts";
import { validateInput } from "./validate-input.ts";

/** What the worker offers its attempts. */
export interface AttemptHost extends ContextHost {
  readonly clock: RuntimeClock;
  /** The store's now, as estimated. */
  now(): number;
  /** Told of what should not happen after a handler. */
  onError(error: unknown): void;
}

/** What a handler has said of its progress. */
export interface Report {
  readonly progress?: number;
  readonly log?: readonly LogLine[];
}

const settled = Promise.resolve();

export class Attempt {
  readonly job: ClaimedJob;
  readonly startedAt: number;
  /** The handler called `complete(tx)`: what the store then says decides, not what the handler returns. */
  completedInTransaction = false;
  /**
   * `complete(tx)` has begun and has not failed: the transaction has the job in hand until it ends, which nobody tells, and
   * once it is committed the lease is gone as it should be.
   */
  completing = false;
  /** Whether the store has been told that the handler was called. */
  startTold: boolean;
  #progress: number | undefined;
  #log: LogLine[] = [];
  #abort: AbortController | undefined;
  #abortReason: Error | undefined;
  readonly #host: AttemptHost;
  readonly #handler: Handler;
  #lost = false;
  #cancelled = false;
  #stopped: AttemptEnd | undefined;
  #onEnd: ((end: AttemptEnd) => void) | undefined;

  /** @param startedAt the store's now, as estimated */
  constructor(job: ClaimedJob, handler: Handler, host: AttemptHost, startedAt: number) {
    this.job = job;
    this.startTold = job.started === true;
    this.#handler = handler;
    this.#host = host;
    this.startedAt = startedAt;
  }

  /** Made when it is first asked for: most handlers never look at it. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#abortReason !== undefined) this.#abort.abort(this.#abortReason);
    }
    return this.#abort.signal;
  }

  #abortWith(reason: Error): void {
    this.#abortReason ??= reason;
    this.#abort?.abort(reason);
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
    this.#abortWith(new AttemptCancelledError(`job ${this.job.id} was cancelled`));
  }

  /** The shutdown deadline has passed. */
  shutDown(): void {
    this.#stop(new AttemptAbortedError(`the worker stopped before job ${this.job.id} was done`), { kind: "aborted" });
  }

  /** Aborts the handler, and ends the attempt even when the handler goes on. A cancelled one ends as cancelled. */
  #stop(reason: Error, end: AttemptEnd): void {
    this.#abortWith(reason);
    this.#stopped ??= this.#cancelled ? { kind: "cancelled" } : end;
    const stopped = this.#stopped;
    // One that returns in the same turn of the event loop speaks for itself; after that, the abort does.
    this.#host.clock.soon(() => this.#safely(() => this.#end(stopped)));
  }

  #end(end: AttemptEnd): void {
    const onEnd = this.#onEnd;
    this.#onEnd = undefined;
    onEnd?.(end);
  }

  /** What the handler has reported since the last call, to travel with an extension or the settlement. */
  takeReport(): Report | undefined {
    if (this.#progress === undefined && this.#log.length === 0) return undefined;
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
   * Runs the handler. `onEnd` is told once how the attempt ended; a timeout, a lost lease and a shutdown end it even
   * when the handler goes on, a cancellation only asks. `onReturn` is called when the handler itself has returned,
   * which frees its slot (J8).
   */
  run(onEnd: (end: AttemptEnd) => void, onReturn: () => void): void {
    const { timeoutMs } = this.#handler.policy;
    this.#onEnd = onEnd;
    let cancelTimeout: Cancel | undefined;
    if (timeoutMs !== undefined) {
      const onTimeout = () => {
        const error = new AttemptTimeoutError(timeoutMessage(timeoutMs));
        this.#stop(error, { kind: "timed-out", error });
      };
      cancelTimeout = this.#host.clock.after(timeoutMs, onTimeout);
    }
    const returned = (end: AttemptEnd) => {
      cancelTimeout?.();
      this.#safely(() => this.#end(this.#decidedBefore(end) ?? end));
      // Whatever became of the job, the slot is free.
      this.#safely(onReturn);
    };
    // Few promises: there is one attempt for every job.
    if (this.#handler.task?.schema === undefined) this.#call(() => decodePayload(this.job.input), returned);
    else this.#validated(returned);
  }

  #safely(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#host.onError(error);
    }
  }

  /**
   * What has ended the attempt before its handler did. A timeout has, whatever the handler makes of the signal. Else a handler
   * that finishes its work all the same has finished it, and one that throws was stopped by the abort.
   */
  #decidedBefore(end: AttemptEnd): AttemptEnd | undefined {
    if (this.#stopped?.kind === "timed-out") return this.#stopped;
    if (end.kind !== "threw") return undefined;
    return this.#stopped ?? (this.#cancelled ? { kind: "cancelled" } : undefined);
  }

  #validated(returned: (end: AttemptEnd) => void): void {
    const validate = async () => validateInput(this.#handler.task, decodePayload(this.job.input));
    validate().then(
      (input) => this.#call(() => input, returned),
      // A schema that throws (a look-up that failed, say) has refused nothing.
      (error: unknown) =>
        returned(hasCode(error, "INPUT_REFUSED") ? { kind: "input-refused", error } : { kind: "threw", error }),
    );
  }

  #call(read: () => unknown, returned: (end: AttemptEnd) => void): void {
    const run = this.#handler.run as HandlerFunction<unknown>;
    // In a turn of its own: what a handler enters (AsyncLocalStorage) no other job sees, and those that return at once
    // do not pile up on the stack.
    settled
      .then(() => run(read(), contextOf(this, this.#host)))
      .then(
        (value) => returned({ kind: "completed", output: this.#encodeOutput(value) }),
        (error: unknown) => returned({ kind: "threw", error }),
      );
  }

  /** The work is done: an output that cannot be kept must not make it be done again. */
  #encodeOutput(output: unknown): string {
    try {
      return encodePayload(output, "output", defaults.payloadBytesMax);
    } catch (error) {
      this.note(`the output was not kept: ${error instanceof Error ? error.message : String(error)}`);
      return "null";
    }
  }

  /** Adds a line to the job's log. */
  note(text: string): void {
    const at = Math.round(this.#host.now());
    this.#log.push({ at, attempt: this.job.attempt, text: text.slice(0, defaults.logLineCharsMax) });
    if (this.#log.length > defaults.logLinesMax) this.#log.shift();
  }

  /** @throws InvalidInputError for what is not 0 to 1 */
  report(share: number): void {
    if (typeof share !== "number" || !(share >= 0 && share <= 1)) {
      throw new InvalidInputError(`progress must be 0 to 1, got ${share}`, { field: "progress" });
    }
    this.#progress = share;
  }
}

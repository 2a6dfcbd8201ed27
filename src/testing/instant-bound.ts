// How many jobs may run at one instant of a test's clock: a handler that makes work without end is told, not followed.
import { AssertionError } from "node:assert";

/** So many of the last jobs a message names. */
const namedMax = 5;

export class InstantBound {
  readonly #max: number;
  readonly #now: () => Date;
  readonly #show: (at: Date) => string;
  #at = Number.NaN;
  #ran = 0;
  readonly #last: string[] = [];
  #message: string | undefined;

  /** @param max jobs per instant; Infinity for no bound */
  constructor(max: number, now: () => Date, show: (at: Date) => string) {
    this.#max = max;
    this.#now = now;
    this.#show = show;
  }

  /** Counts a job of this task that is to run now. Answers whether it may; once one may not, none may until `forget`. */
  admits(task: string): boolean {
    if (this.#message !== undefined) return false;
    const now = this.#now();
    if (now.getTime() !== this.#at) {
      this.#at = now.getTime();
      this.#ran = 0;
    }
    if (this.#ran === this.#max) {
      this.#message = `${this.#max} jobs ran at ${this.#show(now)} and more are due: ${endless(this.#last)} Raise testScheduler({ jobsPerInstantMax }) if so many are right.`;
      return false;
    }
    this.#ran++;
    this.#last.push(task);
    if (this.#last.length > namedMax) this.#last.shift();
    return true;
  }

  /** @throws AssertionError once a job was not admitted */
  check(): void {
    if (this.#message !== undefined) throw new AssertionError({ message: this.#message, operator: "fail" });
  }

  /** The scheduler starts again: so does the count. */
  forget(): void {
    this.#message = undefined;
    this.#ran = 0;
  }
}

/** What is likely to be wrong when jobs do not end, and of which tasks the last ones were. */
export function endless(tasks: readonly string[]): string {
  const last = tasks.slice(-namedMax).join(", ");
  return `does a handler enqueue its own task without a delay? The last were of ${last}.`;
}

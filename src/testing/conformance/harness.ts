// What a chapter of the conformance suite is given: a fresh store, two handles on it, and a clock that a fact moves.
import type { Clock, Millis } from "../../core/clock.ts";
import type { Engine } from "../../core/engine.ts";
import type { HistoryOptions } from "../../core/history.ts";

/** One promise, as a fact in the present tense that begins with its id. */
export interface Fact {
  readonly title: string;
  readonly run: (harness: Harness) => Promise<void>;
}

/** The facts of one subject. */
export interface Chapter {
  readonly title: string;
  readonly facts: readonly Fact[];
}

/** A fresh, empty store. */
export interface Harness {
  /** The primary handle, opened. */
  readonly engine: Engine;
  /** A second handle on the same store; the same object where a store has only one, in another process where it can. */
  readonly other: Engine;
  /** The clock of all handles; it begins at `start`. */
  readonly clock: TestClock;
  /** Begins a caller's own transaction; absent where the engine has none to join. */
  readonly beginTx?: () => Promise<OpenTx>;
  /** Opens another engine on a fresh store of its own, with options; it shares the clock. */
  openWith(options: HistoryOptions): Promise<Engine>;
  close(): Promise<void>;
}

/** The part of an engine that a caller's transaction gives. */
type Joined = ReturnType<NonNullable<Engine["using"]>>;

/** A caller's open transaction with the engine bound to it. */
export interface OpenTx {
  readonly joined: Joined;
  /** Whether others read on while it is open; where all share one connection, they wait for its end. */
  readonly othersReadOn: boolean;
  commit(): Promise<void>;
  rollback(): Promise<void>;
}

/** When every fact begins: midnight UTC, so that minutes and hours are round. */
export const start: Millis = Date.UTC(2030, 0, 1);

/** A clock that stands still until it is moved. */
export class TestClock implements Clock {
  #now: Millis = start;

  now(): Millis {
    return this.#now;
  }

  /** Moves the clock; a negative span moves it back. */
  advance(ms: number): void {
    this.#now += ms;
  }

  /** Takes over another process's time. */
  set(now: Millis): void {
    this.#now = now;
  }
}

/** A fact of a chapter. */
export function fact(title: string, run: (harness: Harness) => Promise<void>): Fact {
  return { title, run };
}

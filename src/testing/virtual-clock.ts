// Time that stands still until a test moves it, for the runtime's loops and for engines without a server. It jumps from
// one instant with work to the next, so that time in which nothing is due costs nothing.
import type { Clock, Millis } from "../core/clock.ts";
import { type Duration, parseDuration } from "../core/duration.ts";
import type { Cancel, RuntimeClock } from "../runtime/clock.ts";
import { Heap } from "../world/heap.ts";
import { afterMicrotasks, laterImmediate, nextTurn, pendingImmediates } from "./real-time.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  /** Absent once it has run or was cancelled. */
  callback: (() => void) | undefined;
}

/** Turns of the event loop without new work after which all is quiet, where the runtime cannot tell what is pending. */
const quietTurns = 3;

/** Rounds of `soon` after which the event loop has a turn: real timers, such as a runner's time limit, run only then. */
const roundsMax = 100;

/** Turns of the event loop that code gets at one instant which goes on for ever by setImmediate. */
const turnsMax = 200;

/** A clock for `createScheduler({ clock })` and `memory({ clock })` at once. */
export class VirtualClock implements RuntimeClock, Clock {
  /** Time passes only when it is moved, so nobody need look whether it has. */
  readonly patient: boolean = true;
  readonly #startedAt: Millis;
  #elapsedMs = 0;
  #jumpMs = 0;
  readonly #timers = new Heap<Timer>(
    (a, b) => a.at - b.at || a.order - b.order,
    ({ callback }) => callback !== undefined,
  );
  #order = 0;
  readonly #soon: (() => void)[] = [];
  #isSoonAwaited = false;
  #settling = 0;
  #moving: Promise<void> = Promise.resolve();
  #instants = 0;

  /** @param startAt the first instant; 2026-01-01T00:00:00Z by default */
  constructor(startAt: Date | Millis = Date.UTC(2026, 0, 1)) {
    this.#startedAt = typeof startAt === "number" ? startAt : startAt.getTime();
  }

  /** The store's clock: it never jumps. */
  now = (): Millis => this.#startedAt + this.#elapsedMs;

  monotonic = (): number => this.#elapsedMs;

  wall = (): number => this.now() + this.#jumpMs;

  after = (ms: number, callback: () => void): Cancel => {
    const waitMs = ms > 0 ? Math.ceil(ms) : 0;
    const timer: Timer = { at: this.#elapsedMs + waitMs, order: this.#order++, callback };
    this.#timers.push(timer);
    return () => {
      timer.callback = undefined;
    };
  };

  soon = (callback: () => void): void => {
    this.#soon.push(callback);
    // Whoever settles runs it; else the event loop does.
    if (this.#settling === 0) this.#runSoonLater();
  };

  /** When the earliest timer is to run; undefined when none is set. */
  nextAt(): Millis | undefined {
    const timer = this.#first();
    return timer === undefined ? undefined : this.#startedAt + timer.at;
  }

  /** How many timers have run so far: what the time that has passed has cost. */
  get instants(): number {
    return this.#instants;
  }

  /** Sets the machine's wall clock off by so much, as an operator or NTP might. */
  jumpWall(ms: number): void {
    this.#jumpMs += ms;
  }

  /**
   * Moves time on, by milliseconds or a text such as "1d" or "1h30m". Every timer on the way runs at its instant, those
   * of one instant in the order they were set, and what each began comes to rest before the next. A call made while
   * time is being moved moves it further, after that.
   * @throws InvalidInputError for what is no duration
   */
  async advance(by: Duration): Promise<void> {
    const ms = parseDuration(by, "by");
    const moved = this.#moving.then(() => this.#advance(ms));
    this.#moving = moved.catch(() => {});
    await moved;
  }

  async #advance(ms: number): Promise<void> {
    const until = this.#elapsedMs + ms;
    await this.settle();
    for (let next = this.#first(); next !== undefined && next.at <= until; next = this.#first()) {
      this.#timers.pop();
      this.#elapsedMs = Math.max(this.#elapsedMs, next.at);
      this.#instants++;
      const { callback } = next;
      next.callback = undefined;
      callback?.();
      await this.settle();
    }
    this.#elapsedMs = until;
    await this.settle();
  }

  /**
   * Lets everything that needs no time come to rest: promises, `setImmediate` and `process.nextTick`, in chains of any
   * length. What waits for the world outside (a file, a socket, a real timer) is not waited for.
   */
  async settle(): Promise<void> {
    this.#settling++;
    try {
      let turns = 0;
      for (let quiet = 0; quiet < 1 && turns < turnsMax; turns++) {
        await afterMicrotasks();
        for (let rounds = 1; this.#soon.length > 0; rounds++) {
          this.#runSoon();
          await afterMicrotasks();
          if (rounds % roundsMax === 0) await nextTurn();
        }
        await nextTurn();
        const pending = pendingImmediates?.() ?? turns < quietTurns - 1;
        quiet = this.#soon.length > 0 || pending ? 0 : 1;
      }
    } finally {
      this.#settling--;
    }
    if (this.#settling === 0 && this.#soon.length > 0) this.#runSoonLater();
  }

  #runSoonLater(): void {
    if (this.#isSoonAwaited) return;
    this.#isSoonAwaited = true;
    laterImmediate(() => {
      this.#isSoonAwaited = false;
      this.#runSoon();
      if (this.#soon.length > 0) this.#runSoonLater();
    });
  }

  #runSoon(): void {
    // One after another, so that one which throws takes no other with it; those set meanwhile have the next round.
    for (let left = this.#soon.length; left > 0; left--) this.#soon.shift()?.();
  }

  #first(): Timer | undefined {
    for (let top = this.#timers.peek(); top !== undefined; top = this.#timers.peek()) {
      if (top.callback !== undefined) return top;
      this.#timers.pop();
    }
    return undefined;
  }
}

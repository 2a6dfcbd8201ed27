// Time that stands still until a test moves it, for the runtime's loops and for engines without a server.
import type { Clock, Millis } from "../core/clock.ts";
import { InvalidInputError } from "../core/errors.ts";
import type { Cancel, RuntimeClock } from "../runtime/clock.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Turns of the event loop without new work after which everything counts as settled. */
const quietTurns = 3;

/** A clock for `createScheduler({ clock })` and `memory({ clock })` at once. */
export class VirtualClock implements RuntimeClock, Clock {
  readonly #startedAt: Millis;
  #elapsedMs = 0;
  #jumpMs = 0;
  readonly #timers = new Set<Timer>();
  #order = 0;
  #soon = 0;

  /** @param startAt the first instant; 2026-01-01T00:00:00Z by default */
  constructor(startAt: Date | Millis = Date.UTC(2026, 0, 1)) {
    this.#startedAt = typeof startAt === "number" ? startAt : startAt.getTime();
  }

  /** The store's clock: it never jumps. */
  now = (): Millis => this.#startedAt + this.#elapsedMs;

  monotonic = (): number => this.#elapsedMs;

  wall = (): number => this.now() + this.#jumpMs;

  after = (ms: number, callback: () => void): Cancel => {
    const timer: Timer = { at: this.#elapsedMs + Math.ceil(Math.max(0, ms)), order: this.#order++, callback };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  };

  soon = (callback: () => void): void => {
    this.#soon++;
    setImmediate(() => {
      this.#soon--;
      callback();
    });
  };

  /** Sets the machine's wall clock off by so much, as an operator or NTP might. */
  jumpWall(ms: number): void {
    this.#jumpMs += ms;
  }

  /**
   * Moves time on, running every timer on the way at its instant, and lets what they began settle.
   * @throws InvalidInputError for less than nothing
   */
  async advance(ms: number): Promise<void> {
    if (!(ms >= 0 && Number.isFinite(ms))) {
      throw new InvalidInputError(`ms must be 0 or more, got ${ms}`, { field: "ms" });
    }
    const until = this.#elapsedMs + ms;
    await this.settle();
    for (let next = this.#next(until); next !== undefined; next = this.#next(until)) {
      this.#timers.delete(next);
      this.#elapsedMs = Math.max(this.#elapsedMs, next.at);
      next.callback();
      await this.settle();
    }
    this.#elapsedMs = until;
    await this.settle();
  }

  /** Lets everything that needs no time come to rest. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < quietTurns; quiet = this.#soon > 0 ? 0 : quiet + 1) {
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  #next(until: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.at > until) continue;
      if (first === undefined || timer.at < first.at || (timer.at === first.at && timer.order < first.order))
        first = timer;
    }
    return first;
  }
}

// The store's clock: the server's, as it was last asked, carried on by this process's own timer. A wall clock that is wrong
// here, or jumps, changes nothing.
import type { JetStreamManager } from "@nats-io/jetstream";
import type { Clock, Millis } from "../../core/clock.ts";

/** How often the server is asked, in ms: timers of two machines part by some ms an hour. */
const askEveryMs = 60_000;
/** So many questions at a time, until it is known as precisely as this, in ms. */
const questionsMax = 8;
const preciseEnoughMs = 1;
/** Processes' ideas of the server's clock differ by less than this, in ms; where it is behind by more it was set back. */
const unevenMs = 1_000;
/** What was learnt so long ago, in ms, counts no more. */
const forgetMs = 600_000;

export class StoreClock implements Clock {
  readonly #test: Clock | undefined;
  /** What is added to the process's timer. */
  #offset = Date.now() - performance.now();
  /** The least and the most that it may be, by the server's answers, and since when they agree. */
  #lowest = Number.NEGATIVE_INFINITY;
  #highest = Number.POSITIVE_INFINITY;
  #since = Number.NEGATIVE_INFINITY;
  /** The latest instant of the journal: time does not run back in it, unless the server's clock was set back. */
  #floor: Millis = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param test stands for the server's clock */
  constructor(test: Clock | undefined) {
    this.#test = test;
  }

  now(): Millis {
    if (this.#test !== undefined) return this.#test.now();
    const now = Math.floor(performance.now() + this.#offset);
    return now < this.#floor && this.#floor - now < unevenMs ? this.#floor : now;
  }

  /** The journal holds something of an instant. */
  saw(at: Millis): void {
    this.#floor = at;
  }

  /** Asks the server now, and again and again until `stop`. Once more after each new connection: it may be another server. */
  async start(jsm: JetStreamManager, stream: string): Promise<void> {
    if (this.#test !== undefined) return;
    await this.#ask(jsm, stream);
    this.stop();
    this.#timer = setInterval(() => {
      this.#ask(jsm, stream).catch(() => {});
    }, askEveryMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /**
   * Each answer says between which instants of this process's timer the server's clock showed what it said. The interval
   * in which all answers agree narrows; where they do not agree a clock was set, and they begin anew.
   */
  async #ask(jsm: JetStreamManager, stream: string): Promise<void> {
    for (let index = 0; index < questionsMax; index++) {
      const sent = performance.now();
      const { ts } = (await jsm.streams.info(stream)) as { readonly ts?: string };
      const received = performance.now();
      const said = ts === undefined ? Number.NaN : preciseMs(ts);
      if (Number.isNaN(said)) return;
      const least = said - received;
      const most = said - sent;
      const agrees = least <= this.#highest && most >= this.#lowest && this.#isFresh(received);
      this.#lowest = agrees ? Math.max(least, this.#lowest) : least;
      this.#highest = agrees ? Math.min(most, this.#highest) : most;
      if (!agrees) this.#since = received;
      this.#offset = (this.#lowest + this.#highest) / 2;
      if (this.#highest - this.#lowest < preciseEnoughMs) return;
    }
  }

  /** Timers part: what was learnt long ago counts no more. */
  #isFresh(at: number): boolean {
    return at - this.#since < forgetMs;
  }
}

/** With the fraction of a millisecond, which a Date would cut. */
function preciseMs(ts: string): number {
  const fraction = /\.(\d+)/.exec(ts)?.[1] ?? "0";
  return Date.parse(ts.replace(/\.\d+/, "")) + Number(`0.${fraction}`) * 1_000;
}

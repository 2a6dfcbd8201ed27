// How many jobs to hold ready beyond the free slots: about 50 ms of work at the measured rate, none for slow handlers.
import { defaults } from "../core/defaults.ts";

/** Weight of the newest duration in the moving average. */
const newestShare = 0.1;

export class Prefetch {
  readonly #concurrency: number;
  /** Most jobs to hold. */
  readonly max: number;
  #meanMs: number | undefined;
  #stalled = false;

  /** @param travels see Engine */
  constructor(concurrency: number, travels = false) {
    this.#concurrency = concurrency;
    this.max = (travels ? defaults.travelFactor : 1) * defaults.prefetchMax;
  }

  /** Takes in how long a handler took, in ms. */
  learn(durationMs: number): void {
    this.#stalled = false;
    this.#meanMs = this.#meanMs === undefined ? durationMs : this.#meanMs + newestShare * (durationMs - this.#meanMs);
  }

  /** The slots hang: nothing is prefetched until a handler returns. */
  stall(): void {
    this.#stalled = true;
  }

  /** Jobs to hold ready; 0 until a duration is known. */
  get size(): number {
    if (this.#stalled || this.#meanMs === undefined || this.#meanMs > defaults.prefetchSlowMs) return 0;
    const size = (defaults.prefetchMs * this.#concurrency) / Math.max(this.#meanMs, 0.001);
    return Math.min(this.max, Math.floor(size));
  }
}

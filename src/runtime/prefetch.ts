// How many jobs to hold ready beyond the free slots: about 50 ms of work at the measured rate, none for slow handlers.
import { defaults } from "../core/defaults.ts";

/** Weight of the newest duration in the moving average. */
const newestShare = 0.1;

export class Prefetch {
  readonly #concurrency: number;
  /** Most jobs to hold. */
  readonly max: number;
  /** Most jobs to ask for in one claim, beyond the free slots. */
  readonly claimMax: number;
  #meanMs: number | undefined;
  #stalled = false;

  /** @param travels see Engine */
  constructor(concurrency: number, travels = false) {
    this.#concurrency = concurrency;
    this.claimMax = (travels ? defaults.travelFactor : 1) * defaults.prefetchMax;
    // While those of one claim run, the next claim is on its way.
    this.max = (travels ? 2 : 1) * this.claimMax;
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

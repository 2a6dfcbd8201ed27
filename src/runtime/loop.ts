// A loop that takes turns, sleeps exactly until something is due, can be woken sooner, and backs off when a turn fails.
import { backoffMs, type Cancel, type RuntimeClock } from "./clock.ts";

export interface LoopOptions {
  readonly clock: RuntimeClock;
  /** One turn; answers how long to sleep, in ms, 0 for at once. */
  readonly turn: () => Promise<number>;
  /** No sleep is longer, in ms: what nobody signalled is still found in time. */
  readonly horizonMs: number;
  readonly onError: (error: unknown) => void;
  /** 0 ≤ random < 1. */
  readonly random: () => number;
}

export class Loop {
  readonly #options: LoopOptions;
  #state: "idle" | "sleeping" | "turning" | "stopped" = "idle";
  #failures = 0;
  #wakeAt = Number.POSITIVE_INFINITY;
  #sleepingUntil = Number.POSITIVE_INFINITY;
  #cancelSleep: Cancel = () => {};
  #turn: Promise<void> = Promise.resolve();

  constructor(options: LoopOptions) {
    this.#options = options;
  }

  /** Whether the last turn failed: its store is away. */
  get failing(): boolean {
    return this.#failures > 0;
  }

  start(): void {
    if (this.#state === "idle") this.#sleep(0);
  }

  /** Makes the next turn begin within so many milliseconds. A loop that backs off is left alone. */
  wake(inMs = 0): void {
    const at = this.#options.clock.monotonic() + Math.max(0, inMs);
    if (this.#state === "turning") this.#wakeAt = Math.min(this.#wakeAt, at);
    else if (this.#state === "sleeping" && this.#failures === 0 && at < this.#sleepingUntil) this.#sleep(inMs);
  }

  /** Begins the next turn now, if it was to begin with the next round of the event loop. */
  hurry(): void {
    if (this.#state !== "sleeping" || this.#sleepingUntil > this.#options.clock.monotonic()) return;
    this.#cancelSleep();
    this.#begin();
  }

  /** Ends the loop after the turn in progress, if there is one. */
  async stop(): Promise<void> {
    this.#cancelSleep();
    this.#state = "stopped";
    await this.#turn;
  }

  #sleep(ms: number): void {
    const { clock } = this.#options;
    this.#cancelSleep();
    this.#state = "sleeping";
    this.#sleepingUntil = clock.monotonic() + ms;
    if (ms > 0) {
      this.#cancelSleep = clock.after(ms, () => this.#begin());
      return;
    }
    // Through the event loop even when there is no wait, so that a busy loop starves nobody.
    let cancelled = false;
    this.#cancelSleep = () => {
      cancelled = true;
    };
    clock.soon(() => {
      if (!cancelled) this.#begin();
    });
  }

  #begin(): void {
    if (this.#state !== "sleeping") return;
    this.#state = "turning";
    this.#wakeAt = Number.POSITIVE_INFINITY;
    this.#turn = this.#take();
  }

  async #take(): Promise<void> {
    const { turn, horizonMs, onError, clock } = this.#options;
    let sleepMs: number;
    try {
      sleepMs = Math.min(Math.max(0, await turn()), horizonMs);
      this.#failures = 0;
    } catch (error) {
      sleepMs = backoffMs(this.#failures++, this.#options.random());
      onError(error);
    }
    if (this.#state === "stopped") return;
    const wokenMs = this.#failures > 0 ? Number.POSITIVE_INFINITY : this.#wakeAt - clock.monotonic();
    this.#sleep(Math.max(0, Math.min(sleepMs, wokenMs)));
  }
}

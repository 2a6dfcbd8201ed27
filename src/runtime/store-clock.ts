// The runtime's estimate of the store's clock. It only decides when to wake: what is due is the store's own say.
import type { Millis } from "../core/clock.ts";
import { defaults } from "../core/defaults.ts";
import type { RuntimeClock } from "./clock.ts";

export class StoreClock {
  readonly #clock: RuntimeClock;
  readonly #read: () => Promise<Millis>;
  #offsetMs: number;
  #drift: number;
  #readAt: number;
  #errorMs = 0;
  #reading = false;

  constructor(clock: RuntimeClock, read: () => Promise<Millis>) {
    this.#clock = clock;
    this.#read = read;
    this.#readAt = clock.monotonic();
    this.#drift = clock.wall() - clock.monotonic();
    // Until the store has been read, its clock is taken to be the machine's.
    this.#offsetMs = this.#drift;
  }

  /** The store's now, as estimated. */
  now(): Millis {
    const monotonic = this.#clock.monotonic();
    const jumped = Math.abs(this.#clock.wall() - monotonic - this.#drift) > defaults.clockJumpMs;
    if (jumped || monotonic - this.#readAt > defaults.clockReadMs) this.#refresh();
    return monotonic + this.#offsetMs;
  }

  /** Milliseconds from now until an instant of the store's; negative when it has passed. */
  untilMs(at: Millis): number {
    return at - this.now();
  }

  /** How far the estimate may be off, either way: half of the round trip it was read by, in ms. */
  get errorMs(): number {
    return this.#errorMs;
  }

  /** Reads the store's clock, taking the middle of the round trip. */
  async read(): Promise<void> {
    const sentAt = this.#clock.monotonic();
    const now = await this.#read();
    const receivedAt = this.#clock.monotonic();
    this.#offsetMs = now - (sentAt + receivedAt) / 2;
    this.#errorMs = (receivedAt - sentAt) / 2;
    this.#drift = this.#clock.wall() - receivedAt;
    this.#readAt = receivedAt;
  }

  #refresh(): void {
    if (this.#reading) return;
    this.#reading = true;
    // A store that is away is found out by the loops; the old estimate serves until then.
    this.read()
      .catch(() => {
        this.#readAt = this.#clock.monotonic();
        this.#drift = this.#clock.wall() - this.#readAt;
      })
      .finally(() => {
        this.#reading = false;
      });
  }
}

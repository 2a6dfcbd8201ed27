// The clock of a test: a virtual one that takes durations and local times, and waits for handlers before it moves on.
import { type Duration, formatDuration, parseDuration, shown } from "../core/duration.ts";
import { InvalidInputError, StoppedError } from "../core/errors.ts";
import type { HandlerWatch } from "./handler-watch.ts";
import type { LocalTime, TestInstant } from "./local-time.ts";
import { VirtualClock } from "./virtual-clock.ts";

export class KitClock extends VirtualClock {
  readonly #time: LocalTime;
  readonly #watch: HandlerWatch;
  #ended = false;

  constructor(startAt: number, time: LocalTime, watch: HandlerWatch) {
    super(startAt);
    this.#time = time;
    this.#watch = watch;
  }

  /** The present instant of the test, or the one that a text names in the test's zone. */
  date(at?: TestInstant): Date {
    return new Date(at === undefined ? this.now() : this.#time.read(at, "at"));
  }

  /**
   * Moves time on by so much; everything that falls due on the way runs at its own instant, in order.
   * @throws InvalidInputError for what is no duration, and inside a handler; StoppedError after the test's `stop`;
   * AssertionError when handlers make work without end at one instant
   */
  override async advance(duration: Duration): Promise<void> {
    const ms = parseDuration(duration, "duration");
    this.#watch.refuseInside("advance");
    this.#refuseEnded("move");
    await super.advance(ms);
  }

  /** Moves time on to an instant. @throws InvalidInputError when it has passed */
  async advanceTo(at: TestInstant): Promise<void> {
    const until = this.#time.read(at, "at");
    if (until < this.now()) {
      const [asked, now] = [this.#time.show(new Date(until)), this.#time.show(this.date())];
      throw new InvalidInputError(`at has passed: it is ${asked}, and the clock shows ${now}`, { field: "at" });
    }
    await this.advance(until - this.now());
  }

  /**
   * Resolves when the clock has moved on by so much; rejects with the signal's reason as soon as that aborts, as the
   * `setTimeout` of node:timers/promises does. For handlers and their fakes.
   */
  async sleep(duration: Duration, signal?: AbortSignal): Promise<void> {
    const ms = parseDuration(duration, "duration");
    await this.#watch.asleep(this.now() + ms, () => this.#sleep(ms, signal));
  }

  #sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      const abort = () => {
        cancel();
        reject(signal?.reason);
      };
      const cancel = this.after(ms, () => {
        signal?.removeEventListener("abort", abort);
        resolve();
      });
      signal?.addEventListener("abort", abort, { once: true });
    });
  }

  /** Sets the machine's wall clock off, "-3h" or "5m", as NTP or an operator might; the store's clock does not follow. */
  override jumpWall(by: Duration): void {
    const isBack = typeof by === "number" ? by < 0 : typeof by === "string" && by.startsWith("-");
    if (typeof by !== "number" && typeof by !== "string") {
      throw new InvalidInputError(`by must be a duration, "-3h" for back, got ${shown(by)}`, { field: "by" });
    }
    const ms = parseDuration(isBack ? (typeof by === "number" ? -by : by.slice(1)) : by, "by");
    super.jumpWall(isBack ? -ms : ms);
  }

  /** Lets everything that is due now run, and come to rest. @throws as `advance` does */
  override async settle(): Promise<void> {
    this.#watch.refuseInside("settle");
    this.#refuseEnded("settle");
    do await super.settle();
    while (await this.#watch.waited());
    this.#watch.checkBound();
  }

  /** @internal The test's scheduler has been stopped, or starts again: nothing would happen as time moves. */
  end(ended: boolean): void {
    this.#ended = ended;
  }

  #refuseEnded(verb: string): void {
    if (!this.#ended) return;
    throw new StoppedError(`this test's scheduler has been stopped: its clock does not ${verb} any more`, {
      mend: "Use restart for a stop in the middle of a test.",
    });
  }

  /** "2026-03-02T09:00:00.000Z, 1h30m after the start" is what a test that prints the clock sees. */
  override toString(): string {
    return `${this.#time.show(this.date())}, ${formatDuration(this.monotonic())} after the start`;
  }
}

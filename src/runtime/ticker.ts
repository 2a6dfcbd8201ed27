// The ticker role: fires due schedules, sleeping until the next tick. Every replica may try; the cursor lets one win.
import { getZone } from "../core/cron/zone.ts";
import { defaults } from "../core/defaults.ts";
import type { Engine, FireResult } from "../core/engine.ts";
import { decideFiring } from "../core/firing.ts";
import type { RuntimeClock } from "./clock.ts";
import type { Emitter } from "./emitter.ts";
import type { SchedulerEvents } from "./events.ts";
import { Loop } from "./loop.ts";
import type { StoreClock } from "./store-clock.ts";

export interface TickerOptions {
  readonly engine: Engine<never>;
  readonly emitter: Emitter<SchedulerEvents>;
  readonly clock: RuntimeClock;
  readonly storeClock: StoreClock;
  readonly random: () => number;
}

export class Ticker {
  readonly #options: TickerOptions;
  readonly #loop: Loop;
  /** Whether the last due tick was fired here: who fires goes first next time, the others give it a head start. */
  #leads = true;
  #expectedAt: number | undefined;

  constructor(options: TickerOptions) {
    this.#options = options;
    this.#loop = new Loop({
      clock: options.clock,
      turn: () => this.#fire(),
      horizonMs: defaults.pollHorizonMs,
      onError: (error) => options.emitter.emit("worker:error", { error, where: "fire" }),
      random: options.random,
    });
  }

  start(): void {
    // The runtime's first use of its time zone data takes some 15 ms: not while a store's lock is held.
    getZone("UTC");
    this.#loop.start();
  }

  /** A schedule may be due within so many milliseconds. */
  wake(inMs: number): void {
    this.#loop.wake(inMs + this.#yieldMs());
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async #fire(): Promise<number> {
    const { engine, storeClock, emitter } = this.#options;
    const wasDue = this.#expectedAt !== undefined && storeClock.untilMs(this.#expectedAt) <= 0;
    const { fired, nextDueAt } = await engine.schedules.fire({ limit: defaults.fireLimit, decide: decideFiring });
    if (fired.length > 0) this.#leads = true;
    else if (wasDue) this.#leads = false;
    this.#expectedAt = nextDueAt;
    for (const result of fired) announceFired(emitter, result, storeClock.now());
    if (nextDueAt === undefined) return defaults.pollHorizonMs;
    const waitMs = storeClock.untilMs(nextDueAt);
    if (waitMs <= 0) return fired.length > 0 ? 0 : defaults.tickerYieldMsMin;
    const sleepMs = waitMs + this.#yieldMs();
    if (sleepMs <= defaults.pollHorizonMs) return sleepMs;
    // Cut at the horizon, the sleep would end at the tick itself: it ends before, and the head start is given then.
    const { pollHorizonMs, tickerYieldMsMax } = defaults;
    return waitMs <= pollHorizonMs ? pollHorizonMs - tickerYieldMsMax : pollHorizonMs;
  }

  #yieldMs(): number {
    if (this.#leads) return 0;
    const { tickerYieldMsMin: min, tickerYieldMsMax: max } = defaults;
    return min + this.#options.random() * (max - min);
  }
}

/** Tells this process's listeners what was fired, by the ticker or by a trigger. */
export function announceFired(emitter: Emitter<SchedulerEvents>, result: FireResult, now: number): void {
  const about = { id: result.id, tenant: result.tenant };
  for (const { from, to, ...run } of result.skipped) {
    emitter.emit("tick:skipped", { ...about, ...run, from: new Date(from), to: new Date(to) });
  }
  for (const { tick, job, dueAt } of result.ticks) {
    const latenessMs = Math.max(0, now - tick);
    emitter.emit("tick:fired", { ...about, tick: new Date(tick), job, dueAt: new Date(dueAt), latenessMs });
  }
  if (result.disabledReason !== undefined) {
    emitter.emit("schedule:disabled", { ...about, reason: result.disabledReason });
  }
}

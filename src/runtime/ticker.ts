// The ticker role: fires due schedules, sleeping until the next tick. Every replica may try; the cursor lets one win.
import { getZone } from "../core/cron/zone.ts";
import { defaults } from "../core/defaults.ts";
import type { Engine, FireResult } from "../core/engine.ts";
import type { Guardrails } from "../core/guardrails.ts";
import { firingWith } from "../core/retiming.ts";
import type { RuntimeClock } from "./clock.ts";
import type { Emitter } from "./emitter.ts";
import type { SchedulerEvents } from "./events.ts";
import { Loop } from "./loop.ts";
import type { StoreClock } from "./store-clock.ts";
import { warmUpFiring } from "./warm-up.ts";
import { announceRetimed, announceSkipped, noting } from "./zone-watch.ts";

export interface TickerOptions {
  readonly engine: Engine<never>;
  readonly emitter: Emitter<SchedulerEvents>;
  readonly clock: RuntimeClock;
  readonly storeClock: StoreClock;
  readonly random: () => number;
  /** The engine tells of everything, on a test's clock: nobody polls. */
  readonly patient: boolean;
  /** The version of this process's time zone data, where it is known. */
  readonly zoneData: string | undefined;
  /** What every tenant is limited to. */
  readonly guardrails: Guardrails | undefined;
}

export class Ticker {
  readonly #options: TickerOptions;
  readonly #loop: Loop;
  readonly #horizonMs: number;
  /** Whether the last due tick was fired here: who fires goes first next time, the others give it a head start. */
  #leads = true;
  #expectedAt: number | undefined;
  /** Due schedules that were left to replicas with newer time zone data: they are looked at, and count for no limit. */
  #leftAlone = 0;

  constructor(options: TickerOptions) {
    this.#options = options;
    this.#horizonMs = options.patient ? defaults.patientPollMs : defaults.pollHorizonMs;
    this.#loop = new Loop({
      clock: options.clock,
      turn: () => this.#fire(),
      horizonMs: this.#horizonMs,
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
    const { storeClock, emitter } = this.#options;
    const wasDue = this.#expectedAt !== undefined && storeClock.untilMs(this.#expectedAt) <= 0;
    const { fired, nextDueAt, leftAlone } = await this.#fireDue();
    if (fired.length > 0) this.#leads = true;
    else if (wasDue) this.#leads = false;
    this.#expectedAt = nextDueAt;
    for (const result of fired) announceFired(emitter, result, storeClock.now());
    const waitMs = nextDueAt === undefined ? Number.POSITIVE_INFINITY : storeClock.untilMs(nextDueAt);
    warmUpFiring(this.#options.clock, waitMs);
    if (waitMs === Number.POSITIVE_INFINITY) return this.#horizonMs;
    if (waitMs <= 0 && fired.length === 0 && leftAlone) return defaults.zoneRulesPollMs;
    if (waitMs <= 0) return fired.length > 0 ? 0 : defaults.tickerYieldMsMin;
    const sleepMs = waitMs + this.#yieldMs();
    if (sleepMs <= this.#horizonMs) return sleepMs;
    // Cut at the horizon, the sleep would end at the tick itself: it ends before, and the head start is given then.
    return waitMs <= this.#horizonMs ? this.#horizonMs - defaults.tickerYieldMsMax : this.#horizonMs;
  }

  /** Fires what is due. `leftAlone`: all that was looked at is left to replicas with newer time zone data. */
  async #fireDue() {
    const { engine, emitter, zoneData, guardrails } = this.#options;
    const noted = noting(firingWith(zoneData));
    let looked = 0;
    let decided = 0;
    const limit = defaults.fireLimit + this.#leftAlone;
    const answer = await engine.schedules.fire({
      limit,
      guardrails,
      decide: (due, now) => {
        const steps = noted.decide(due, now);
        looked = due.length;
        decided = steps.length;
        return steps;
      },
    });
    this.#leftAlone = Math.min(looked - decided, defaults.leftAloneMax);
    announceRetimed(emitter, noted.events, answer.fired);
    // Others may be due behind those that fill the limit: then it is raised, and they are looked at, at once.
    const raised = looked === limit && defaults.fireLimit + this.#leftAlone > limit;
    return { ...answer, leftAlone: looked > 0 && decided === 0 && !raised };
  }

  #yieldMs(): number {
    if (this.#leads || this.#options.patient) return 0;
    const { tickerYieldMsMin: min, tickerYieldMsMax: max } = defaults;
    return min + this.#options.random() * (max - min);
  }
}

/** Tells this process's listeners what was fired, by the ticker or by a trigger. */
export function announceFired(emitter: Emitter<SchedulerEvents>, result: FireResult, now: number): void {
  const about = { id: result.id, tenant: result.tenant };
  announceSkipped(emitter, result);
  for (const { tick, job, dueAt } of result.ticks) {
    const latenessMs = Math.max(0, now - tick);
    emitter.emit("tick:fired", { ...about, tick: new Date(tick), job, dueAt: new Date(dueAt), latenessMs });
  }
  if (result.disabledReason !== undefined) {
    emitter.emit("schedule:disabled", { ...about, reason: result.disabledReason });
  }
}

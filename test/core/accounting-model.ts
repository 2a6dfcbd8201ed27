// What S4 asks of a schedule's life, apart from the code that keeps it: which ticks its rules had while they held, and
// whether each is told once, as fired, skipped or held.
import { expect } from "vitest";
import type { StoredEvent } from "../../src/core/events.ts";
import type { Schedule, ScheduleDefinition } from "../../src/core/schedule.ts";
import { nextTick, seedOf } from "../../src/core/tick.ts";

/** A span in which the rule was the same: its ticks are in (from, to]. */
interface Epoch {
  readonly definition: ScheduleDefinition;
  readonly ruleSetAt: number;
  readonly from: number;
  /** Absent while it lasts. */
  readonly to?: number;
}

interface Run {
  readonly from: number;
  readonly to: number;
  readonly count: number;
  readonly capped?: boolean;
  readonly reason: string;
}

/** What a log tells of the ticks that the cursor passed. */
export interface Told {
  readonly fired: readonly number[];
  readonly skipped: readonly Run[];
}

export function toldBy(events: readonly StoredEvent[]): Told {
  const fired: number[] = [];
  const skipped: Run[] = [];
  for (const { type, data = {} } of events) {
    if (data["trigger"] === true || data["backfill"] === true) continue;
    if (type === "tick:fired") fired.push(data["tick"] as number);
    if (type === "tick:skipped") skipped.push(data as unknown as Run);
  }
  return { fired, skipped };
}

/** The latest tick that was told, or is held. */
function latest({ fired, skipped }: Told, held: number | undefined): number {
  return Math.max(...fired, ...skipped.map(({ to }) => to), held ?? Number.NEGATIVE_INFINITY);
}

export class Accounting {
  readonly #seed: string;
  readonly #epochs: Epoch[] = [];

  constructor({ tenant, id }: Pick<Schedule, "tenant" | "id">) {
    this.#seed = seedOf(tenant, id);
  }

  /** The schedule is as it is now from this instant on; what was before ends. */
  begin(schedule: Schedule, now: number, isNew: boolean): void {
    const last = this.#epochs.at(-1);
    const keepsPhase =
      !isNew && last !== undefined && JSON.stringify(last.definition.rule) === JSON.stringify(schedule.definition.rule);
    const ruleSetAt = keepsPhase ? last.ruleSetAt : now;
    this.#epochs.push({ definition: schedule.definition, ruleSetAt, from: now });
  }

  /** No tick after this instant belongs to the rule that holds; where as many had fired as may, none after the last told. */
  end(now: number, ended: boolean, told: Told, held: number | undefined): void {
    const last = this.#epochs.pop();
    if (last !== undefined && last.to === undefined) {
      this.#epochs.push({ ...last, to: ended ? Math.max(last.from, Math.min(now, latest(told, held))) : now });
    } else if (last !== undefined) this.#epochs.push(last);
  }

  /** Asserts that each tick is told exactly once, and that nothing else is told. */
  check(told: Told, held: number | undefined): void {
    const ticks = this.#epochs.flatMap((epoch) => this.#ticksOf(epoch));
    const times = new Map(ticks.map((tick) => [tick, 0]));
    const tell = (tick: number, how: string) => {
      expect(times.has(tick), `${how} ${new Date(tick).toISOString()} is a tick of the rule`).toBe(true);
      times.set(tick, (times.get(tick) ?? 0) + 1);
    };
    for (const tick of told.fired) tell(tick, "fired");
    if (held !== undefined) tell(held, "held");
    for (const { from, to, count, capped, reason } of told.skipped) {
      const inside = ticks.filter((tick) => tick >= from && tick <= to);
      if (capped === true) expect(inside.length, `more than are counted (${reason})`).toBeGreaterThan(count);
      else
        expect(inside.length, `as many as are counted (${reason}, from ${new Date(from).toISOString()})`).toBe(count);
      for (const tick of inside) tell(tick, reason);
    }
    const wrong = [...times]
      .filter(([, count]) => count !== 1)
      .map(([tick, count]) => `${new Date(tick).toISOString()} × ${count}`);
    expect(wrong, "each tick is told once").toEqual([]);
  }

  #ticksOf({ definition, ruleSetAt, from, to = Number.NEGATIVE_INFINITY }: Epoch): number[] {
    const { rule, startAt = Number.NEGATIVE_INFINITY, endAt = Number.POSITIVE_INFINITY } = definition;
    const ticks: number[] = [];
    const context = { seed: this.#seed, ruleSetAt };
    for (
      let tick = nextTick(rule, from, context);
      tick !== undefined && tick <= to;
      tick = nextTick(rule, tick, context)
    ) {
      if (tick >= startAt && tick <= endAt) ticks.push(tick);
    }
    return ticks;
  }
}

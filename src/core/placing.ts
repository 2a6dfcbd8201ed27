// Placing a schedule's next tick anew, where other zone rules have placed it (S13): no wall time that was done is done
// again, and a tick that the rules of this process put before what was done is told (S4).
import { missedIn, type SkippedTicks } from "./catch-up.ts";
import type { Millis } from "./clock.ts";
import { getZone, withZones, Zone } from "./cron/zone.ts";
import { defaults } from "./defaults.ts";
import { contextOf, nextTickOf, nextTickOfRule, replan, type Schedule } from "./schedule.ts";
import { instantOf, wallZoneOf } from "./tick.ts";
import { placedBy } from "./zone-rules.ts";

const dayMs = 86_400_000;

/** A schedule placed by the rules of this process. */
export interface Placed {
  readonly schedule: Schedule;
  /** Ticks that these rules have before the cursor and those before had not; the schedule counts them as missed. */
  readonly skipped: readonly SkippedTicks[];
}

/** The schedule with its next tick computed by the zone rules of this process; as it is where its own are equal. */
export function retimed(schedule: Schedule, zoneData: string | undefined): Placed {
  const { cursor, definition } = schedule;
  const { after, wall } = cursor;
  if (placedBy(cursor.zoneRules, definition.rule, zoneData) === "own") return { schedule, skipped: [] };
  const zone = wall === undefined ? undefined : wallZoneOf(definition.rule, contextOf(schedule));
  if (zone === undefined || wall === undefined) return { schedule: replan(schedule, zoneData), skipped: [] };
  const offset = wall - after;
  // Where the clocks show now what they showed then nothing has moved, be it for the second time.
  const doneTo = zone.offsetAt(after) === offset ? after : instantOf(zone, wall);
  const skipped = doneTo < after ? passedOver(schedule, doneTo, zoneBefore(zone, offset, doneTo)) : [];
  const missed = schedule.missed + missedIn(skipped);
  const resumed = { ...schedule, missed, cursor: { ...cursor, after: Math.max(after, doneTo) } };
  return { schedule: replan(resumed, zoneData), skipped };
}

/** What the zone was by the rules before, about an instant: all that is known of them is the offset. */
function zoneBefore({ id }: Zone, offset: number, instant: Millis): Zone {
  const real = getZone(id);
  // Far enough before, so that the change to it touches no wall time in question.
  const since = instant - 2 * dayMs;
  return new Zone(id, (at) => (at < since ? real.offsetAt(at) : offset));
}

/** The ticks up to the cursor whose wall times come after the last that was done: the clocks have been put forward. */
function passedOver(schedule: Schedule, doneTo: Millis, before: Zone): SkippedTicks[] {
  const { after } = schedule.cursor;
  const runs: SkippedTicks[] = [];
  let joins = false;
  let count = 0;
  for (
    let tick = nextTickOf(schedule, doneTo);
    tick !== undefined && tick <= after;
    tick = nextTickOf(schedule, tick)
  ) {
    // What was done at this very instant, as another wall time, was told then.
    const wasDone = withZones([before], () => isTick(schedule, tick));
    if (wasDone) {
      joins = false;
      continue;
    }
    const last = joins ? runs.pop() : undefined;
    const run: SkippedTicks = { from: last?.from ?? tick, to: tick, count: (last?.count ?? 0) + 1, reason: "late" };
    joins = true;
    count++;
    if (count > defaults.skippedCountMax) return [...runs, { ...run, count: run.count - 1, to: after, capped: true }];
    runs.push(run);
  }
  return runs;
}

function isTick(schedule: Schedule, instant: Millis): boolean {
  return nextTickOfRule(schedule, instant - 1) === instant;
}

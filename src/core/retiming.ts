// Time-zone data that changes under stored schedules (S13), as pure decisions: who fires while replicas have different
// rules, and whose next tick is computed anew.
import type { Millis } from "./clock.ts";
import { defaults } from "./defaults.ts";
import { tickEvents } from "./draft.ts";
import type { NewEvent } from "./events.ts";
import { decideFiring } from "./firing.ts";
import { type Placed, retimed } from "./placing.ts";
import type { Schedule } from "./schedule.ts";
import { type Decide, type FireStep, unchanged } from "./step.ts";
import { placedBy, zoneDataIn } from "./zone-rules.ts";

/**
 * `decideFiring` for a process with a version of the time zone data. A tick that newer rules have placed is left to the
 * processes which have them, unless it is overdue by `defaults.zoneRulesWaitMs`: then there are none, as after a deploy
 * that was taken back. A tick that older rules have placed is computed anew before it fires. No step is made for a
 * schedule that is left alone.
 */
export function firingWith(zoneData: string | undefined): Decide {
  return (due, now) => {
    const ours = due.filter(({ schedule }) => !isLeftAlone(schedule, zoneData, now));
    const placed = ours.map((one) => placedHere(one.schedule, zoneData));
    // One decision for all of them: those of one tenant share its room.
    const here = ours.map((one, index) => ({ ...one, schedule: placed[index]?.schedule ?? one.schedule }));
    return decideFiring(here, now).map((step, index): FireStep => {
      const from = ours[index]?.schedule ?? step.from;
      const again = placed[index];
      if (again === undefined || again.schedule === from) return step;
      const skipped = [...again.skipped, ...step.skipped];
      return { ...step, from, skipped, events: [...toldOf(from, again, now), ...step.events] };
    });
  };
}

/** Whether a process with these rules leaves a due schedule to processes with newer ones. */
export function isLeftAlone(schedule: Schedule, zoneData: string | undefined, now: Millis): boolean {
  const { nextAt = now } = schedule.cursor;
  return schedule.enabled && now - nextAt < defaults.zoneRulesWaitMs && rulesOf(schedule, zoneData) === "newer";
}

/** A due schedule, placed by the rules of this process. What cannot be evaluated stays: firing disables it (S8). */
function placedHere(schedule: Schedule, zoneData: string | undefined): Placed {
  const asItIs = { schedule, skipped: [] };
  if (!schedule.enabled || rulesOf(schedule, zoneData) === "own") return asItIs;
  try {
    return retimed(schedule, zoneData);
  } catch {
    return asItIs;
  }
}

/**
 * Computes the next ticks of schedules anew where older rules have placed them, or rules of no known order. What newer
 * rules have placed stays, and so does what cannot be evaluated, until it is due (S8).
 */
export function retimingWith(zoneData: string | undefined): Decide {
  return (due, now) =>
    due.flatMap(({ schedule }): FireStep[] => {
      if (!needsRetiming(schedule, zoneData)) return [];
      const again = placedHere(schedule, zoneData);
      const { schedule: to, skipped } = again;
      return to === schedule ? [] : [{ ...unchanged(schedule), to, skipped, events: toldOf(schedule, again, now) }];
    });
}

/** Whether a schedule's next tick was computed by rules that this process's take the place of. */
export function needsRetiming(schedule: Schedule, zoneData: string | undefined): boolean {
  return schedule.enabled && schedule.cursor.nextAt !== undefined && rulesOf(schedule, zoneData) === "other";
}

/** What cannot be evaluated counts as placed by our own: firing finds out, and says so. */
function rulesOf({ cursor, definition }: Schedule, zoneData: string | undefined): ReturnType<typeof placedBy> {
  try {
    return placedBy(cursor.zoneRules, definition.rule, zoneData);
  } catch {
    return "own";
  }
}

/** Told when the tick moved, or others are lost: that only the name of the rules changed is nobody's concern. */
function toldOf(before: Schedule, { schedule: after, skipped }: Placed, now: Millis): NewEvent[] {
  const lost = tickEvents(before, [], skipped, now);
  if (before.cursor.nextAt === after.cursor.nextAt) return lost;
  const data = {
    before: before.cursor.nextAt,
    after: after.cursor.nextAt,
    zoneDataBefore: zoneDataIn(before.cursor.zoneRules),
    zoneDataAfter: zoneDataIn(after.cursor.zoneRules),
  };
  return [{ type: "schedule:retimed", tenant: before.tenant, schedule: before.id, at: now, data }, ...lost];
}

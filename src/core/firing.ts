// Firing, as a pure decision: (schedule, now, its unfinished jobs) -> next cursor, jobs to insert, what was skipped
// and why. Engines apply a step in one atomic write that compares incarnation, revision and cursor.
import { dueTicks, missedIn, oneTick, type SkippedTicks } from "./catch-up.ts";
import type { Millis } from "./clock.ts";
import { Draft, tickEvents } from "./draft.ts";
import { advance, hasReachedMax, nextTickOfRule, type Schedule, withoutNext } from "./schedule.ts";
import type { Decide, DueSchedule, FireStep } from "./step.ts";
import { jitterOffsetMs, seedOf } from "./tick.ts";

/** Fires what is due. A schedule that cannot be evaluated is disabled with the reason; its neighbours fire (S8). */
export const decideFiring: Decide = (due, now) => {
  const rooms = new Map<string, number>();
  return due.map((one) => fireOne(one, rooms, now));
};

/** @param rooms what is left of each limited tenant's room, once the schedules before have fired */
function fireOne(due: DueSchedule, rooms: Map<string, number>, now: Millis): FireStep {
  const { schedule } = due;
  const { tenant } = schedule;
  try {
    checkReadable(schedule);
    const room = due.room === undefined ? undefined : (rooms.get(tenant) ?? due.room);
    const draft = new Draft({ schedule, unfinished: due.unfinished, ...(room === undefined ? {} : { room }) });
    const step = schedule.enabled ? fireTicks(draft, now) : draft.finish(withoutNext(schedule), now);
    if (draft.room !== undefined) rooms.set(tenant, draft.room);
    return step;
  } catch (error) {
    return disableBroken(due, error, now);
  }
}

function fireTicks(draft: Draft, now: Millis): FireStep {
  const replaces = draft.overlap === "replace";
  draft.giveUpBeyondMax();
  if (!replaces) draft.releaseOrphan(now);
  const { ticks, skipped, after } = dueTicks(draft.schedule, now);
  for (const run of skipped) draft.skip(run);
  // With `replace` a tick that is due takes the place of the one that is held.
  if (replaces && ticks.length === 0) draft.releaseOrphan(now);
  let position = draft.schedule.cursor.after;
  for (const tick of ticks) {
    if (hasReachedMax(draft.schedule)) break;
    draft.pass({ tick, dueAt: tick + offsetMs(draft.schedule, tick) });
    position = tick;
  }
  return draft.finish(advance(draft.schedule, hasReachedMax(draft.schedule) ? position : after), now);
}

/** @throws when the stored definition lacks what its jobs are made of: a bad restore, or another version's data. */
function checkReadable({ definition }: Schedule): void {
  for (const name of ["task", "queue", "input"] as const) {
    if (typeof definition[name] !== "string") throw new Error(`its definition has no ${name}`);
  }
  if (typeof definition.priority !== "number") throw new Error("its definition has no priority");
}

/** The jitter of a tick: the schedule's own share, cut at the next tick (S3). */
export function offsetMs(schedule: Schedule, tick: Millis): number {
  const { jitterMs } = schedule.definition;
  if (jitterMs === 0) return 0;
  const next = nextTickOfRule(schedule, tick);
  const gapMs = next === undefined ? Number.POSITIVE_INFINITY : next - tick;
  return jitterOffsetMs(seedOf(schedule.tenant, schedule.id), jitterMs, gapMs);
}

/** Its cursor stays: the ticks that cannot be evaluated now are told once they can be, when it is enabled or removed. */
function disableBroken(due: DueSchedule, error: unknown, now: Millis): FireStep {
  const { schedule } = due;
  const reason = `it cannot be evaluated: ${error instanceof Error ? error.message : String(error)}`;
  const { held, ...rest } = schedule;
  const skipped: readonly SkippedTicks[] = held === undefined ? [] : [oneTick(held, "disabled")];
  const to = withoutNext({
    ...rest,
    enabled: false,
    disabledReason: reason,
    revision: schedule.revision + 1,
    updatedAt: now,
    missed: schedule.missed + missedIn(skipped),
  });
  const about = { tenant: schedule.tenant, schedule: schedule.id, at: now };
  return {
    from: schedule,
    to,
    insert: [],
    cancel: [],
    fired: [],
    skipped,
    disabledReason: reason,
    events: [{ ...about, type: "schedule:disabled", data: { reason } }, ...tickEvents(schedule, [], skipped, now)],
  };
}

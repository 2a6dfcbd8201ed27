// What the end of a schedule's job does to the schedule, as a pure decision.
import { missedIn, oneTick, type SkippedTicks, ticksGivenUp } from "./catch-up.ts";
import type { Millis } from "./clock.ts";
import { countFired, firedTick, jobOf, tickEvents, withoutHeld } from "./draft.ts";
import type { NewEvent } from "./events.ts";
import type { NewJob } from "./job.ts";
import { type EndedJob, type HeldTick, hasReachedMax, isBeyondMax, type Schedule, withoutNext } from "./schedule.ts";

/** What the end of a schedule's job does to the schedule. */
export interface AfterEnd {
  readonly schedule: Schedule;
  readonly insert: readonly NewJob[];
  readonly events: readonly NewEvent[];
}

/**
 * The end of a job, as its schedule sees it, in the same step (S5, S9): the last completion and failures in a row are
 * counted, a schedule that fails too often is paused, and a held tick gets its job once nothing is unfinished.
 * A job of an earlier incarnation changes nothing.
 */
export function afterJobEnd(
  schedule: Schedule,
  ended: EndedJob,
  unfinishedLeft: number,
  now: Millis,
): AfterEnd | undefined {
  if (ended.incarnation !== schedule.incarnation) return undefined;
  const counted = countEnd(schedule, ended, now);
  const { pauseOnFailure } = schedule.definition;
  const tooMany = pauseOnFailure !== undefined && counted.failuresInRow >= pauseOnFailure;
  if (counted.enabled && ended.state === "failed" && tooMany) {
    return pauseAfterFailures(counted, now);
  }
  const { held } = counted;
  if (held === undefined || unfinishedLeft > 0) return { schedule: counted, insert: [], events: [] };
  return isBeyondMax(counted, held) ? giveUp(counted, held, now) : release(counted, held, now);
}

function countEnd(schedule: Schedule, ended: EndedJob, now: Millis): Schedule {
  if (ended.state === "completed") return { ...schedule, lastCompletedAt: now, failuresInRow: 0 };
  return ended.state === "failed" ? { ...schedule, failuresInRow: schedule.failuresInRow + 1 } : schedule;
}

function release(schedule: Schedule, held: HeldTick, now: Millis): AfterEnd {
  const due: HeldTick = { ...held, dueAt: Math.max(held.dueAt, now) };
  const released = withoutHeld(schedule);
  const job = jobOf(released, due);
  const counted = { ...(held.operation === undefined ? countFired(released, due) : released), lastFiredAt: now };
  return {
    schedule: hasReachedMax(counted) ? withoutNext(counted) : counted,
    insert: [job],
    events: tickEvents(schedule, [firedTick(due, job.id)], [], now),
  };
}

/** As many ticks have fired as may. */
function giveUp(schedule: Schedule, held: HeldTick, now: Millis): AfterEnd {
  const skipped = [oneTick(held, "late")];
  return {
    schedule: { ...withoutHeld(schedule), missed: schedule.missed + missedIn(skipped) },
    insert: [],
    events: tickEvents(schedule, [], skipped, now),
  };
}

function pauseAfterFailures(schedule: Schedule, now: Millis): AfterEnd {
  const reason = `${schedule.failuresInRow} jobs in a row have failed`;
  const { held, ...rest } = schedule;
  const late = ticksGivenUp(schedule, now, "disabled");
  const skipped: SkippedTicks[] = held === undefined ? [] : [oneTick(held, "disabled")];
  if (late !== undefined && late !== "unknown") skipped.push(late);
  const after = late === "unknown" ? schedule.cursor.after : Math.max(schedule.cursor.after, now);
  const about = { tenant: schedule.tenant, schedule: schedule.id, at: now };
  return {
    schedule: withoutNext({
      ...rest,
      enabled: false,
      disabledReason: reason,
      cursor: { ...schedule.cursor, after },
      revision: schedule.revision + 1,
      updatedAt: now,
      missed: schedule.missed + missedIn(skipped),
    }),
    insert: [],
    events: [{ ...about, type: "schedule:paused", data: { reason } }, ...tickEvents(schedule, [], skipped, now)],
  };
}

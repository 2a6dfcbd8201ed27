// Catch-up: which of the ticks between the cursor and now become jobs, and which are skipped as late.
import type { Millis } from "./clock.ts";
import { defaults } from "./defaults.ts";
import { nextTickOf, type Schedule } from "./schedule.ts";

/** Why ticks were not fired. */
export type SkipReason = "late" | "overlap" | "disabled" | "limit";

/** A run of ticks that were not fired. */
export interface SkippedTicks {
  readonly from: Millis;
  readonly to: Millis;
  readonly count: number;
  /** Counting stopped at the cap; there were more. */
  readonly capped?: boolean;
  readonly reason: SkipReason;
}

/** The ticks to fire now, in order, and the run before them that is too late. */
export interface DueTicks {
  readonly ticks: readonly Millis[];
  readonly late?: SkippedTicks;
  /** The cursor once these are dealt with. */
  readonly after: Millis;
}

type Next = (after: Millis) => Millis | undefined;

/**
 * Divides the ticks in (cursor, now]. Those noticed within `tickLateMs` are on time and all fire. Of the late ones,
 * `skip` fires none, `latest` the newest inside the window when none is on time, `all` the newest `limit` inside the
 * window. A single tick (`once`) fires however late, unless the policy is `skip`.
 */
export function dueTicks(schedule: Schedule, now: Millis): DueTicks {
  const { policy, windowMs, limit } = schedule.definition.catchUp;
  const next: Next = (after) => nextTickOf(schedule, after);
  const start = schedule.cursor.after;
  const onTimeFrom = Math.max(start, now - defaults.tickLateMs - 1);
  const onTime = ticksBetween(next, onTimeFrom, now, Number.POSITIVE_INFINITY);

  const oldest = windowMs === undefined || schedule.definition.rule.kind === "once" ? start : now - windowMs - 1;
  const caughtUpMax = policy === "skip" ? 0 : policy === "all" ? limit : onTime.length === 0 ? 1 : 0;
  const caughtUp = newestTicks(next, Math.max(start, Math.min(oldest, onTimeFrom)), onTimeFrom, caughtUpMax);

  const all = [...caughtUp, ...onTime];
  const ticks = all.slice(0, defaults.ticksPerStepMax);
  const overLimit = policy === "all" && caughtUp.length >= limit;
  const late = countSkipped(next, start, (all[0] ?? now + 1) - 1, overLimit ? "limit" : "late");
  const more = all.length > ticks.length;
  return {
    ticks,
    ...(late === undefined ? {} : { late }),
    after: more ? (ticks.at(-1) ?? now) : Math.max(start, now),
  };
}

/** Counts the ticks in (after, to], up to the cap; undefined when there is none. */
export function countSkipped(next: Next, after: Millis, to: Millis, reason: SkipReason): SkippedTicks | undefined {
  const first = next(after);
  if (first === undefined || first > to) return undefined;
  let last = first;
  let count = 1;
  for (let tick = next(first); tick !== undefined && tick <= to; tick = next(tick)) {
    if (count === defaults.skippedCountMax) return { from: first, to, count, capped: true, reason };
    last = tick;
    count++;
  }
  return { from: first, to: last, count, reason };
}

/** The ticks in (after, to], the first `limit` of them. */
function ticksBetween(next: Next, after: Millis, to: Millis, limit: number): Millis[] {
  const ticks: Millis[] = [];
  for (let tick = next(after); tick !== undefined && tick <= to && ticks.length < limit; tick = next(tick)) {
    ticks.push(tick);
  }
  return ticks;
}

/**
 * The newest `limit` ticks in (after, to], without walking the whole span: looks back over spans that double until
 * one holds enough.
 */
function newestTicks(next: Next, after: Millis, to: Millis, limit: number): readonly Millis[] {
  if (limit === 0 || to <= after) return [];
  const first = next(after);
  if (first === undefined || first > to) return [];
  const second = next(first);
  if (second === undefined || second > to) return [first];
  for (let spanMs = (second - first) * limit; ; spanMs *= 2) {
    const from = Math.max(after, to - spanMs);
    const enough = ticksBetween(next, from, to, Number.POSITIVE_INFINITY);
    if (enough.length >= limit || from === after) return enough.slice(-limit);
  }
}

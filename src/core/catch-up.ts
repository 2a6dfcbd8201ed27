// Catch-up: which of the ticks between the cursor and now become jobs, and which are skipped, and why.
import type { Millis } from "./clock.ts";
import { defaults } from "./defaults.ts";
import { type HeldTick, nextTickOf, type Schedule } from "./schedule.ts";

/**
 * Why ticks were not fired. `late`: too late for the catch-up policy, or when another rule was set. `overlap`: a job of
 * the schedule was unfinished, or a newer tick took the place. `disabled`: the schedule was, or was removed. `limit`:
 * beyond the bound of catch-up `all`, or of the tenant's maxPendingJobs.
 */
export type SkipReason = "late" | "overlap" | "disabled" | "limit";

/** A run of ticks that were not fired. */
export interface SkippedTicks {
  readonly from: Millis;
  readonly to: Millis;
  readonly count: number;
  /** Counting stopped at the cap; there were more, up to and including `to`. */
  readonly capped?: boolean;
  readonly reason: SkipReason;
  /** What an operator's trigger asked for: no tick that the cursor passed. */
  readonly trigger?: true;
  /** What an operator's backfill asked for: no ticks that the cursor passed. */
  readonly backfill?: true;
}

/** The ticks to fire now, in order, and the runs before them that do not. */
export interface DueTicks {
  readonly ticks: readonly Millis[];
  readonly skipped: readonly SkippedTicks[];
  /** The cursor once these are dealt with. */
  readonly after: Millis;
}

type Next = (after: Millis) => Millis | undefined;

/**
 * Divides the ticks in (cursor, now]. Those noticed within `tickLateMs` are on time and all fire. Of the late ones,
 * `skip` fires none, `latest` the newest inside the window when none is on time, `all` the newest `limit` inside the
 * window. A single tick (`once`) fires however late, unless the policy is `skip`. With overlap `replace` the newest of
 * all these is the only one, as each would have replaced the one before.
 */
export function dueTicks(schedule: Schedule, now: Millis): DueTicks {
  const { catchUp, overlap } = schedule.definition;
  const { policy, limit } = catchUp;
  const next: Next = (after) => nextTickOf(schedule, after);
  const start = schedule.cursor.after;
  const onTimeFrom = Math.max(start, now - defaults.tickLateMs - 1);
  const onTime = ticksBetween(next, onTimeFrom, now, Number.POSITIVE_INFINITY);

  const oldest = oldestCaughtUp(schedule, now, onTimeFrom);
  const caughtUpMax = policy === "skip" ? 0 : policy === "all" ? limit : onTime.length === 0 ? 1 : 0;
  const all = [...newestTicks(next, oldest, onTimeFrom, caughtUpMax), ...onTime];
  const last = (all[0] ?? now + 1) - 1;
  // Inside the window, `all` leaves behind only what is beyond its bound.
  const lateTo = policy === "all" ? Math.min(oldest, last) : last;
  const skipped = [countSkipped(next, start, lateTo, "late"), countSkipped(next, lateTo, last, "limit")].filter(
    (run) => run !== undefined,
  );
  if (overlap === "replace") return { ...newestOf(all, skipped), after: Math.max(start, now) };
  const ticks = all.slice(0, defaults.ticksPerStepMax);
  return { ticks, skipped, after: all.length > ticks.length ? (ticks.at(-1) ?? now) : Math.max(start, now) };
}

/** Late ticks after this instant may be caught up. */
function oldestCaughtUp({ cursor, definition }: Schedule, now: Millis, onTimeFrom: Millis): Millis {
  const { windowMs } = definition.catchUp;
  if (windowMs === undefined || definition.rule.kind === "once") return cursor.after;
  return Math.max(cursor.after, Math.min(now - windowMs - 1, onTimeFrom));
}

function newestOf(all: readonly Millis[], before: readonly SkippedTicks[]): Omit<DueTicks, "after"> {
  const replaced = replacedRun(all);
  return { ticks: all.slice(-1), skipped: replaced === undefined ? before : [...before, replaced] };
}

/** All but the newest of some ticks, when each takes the place of the one before. */
export function replacedRun(ticks: readonly Millis[]): SkippedTicks | undefined {
  const [from] = ticks;
  const to = ticks.at(-2);
  if (from === undefined || to === undefined) return undefined;
  return { from, to, count: ticks.length - 1, reason: "overlap" };
}

/** How many ticks of the rule some runs hold: what operators asked for beside it is none. */
export function missedIn(runs: readonly SkippedTicks[]): number {
  return runs.reduce((sum, run) => sum + (run.trigger === true || run.backfill === true ? 0 : run.count), 0);
}

/** A single tick, or what an operator asked for, as a run. */
export function oneTick(
  { tick, operation, backfill }: Pick<HeldTick, "tick" | "operation" | "backfill">,
  reason: SkipReason,
): SkippedTicks {
  const run = { from: tick, to: tick, count: 1, reason };
  if (operation === undefined) return run;
  return backfill === true ? { ...run, backfill } : { ...run, trigger: true };
}

/**
 * The ticks in (cursor, now] that will never fire, because the schedule is disabled, removed or given another rule;
 * "unknown" when its rule cannot be evaluated.
 */
export function ticksGivenUp(
  schedule: Schedule,
  now: Millis,
  reason: SkipReason,
): SkippedTicks | undefined | "unknown" {
  try {
    return countSkipped((after) => nextTickOf(schedule, after), schedule.cursor.after, now, reason);
  } catch {
    return "unknown";
  }
}

/** Counts the ticks in (after, to], up to the cap; undefined when there is none. */
function countSkipped(next: Next, after: Millis, to: Millis, reason: SkipReason): SkippedTicks | undefined {
  if (to <= after) return undefined;
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

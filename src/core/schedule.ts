// Schedules: what is stored of one, and which ticks it has.
import type { Millis } from "./clock.ts";
import type { Rule } from "./rule.ts";
import type { TenantId } from "./tenant.ts";
import { nextTick, seedOf, type TickContext } from "./tick.ts";
import { wallAt, zoneRulesOf } from "./zone-rules.ts";

/** What happens to a tick while a job of the same schedule is unfinished. */
export type OverlapPolicy = "allow" | "skip" | "queue" | "replace";

/** Which late ticks fire. */
export type CatchUpPolicy = "skip" | "latest" | "all";

/** Which late ticks fire, how old they may be, and how many of them. */
export interface CatchUp {
  readonly policy: CatchUpPolicy;
  /** Older late ticks are skipped; absent: no bound by age. */
  readonly windowMs?: number | undefined;
  /** With `all`, the newest so many. */
  readonly limit: number;
}

/** What a user defines; resolved, complete and JSON-able. */
export interface ScheduleDefinition {
  readonly rule: Rule;
  readonly task: string;
  readonly queue: string;
  /** JSON text. */
  readonly input: string;
  readonly priority: number;
  readonly attemptsMax?: number | undefined;
  readonly jitterMs: number;
  readonly overlap: OverlapPolicy;
  readonly catchUp: CatchUp;
  /** No tick before it. */
  readonly startAt?: Millis | undefined;
  /** No tick after it; a tick at that very instant fires. */
  readonly endAt?: Millis | undefined;
  /** No more ticks once so many have fired. */
  readonly maxTicks?: number | undefined;
  /** Disabled after so many jobs in a row have failed. */
  readonly pauseOnFailure?: number | undefined;
  /** A label; may repeat. */
  readonly name?: string | undefined;
  /** JSON text. */
  readonly metadata?: string | undefined;
}

/** Names a schedule. */
export interface ScheduleRef {
  readonly tenant: TenantId;
  readonly id: string;
}

/** The one place that says which ticks are done: those up to and including `after`. */
export interface Cursor {
  readonly after: Millis;
  /** The next tick; absent while disabled, and when there is none. */
  readonly nextAt?: Millis | undefined;
  /** The time-zone rules that `nextAt` was computed with (core/zone-rules.ts). */
  readonly zoneRules: string;
  /** What the wall clock of the rule's zone showed at `after` by those rules, where ticks follow it. */
  readonly wall?: Millis | undefined;
}

/** A tick that waits in its schedule for the unfinished job to end. */
export interface HeldTick {
  readonly tick: Millis;
  readonly dueAt: Millis;
  readonly missed: number;
  /** The id of an operator's trigger, or of a backfill's tick; absent for a tick that the cursor passed. */
  readonly operation?: string | undefined;
  /** The operation is a backfill. */
  readonly backfill?: true | undefined;
  /** Instead of the schedule's own. */
  readonly priority?: number | undefined;
  /** Who asked for the operation. */
  readonly actor?: string | undefined;
}

/** A schedule as stored. */
export interface Schedule extends ScheduleRef {
  /** New each time the id is created anew, so that nothing of a removed one reaches the next. */
  readonly incarnation: string;
  /** Grows with each change that users make; firing does not move it. */
  readonly revision: number;
  readonly definition: ScheduleDefinition;
  readonly enabled: boolean;
  readonly disabledReason?: string | undefined;
  readonly cursor: Cursor;
  readonly ruleSetAt: Millis;
  readonly held?: HeldTick | undefined;
  readonly ticksFired: number;
  /** Ticks not fired since the last one that was. */
  readonly missed: number;
  readonly lastTick?: Millis | undefined;
  readonly lastFiredAt?: Millis | undefined;
  readonly lastCompletedAt?: Millis | undefined;
  readonly failuresInRow: number;
  readonly createdAt: Millis;
  readonly updatedAt: Millis;
}

/** Which revision a put expects: that one, none (create), or whatever there is (ensure). */
export type Expected = number | "absent" | "any";

/** A definition to save. */
export interface SchedulePut extends ScheduleRef {
  /** Used when the schedule does not exist yet; minted by the caller, so that a repeated create finds its own. */
  readonly incarnation: string;
  readonly definition: ScheduleDefinition;
  /** Absent: as it is; a new schedule is enabled. */
  readonly enabled?: boolean | undefined;
  readonly disabledReason?: string | undefined;
  readonly expected: Expected;
  /** An update of this incarnation only: on one that was removed and created again it is a conflict. */
  readonly of?: string | undefined;
  /** With `enabled: false`: its jobs that have not started are cancelled in the same step. */
  readonly cancelPending?: boolean | undefined;
  /** Who asked for it, for the audit log. */
  readonly actor?: string | undefined;
  /** The smallest gap between two ticks of its rule, in ms, where the caller has computed it. */
  readonly smallestGapMs?: number | undefined;
  /** The version of the time zone data of the process that asks, such as 2026c, where it is known. */
  readonly zoneData?: string | undefined;
}

/** The schedule with its next tick computed from its cursor, with the zone rules of this process. */
export function replan(schedule: Schedule, zoneData: string | undefined): Schedule {
  const zoneRules = zoneRulesOf(schedule.definition.rule, zoneData);
  return advance({ ...schedule, cursor: { ...schedule.cursor, zoneRules } }, schedule.cursor.after);
}

/** The schedule once its ticks up to `after` are dealt with. */
export function advance(schedule: Schedule, after: Millis): Schedule {
  const { zoneRules } = schedule.cursor;
  const wall = wallAt(schedule.definition.rule, after, contextOf(schedule));
  const cursor = { after, nextAt: nextTickOf(schedule, after), zoneRules };
  return { ...schedule, cursor: wall === undefined ? cursor : { ...cursor, wall } };
}

/** Whether a schedule ticks: it is enabled, and not at its end. These are what `maxActiveSchedules` counts. */
export function isActive({ enabled, cursor }: Schedule): boolean {
  return enabled && cursor.nextAt !== undefined;
}

/** The schedule with no next tick: disabled, or at its end. */
export function withoutNext(schedule: Schedule): Schedule {
  const { nextAt: _, ...cursor } = schedule.cursor;
  return { ...schedule, cursor };
}

/** Whether as many ticks have fired as may: there are no more. */
export function hasReachedMax({ definition: { maxTicks }, ticksFired }: Schedule): boolean {
  return maxTicks !== undefined && ticksFired >= maxTicks;
}

/** Whether a held tick may not fire any more, as many as may have; an operation counts for no tick. */
export function isBeyondMax(schedule: Schedule, held: HeldTick): boolean {
  return held.operation === undefined && hasReachedMax(schedule);
}

/** The first tick strictly after `after` that the definition allows. */
export function nextTickOf(schedule: Schedule, after: Millis): Millis | undefined {
  return hasReachedMax(schedule) ? undefined : nextTickOfRule(schedule, after);
}

/** The same, however many have fired: the ticks of the rule between `startAt` and `endAt`. */
export function nextTickOfRule(schedule: Schedule, after: Millis): Millis | undefined {
  const { rule, startAt, endAt } = schedule.definition;
  const from = startAt === undefined ? after : Math.max(after, startAt - 1);
  const tick = nextTick(rule, from, contextOf(schedule));
  return tick === undefined || (endAt !== undefined && tick > endAt) ? undefined : tick;
}

/** What the ticks of a stored schedule depend on beside its rule. */
export function contextOf({ tenant, id, ruleSetAt }: Schedule): TickContext {
  return { seed: seedOf(tenant, id), ruleSetAt };
}

/** An unfinished job of a schedule, as the overlap gate sees it. */
export interface Unfinished {
  readonly id: string;
  readonly state: "pending" | "active";
}

/** How a schedule's job ended, as its schedule sees it. */
export interface EndedJob {
  readonly incarnation: string;
  readonly state: "completed" | "failed" | "cancelled";
}

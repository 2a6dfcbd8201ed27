// Schedules: what is stored of one, and the pure decision what saving a definition does to it.
import type { Millis } from "./clock.ts";
import { getZone, zoneRulesVersion } from "./cron/zone.ts";
import { canonicalJson, sameJson } from "./payload.ts";
import { type Rule, ruleTimezone } from "./rule.ts";
import type { TenantId } from "./tenant.ts";
import { nextTick, seedOf } from "./tick.ts";

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
  /** The time-zone rules that `nextAt` was computed with. */
  readonly zoneRules: string;
}

/** A tick that waits in its schedule for the unfinished job to end. */
export interface HeldTick {
  readonly tick: Millis;
  readonly dueAt: Millis;
  readonly missed: number;
  /** A trigger's own id; absent for a tick of the rule. */
  readonly operation?: string | undefined;
  /** Who triggered it. */
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
  /** With `enabled: false`: its jobs that have not started are cancelled in the same step. */
  readonly cancelPending?: boolean | undefined;
  /** Who asked for it, for the audit log. */
  readonly actor?: string | undefined;
}

/** The pure decision of a put. `absent`: an update found nothing. */
export type PutPlan =
  | { readonly outcome: "conflict" | "absent" }
  | { readonly outcome: "unchanged"; readonly schedule: Schedule }
  | { readonly outcome: "created" | "updated"; readonly schedule: Schedule };

/**
 * What a put does to what is stored (S6): an equal definition changes nothing; another input or policy keeps the
 * cursor; another rule, or enabling, computes it anew from now, so that time spent disabled is never caught up.
 */
export function planPut(existing: Schedule | undefined, put: SchedulePut, now: Millis): PutPlan {
  if (existing === undefined) {
    if (typeof put.expected === "number") return { outcome: "absent" };
    return { outcome: "created", schedule: create(put, now) };
  }
  // A repeat of our own create after a lost answer.
  const repeated = put.expected === "absent" && existing.incarnation === put.incarnation && existing.revision === 1;
  if (repeated) return { outcome: "created", schedule: existing };
  if (put.expected === "absent") return { outcome: "conflict" };
  if (put.expected !== "any" && put.expected !== existing.revision) return { outcome: "conflict" };

  const enabled = put.enabled ?? existing.enabled;
  const same = sameDefinition(put.definition, existing.definition);
  if (same && enabled === existing.enabled) return { outcome: "unchanged", schedule: existing };

  const keepsRule = sameRule(put.definition, existing.definition);
  const { disabledReason: _, held, ...rest } = existing;
  const changed: Schedule = {
    ...rest,
    definition: put.definition,
    enabled,
    ruleSetAt: keepsRule ? existing.ruleSetAt : now,
    revision: existing.revision + 1,
    updatedAt: now,
    ...(enabled ? { held } : { disabledReason: put.disabledReason ?? "disabled" }),
    // Someone who enables a schedule gives it a new chance.
    failuresInRow: existing.enabled ? existing.failuresInRow : 0,
  };
  if (!enabled) return { outcome: "updated", schedule: withoutNext(changed) };
  if (keepsRule && existing.enabled) return { outcome: "updated", schedule: replan(changed) };
  const cursor = { ...changed.cursor, after: restartOf(existing, put.definition, now) };
  return { outcome: "updated", schedule: replan({ ...changed, cursor }) };
}

/**
 * Where the ticks go on after another rule was set, or the schedule enabled: from now, and never from before the
 * cursor, whatever the clock did meanwhile. A single tick whose instant is the same as before stays as it is.
 */
function restartOf(existing: Schedule, definition: ScheduleDefinition, now: Millis): Millis {
  const { rule } = definition;
  const before = existing.definition.rule;
  if (rule.kind !== "once") return Math.max(existing.cursor.after, now);
  const same = before.kind === "once" && before.at === rule.at;
  if (!same) return startOf(definition, now);
  return existing.enabled ? existing.cursor.after : Math.max(existing.cursor.after, now);
}

function create(put: SchedulePut, now: Millis): Schedule {
  const enabled = put.enabled ?? true;
  const schedule: Schedule = {
    tenant: put.tenant,
    id: put.id,
    incarnation: put.incarnation,
    revision: 1,
    definition: put.definition,
    enabled,
    ...(enabled ? {} : { disabledReason: put.disabledReason ?? "disabled" }),
    cursor: { after: startOf(put.definition, now), zoneRules: zoneRulesOf(put.definition) },
    ruleSetAt: now,
    ticksFired: 0,
    missed: 0,
    failuresInRow: 0,
    createdAt: now,
    updatedAt: now,
  };
  return enabled ? replan(schedule) : schedule;
}

/** Where a rule begins to be read: from now, but for a single tick, which fires however late. */
function startOf(definition: ScheduleDefinition, now: Millis): Millis {
  return definition.rule.kind === "once" ? Math.min(now, definition.rule.at - 1) : now;
}

/** The schedule with its next tick computed from its cursor, with the zone rules of this process. */
function replan(schedule: Schedule): Schedule {
  const planned = advance(schedule, schedule.cursor.after);
  return { ...planned, cursor: { ...planned.cursor, zoneRules: zoneRulesOf(schedule.definition) } };
}

/** The schedule once its ticks up to `after` are dealt with. */
export function advance(schedule: Schedule, after: Millis): Schedule {
  const { zoneRules } = schedule.cursor;
  return { ...schedule, cursor: { after, nextAt: nextTickOf(schedule, after), zoneRules } };
}

/** The schedule with no next tick: disabled, or at its end. */
export function withoutNext(schedule: Schedule): Schedule {
  const { after, zoneRules } = schedule.cursor;
  return { ...schedule, cursor: { after, zoneRules } };
}

/** The first tick strictly after `after` that the definition allows. */
export function nextTickOf(schedule: Schedule, after: Millis): Millis | undefined {
  const { definition, ticksFired } = schedule;
  const { rule, startAt, endAt, maxTicks } = definition;
  if (maxTicks !== undefined && ticksFired >= maxTicks) return undefined;
  const from = startAt === undefined ? after : Math.max(after, startAt - 1);
  const tick = nextTick(rule, from, {
    seed: seedOf(schedule.tenant, schedule.id),
    ruleSetAt: schedule.ruleSetAt,
  });
  return tick === undefined || (endAt !== undefined && tick > endAt) ? undefined : tick;
}

/** The version of the time-zone rules that a definition's ticks depend on; some ms for a zone's first. */
export function zoneRulesOf({ rule }: ScheduleDefinition): string {
  return zoneRulesVersion(getZone(ruleTimezone(rule)));
}

/** Whether two definitions say the same; the order of members in their JSON texts says nothing. */
export function sameDefinition(a: ScheduleDefinition, b: ScheduleDefinition): boolean {
  const { input: inputA, metadata: metadataA = "null", ...restA } = a;
  const { input: inputB, metadata: metadataB = "null", ...restB } = b;
  return sameJson(inputA, inputB) && sameJson(metadataA, metadataB) && canonicalJson(restA) === canonicalJson(restB);
}

function sameRule(a: ScheduleDefinition, b: ScheduleDefinition): boolean {
  const ruleOf = ({ rule, startAt, endAt }: ScheduleDefinition) => canonicalJson({ rule, startAt, endAt });
  return ruleOf(a) === ruleOf(b);
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

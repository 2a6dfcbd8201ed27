// Saving a schedule: the pure decision what a put does to what is stored, and which ticks it gives up.
import { missedIn, oneTick, type SkippedTicks, type SkipReason, ticksGivenUp } from "./catch-up.ts";
import type { Millis } from "./clock.ts";
import { canonicalJson, sameJson } from "./payload.ts";
import { type Placed, retimed } from "./placing.ts";
import {
  type HeldTick,
  hasReachedMax,
  isBeyondMax,
  replan,
  type Schedule,
  type ScheduleDefinition,
  type SchedulePut,
  withoutNext,
} from "./schedule.ts";
import { placedBy, zoneRulesOf } from "./zone-rules.ts";

/** The pure decision of a put. `absent`: an update found nothing. */
export type PutPlan =
  | { readonly outcome: "conflict" | "absent" }
  | { readonly outcome: "unchanged"; readonly schedule: Schedule }
  | {
      readonly outcome: "created" | "updated";
      readonly schedule: Schedule;
      /** Ticks that had come and will not fire, to be recorded in the same step (S4). */
      readonly skipped: readonly SkippedTicks[];
    };

/**
 * What a put does to what is stored (S6): an equal definition changes nothing; another input or policy keeps the
 * cursor; another rule, disabling and enabling compute it anew from now, so that time spent disabled is never caught
 * up. Ticks that the cursor jumps over are given up, and recorded.
 */
export function planPut(existing: Schedule | undefined, put: SchedulePut, now: Millis): PutPlan {
  if (existing === undefined) {
    if (typeof put.expected === "number") return { outcome: "absent" };
    return { outcome: "created", schedule: create(put, now), skipped: [] };
  }
  // A repeat of our own create after a lost answer.
  const repeated = put.expected === "absent" && existing.incarnation === put.incarnation && existing.revision === 1;
  if (repeated) return { outcome: "created", schedule: existing, skipped: [] };
  if (put.expected === "absent") return { outcome: "conflict" };
  if (put.expected !== "any" && put.expected !== existing.revision) return { outcome: "conflict" };
  if (put.of !== undefined && put.of !== existing.incarnation) return { outcome: "conflict" };

  const enabled = put.enabled ?? existing.enabled;
  const same = sameDefinition(put.definition, existing.definition);
  if (same && enabled === existing.enabled) return { outcome: "unchanged", schedule: existing };
  return { outcome: "updated", ...change(existing, put, enabled, now) };
}

function change(
  existing: Schedule,
  put: SchedulePut,
  enabled: boolean,
  now: Millis,
): { readonly schedule: Schedule; readonly skipped: readonly SkippedTicks[] } {
  const { definition } = put;
  const { after, skipped } = jump(existing, definition, enabled, now);
  const { disabledReason: _, held, ...rest } = existing;
  const heldEnds = held === undefined ? undefined : endOfHeld({ ...existing, definition }, held, enabled);
  const gaveUp = held === undefined || heldEnds === undefined ? skipped : [oneTick(held, heldEnds), ...skipped];
  const changed: Schedule = {
    ...rest,
    definition,
    enabled,
    cursor: { ...existing.cursor, after },
    ruleSetAt: sameText(definition.rule, existing.definition.rule) ? existing.ruleSetAt : now,
    revision: existing.revision + 1,
    updatedAt: now,
    ...(enabled ? {} : { disabledReason: put.disabledReason ?? existing.disabledReason ?? "disabled" }),
    ...(heldEnds === undefined ? { held } : {}),
    missed: existing.missed + missedIn(gaveUp),
    // Someone who enables a schedule gives it a new chance.
    failuresInRow: existing.enabled ? existing.failuresInRow : 0,
  };
  if (!enabled) return { schedule: withoutNext(changed), skipped: gaveUp };
  const again = placed(changed, existing, put.zoneData);
  return { ...again, skipped: [...gaveUp, ...again.skipped] };
}

/** Why a held tick will not fire once a schedule is changed: it is disabled, or as many ticks have fired as may now. */
function endOfHeld(changed: Schedule, held: HeldTick, enabled: boolean): SkipReason | undefined {
  if (!enabled) return "disabled";
  return isBeyondMax(changed, held) ? "late" : undefined;
}

/** The next tick of a changed schedule. Where its times stay, newer zone rules than ours keep what they placed (S13). */
function placed(changed: Schedule, existing: Schedule, zoneData: string | undefined): Placed {
  const { cursor } = existing;
  const stays = changed.cursor.after === cursor.after && sameTimes(changed.definition, existing.definition);
  const planned = (): Placed => ({ schedule: replan(changed, zoneData), skipped: [] });
  if (!stays) return planned();
  const rules = placedBy(cursor.zoneRules, changed.definition.rule, zoneData);
  if (rules === "newer" && cursor.nextAt !== undefined) return { schedule: changed, skipped: [] };
  return rules === "own" ? planned() : retimed(changed, zoneData);
}

/** Where the cursor goes, and the run of ticks that it jumps over. */
function jump(
  existing: Schedule,
  definition: ScheduleDefinition,
  enabled: boolean,
  now: Millis,
): { readonly after: Millis; readonly skipped: readonly SkippedTicks[] } {
  const { cursor } = existing;
  const stays = { after: cursor.after, skipped: [] };
  const switched = enabled !== existing.enabled;
  // Another maxTicks that ends the schedule, or lets it go on, is like another rule.
  const sameEnd = hasReachedMax(existing) === hasReachedMax({ ...existing, definition });
  if (!switched && sameEnd && sameTimes(definition, existing.definition)) return stays;
  if (enabled && existing.enabled && isSameOnce(definition, existing.definition)) return stays;
  const run = ticksGivenUp(existing, now, enabled && existing.enabled ? "late" : "disabled");
  const from = Math.max(cursor.after, now);
  // What cannot be evaluated now may be at a later change: its ticks are still to be told.
  if (run === "unknown")
    return enabled || !sameTimes(definition, existing.definition) ? { after: from, skipped: [] } : stays;
  const startsAnew = definition.rule.kind === "once" && !isSameOnce(definition, existing.definition);
  return { after: startsAnew ? startOf(definition, now) : from, skipped: run === undefined ? [] : [run] };
}

/** A single tick whose instant is the same as before stays as it is, fired or not. */
function isSameOnce(a: ScheduleDefinition, b: ScheduleDefinition): boolean {
  return a.rule.kind === "once" && b.rule.kind === "once" && a.rule.at === b.rule.at;
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
    cursor: { after: startOf(put.definition, now), zoneRules: zoneRulesOf(put.definition.rule, put.zoneData) },
    ruleSetAt: now,
    ticksFired: 0,
    missed: 0,
    failuresInRow: 0,
    createdAt: now,
    updatedAt: now,
  };
  return enabled ? replan(schedule, put.zoneData) : schedule;
}

/** Where a rule begins to be read: from now, but for a single tick, which fires however late. */
function startOf(definition: ScheduleDefinition, now: Millis): Millis {
  return definition.rule.kind === "once" ? Math.min(now, definition.rule.at - 1) : now;
}

/** Whether two definitions say the same; the order of members in their JSON texts says nothing. */
export function sameDefinition(a: ScheduleDefinition, b: ScheduleDefinition): boolean {
  const { input: inputA, metadata: metadataA = "null", ...restA } = a;
  const { input: inputB, metadata: metadataB = "null", ...restB } = b;
  return sameJson(inputA, inputB) && sameJson(metadataA, metadataB) && sameText(restA, restB);
}

/** Whether two definitions have the same ticks, but for how many may fire. */
export function sameTimes(a: ScheduleDefinition, b: ScheduleDefinition): boolean {
  const timesOf = ({ rule, startAt, endAt }: ScheduleDefinition) => ({ rule, startAt, endAt });
  return sameText(timesOf(a), timesOf(b));
}

function sameText(a: unknown, b: unknown): boolean {
  return canonicalJson(a) === canonicalJson(b);
}

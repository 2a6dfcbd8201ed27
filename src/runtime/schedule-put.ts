// What every way to save a schedule shares: its put is built, sent, and told to this process's listeners.
import { defaults } from "../core/defaults.ts";
import type { PutAnswer } from "../core/engine.ts";
import { RevisionConflictError } from "../core/errors.ts";
import { limitError } from "../core/guardrails.ts";
import { mintToken } from "../core/id.ts";
import { refuseUnknown } from "../core/options.ts";
import type { Rule } from "../core/rule.ts";
import { sameTimes } from "../core/saving.ts";
import type { Expected, Schedule, ScheduleDefinition, SchedulePut, ScheduleRef } from "../core/schedule.ts";
import { smallestRuleGapMs } from "../core/smallest-gap.ts";
import { checkId } from "../core/tenant.ts";
import { seedOf } from "../core/tick.ts";
import { boundTenant, type ClientHost, repeatUnknown } from "./client-host.ts";
import { defineSchedule, neverTicks, type ScheduleOptions, scheduleOptions, ticksAgain } from "./schedule-options.ts";

/**
 * The put of a definition, checked; nothing is stored yet.
 * @param at where the options stand in what the caller gave; "" for the options themselves
 * @throws InvalidInputError and its kin, LimitExceededError
 */
export async function buildPut(
  host: ClientHost,
  id: string,
  options: ScheduleOptions,
  expected: Expected,
  at: string,
): Promise<SchedulePut> {
  refuseUnknown(options, scheduleOptions, at);
  const path = (name: string) => (at === "" ? name : `${at}.${name}`);
  const ref = {
    tenant: boundTenant(host.tenant, options.tenant, path("tenant")) ?? defaults.tenant,
    id: checkId(id, path("id")),
  };
  const definition = await defineSchedule(host, options, path);
  await refuseEnded(host, ref, definition, path("when"));
  return { ...ref, incarnation: mintToken(host.entropy()), definition, expected };
}

/** A rule that has come to its end is refused, unless it is the one that is stored: ensure may go on naming it. */
async function refuseEnded(
  host: ClientHost,
  ref: ScheduleRef,
  definition: ScheduleDefinition,
  field: string,
): Promise<void> {
  if (ticksAgain(host, definition, ref)) return;
  const { schedules } = await host.engine();
  const stored = await schedules.get(ref);
  if (stored === undefined || !sameTimes(stored.definition, definition)) throw neverTicks(field);
}

/** Saves several, each by itself. */
export async function sendPuts(host: ClientHost, puts: readonly SchedulePut[]): Promise<PutAnswer[]> {
  const { schedules } = await host.engine();
  const ids = puts.map((put) => put.id);
  const { zoneData } = host;
  const placed = puts.map((put) => ({ ...put, ...gapOf(host, put), ...(zoneData === undefined ? {} : { zoneData }) }));
  return await repeatUnknown(host, ids, () => schedules.put(placed, host.guardrails));
}

/**
 * The smallest gap of a put's rule, which its tenant's limits may ask for: computed here, while no store holds a lock. A
 * union's takes some ms, and is left to the step that needs it where this scheduler has no such limit.
 */
function gapOf(
  host: ClientHost,
  { tenant, id, definition: { rule } }: SchedulePut,
): Pick<SchedulePut, "smallestGapMs"> {
  if (host.guardrails?.minIntervalMs === undefined && holdsUnion(rule)) return {};
  try {
    const smallestGapMs = smallestRuleGapMs(rule, { seed: seedOf(tenant, id), ruleSetAt: Math.round(host.now()) });
    return { smallestGapMs };
  } catch {
    // A stored rule that cannot be evaluated: whatever the put makes of it, it says so itself.
    return {};
  }
}

function holdsUnion(rule: Rule): boolean {
  return rule.kind === "union" || (rule.kind === "except" && holdsUnion(rule.rule));
}

/**
 * Tells listeners what a put did.
 * @param wasEnabled before it, where that can change
 * @throws LimitExceededError, RevisionConflictError for a put that changed nothing
 */
export function announcePut(
  host: ClientHost,
  put: SchedulePut,
  answer: PutAnswer | undefined,
  wasEnabled?: boolean,
): { readonly outcome: "created" | "updated" | "unchanged"; readonly schedule: Schedule } {
  if (answer?.outcome === "limit") throw limitError(answer, put.tenant);
  if (answer === undefined || answer.outcome === "conflict" || answer.outcome === "absent") {
    throw new RevisionConflictError(`schedule ${put.id} changed at the same time`, { field: "id" });
  }
  const { outcome, schedule } = answer;
  const about = { id: put.id, tenant: put.tenant };
  const { emitter } = host;
  if (outcome === "created") emitter.emit("schedule:created", about);
  if (outcome === "updated" && wasEnabled !== undefined && wasEnabled !== schedule.enabled) {
    emitter.emit(schedule.enabled ? "schedule:enabled" : "schedule:disabled", about);
  } else if (outcome === "updated") emitter.emit("schedule:updated", about);
  return { outcome, schedule };
}

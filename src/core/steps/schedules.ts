// Saving, removing and firing schedules: what core decides of them, stored with all that follows.
import { putEvents, removeEvents } from "../audit.ts";
import type { FireRequest, FireResult, PutAnswer, RemoveOutcome, ScheduleRemoval } from "../engine.ts";
import { type Guardrails, limitError } from "../guardrails.ts";
import type { Ledger } from "../ledger.ts";
import { putLimit } from "../put-limits.ts";
import { planPut } from "../saving.ts";
import type { Schedule, SchedulePut } from "../schedule.ts";
import type { DueSchedule, FireStep } from "../step.ts";
import { cancelForSchedule } from "./ending.ts";
import { insertJob } from "./insert.ts";

/** One put. @param given the limits that every tenant has; its own tenant's record is read over these */
export function putSchedule(ledger: Ledger, put: SchedulePut, given: Guardrails | undefined): PutAnswer {
  const before = ledger.findSchedule(put);
  const plan = planPut(before, put, ledger.now);
  if (plan.outcome !== "created" && plan.outcome !== "updated") return plan;
  const { schedule } = plan;
  if (schedule === before) return plan;
  const limits = ledger.guardrails(schedule.tenant, given);
  const hit = putLimit(before, schedule, put, limits, () => ledger.countActive(schedule.tenant));
  if (hit !== undefined) return { outcome: "limit", ...hit };
  ledger.saveSchedule(schedule);
  for (const event of putEvents(before, plan, ledger.now, put.actor)) ledger.append(event);
  if (put.cancelPending === true && !schedule.enabled) cancelPending(ledger, schedule, "disabled");
  if (schedule.cursor.nextAt !== undefined) ledger.tick(schedule.cursor.nextAt);
  return plan;
}

function cancelPending(ledger: Ledger, schedule: Schedule, what: "disabled" | "removed"): void {
  for (const { id, state } of ledger.unfinishedOf(schedule.incarnation)) {
    if (state === "pending") cancelForSchedule(ledger, id, "cancelled", `its schedule was ${what}`);
  }
}

export function removeSchedule(ledger: Ledger, removal: ScheduleRemoval): RemoveOutcome {
  const schedule = ledger.findSchedule(removal);
  if (schedule === undefined) return removeUnreadable(ledger, removal);
  if (removal.expected !== undefined && removal.expected !== schedule.revision) return "conflict";
  if (removal.of !== undefined && removal.of !== schedule.incarnation) return "conflict";
  ledger.removeSchedule(schedule);
  for (const event of removeEvents(schedule, ledger.now, removal.actor)) ledger.append(event);
  if (removal.cancelPending === true) cancelPending(ledger, schedule, "removed");
  return "removed";
}

/** What cannot be read cannot be compared either: it is removed whatever revision was expected. */
function removeUnreadable(ledger: Ledger, { tenant, id, actor }: ScheduleRemoval): RemoveOutcome {
  if (!ledger.removeSchedule({ tenant, id })) return "absent";
  ledger.append({ type: "schedule:removed", tenant, schedule: id, at: ledger.now, actor });
  return "removed";
}

/**
 * Fires schedules that were found due, or that an operation names: hands them to the request's decision and applies its
 * steps, each if its schedule is still as it was decided upon (S2).
 * @throws LimitExceededError for an operation that was refused
 */
export function fireSchedules(ledger: Ledger, found: readonly Schedule[], request: FireRequest): FireResult[] {
  const due = found.map((schedule) => dueSchedule(ledger, schedule, request));
  const steps = request.decide(due, ledger.now);
  return steps.flatMap((step) => (apply(ledger, step) ? [resultOf(step)] : []));
}

/** A schedule with what a decision over it looks at. */
function dueSchedule(ledger: Ledger, schedule: Schedule, request: FireRequest): DueSchedule {
  const { maxPendingJobs } = ledger.guardrails(schedule.tenant, request.guardrails);
  const overlap = request.overlap ?? schedule.definition.overlap;
  const unfinished = overlap === "allow" ? [] : ledger.unfinishedOf(schedule.incarnation);
  if (maxPendingJobs === undefined) return { schedule, unfinished };
  return { schedule, unfinished, room: maxPendingJobs - ledger.unfinished(schedule.tenant), maxPendingJobs };
}

/** Applies a step whole, or not at all; whether it has been, now or before. */
function apply(ledger: Ledger, step: FireStep): boolean {
  if (step.operationJob !== undefined && ledger.hasFired(step.operationJob)) return true;
  if (step.refused !== undefined) throw limitError(step.refused, step.from.tenant);
  if (!ledger.isUnmoved(step.from)) return false;
  ledger.saveSchedule(step.to);
  const reason = "a newer tick of its schedule took its place";
  for (const id of step.cancel) cancelForSchedule(ledger, id, "replaced", reason);
  for (const job of step.insert) insertJob(ledger, job, undefined);
  for (const event of step.events) ledger.append(event);
  return true;
}

function resultOf({ from, fired, skipped, held, disabledReason }: FireStep): FireResult {
  return { tenant: from.tenant, id: from.id, ticks: fired, skipped, held, disabledReason };
}

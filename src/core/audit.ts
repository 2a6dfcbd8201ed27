// What the audit log says of changes that people and programs make (N5); the rest is beside its decision.
import { countSkipped } from "./catch-up.ts";
import type { Millis } from "./clock.ts";
import type { Change } from "./engine.ts";
import type { NewEvent } from "./events.ts";
import type { Job } from "./job.ts";
import type { Queue } from "./queue.ts";
import { nextTickOf, type PutPlan, type Schedule, sameDefinition } from "./schedule.ts";

/** The events of a put: what changed, with before and after, and the ticks that were passed over while disabled. */
export function putEvents(before: Schedule | undefined, plan: PutPlan, now: Millis, actor?: string): NewEvent[] {
  if (plan.outcome !== "created" && plan.outcome !== "updated") return [];
  const after = plan.schedule;
  const about = { tenant: after.tenant, schedule: after.id, at: now, actor };
  if (before === undefined) {
    return [{ ...about, type: "schedule:created", data: { after: after.definition, enabled: after.enabled } }];
  }
  const events: NewEvent[] = [];
  if (!sameDefinition(before.definition, after.definition)) {
    events.push({
      ...about,
      type: "schedule:updated",
      data: { before: before.definition, after: after.definition, revision: after.revision },
    });
  }
  if (before.enabled !== after.enabled) {
    events.push({
      ...about,
      type: after.enabled ? "schedule:enabled" : "schedule:disabled",
      data: after.enabled ? {} : { reason: after.disabledReason },
    });
  }
  const passedOver = after.enabled && !before.enabled ? ticksWhileDisabled(before, now) : undefined;
  if (passedOver !== undefined) events.push({ ...about, type: "tick:skipped", data: { ...passedOver } });
  if (!after.enabled && before.held !== undefined) {
    const { tick } = before.held;
    events.push({ ...about, type: "tick:skipped", data: { from: tick, to: tick, count: 1, reason: "disabled" } });
  }
  return events;
}

function ticksWhileDisabled(before: Schedule, now: Millis) {
  try {
    return countSkipped((after) => nextTickOf(before, after), before.cursor.after, now, "disabled");
  } catch {
    // The old definition may be the very thing that could not be evaluated.
    return undefined;
  }
}

/** The event of a removal. */
export function removeEvent(schedule: Schedule, now: Millis, actor?: string): NewEvent {
  return {
    type: "schedule:removed",
    tenant: schedule.tenant,
    schedule: schedule.id,
    at: now,
    actor,
    data: { before: schedule.definition },
  };
}

/** The event of a change to a job; its cancellation is told by the job's end. */
export function changeEvent(job: Job, { change, actor }: Change, now: Millis): NewEvent | undefined {
  const about = { tenant: job.tenant, job: job.id, queue: job.queue, schedule: job.schedule?.id, at: now, actor };
  switch (change.kind) {
    case "cancel":
      return undefined;
    case "retry":
      return { ...about, type: "job:revived", data: { from: job.state } };
    case "reschedule":
      return { ...about, type: "job:rescheduled", data: { before: job.dueAt, due: change.due } };
    case "update":
      return { ...about, type: "job:updated" };
  }
}

/** The event of a change to a queue's record. */
export function queueEvent(
  before: Queue | undefined,
  after: Queue,
  tenant: string,
  now: Millis,
  actor?: string,
): NewEvent {
  return { type: "queue:changed", tenant, queue: after.name, at: now, actor, data: { before, after } };
}

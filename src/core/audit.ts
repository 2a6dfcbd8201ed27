// What the audit log says of changes that people and programs make (N5); the rest is beside its decision.
import { oneTick, type SkippedTicks, ticksGivenUp } from "./catch-up.ts";
import type { Millis } from "./clock.ts";
import { defaults } from "./defaults.ts";
import type { Change, FinishedPurge } from "./engine.ts";
import type { NewEvent, TransitionType } from "./events.ts";
import { hash128 } from "./hash.ts";
import { dueInstant, type Job } from "./job.ts";
import type { Queue } from "./queue.ts";
import { type PutPlan, sameDefinition } from "./saving.ts";
import type { Schedule, ScheduleDefinition } from "./schedule.ts";
import type { Settlement } from "./settling.ts";
import type { Tenant } from "./tenant-record.ts";

/** The events of a put: what changed, with before and after, and the ticks that it gives up. */
export function putEvents(before: Schedule | undefined, plan: PutPlan, now: Millis, actor?: string): NewEvent[] {
  if (plan.outcome !== "created" && plan.outcome !== "updated") return [];
  const after = plan.schedule;
  const about = { tenant: after.tenant, schedule: after.id, at: now, actor };
  if (before === undefined) {
    return [
      { ...about, type: "schedule:created", data: { after: recorded(after.definition), enabled: after.enabled } },
    ];
  }
  const events: NewEvent[] = [];
  if (!sameDefinition(before.definition, after.definition)) {
    events.push({
      ...about,
      type: "schedule:updated",
      data: { before: recorded(before.definition), after: recorded(after.definition), revision: after.revision },
    });
  }
  if (before.enabled !== after.enabled) {
    events.push({
      ...about,
      type: after.enabled ? "schedule:enabled" : "schedule:disabled",
      data: after.enabled ? {} : { reason: after.disabledReason },
    });
  }
  return [...events, ...skippedEvents(plan.skipped, about)];
}

/** The events of runs of ticks that did not fire. */
export function skippedEvents(runs: readonly SkippedTicks[], about: Omit<NewEvent, "type" | "data">): NewEvent[] {
  return runs.map((run) => ({ ...about, type: "tick:skipped", data: { ...run } }));
}

/** The events of a removal: the ticks that had come and will not fire, and that it is gone. */
export function removeEvents(schedule: Schedule, now: Millis, actor?: string): NewEvent[] {
  const about = { tenant: schedule.tenant, schedule: schedule.id, at: now, actor };
  const late = ticksGivenUp(schedule, now, "disabled");
  const skipped = [
    ...(schedule.held === undefined ? [] : [oneTick(schedule.held, "disabled")]),
    ...(late === undefined || late === "unknown" ? [] : [late]),
  ];
  const data = { before: recorded(schedule.definition) };
  return [...skippedEvents(skipped, about), { ...about, type: "schedule:removed", data }];
}

/** A definition as the log keeps it: a long input or metadata is told by its size and a fingerprint. */
function recorded({ input, metadata, ...rest }: ScheduleDefinition): Readonly<Record<string, unknown>> {
  return {
    ...rest,
    ...recordedText("input", input),
    ...(metadata === undefined ? {} : recordedText("metadata", metadata)),
  };
}

function recordedText(name: string, text: string): Readonly<Record<string, unknown>> {
  if (text.length <= defaults.eventTextCharsMax) return { [name]: text };
  const fingerprint = hash128(text)
    .map((word) => word.toString(16).padStart(8, "0"))
    .join("");
  return { [`${name}LeftOut`]: { characters: text.length, fingerprint } };
}

/** The event of a change to a job; its cancellation is told by the job's end. */
export function changeEvent(job: Job, { change, actor }: Change, now: Millis): NewEvent | undefined {
  const about = { ...aboutJob(job, now), actor };
  switch (change.kind) {
    case "cancel":
      return undefined;
    case "retry":
      return { ...about, type: "job:revived", data: { task: job.task, from: job.state } };
    case "reschedule": {
      const data = { task: job.task, before: job.dueAt, after: dueInstant(change.due, now) };
      return { ...about, type: "job:rescheduled", data };
    }
    case "update":
      return { ...about, type: "job:updated", data: { task: job.task } };
  }
}

/** The event of a job that has ended; of one that has completed nothing is recorded but with `audit: "all"`. */
export function jobEndEvent(job: Job, now: Millis, auditsAll: boolean): NewEvent | undefined {
  if (job.state === "completed") return auditsAll ? transitionEvent("job:completed", job, now) : undefined;
  return {
    ...aboutJob(job, now),
    type: job.state === "failed" ? "job:failed" : "job:cancelled",
    data: { task: job.task, cause: job.endCause, reason: job.reason, attempt: job.attempt },
  };
}

/** An active job is asked to stop; asked again it says nothing new. */
export function cancellingEvent(job: Job, now: Millis, actor?: string): NewEvent | undefined {
  if (job.cancelRequested === true) return undefined;
  return { ...aboutJob(job, now), actor, type: "job:cancelling", data: { task: job.task, attempt: job.attempt } };
}

/** The event of finished jobs that someone deleted; several where a purge took several calls. */
export function purgedJobsEvent(purge: FinishedPurge, deleted: number, now: Millis): NewEvent {
  const { tenant, queue, before, states, actor } = purge;
  const data = { before, ...(states === undefined ? {} : { states }), deleted, allTenants: tenant === undefined };
  return { type: "jobs:purged", tenant: tenant ?? defaults.tenant, queue, actor, at: now, data };
}

/** The event of events that someone deleted. */
export function purgedEventsEvent(before: Millis, deleted: number, now: Millis, actor?: string): NewEvent {
  return { type: "events:purged", tenant: defaults.tenant, actor, at: now, data: { before, deleted } };
}

/** A transition of a job that is recorded with `audit: "all"` only. */
function transitionEvent(type: TransitionType, job: TransitionOf, now: Millis, more?: object): NewEvent {
  const { task, attempt } = job;
  return { ...aboutJob(job, now), type, data: { task, attempt, ...more } };
}

/** What a transition's event tells of its job. */
type TransitionOf = Pick<Job, "id" | "tenant" | "queue" | "task" | "attempt" | "schedule">;

/** The event of a new job, or of a waiting one that another took the place of. */
export function scheduledEvent(job: Job, outcome: "created" | "replaced", now: Millis): NewEvent {
  return transitionEvent("job:scheduled", job, now, { dueAt: job.dueAt, outcome });
}

/** The event of a claim. `recovered`: its last lease ended without a word. */
export function claimedEvent(job: Job & { readonly recovered?: boolean | undefined }, now: Millis): NewEvent {
  const recovered = job.recovered === true ? { recovered: true } : {};
  return transitionEvent("job:claimed", job, now, { worker: job.worker, ...recovered });
}

/** The event of a job that waits again after an attempt. */
export function waitsAgainEvent(job: Job, { outcome }: Pick<Settlement, "outcome">, now: Millis): NewEvent {
  const retried = outcome === "retry";
  const reason = retried ? { reason: job.reason } : {};
  return transitionEvent(retried ? "job:retrying" : "job:released", job, now, { dueAt: job.dueAt, ...reason });
}

function aboutJob(job: Pick<Job, "id" | "tenant" | "queue" | "schedule">, now: Millis) {
  const { id, tenant, queue, schedule } = job;
  return { tenant, job: id, queue, schedule: schedule?.id, at: now };
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

/** The event of a change to a tenant's record; it is the tenant's own. */
export function tenantEvent(before: Tenant | undefined, after: Tenant, now: Millis, actor?: string): NewEvent {
  return { type: "tenant:changed", tenant: after.id, at: now, actor, data: { before, after } };
}

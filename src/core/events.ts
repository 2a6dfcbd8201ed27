// The audit log's events and who writes which: every mutation carries its own, written in the same step.
import type { Millis } from "./clock.ts";
import type { JobId } from "./id.ts";
import type { Job } from "./job.ts";
import type { TenantId } from "./tenant.ts";

/** What can be recorded. */
export type EventType =
  | "job:failed"
  | "job:cancelled"
  | "job:revived"
  | "job:rescheduled"
  | "job:updated"
  | "tick:fired"
  | "tick:skipped"
  | "schedule:created"
  | "schedule:updated"
  | "schedule:enabled"
  | "schedule:disabled"
  | "schedule:paused"
  | "schedule:removed"
  | "queue:changed"
  | "worker:error";

/** An event to append. */
export interface NewEvent {
  readonly type: EventType;
  readonly tenant: TenantId;
  readonly at: Millis;
  readonly job?: JobId | undefined;
  readonly schedule?: string | undefined;
  readonly queue?: string | undefined;
  /** Who did it, when someone asked for it; absent for what the scheduler does by itself. */
  readonly actor?: string | undefined;
  /** JSON-able particulars: before and after, ticks, reasons. */
  readonly data?: Readonly<Record<string, unknown>> | undefined;
}

/** A stored event; `id` grows with each one appended. */
export interface StoredEvent extends NewEvent {
  readonly id: number;
}

/** Which events a listing shows. */
export interface EventFilter {
  readonly tenant?: TenantId | undefined;
  readonly types?: readonly EventType[] | undefined;
  readonly job?: JobId | undefined;
  readonly schedule?: string | undefined;
  readonly queue?: string | undefined;
  readonly from?: Millis | undefined;
  readonly before?: Millis | undefined;
}

/** Whether an event passes a filter. */
export function eventMatches(event: NewEvent, filter: EventFilter): boolean {
  return (
    (filter.tenant === undefined || filter.tenant === event.tenant) &&
    (filter.types === undefined || filter.types.includes(event.type)) &&
    (filter.job === undefined || filter.job === event.job) &&
    (filter.schedule === undefined || filter.schedule === event.schedule) &&
    (filter.queue === undefined || filter.queue === event.queue) &&
    (filter.from === undefined || event.at >= filter.from) &&
    (filter.before === undefined || event.at < filter.before)
  );
}

/** The event of a job that has ended otherwise than by completing; nothing is recorded of the rest. */
export function jobEndEvent(job: Job, now: Millis): NewEvent | undefined {
  if (job.state !== "failed" && job.state !== "cancelled") return undefined;
  return {
    type: job.state === "failed" ? "job:failed" : "job:cancelled",
    tenant: job.tenant,
    at: now,
    job: job.id,
    queue: job.queue,
    schedule: job.schedule?.id,
    data: { task: job.task, cause: job.endCause, reason: job.reason, attempt: job.attempt },
  };
}

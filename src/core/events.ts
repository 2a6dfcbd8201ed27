// The audit log's events and who writes which: every mutation carries its own, written in the same step.
import type { Millis } from "./clock.ts";
import type { JobId } from "./id.ts";
import type { Order } from "./page.ts";
import type { TenantId } from "./tenant.ts";

/** How much the audit log records: what people do and what goes wrong ("changes"), or every job transition as well. */
export type Audit = "changes" | "all";

/** What is always recorded. */
const changeTypes = [
  "job:failed",
  "job:cancelling",
  "job:cancelled",
  "job:revived",
  "job:rescheduled",
  "job:updated",
  "jobs:purged",
  "tick:fired",
  "tick:skipped",
  "schedule:created",
  "schedule:updated",
  "schedule:enabled",
  "schedule:disabled",
  "schedule:paused",
  "schedule:removed",
  "schedule:retimed",
  "queue:changed",
  "tenant:changed",
  "events:purged",
  "worker:error",
] as const;

/** What `audit: "all"` adds: the other transitions of jobs. */
const transitionTypes = ["job:scheduled", "job:claimed", "job:retrying", "job:released", "job:completed"] as const;

/** What `audit: "all"` adds to the log. */
export type TransitionType = (typeof transitionTypes)[number];

/** What can be recorded. */
export type EventType = (typeof changeTypes)[number] | TransitionType;

/** Every type of event there is. */
export const eventTypes: readonly EventType[] = [...changeTypes, ...transitionTypes];

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
  readonly actor?: string | undefined;
  readonly from?: Millis | undefined;
  readonly before?: Millis | undefined;
  /** Only those with a greater id: what has come since that event. */
  readonly afterId?: number | undefined;
}

/** Which page of the log, and from which end: newest first when `order` is absent. */
export interface EventPage {
  readonly limit: number;
  readonly cursor?: string | undefined;
  readonly order?: Order | undefined;
}

/** What the log's cursors name: those of other listings, and of the other order, are refused. */
export function eventListing(order: Order): string {
  return `events ${order}`;
}

/** Whether an event passes a filter. */
export function eventMatches(event: StoredEvent, filter: EventFilter): boolean {
  return (
    (filter.tenant === undefined || filter.tenant === event.tenant) &&
    (filter.types === undefined || filter.types.includes(event.type)) &&
    (filter.job === undefined || filter.job === event.job) &&
    (filter.schedule === undefined || filter.schedule === event.schedule) &&
    (filter.queue === undefined || filter.queue === event.queue) &&
    (filter.actor === undefined || filter.actor === event.actor) &&
    (filter.from === undefined || event.at >= filter.from) &&
    (filter.before === undefined || event.at < filter.before) &&
    (filter.afterId === undefined || event.id > filter.afterId)
  );
}

// Events as rows.
import type { Millis } from "../../core/clock.ts";
import type { EventType, StoredEvent } from "../../core/events.ts";

/** What to select for an `EventRow`. */
export const eventColumns =
  "id::float8 AS id, type, tenant, at::float8 AS at, job::text AS job, schedule, queue, actor, data";

export interface EventRow {
  readonly id: number;
  readonly type: EventType;
  readonly tenant: string;
  readonly at: Millis;
  readonly job: string | null;
  readonly schedule: string | null;
  readonly queue: string | null;
  readonly actor: string | null;
  readonly data: string | null;
}

export function toEvent(row: EventRow): StoredEvent {
  return {
    id: row.id,
    type: row.type,
    tenant: row.tenant,
    at: row.at,
    job: row.job ?? undefined,
    schedule: row.schedule ?? undefined,
    queue: row.queue ?? undefined,
    actor: row.actor ?? undefined,
    data: row.data === null ? undefined : JSON.parse(row.data),
  };
}

// Events as rows and back.
import type { EventType, NewEvent, StoredEvent } from "../../core/events.ts";
import { jobIdFromBytes, jobIdToBytes } from "../../core/id.ts";
import type { Value } from "./database.ts";

export interface EventRow {
  readonly id: number;
  readonly type: EventType;
  readonly tenant: string;
  readonly at: number;
  readonly job: Uint8Array | null;
  readonly schedule: string | null;
  readonly queue: string | null;
  readonly actor: string | null;
  readonly data: string | null;
}

/** The columns that `eventValues` fills, in its order. */
export const eventColumns = "type, tenant, at, job, schedule, queue, actor, data";

export function eventValues(event: NewEvent): Value[] {
  return [
    event.type,
    event.tenant,
    event.at,
    event.job === undefined ? null : jobIdToBytes(event.job),
    event.schedule ?? null,
    event.queue ?? null,
    event.actor ?? null,
    event.data === undefined ? null : JSON.stringify(event.data),
  ];
}

export function toEvent(row: EventRow): StoredEvent {
  return {
    id: row.id,
    type: row.type,
    tenant: row.tenant,
    at: row.at,
    job: row.job === null ? undefined : jobIdFromBytes(row.job),
    schedule: row.schedule ?? undefined,
    queue: row.queue ?? undefined,
    actor: row.actor ?? undefined,
    data: row.data === null ? undefined : JSON.parse(row.data),
  };
}

// The audit log in SQLite: the contract's EventStore. Events are appended by the transactions that they record.
import type { EventStore } from "../../core/engine.ts";
import type { EventFilter, EventType, StoredEvent } from "../../core/events.ts";
import { jobIdFromBytes, jobIdToBytes } from "../../core/id.ts";
import { decodeCursor, encodeCursor, type Page } from "../../core/page.ts";
import type { Steps, Tx } from "./tx.ts";

const filterClause = `WITH filter (of_tenant, of_types, of_job, of_schedule, of_queue, of_from, of_before) AS (VALUES (?, ?, ?, ?, ?, ?, ?))`;
const columns = "id, type, tenant, at, job, schedule, queue, actor, data";
const conditions = `id < ?
  AND (of_tenant IS NULL OR tenant = of_tenant)
  AND (of_types IS NULL OR type IN (SELECT value FROM json_each(of_types)))
  AND (of_job IS NULL OR job = of_job)
  AND (of_schedule IS NULL OR schedule = of_schedule)
  AND (of_queue IS NULL OR queue = of_queue)
  AND (of_from IS NULL OR at >= of_from)
  AND (of_before IS NULL OR at < of_before)
ORDER BY id DESC LIMIT ?`;

const listStatement = `-- events.list
${filterClause}
SELECT ${columns} FROM filter CROSS JOIN punctual_events WHERE ${conditions}`;

const listOfJobStatement = `-- events.listOfJob
${filterClause}
SELECT ${columns} FROM filter CROSS JOIN punctual_events ON job = of_job WHERE ${conditions}`;

const listOfScheduleStatement = `-- events.listOfSchedule
${filterClause}
SELECT ${columns} FROM filter CROSS JOIN punctual_events ON tenant = of_tenant AND schedule = of_schedule
WHERE ${conditions}`;

const purgeStatement = `-- events.purge
DELETE FROM punctual_events WHERE id IN (SELECT id FROM punctual_events WHERE at < ? ORDER BY at LIMIT ?)`;

const anyOldStatement = "-- events.anyOld\nSELECT 1 AS found FROM punctual_events WHERE at < ? LIMIT 1";

interface EventRow {
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

export function eventStore(steps: Steps): EventStore {
  return {
    append: (events) =>
      steps.write((tx) => {
        for (const event of events) tx.append(event);
      }),
    list: (filter, page) => steps.read((tx) => list(tx, filter, page)),
    purge: ({ olderThanMs, limit }) =>
      steps.write(({ connection, now }) => {
        const deleted = connection.run(purgeStatement, now - olderThanMs, limit);
        return { deleted, more: connection.get(anyOldStatement, now - olderThanMs) !== undefined };
      }),
  };
}

function list(
  { connection }: Tx,
  filter: EventFilter,
  page: { readonly limit: number; readonly cursor?: string },
): Page<StoredEvent> {
  const before = page.cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(decodeCursor(page.cursor, 1)[0]);
  const rows = connection.all<EventRow>(
    statementFor(filter),
    filter.tenant ?? null,
    filter.types === undefined ? null : JSON.stringify(filter.types),
    filter.job === undefined ? null : jobIdToBytes(filter.job),
    filter.schedule ?? null,
    filter.queue ?? null,
    filter.from ?? null,
    filter.before ?? null,
    before,
    page.limit + 1,
  );
  const items = rows.slice(0, page.limit).map(toEvent);
  const last = items.at(-1);
  return { items, ...(rows.length > page.limit && last !== undefined ? { next: encodeCursor([last.id]) } : {}) };
}

/** The statement that looks at the fewest events. */
function statementFor({ tenant, job, schedule }: EventFilter): string {
  if (job !== undefined) return listOfJobStatement;
  return tenant !== undefined && schedule !== undefined ? listOfScheduleStatement : listStatement;
}

function toEvent(row: EventRow): StoredEvent {
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

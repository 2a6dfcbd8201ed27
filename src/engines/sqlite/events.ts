// The audit log in SQLite: the contract's EventStore. Events are appended by the transactions that they record.
import type { EventStore } from "../../core/engine.ts";
import type { EventFilter, EventType, StoredEvent } from "../../core/events.ts";
import { jobIdFromBytes, jobIdToBytes } from "../../core/id.ts";
import type { Page } from "../../core/page.ts";
import { filterOf, filterValue, readNewest, whenGiven } from "./listing.ts";
import type { Steps } from "./tx.ts";

const filter = filterOf(["of_tenant", "of_types", "of_job", "of_schedule", "of_queue", "at_from", "at_before"]);

const columns = "id, type, tenant, at, job, schedule, queue, actor, data";

const conditions = [
  "id < ? AND id >= ?",
  whenGiven("of_tenant", (tenant) => `tenant = ${tenant}`),
  whenGiven("of_types", (types) => `type IN (SELECT value FROM json_each(${types}))`),
  whenGiven("of_job", (job) => `job = ${job}`),
  whenGiven("of_schedule", (schedule) => `schedule = ${schedule}`),
  whenGiven("of_queue", (queue) => `queue = ${queue}`),
  whenGiven("at_from", (from) => `at >= ${from}`),
  whenGiven("at_before", (before) => `at < ${before}`),
].join("\n  AND ");

const listStatement = `-- events.list
${filter}
SELECT ${columns} FROM punctual_events WHERE ${conditions} ORDER BY id DESC LIMIT ?`;

const listOfJobStatement = `-- events.listOfJob
${filter}
SELECT ${columns} FROM punctual_events WHERE job = ${filterValue("of_job")} AND ${conditions} ORDER BY id DESC LIMIT ?`;

const listOfScheduleStatement = `-- events.listOfSchedule
${filter}
SELECT ${columns} FROM punctual_events
WHERE tenant = ${filterValue("of_tenant")} AND schedule = ${filterValue("of_schedule")} AND ${conditions}
ORDER BY id DESC LIMIT ?`;

const stepStatement = `-- events.listStep
SELECT id FROM punctual_events WHERE id < ? ORDER BY id DESC LIMIT 1 OFFSET ?`;

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
    list: (filter, page) => list(steps, filter, page),
    purge: ({ olderThanMs, limit }) =>
      steps.write(({ connection, now }) => {
        const deleted = connection.run(purgeStatement, now - olderThanMs, limit);
        return { deleted, more: connection.get(anyOldStatement, now - olderThanMs) !== undefined };
      }),
  };
}

async function list(
  steps: Steps,
  filter: EventFilter,
  page: { readonly limit: number; readonly cursor?: string },
): Promise<Page<StoredEvent>> {
  const values = [
    filter.tenant ?? null,
    filter.types === undefined ? null : JSON.stringify(filter.types),
    filter.job === undefined ? null : jobIdToBytes(filter.job),
    filter.schedule ?? null,
    filter.queue ?? null,
    filter.from ?? null,
    filter.before ?? null,
  ];
  const statement = statementFor(filter);
  const { rows, next } = await readNewest<EventRow>(steps, page, {
    stepStatement: statement === listStatement ? stepStatement : undefined,
    read: (connection, span, limit) => connection.all(statement, ...values, ...span, limit),
    numberOf: ({ id }) => id,
  });
  return { items: rows.map(toEvent), ...(next === undefined ? {} : { next }) };
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

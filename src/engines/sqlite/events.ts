// The audit log in SQLite: the contract's EventStore. Events are appended by the transactions that they record: there is
// one writer at a time, so ids are seen in their order.
import type { EventStore } from "../../core/engine.ts";
import { type EventFilter, type EventPage, eventListing, type StoredEvent } from "../../core/events.ts";
import { jobIdToBytes } from "../../core/id.ts";
import type { Page } from "../../core/page.ts";
import { type EventRow, toEvent } from "./event-rows.ts";
import { filterOf, filterValue, inBothOrders, readPage, whenGiven } from "./listing.ts";
import type { Steps } from "./tx.ts";

const filter = filterOf([
  "of_tenant",
  "of_types",
  "of_job",
  "of_schedule",
  "of_queue",
  "of_actor",
  "at_from",
  "at_before",
]);

const columns = "id, type, tenant, at, job, schedule, queue, actor, data";

const conditions = [
  "id > ? AND id < ?",
  whenGiven("of_tenant", (tenant) => `tenant = ${tenant}`),
  whenGiven("of_types", (types) => `type IN (SELECT value FROM json_each(${types}))`),
  whenGiven("of_job", (job) => `job = ${job}`),
  whenGiven("of_schedule", (schedule) => `schedule = ${schedule}`),
  whenGiven("of_queue", (queue) => `queue = ${queue}`),
  whenGiven("of_actor", (actor) => `actor = ${actor}`),
  whenGiven("at_from", (from) => `at >= ${from}`),
  whenGiven("at_before", (before) => `at < ${before}`),
].join("\n  AND ");

const listStatements = inBothOrders(
  (direction) => `-- events.list
${filter}
SELECT ${columns} FROM punctual_events WHERE ${conditions} ORDER BY id ${direction} LIMIT ?`,
);

const listOfJobStatements = inBothOrders(
  (direction) => `-- events.listOfJob
${filter}
SELECT ${columns} FROM punctual_events WHERE job = ${filterValue("of_job")} AND ${conditions}
ORDER BY id ${direction} LIMIT ?`,
);

const listOfScheduleStatements = inBothOrders(
  (direction) => `-- events.listOfSchedule
${filter}
SELECT ${columns} FROM punctual_events
WHERE tenant = ${filterValue("of_tenant")} AND schedule = ${filterValue("of_schedule")} AND ${conditions}
ORDER BY id ${direction} LIMIT ?`,
);

const stepStatements = inBothOrders(
  (direction) => `-- events.listStep
SELECT id FROM punctual_events WHERE id > ? AND id < ? ORDER BY id ${direction} LIMIT 1 OFFSET ?`,
);

const stepOfScheduleStatements = inBothOrders(
  (direction) => `-- events.listStepOfSchedule
SELECT id FROM punctual_events WHERE tenant = ? AND schedule = ? AND id > ? AND id < ?
ORDER BY id ${direction} LIMIT 1 OFFSET ?`,
);

export function eventStore(steps: Steps): EventStore {
  return {
    append: (events) =>
      steps.write((tx) => {
        for (const event of events) tx.append(event);
      }),
    list: (filter, page) => list(steps, filter, page),
    purge: (request) => steps.write((tx) => tx.retention.purgeEvents(tx, request)),
  };
}

async function list(steps: Steps, filter: EventFilter, page: EventPage): Promise<Page<StoredEvent>> {
  const values = [
    filter.tenant ?? null,
    filter.types === undefined ? null : JSON.stringify(filter.types),
    filter.job === undefined ? null : jobIdToBytes(filter.job),
    filter.schedule ?? null,
    filter.queue ?? null,
    filter.actor ?? null,
    filter.from ?? null,
    filter.before ?? null,
  ];
  const { order = "newest" } = page;
  const way = wayTo(filter);
  const { rows, next } = await readPage<EventRow>(steps, page, {
    order,
    name: eventListing(order),
    above: filter.afterId,
    findStep: (connection, span, rows) =>
      way.step === undefined ? undefined : connection.get<EventRow>(way.step[order], ...way.values, ...span, rows)?.id,
    read: (connection, span, limit) => connection.all(way.list[order], ...values, ...span, limit),
    numberOf: ({ id }) => id,
  });
  return { items: rows.map(toEvent), ...(next === undefined ? {} : { next }) };
}

/** The statements that look at the fewest events; a job has so few that one step reads them all. */
function wayTo({ tenant, job, schedule }: EventFilter) {
  if (job !== undefined) return { list: listOfJobStatements, values: [] };
  if (tenant === undefined || schedule === undefined) return { list: listStatements, step: stepStatements, values: [] };
  return { list: listOfScheduleStatements, step: stepOfScheduleStatements, values: [tenant, schedule] };
}

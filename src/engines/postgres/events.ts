// The audit log in PostgreSQL: the contract's EventStore. Events are written by the transactions that they record.
import type { EventStore } from "../../core/engine.ts";
import { type EventFilter, type EventPage, eventListing, type StoredEvent } from "../../core/events.ts";
import { decodePosition, encodePosition, type Order, type Page } from "../../core/page.ts";
import { Names } from "../../core/workspace/names.ts";
import { numberEvents } from "./event-order.ts";
import { type EventRow, eventColumns, toEvent } from "./event-rows.ts";
import type { Value } from "./sql.ts";
import type { Steps } from "./steps.ts";

/** Events that one statement of a filtered listing looks at: a rare match in a long log must not exceed its time. */
const stepMax = 50_000;

// Inside a caller's transaction: what has no id yet stands behind the rest, in the order of its arrival.
const withOwn = `(
  SELECT * FROM punctual.events WHERE id IS NOT NULL
  UNION ALL
  SELECT arrival, (SELECT last_value FROM punctual.events_id) + row_number() OVER (ORDER BY arrival), at, job, type, tenant,
    schedule, queue, actor, data
  FROM punctual.events WHERE id IS NULL
)`;

const conditions = `id > $1::bigint AND id < $2::bigint
  AND ($4::text IS NULL OR tenant = $4)
  AND ($5::json IS NULL OR type IN (SELECT value FROM json_array_elements_text($5::json)))
  AND ($6::uuid IS NULL OR job = $6::uuid)
  AND ($7::text IS NULL OR schedule = $7)
  AND ($8::text IS NULL OR queue = $8)
  AND ($9::text IS NULL OR actor = $9)
  AND ($10::bigint IS NULL OR at >= $10::bigint)
  AND ($11::bigint IS NULL OR at < $11::bigint)`;

type Direction = "ASC" | "DESC";

function inBothOrders(write: (direction: Direction) => string): Readonly<Record<Order, string>> {
  return { newest: write("DESC"), oldest: write("ASC") };
}

const listOf = (events: string, own = "true") =>
  inBothOrders(
    (direction) => `-- events.list
SELECT ${eventColumns} FROM ${events} AS events WHERE ${own} AND ${conditions} ORDER BY events.id ${direction} LIMIT $3`,
  );

const listStatements = listOf("punctual.events");
const listJoinedStatements = listOf(withOwn);
const listOfScheduleStatements = listOf("punctual.events", "tenant = $4 AND schedule = $7");

// A job has so few that they are sorted once found.
const listOfJobStatements = inBothOrders(
  (direction) => `-- events.listOfJob
WITH own AS MATERIALIZED (SELECT * FROM punctual.events WHERE job = $6::uuid)
SELECT ${eventColumns} FROM own WHERE ${conditions} ORDER BY own.id ${direction} LIMIT $3`,
);

const stepStatements = inBothOrders(
  (direction) => `-- events.listStep
SELECT id::float8 AS id FROM punctual.events WHERE id > $1::bigint AND id < $2::bigint
ORDER BY events.id ${direction} LIMIT 1 OFFSET ${stepMax}`,
);

export function eventStore(steps: Steps): EventStore {
  return {
    append: (events) =>
      steps.begin((step) =>
        step.decide(new Names(), (workspace) => {
          for (const event of events) workspace.append(event);
        }),
      ),
    list: (filter, page) => list(steps, filter, page),
    purge: async (request) => {
      // Whoever purges, listed or not, leaves no long row of events for the next listing to number.
      if (!steps.connections.joined) await numberEvents(steps);
      return steps.context.retention.purgeEvents(steps, request);
    },
  };
}

/** Which events a statement looks at: those with ids between the two, without them. */
type Span = readonly [above: number, below: number];

async function list(steps: Steps, filter: EventFilter, page: EventPage): Promise<Page<StoredEvent>> {
  const { order = "newest", limit, cursor } = page;
  const name = eventListing(order);
  const [position] = cursor === undefined ? [] : decodePosition(cursor, name, 1);
  const { connections } = steps;
  if (!connections.joined && !(order === "newest" && position !== undefined)) await numberEvents(steps);
  let span = spanOf(filter.afterId ?? -1, position, order);
  const way = wayTo(filter, connections.joined);
  const rows: EventRow[] = [];
  for (let more = true; more && rows.length <= limit; ) {
    const reached = way.inSteps ? await stepEnd(steps, span, order) : undefined;
    const part = reached === undefined ? span : upTo(span, reached, order);
    const values: Value[] = [...part, limit + 1 - rows.length, ...valuesOf(filter)];
    rows.push(...((await connections.run(way.statements[order], values)) as EventRow[]));
    more = reached !== undefined;
    if (reached !== undefined) span = beyond(span, reached, order);
  }
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const isLast = rows.length <= limit || last === undefined;
  return { items: shown.map(toEvent), ...(isLast ? {} : { next: encodePosition(name, [last.id]) }) };
}

function spanOf(above: number, position: number | undefined, order: Order): Span {
  if (order === "newest") return [above, position ?? Number.MAX_SAFE_INTEGER];
  return [Math.max(above, position ?? above), Number.MAX_SAFE_INTEGER];
}

/** The part of a span up to an id, and with it. */
function upTo([above, below]: Span, id: number, order: Order): Span {
  return order === "newest" ? [id - 1, below] : [above, id + 1];
}

function beyond([above, below]: Span, id: number, order: Order): Span {
  return order === "newest" ? [above, id] : [id, below];
}

/** The id that a step ends at; undefined when it reaches the end of the span. */
async function stepEnd({ connections }: Steps, span: Span, order: Order): Promise<number | undefined> {
  const [row] = await connections.run(stepStatements[order], [...span]);
  return row?.["id"];
}

function valuesOf(filter: EventFilter): Value[] {
  return [
    filter.tenant ?? null,
    filter.types === undefined ? null : JSON.stringify(filter.types),
    filter.job ?? null,
    filter.schedule ?? null,
    filter.queue ?? null,
    filter.actor ?? null,
    filter.from ?? null,
    filter.before ?? null,
  ];
}

/** The statements that look at the fewest events. */
function wayTo({ afterId: _, ...filter }: EventFilter, isJoined: boolean) {
  const { tenant, job, schedule } = filter;
  if (isJoined) return { statements: listJoinedStatements, inSteps: false };
  if (job !== undefined) return { statements: listOfJobStatements, inSteps: false };
  if (tenant !== undefined && schedule !== undefined) return { statements: listOfScheduleStatements, inSteps: false };
  return { statements: listStatements, inSteps: Object.values(filter).some((value) => value !== undefined) };
}

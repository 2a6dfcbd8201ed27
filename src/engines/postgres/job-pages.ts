// The statements that list jobs by insertion: each looks at one bounded step of the history, and at live jobs in one of
// four ways. Which way is taken changes what a step costs, never what it finds.
import type { Order } from "../../core/page.ts";
import { counters } from "../../core/workspace/lane-changes.ts";
import { freshJobs } from "./fresh-leases.ts";
import { finishedConditions, jobConditions } from "./job-filter.ts";
import { type Direction, inBothOrders } from "./listing.ts";
import { finishedColumns, jobColumns } from "./rows.ts";

/** Ways to the live jobs of a listing. */
export type Way =
  /** All of them, in steps. */
  | "steps"
  /** The active ones, by their index: without pending jobs, however many there are, a listing is short. */
  | "active"
  /** Those of the lanes of a tenant or a queue, which are few. */
  | "lanes"
  /** Those of one lane whose keys begin alike, which are few. */
  | "keys";

// Beyond the filter's parameters: $16 and $17 are the span, $18 the rows to look at, $19 those to answer; $20 whether the
// history is listed; $21, for keys, the text that comes after all that begin with the prefix.
const inSpan = "seq > $16::bigint AND seq < $17::bigint";
const withEnded = "$20::boolean";
const ofPrefix = "tenant = $1 AND queue = $2 AND key >= $9 AND key < $21";

// A tenant's lanes, or a queue's, as they are in the statement's own snapshot.
const ownLanes = `own AS MATERIALIZED (
  SELECT queue, tenant, ${counters.map((counter) => `sum(${counter}) AS ${counter}`).join(", ")} FROM (
    SELECT queue, tenant, ${counters.join(", ")} FROM punctual.lanes
    WHERE $1::text IS NOT NULL AND tenant = $1 AND ($2::text IS NULL OR queue = $2)
    UNION ALL
    SELECT queue, tenant, ${counters.join(", ")} FROM punctual.lanes WHERE $1::text IS NULL AND queue = $2
    UNION ALL
    SELECT queue, tenant, ${counters.join(", ")} FROM punctual.lane_deltas
    WHERE ($1::text IS NULL OR tenant = $1) AND ($2::text IS NULL OR queue = $2)
  ) AS parts GROUP BY queue, tenant
)`;

const queuesWith = (counter: string) => `(SELECT DISTINCT queue FROM own WHERE ${counter} <> 0)`;

// Each place by its own index, lane by lane: OFFSET keeps them from being joined in another way.
const jobsAt = (lanes: string, condition: string) => `SELECT at.* FROM ${lanes} AS own CROSS JOIN LATERAL (
    SELECT * FROM punctual.jobs AS jobs WHERE jobs.queue = own.queue AND ${condition} OFFSET 0
  ) AS at`;

const liveOfLanes = [
  jobsAt("(SELECT * FROM own WHERE ready <> 0 OR active <> 0)", "jobs.tenant = own.tenant AND place = 'ready'"),
  jobsAt(queuesWith("deferred"), "place = 'deferred'"),
  jobsAt(queuesWith("active"), "place = 'active'"),
  jobsAt("(SELECT * FROM own WHERE held <> 0)", "jobs.tenant = own.tenant AND key IS NOT NULL AND place = 'held'"),
].join("\n  UNION ALL\n  ");

/** Live jobs that are found otherwise than in steps, and are few. */
const found = (rows: string) => `live AS MATERIALIZED (
  SELECT * FROM (${rows}) AS job WHERE ${inSpan} AND ${jobConditions}
), `;

/** A step: where it ends, and what it finds up to there; a single row without a job when it finds none. */
const statements: Readonly<Record<Way, Readonly<Record<Order, string>>>> = {
  steps: inBothOrders((direction) =>
    stepThrough("jobs.list", direction, {
      ends: `${endIn("punctual.jobs", "true", direction)} UNION ALL ${endIn("punctual.finished", withEnded, direction)}`,
      live: `SELECT ${jobColumns} FROM punctual.jobs AS job WHERE ${inSpan} AND ${inStep(direction)} AND ${jobConditions}
    ORDER BY job.seq ${direction.sort} LIMIT $19`,
    }),
  ),
  active: beside("jobs.listActive", found(`SELECT * FROM punctual.jobs WHERE place = 'active' UNION ALL ${freshJobs}`)),
  lanes: beside(
    "jobs.listLanes",
    `${ownLanes}, ${found(liveOfLanes)}`,
    "EXISTS (SELECT 1 FROM own WHERE completed <> 0 OR failed <> 0 OR cancelled <> 0)",
  ),
  keys: beside("jobs.listKeys", found(`SELECT * FROM punctual.jobs WHERE ${ofPrefix}`)),
};

/** The statement of a way, in an order. */
export function listingStatement(way: Way, order: Order): string {
  return statements[way][order];
}

/** Only the history is gone through in steps. @param hasEnded whether there is any of what is listed */
function beside(name: string, before: string, hasEnded = "true"): Readonly<Record<Order, string>> {
  return inBothOrders((direction) =>
    stepThrough(name, direction, {
      before,
      ends: endIn("punctual.finished", `${withEnded} AND ${hasEnded}`, direction),
      live: `SELECT ${jobColumns} FROM live AS job WHERE ${inStep(direction)}`,
      hasEnded,
    }),
  );
}

interface Parts {
  readonly before?: string;
  readonly ends: string;
  readonly live: string;
  readonly hasEnded?: string;
}

function stepThrough(
  name: string,
  direction: Direction,
  { before = "", ends, live, hasEnded = "true" }: Parts,
): string {
  return `-- ${name}
WITH ${before}step AS MATERIALIZED (SELECT ${direction.furthest}(seq) AS last FROM (${ends}) AS ends)
SELECT step.last::float8 AS step_end, found.* FROM step LEFT JOIN LATERAL (
  (${live}) UNION ALL (
    SELECT ${finishedColumns} FROM punctual.finished AS job
    WHERE ${withEnded} AND ${hasEnded} AND ${inSpan} AND ${inStep(direction)} AND ${finishedConditions}
    ORDER BY job.seq ${direction.sort} LIMIT $19
  ) ORDER BY seq ${direction.sort} LIMIT $19
) AS found ON true ORDER BY found.seq ${direction.sort}`;
}

/** The row so many rows further into the span; none when fewer are left. */
function endIn(table: string, condition: string, { sort }: Direction): string {
  return `(SELECT seq FROM ${table} WHERE ${condition} AND ${inSpan} ORDER BY seq ${sort} LIMIT 1 OFFSET $18::bigint)`;
}

function inStep({ sort, reaches }: Direction): string {
  return `seq ${reaches} coalesce(step.last, ${sort === "DESC" ? "$16::bigint" : "$17::bigint"})`;
}

/** So many live jobs are few: looking at them all at once costs no more than a step. */
export const fewMax = 2_000;

/**
 * How many live jobs the ways would look at; $1 the tenant, $2 the queue, $3 the beginning of keys, $4 what comes after.
 * `beside`: jobs of the same queues, of other tenants, that lie among them.
 */
export const fewStatement = `-- jobs.listFew
WITH ${ownLanes}
SELECT coalesce(sum(ready + deferred + held + active), 0)::float8 AS live,
  (
    SELECT coalesce(sum(deferred + active), 0) FROM punctual.lanes WHERE queue IN (
      SELECT queue FROM own WHERE ready <> 0 OR deferred <> 0 OR held <> 0 OR active <> 0
    )
  )::float8 AS beside,
  (
    SELECT count(*) FROM (
      SELECT 1 FROM punctual.jobs WHERE tenant = $1 AND queue = $2 AND key >= $3::text AND key < $4::text
      LIMIT ${fewMax + 1}
    ) AS found
  )::float8 AS keys
FROM own`;

// A store's health: what the server says of itself, damaged rows, counters, what retention has left. Bounded.
import { defaults } from "../../core/defaults.ts";
import { formatDuration } from "../../core/duration.ts";
import { type Finding, fine } from "../../core/findings.ts";
import { isDamaged } from "../../core/stored-job.ts";
import { counters } from "../../core/workspace/lane-changes.ts";
import type { Session } from "./connections.ts";
import { exactLanes } from "./lanes.ts";
import { readableSchedule, type ScheduleRow } from "./schedule-rows.ts";
import { serverFindings } from "./server-findings.ts";
import type { Steps } from "./steps.ts";

/** Tables up to so many rows are counted. */
const rowsMax = 1_000_000;
/** ... and so many are looked into. */
const shapedMax = 20_000;
/** Counts that are not folded into the lanes yet; a claim and every look at the counts reads them all. */
const deltasMax = 100_000;
/** A janitor goes round every minute: what should be gone for longer was left by nobody's coming. */
const leftMs = 10 * defaults.janitorMs;
/** Finished jobs of one queue that may lie beyond what retention keeps, as they are trimmed together. */
const slack = 1_000;
const rowsMend = "Mend or delete the row; a backup may have it whole.";

const schemaStatement = `-- findings.schema
SELECT n.nspname::text AS schema FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = 'punctual.jobs'::regclass`;

/** What only PostgreSQL knows; what hears of other processes tells of itself (signal-findings.ts). */
export async function findings(steps: Steps): Promise<Finding[]> {
  const { connections } = steps;
  const [row] = await connections.run(schemaStatement);
  return [
    ...(await serverFindings(connections, row?.["schema"], connections.many)),
    ...(await damage(connections)),
    ...(await misshapen(connections)),
    ...(await lanes(connections)),
    ...(await leftovers(steps)),
  ];
}

/** Texts that should be JSON, with what names their row. */
const texts = [
  { what: "job", table: "jobs", column: "input", name: "id::text", key: "seq" },
  { what: "job", table: "jobs", column: "detail", name: "id::text", key: "seq" },
  { what: "finished job", table: "finished", column: "input", name: "id::text", key: "seq" },
  { what: "finished job", table: "finished", column: "detail", name: "id::text", key: "seq" },
  { what: "schedule", table: "schedules", column: "schedule", name: "tenant || '/' || id", key: "tenant, id" },
  { what: "queue", table: "queues", column: "rate", name: "name", key: "name" },
  { what: "queue", table: "queues", column: "rate_window", name: "name", key: "name" },
  { what: "tenant", table: "tenants", column: "rate", name: "id", key: "id" },
  { what: "tenant", table: "tenants", column: "rate_window", name: "id", key: "id" },
  { what: "tenant", table: "tenants", column: "guardrails", name: "id", key: "id" },
  { what: "event", table: "events", column: "data", name: "arrival::text", key: "arrival" },
] as const;

const damageStatements = texts.map(
  ({ table, column, name, key }) => `-- findings.damage
SELECT ${name} AS name, ${column} AS text
FROM (SELECT * FROM punctual.${table} ORDER BY ${key} LIMIT ${shapedMax}) AS first_rows
WHERE ${column} IS NOT NULL AND punctual.readable_json(${column}) IS NULL LIMIT 20`,
);

async function damage(session: Session): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const [index, { what, table, column }] of texts.entries()) {
    const rows = await session.run(damageStatements[index] ?? "");
    // PostgreSQL takes less for JSON than JavaScript does.
    for (const { name } of rows.filter(({ text }) => !isJson(text))) {
      const said = `${what} ${name} is damaged: its ${column} is no JSON (table ${table})`;
      found.push({ check: "rows", status: "problem", what: said, mend: rowsMend });
    }
  }
  return found;
}

const detailsStatement = `-- findings.details
SELECT id::text AS id, detail FROM punctual.jobs WHERE detail IS NOT NULL ORDER BY seq LIMIT ${shapedMax}`;

const schedulesStatement = `-- findings.schedules
SELECT tenant, id, schedule FROM punctual.schedules ORDER BY tenant, id LIMIT ${shapedMax}`;

/** What is JSON and yet not what was written: each stops itself. */
async function misshapen(session: Session): Promise<Finding[]> {
  const details = (await session.run(detailsStatement)) as { id: string; detail: string }[];
  const schedules = (await session.run(schedulesStatement)) as ScheduleRow[];
  const what = [
    ...details
      .filter(({ detail }) => isJson(detail) && isDamaged(detail))
      .map(({ id }) => `job ${id} is damaged: its detail is not a job's (table jobs)`),
    ...schedules
      .filter((row) => isJson(row.schedule) && readableSchedule(row) === undefined)
      .map(({ tenant, id }) => `schedule ${tenant}/${id} is damaged: it is not whole (table schedules)`),
  ];
  if (what.length === 0) return [fine("rows", "the stored texts that were looked at can be read")];
  return what.slice(0, 20).map((one): Finding => ({ check: "rows", status: "problem", what: one, mend: rowsMend }));
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const sizesStatement = `-- findings.sizes
SELECT (SELECT count(*) FROM (SELECT 1 FROM punctual.jobs LIMIT ${rowsMax + 1}) AS first_rows)::float8
    + (SELECT count(*) FROM (SELECT 1 FROM punctual.finished LIMIT ${rowsMax + 1}) AS first_rows)::float8 AS rows,
  (SELECT count(*) FROM (SELECT 1 FROM punctual.lane_deltas LIMIT ${deltasMax + 1}) AS first_rows)::float8 AS deltas`;

const stored = counters.filter((counter) => !counter.endsWith("_total"));

// One statement sees one moment.
const countedStatement = `-- findings.counters
SELECT queue, tenant, sum(counted)::float8 AS counted, sum(stored)::float8 AS stored FROM (
  SELECT queue, tenant, ${stored.join(" + ")} AS counted, 0 AS stored FROM ${exactLanes} AS lanes
  UNION ALL SELECT queue, tenant, 0, count(*) FROM punctual.jobs GROUP BY queue, tenant
  UNION ALL SELECT queue, tenant, 0, count(*) FROM punctual.finished GROUP BY queue, tenant
) AS parts GROUP BY queue, tenant HAVING sum(counted) <> sum(stored) ORDER BY queue, tenant LIMIT 20`;

async function lanes(session: Session): Promise<Finding[]> {
  const [sizes] = await session.run(sizesStatement);
  const found: Finding[] = [];
  if (sizes?.["deltas"] > deltasMax) {
    const what = `more than ${deltasMax} counts are not folded into the lanes yet: claims and counts get slower`;
    const mend = "Run a process with the role janitor: punctual serve --roles janitor.";
    found.push({ check: "counters", status: "warn", what, mend });
  }
  if (sizes?.["rows"] > rowsMax) return [...found, fine("counters", "not compared: there are too many jobs")];
  const wrong = await session.run(countedStatement);
  for (const { queue, tenant, counted, stored } of wrong) {
    const what = `queue ${queue} of tenant ${tenant} counts ${counted} jobs and holds ${stored}`;
    const mend = "Rows were changed by other means than Punctual. `punctual copy` into another store counts anew.";
    found.push({ check: "counters", status: "problem", what, mend });
  }
  return found.length > 0 ? found : [fine("counters", "the counts of every queue agree with its jobs")];
}

const leftStatement = `-- findings.left
SELECT (SELECT min(expires_at) FROM punctual.finished WHERE expires_at IS NOT NULL)::float8 AS expired,
  (SELECT min(at) FROM punctual.events)::float8 AS event,
  (SELECT string_agg(queue, ', ' ORDER BY queue) FROM (
    SELECT queue FROM ${exactLanes} AS lanes GROUP BY queue HAVING sum(completed) > $1 OR sum(failed + cancelled) > $2
    LIMIT 20
  ) AS overfull) AS full_queues`;

/** What a janitor would have deleted. */
async function leftovers(steps: Steps): Promise<Finding[]> {
  const { completedCountMax, endedCountMax, eventAgeMsMax } = steps.context.history;
  const now = await steps.now();
  const [row] = await steps.connections.run(leftStatement, [completedCountMax + slack, endedCountMax + slack]);
  const { expired, event, full_queues: full } = row ?? {};
  const reasons: string[] = [];
  if (expired != null && expired < now - leftMs) {
    reasons.push(`finished jobs whose time ended ${formatDuration(wholeSeconds(now - expired))} ago`);
  }
  if (full != null) reasons.push(`more finished jobs than are kept in ${full}`);
  if (event != null && event < now - eventAgeMsMax - leftMs) {
    reasons.push(`events of ${formatDuration(wholeSeconds(now - event))} ago`);
  }
  if (reasons.length === 0) return [fine("retention", "nothing is kept beyond its time")];
  const mend = "Run a process with the role janitor: punctual serve --roles janitor.";
  return [{ check: "retention", status: "warn", what: `there are ${reasons.join("; ")}`, mend }];
}

function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1_000) * 1_000;
}

// Jobs as values and back, each with its place in the order of insertion.
import { isFinished } from "../../core/job.ts";
import { type Place, placeOf } from "../../core/stored-job.ts";
import type { ItemOf } from "../../core/transfer.ts";
import { LaneChanges } from "../../core/workspace/lane-changes.ts";
import { slotText } from "../../core/workspace/names.ts";
import { runAll } from "./connections.ts";
import { laneStatements } from "./flush.ts";
import { placeOfRow } from "./fresh-leases.ts";
import { laneRows } from "./lanes.ts";
import {
  endedColumns,
  finishedColumns,
  type JobRow,
  jobColumns,
  jobJson,
  jobRecord,
  liveColumns,
  toJob,
} from "./rows.ts";
import type { Step } from "./steps.ts";
import { numbersOf } from "./transfer-history.ts";
import { beyondNumber, type KindTransfer, readable, runWith } from "./transfer-kind.ts";

// Each table along its own order: the two are merged from as many rows as are asked for.
const jobsStatement = `-- transfer.jobs
(SELECT ${jobColumns} FROM punctual.jobs AS jobs WHERE seq > $1::bigint ORDER BY jobs.seq LIMIT $2)
UNION ALL
(SELECT ${finishedColumns} FROM punctual.finished AS finished WHERE seq > $1::bigint ORDER BY finished.seq LIMIT $2)
ORDER BY seq LIMIT $2`;

const newRecords =
  "json_to_recordset($1::json) AS new (seq bigint, id uuid, tenant text, queue text, key text, held boolean)";

// What has a new row's number, its id, or the slot of its key.
const clearLiveStatement = `-- transfer.clearJobs
WITH new AS MATERIALIZED (SELECT * FROM ${newRecords}), doomed AS MATERIALIZED (
  SELECT seq FROM new
  UNION SELECT jobs.seq FROM new JOIN punctual.jobs AS jobs ON jobs.id = new.id
  UNION SELECT jobs.seq FROM new JOIN punctual.jobs AS jobs ON jobs.tenant = new.tenant AND jobs.queue = new.queue
    AND jobs.key = new.key AND (jobs.place = 'held') = new.held
)
DELETE FROM punctual.jobs WHERE seq IN (SELECT seq FROM doomed) RETURNING queue, tenant, ${placeOfRow} AS place`;

const clearEndedStatement = `-- transfer.clearFinished
WITH new AS MATERIALIZED (SELECT * FROM ${newRecords}), doomed AS MATERIALIZED (
  SELECT seq FROM new UNION SELECT finished.seq FROM new JOIN punctual.finished AS finished ON finished.id = new.id
)
DELETE FROM punctual.finished WHERE seq IN (SELECT seq FROM doomed) RETURNING queue, tenant, place`;

const insertLiveStatement = `-- transfer.saveJobs
INSERT INTO punctual.jobs (seq, ${liveColumns})
SELECT seq, ${liveColumns} FROM json_to_recordset($1::json) AS new (${jobRecord}) ORDER BY seq`;

const insertEndedStatement = `-- transfer.saveFinished
INSERT INTO punctual.finished (${endedColumns})
SELECT ${endedColumns} FROM json_to_recordset($1::json) AS new (${jobRecord}) ORDER BY seq`;

const seqs = "SELECT value::bigint FROM json_array_elements_text($1::json)";
const removeStatements = [
  ["jobs", placeOfRow],
  ["finished", "place"],
].map(
  ([table, place]) => `-- transfer.removeJobs
DELETE FROM punctual.${table} WHERE seq IN (${seqs}) RETURNING queue, tenant, ${place} AS place`,
);

// New jobs come behind every copied one.
const reachStatement = `-- transfer.reachJob
SELECT setval('punctual.jobs_seq', $1::bigint)::float8 AS reached FROM punctual.jobs_seq WHERE last_value <= $1::bigint`;

type JobItem = ItemOf<"job">;

interface Gone {
  readonly queue: string;
  readonly tenant: string;
  readonly place: Place;
}

export const jobTransfer: KindTransfer<"job"> = {
  read: async (session, { after, limit }) => {
    const rows = (await session.run(jobsStatement, [beyondNumber(after), limit])) as JobRow[];
    return rows.map((row) => readable(`job ${row.id}`, () => ({ kind: "job", seq: row.seq, job: toJob(row) })));
  },
  write: async (step, items) => {
    const { session, now } = step;
    const lanes = new LaneChanges();
    const names = items.map(({ seq, job }) => ({
      seq,
      id: job.id,
      tenant: job.tenant,
      queue: job.queue,
      key: isFinished(job.state) ? null : (job.key ?? null),
      held: job.successor === true,
    }));
    await clear(step, lanes, [clearLiveStatement, clearEndedStatement], names);
    const stored = lastToStay(items).map(({ seq, job }) => ({ seq, job, place: placeOf(job, now) }));
    for (const { job, place } of stored) lanes.add(job.queue, job.tenant, place, 1);
    const [live, ended] = [false, true].map((isEnded) =>
      stored.filter(({ job }) => isFinished(job.state) === isEnded).map((one) => ({ ...jobJson(one), seq: one.seq })),
    );
    await runWith(session, insertLiveStatement, live ?? []);
    await runWith(session, insertEndedStatement, ended ?? []);
    const last = Math.max(0, ...stored.map(({ seq }) => seq));
    if (last > 0) await session.run(reachStatement, [last]);
    await count(step, lanes);
  },
  remove: async (step, names) => {
    const lanes = new LaneChanges();
    await clear(step, lanes, removeStatements, numbersOf(names));
    await count(step, lanes);
  },
};

/** Deletes jobs, and takes them off their lanes. */
async function clear(
  { session }: Step,
  lanes: LaneChanges,
  statements: readonly string[],
  names: readonly unknown[],
): Promise<void> {
  if (names.length === 0) return;
  for (const statement of statements) {
    const gone = (await session.run(statement, [JSON.stringify(names)])) as Gone[];
    for (const { queue, tenant, place } of gone) lanes.add(queue, tenant, place, -1);
  }
}

/** Counts what has changed, in lanes that may be new. */
async function count({ session }: Step, lanes: LaneChanges): Promise<void> {
  const touched = lanes.touched();
  if (touched.length > 0) await runAll(session, [laneRows(touched), ...laneStatements(lanes.rows())]);
}

/** What is left when jobs are written one after another: each takes the place of those with its number, id or slot. */
function lastToStay(items: readonly JobItem[]): JobItem[] {
  const left = new Map<number, JobItem>();
  const byName = new Map<string, JobItem>();
  for (const item of items) {
    for (const name of namesOf(item)) {
      const other = byName.get(name);
      if (other !== undefined && left.get(other.seq) === other) left.delete(other.seq);
      byName.set(name, item);
    }
    left.set(item.seq, item);
  }
  return [...left.values()];
}

/** The names that no two stored jobs share. */
function namesOf({ seq, job }: JobItem): string[] {
  const names = [`seq ${seq}`, `id ${job.id}`];
  const { key, tenant, queue, successor } = job;
  if (key === undefined || isFinished(job.state)) return names;
  return [...names, `${successor === true ? "successor" : "current"} ${slotText({ tenant, queue, key })}`];
}

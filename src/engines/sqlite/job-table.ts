// The two tables of jobs as one: reading a job wherever it is, and the one write that counters and tables follow.
import type { Millis } from "../../core/clock.ts";
import { type JobId, jobIdFromBytes, jobIdToBytes } from "../../core/id.ts";
import { isFinished, type Job } from "../../core/job.ts";
import type { KeyName, Slots } from "../../core/ledger.ts";
import type { Unfinished } from "../../core/schedule.ts";
import { isKept, type Place, placeOf, stateOf } from "../../core/stored-job.ts";
import {
  endedColumns,
  endedValues,
  finishedColumns,
  type JobRow,
  jobColumns,
  liveColumns,
  liveValues,
  type Stored,
  toStored,
} from "./rows.ts";
import type { Tx } from "./tx.ts";

const findLiveStatement = `-- jobs.findLive\nSELECT ${jobColumns} FROM punctual_jobs WHERE id = ?`;
const findFinishedStatement = `-- jobs.findFinished\nSELECT ${finishedColumns} FROM punctual_finished WHERE id = ?`;
const isStoredStatement = `-- jobs.isStored
SELECT 1 AS found FROM punctual_jobs WHERE id = ?
UNION ALL
SELECT 1 FROM punctual_finished WHERE id = ?`;
const findReplacedStatement = `-- jobs.findReplaced
SELECT ${jobColumns} FROM punctual_jobs WHERE replaced_by = ?
UNION ALL
SELECT ${finishedColumns} FROM punctual_finished WHERE replaced_by = ?`;
const slotsStatement = `-- jobs.slots
SELECT ${jobColumns} FROM punctual_jobs WHERE tenant = ? AND queue = ? AND key = ?`;
const unfinishedStatement = `-- jobs.unfinished
SELECT id, place FROM punctual_jobs WHERE incarnation = ? ORDER BY seq`;
const anyUnfinishedStatement = `-- jobs.anyUnfinished
SELECT 1 AS found FROM punctual_jobs WHERE incarnation = ? LIMIT 1`;

const insertStatement = `-- jobs.insert
INSERT INTO punctual_jobs (seq, ${liveColumns.join(", ")}) VALUES (?, ${liveColumns.map(() => "?").join(", ")})`;
const updateStatement = `-- jobs.update
UPDATE punctual_jobs SET ${liveColumns.map((column) => `${column} = ?`).join(", ")} WHERE seq = ?`;
const deleteStatement = "-- jobs.delete\nDELETE FROM punctual_jobs WHERE seq = ?";
const finishStatement = `-- jobs.finish
INSERT INTO punctual_finished (seq, ${endedColumns.join(", ")}) VALUES (?, ${endedColumns.map(() => "?").join(", ")})`;
const reviveStatement = "-- jobs.revive\nDELETE FROM punctual_finished WHERE seq = ?";

export function findLive({ connection }: Tx, id: JobId): Stored | undefined {
  const [row] = connection.tuples<JobRow>(findLiveStatement, jobIdToBytes(id));
  return row === undefined ? undefined : toStored(row);
}

export function findJob(tx: Tx, id: JobId): Stored | undefined {
  const live = findLive(tx, id);
  if (live !== undefined) return live;
  const [row] = tx.connection.tuples<JobRow>(findFinishedStatement, jobIdToBytes(id));
  return row === undefined ? undefined : toStored(row);
}

/** The job that an insert with this id has replaced. */
export function findReplaced({ connection }: Tx, id: JobId): Stored | undefined {
  const bytes = jobIdToBytes(id);
  const [row] = connection.tuples<JobRow>(findReplacedStatement, bytes, bytes);
  return row === undefined ? undefined : toStored(row);
}

export function slotsOf({ connection }: Tx, { tenant, queue, key }: KeyName): Slots<Stored> {
  if (key === undefined) return {};
  const slots: { current?: Stored; successor?: Stored } = {};
  for (const row of connection.tuples<JobRow>(slotsStatement, tenant, queue, key)) {
    const stored = toStored(row);
    slots[stored.place === "held" ? "successor" : "current"] = stored;
  }
  return slots;
}

/** The unfinished jobs of a schedule's incarnation. */
export function unfinishedOf({ connection }: Tx, incarnation: string): Unfinished[] {
  type Row = { readonly id: Uint8Array; readonly place: Place };
  return connection.all<Row>(unfinishedStatement, incarnation).map(({ id, place }) => ({
    id: jobIdFromBytes(id),
    state: place === "active" ? "active" : "pending",
  }));
}

/** Whether a job is stored, wherever it is. */
export function isStored({ connection }: Tx, id: JobId): boolean {
  const bytes = jobIdToBytes(id);
  return connection.get(isStoredStatement, bytes, bytes) !== undefined;
}

export function hasUnfinished({ connection }: Tx, incarnation: string): boolean {
  return connection.get(anyUnfinishedStatement, incarnation) !== undefined;
}

/** Stores a job as it now is: a new one, or over what was stored of it before. */
export function saveJob(tx: Tx, job: Job, before?: Stored): void {
  const { connection, lanes } = tx;
  const place = placeOf(job, tx.now);
  const seq = before?.seq ?? tx.nextSeq();
  const ended = isFinished(job.state);
  const wasEnded = before !== undefined && isFinished(stateOf(before.place));
  if (before !== undefined && ended !== wasEnded) {
    connection.run(wasEnded ? reviveStatement : deleteStatement, seq);
  }
  if (before !== undefined) lanes.add(job.queue, job.tenant, before.place, -1);
  if (ended) {
    if (isKept(job)) storeEnded(tx, seq, job, place);
    return;
  }
  if (before === undefined || wasEnded) connection.run(insertStatement, seq, ...liveValues(job, place));
  else connection.run(updateStatement, ...liveValues(job, place), seq);
  lanes.add(job.queue, job.tenant, place, 1);
  if (place === "ready" || place === "deferred") tx.wake(job.queue, job.dueAt);
}

/** Adds an ended job to the history. */
function storeEnded(tx: Tx, seq: number, job: Job, place: Place): void {
  tx.connection.run(finishStatement, seq, ...endedValues(job, place));
  tx.lanes.add(job.queue, job.tenant, place, 1);
  tx.retention.add(job.queue, place === "completed" ? "completed" : "ended", 1);
}

/** The earliest of some instants. */
export function earliest(instants: readonly (Millis | undefined)[]): Millis | undefined {
  let first: Millis | undefined;
  for (const at of instants) if (at !== undefined && (first === undefined || at < first)) first = at;
  return first;
}

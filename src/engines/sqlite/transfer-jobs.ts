// Jobs and the lanes they are counted in, as values and back.
import { jobIdFromHex, jobIdToBytes } from "../../core/id.ts";
import { isFinished, type Job } from "../../core/job.ts";
import { type Place, placeOf } from "../../core/stored-job.ts";
import { slotsOf } from "./job-table.ts";
import {
  endedColumns,
  endedValues,
  finishedColumns,
  type JobRow,
  jobColumns,
  liveColumns,
  liveValues,
  toJob,
} from "./rows.ts";
import { beyond, type KindTransfer, readable } from "./transfer-kind.ts";
import type { Tx } from "./tx.ts";

const jobsStatement = `-- transfer.jobs
SELECT ${jobColumns} FROM punctual_jobs WHERE seq > ?
UNION ALL
SELECT ${finishedColumns} FROM punctual_finished WHERE seq > ?
ORDER BY seq LIMIT ?`;

const findStatements = ["punctual_jobs", "punctual_finished"].map((table) => ({
  bySeq: `-- transfer.findSeq\nSELECT queue, tenant, place FROM ${table} WHERE seq = ?`,
  byId: `-- transfer.findId\nSELECT seq FROM ${table} WHERE id = ?`,
  remove: `-- transfer.removeJob\nDELETE FROM ${table} WHERE seq = ?`,
}));

const insertLiveStatement = `-- transfer.job
INSERT INTO punctual_jobs (seq, ${liveColumns.join(", ")}) VALUES (?, ${liveColumns.map(() => "?").join(", ")})`;

const insertEndedStatement = `-- transfer.finished
INSERT INTO punctual_finished (seq, ${endedColumns.join(", ")}) VALUES (?, ${endedColumns.map(() => "?").join(", ")})`;

const saveLaneStatement = `-- transfer.lane
INSERT INTO punctual_lanes (queue, tenant, ready, deferred, held, active, completed, failed, cancelled,
  completed_total, failed_total, cancelled_total, listed, pass, weight)
VALUES (?, ?, 0, 0, 0, 0, 0, 0, 0, ?, ?, ?, 0, ?, ?)
ON CONFLICT (queue, tenant) DO UPDATE SET completed_total = excluded.completed_total,
  failed_total = excluded.failed_total, cancelled_total = excluded.cancelled_total,
  pass = excluded.pass, weight = excluded.weight`;

interface LaneRow {
  readonly queue: string;
  readonly tenant: string;
  readonly completed_total: number;
  readonly failed_total: number;
  readonly cancelled_total: number;
  readonly pass: number;
  readonly weight: number;
}

export const jobTransfer: KindTransfer<"job"> = {
  read: ({ connection }, after, limit) => {
    const seq = Number(after?.[0] ?? -1);
    return connection
      .tuples<JobRow>(jobsStatement, seq, seq, limit)
      .map((row) => readable(`job ${jobIdFromHex(row[1])}`, () => ({ kind: "job", seq: row[0], job: toJob(row) })));
  },
  write: (tx, { seq, job }) => {
    const { connection, lanes } = tx;
    removeJob(tx, seq);
    for (const { byId } of findStatements) {
      const elsewhere = connection.get<{ seq: number }>(byId, jobIdToBytes(job.id));
      if (elsewhere !== undefined) removeJob(tx, elsewhere.seq);
    }
    const place = placeOf(job, tx.now);
    if (isFinished(job.state)) connection.run(insertEndedStatement, seq, ...endedValues(job, place));
    else {
      freeSlot(tx, job);
      connection.run(insertLiveStatement, seq, ...liveValues(job, place));
    }
    lanes.add(job.queue, job.tenant, place, 1);
  },
  remove: (tx, [seq = 0]) => removeJob(tx, Number(seq)),
};

export const laneTransfer: KindTransfer<"lane"> = {
  read: ({ connection }, after, limit) =>
    connection
      .all<LaneRow>(
        "-- transfer.lanes\nSELECT * FROM punctual_lanes WHERE (queue, tenant) > (?, ?) ORDER BY queue, tenant LIMIT ?",
        ...beyond(after),
        limit,
      )
      .map(({ queue, tenant, pass, weight, ...row }) => ({
        kind: "lane",
        queue,
        tenant,
        totals: { completed: row.completed_total, failed: row.failed_total, cancelled: row.cancelled_total },
        pass,
        weight,
      })),
  write: (tx, { queue, tenant, totals, pass, weight }) => {
    // Filling the lane has moved its pass: what was gathered is written first.
    tx.lanes.flush();
    const values = [queue, tenant, totals.completed, totals.failed, totals.cancelled, pass, weight];
    tx.connection.run(saveLaneStatement, ...values);
  },
  remove: (tx, [queue = "", tenant = ""]) => {
    tx.lanes.flush();
    const sql = "-- transfer.removeLane\nDELETE FROM punctual_lanes WHERE queue = ? AND tenant = ?";
    tx.connection.run(sql, queue, tenant);
  },
};

/** Whoever has the key's slot is of another moment of the source: it is about to be written too, or removed. */
function freeSlot(tx: Tx, job: Job): void {
  const { current, successor } = slotsOf(tx, job);
  const holder = job.successor === true ? successor : current;
  if (holder !== undefined) removeJob(tx, holder.seq);
}

function removeJob({ connection, lanes }: Tx, seq: number): void {
  for (const { bySeq, remove } of findStatements) {
    const row = connection.get<{ queue: string; tenant: string; place: Place }>(bySeq, seq);
    if (row === undefined) continue;
    connection.run(remove, seq);
    lanes.add(row.queue, row.tenant, row.place, -1);
  }
}

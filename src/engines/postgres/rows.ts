// Jobs as rows and back. Columns hold what statements look at; `detail` is JSON of all else, NULL when there is nothing.
import type { Millis } from "../../core/clock.ts";
import type { Job } from "../../core/job.ts";
import { detailOf, fromDetail, isDamaged, originOf, type Place, stateOf } from "../../core/stored-job.ts";
import type { Stored } from "../../core/workspace/workspace.ts";
import { placeOfRow } from "./fresh-leases.ts";

/** What can differ between one lane's ready rows. */
export const readyColumns = `seq::float8 AS seq, id::text AS id, task, input, priority::int4 AS priority, due_at::float8 AS due_at,
  created_at::float8 AS created_at, attempt, key, schedule, incarnation, replaced_by::text AS replaced_by, detail`;

/** What to select from punctual.jobs for a `JobRow`. */
export const jobColumns = `${readyColumns}, tenant, queue, ${placeOfRow} AS place, token, cancel_requested, worker,
  claimed_at::float8 AS claimed_at, coalesce(lease_until, fresh_until)::float8 AS lease_until, started,
  NULL::float8 AS finished_at, NULL::float8 AS expires_at`;

/** What to select from punctual.finished for a `JobRow`. */
export const finishedColumns = `${readyColumns}, tenant, queue, place, token, cancel_requested, NULL::text AS worker,
  NULL::float8 AS claimed_at, NULL::float8 AS lease_until, NULL::boolean AS started,
  finished_at::float8 AS finished_at, expires_at::float8 AS expires_at`;

export interface ReadyRow {
  readonly seq: number;
  readonly id: string;
  readonly task: string;
  readonly input: string;
  readonly priority: number;
  readonly due_at: Millis;
  readonly created_at: Millis;
  readonly attempt: number;
  readonly key: string | null;
  readonly schedule: string | null;
  readonly incarnation: string | null;
  readonly replaced_by: string | null;
  readonly detail: string | null;
}

export interface JobRow extends ReadyRow {
  readonly tenant: string;
  readonly queue: string;
  readonly place: Place;
  readonly token: string | null;
  readonly cancel_requested: boolean | null;
  readonly worker: string | null;
  readonly claimed_at: Millis | null;
  readonly lease_until: Millis | null;
  readonly started: boolean | null;
  readonly finished_at: Millis | null;
  readonly expires_at: Millis | null;
}

/** A ready row of a known lane as the job it is. */
export function readyJob(row: ReadyRow, queue: string, tenant: string): Job {
  return {
    ...fromDetail(row.detail),
    id: row.id,
    tenant,
    queue,
    task: row.task,
    input: row.input,
    priority: row.priority,
    state: "pending",
    dueAt: row.due_at,
    createdAt: row.created_at,
    attempt: row.attempt,
    key: row.key ?? undefined,
    schedule: row.schedule === null ? undefined : originOf(row.schedule, row.incarnation, row.detail),
    replacedBy: row.replaced_by ?? undefined,
  };
}

export function toJob(row: JobRow): Job {
  return {
    ...readyJob(row, row.queue, row.tenant),
    state: stateOf(row.place),
    successor: row.place === "held" ? true : undefined,
    token: row.token ?? undefined,
    worker: row.worker ?? undefined,
    leaseUntil: row.lease_until ?? undefined,
    claimedAt: row.claimed_at ?? undefined,
    started: row.started ?? undefined,
    cancelRequested: row.cancel_requested === true ? true : undefined,
    finishedAt: row.finished_at ?? undefined,
    expiresAt: row.expires_at ?? undefined,
  };
}

export function toStored(row: JobRow): Stored {
  return { seq: row.seq, place: row.place, job: toJob(row), damaged: isDamaged(row.detail) };
}

/** A job as the JSON that the statements which write many rows read them from. */
export function jobJson({ seq, place, job }: Stored) {
  return {
    seq: seq > 0 ? seq : null,
    id: job.id,
    tenant: job.tenant,
    queue: job.queue,
    task: job.task,
    input: job.input,
    priority: job.priority,
    place,
    due_at: job.dueAt,
    created_at: job.createdAt,
    attempt: job.attempt,
    key: job.key ?? null,
    schedule: job.schedule?.id ?? null,
    incarnation: job.schedule?.incarnation ?? null,
    token: job.token ?? null,
    cancel_requested: job.cancelRequested ?? null,
    replaced_by: job.replacedBy ?? null,
    detail: detailOf(job),
    worker: job.worker ?? null,
    claimed_at: job.claimedAt ?? null,
    lease_until: job.leaseUntil ?? null,
    started: job.started ?? null,
    finished_at: job.finishedAt ?? null,
    expires_at: job.expiresAt ?? null,
  };
}

/** The columns of `jobJson` with their types, for json_to_recordset. */
export const jobRecord = `seq bigint, id uuid, tenant text, queue text, task text, input text, priority smallint, place text,
  due_at bigint, created_at bigint, attempt integer, key text, schedule text, incarnation text, token text,
  cancel_requested boolean, replaced_by uuid, detail text, worker text, claimed_at bigint, lease_until bigint,
  started boolean, finished_at bigint, expires_at bigint`;

export const liveColumns = `id, tenant, queue, task, input, priority, place, due_at, created_at, attempt, key, schedule,
  incarnation, token, cancel_requested, replaced_by, detail, worker, claimed_at, lease_until, started`;

export const endedColumns = `seq, id, tenant, queue, task, input, priority, place, due_at, created_at, attempt, key, schedule,
  incarnation, token, cancel_requested, replaced_by, detail, finished_at, expires_at`;

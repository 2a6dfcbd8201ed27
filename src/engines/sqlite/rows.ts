// Jobs as rows and back. Columns hold what statements look at; `detail` is JSON of all else, NULL when there is nothing.
import type { Millis } from "../../core/clock.ts";
import { jobIdFromBytes, jobIdFromHex, jobIdToBytes } from "../../core/id.ts";
import type { Job } from "../../core/job.ts";
import { detailOf, fromDetail, isDamaged, originOf, type Place, stateOf } from "../../core/stored-job.ts";
import type { Value } from "./database.ts";

/** What to select for a `ReadyRow`: what can differ between one lane's ready rows. Text is read faster than a blob. */
export const readyColumns = `seq, lower(hex(id)), task, input, priority, due_at, created_at, attempt, key, schedule, incarnation,
  replaced_by, detail`;

/** What to select from punctual_jobs for a `JobRow`. */
export const jobColumns = `${readyColumns}, tenant, queue, place, token, cancel_requested, worker, claimed_at, lease_until,
  started, NULL AS finished_at, NULL AS expires_at`;

/** What to select from punctual_finished for a `JobRow`. */
export const finishedColumns = `${readyColumns}, tenant, queue, place, token, cancel_requested, NULL AS worker,
  NULL AS claimed_at, NULL AS lease_until, NULL AS started, finished_at, expires_at`;

export type ReadyRow = readonly [
  seq: number,
  id: string,
  task: string,
  input: string,
  priority: number,
  dueAt: Millis,
  createdAt: Millis,
  attempt: number,
  key: string | null,
  schedule: string | null,
  incarnation: string | null,
  replacedBy: Uint8Array | null,
  detail: string | null,
  ...rest: unknown[],
];

export type JobRow = readonly [
  seq: number,
  id: string,
  task: string,
  input: string,
  priority: number,
  dueAt: Millis,
  createdAt: Millis,
  attempt: number,
  key: string | null,
  schedule: string | null,
  incarnation: string | null,
  replacedBy: Uint8Array | null,
  detail: string | null,
  tenant: string,
  queue: string,
  place: Place,
  token: string | null,
  cancelRequested: number | null,
  worker: string | null,
  claimedAt: Millis | null,
  leaseUntil: Millis | null,
  started: number | null,
  finishedAt: Millis | null,
  expiresAt: Millis | null,
];

/** A job with its order of insertion and its place. */
export interface Stored {
  readonly seq: number;
  readonly place: Place;
  readonly job: Job;
  /** See `isDamaged`. */
  readonly damaged?: boolean;
}

/** A ready row of a known lane as the job it is. */
export function readyJob(row: ReadyRow, queue: string, tenant: string): Job {
  const [, id, task, input, priority, dueAt, createdAt, attempt, key, schedule, incarnation, replacedBy, detail] = row;
  return {
    ...fromDetail(detail),
    id: jobIdFromHex(id),
    tenant,
    queue,
    task,
    input,
    priority,
    state: "pending",
    dueAt,
    createdAt,
    attempt,
    key: key ?? undefined,
    schedule: originOf(schedule, incarnation, detail),
    replacedBy: replacedBy === null ? undefined : jobIdFromBytes(replacedBy),
  };
}

export function toJob(row: JobRow): Job {
  const [, , , , , , , , , , , , , tenant, queue, place, token, cancelRequested, ...lease] = row;
  const [worker, claimedAt, leaseUntil, started, finishedAt, expiresAt] = lease;
  return {
    ...readyJob(row, queue, tenant),
    state: stateOf(place),
    successor: place === "held" ? true : undefined,
    token: token ?? undefined,
    worker: worker ?? undefined,
    leaseUntil: leaseUntil ?? undefined,
    claimedAt: claimedAt ?? undefined,
    started: started === null ? undefined : started === 1,
    cancelRequested: cancelRequested === 1 ? true : undefined,
    finishedAt: finishedAt ?? undefined,
    expiresAt: expiresAt ?? undefined,
  };
}

export function toStored(row: JobRow): Stored {
  return { seq: row[0], place: row[15], job: toJob(row), damaged: isDamaged(row[12]) };
}

/** The values of `liveColumns`, for an insert into punctual_jobs or an update of it. */
export function liveValues(job: Job, place: Place): Value[] {
  return [
    ...commonValues(job, place),
    job.worker ?? null,
    job.claimedAt ?? null,
    job.leaseUntil ?? null,
    job.started === undefined ? null : Number(job.started),
  ];
}

export const liveColumns = [
  "id",
  "tenant",
  "queue",
  "task",
  "input",
  "priority",
  "place",
  "due_at",
  "created_at",
  "attempt",
  "key",
  "schedule",
  "incarnation",
  "token",
  "cancel_requested",
  "replaced_by",
  "detail",
  "worker",
  "claimed_at",
  "lease_until",
  "started",
] as const;

/** The values of `endedColumns`, for an insert into punctual_finished. */
export function endedValues(job: Job, place: Place): Value[] {
  return [...commonValues(job, place), job.finishedAt ?? null, job.expiresAt ?? null];
}

export const endedColumns = [...liveColumns.slice(0, 17), "finished_at", "expires_at"] as const;

function commonValues(job: Job, place: Place): Value[] {
  return [
    jobIdToBytes(job.id),
    job.tenant,
    job.queue,
    job.task,
    job.input,
    job.priority,
    place,
    job.dueAt,
    job.createdAt,
    job.attempt,
    job.key ?? null,
    job.schedule?.id ?? null,
    job.schedule?.incarnation ?? null,
    job.token ?? null,
    job.cancelRequested === true ? 1 : null,
    job.replacedBy === undefined ? null : jobIdToBytes(job.replacedBy),
    detailOf(job),
  ];
}

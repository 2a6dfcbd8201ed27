// Jobs as rows and back. Columns hold what statements look at; `detail` is JSON of all else, NULL when there is nothing.
import type { Millis } from "../../core/clock.ts";
import { jobIdFromBytes, jobIdFromHex, jobIdToBytes } from "../../core/id.ts";
import {
  type AttemptRecord,
  type EndCause,
  isFinished,
  type Job,
  type JobState,
  type LogLine,
} from "../../core/job.ts";
import { has, isNumber, isText, listOf, maybe } from "../../core/shape.ts";
import type { Value } from "./database.ts";

/** Where a job is: the stored state, with `pending` split by what a claim may do with it. */
export type Place = "ready" | "deferred" | "held" | "active" | "completed" | "failed" | "cancelled";

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

interface Detail {
  readonly failures?: number | undefined;
  readonly crashes?: number | undefined;
  readonly releases?: number | undefined;
  readonly attemptsMax?: number | undefined;
  readonly metadata?: string | undefined;
  readonly tick?: Millis | undefined;
  readonly missed?: number | undefined;
  readonly progress?: number | undefined;
  readonly output?: string | undefined;
  readonly endCause?: EndCause | undefined;
  readonly reason?: string | undefined;
  readonly attempts?: readonly AttemptRecord[] | undefined;
  readonly log?: readonly LogLine[] | undefined;
}

const noDetail: Detail = {};
const nothing: readonly never[] = [];

export function placeOf(job: Pick<Job, "state" | "dueAt" | "successor">, now: Millis): Place {
  if (job.state !== "pending") return job.state;
  if (job.successor === true) return "held";
  return job.dueAt <= now ? "ready" : "deferred";
}

export function stateOf(place: Place): JobState {
  return place === "ready" || place === "deferred" || place === "held" ? "pending" : place;
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

/** Why a job whose `detail` cannot be read is ended, and what listings show of it. */
export const damagedReason = "its stored detail is damaged and cannot be read";

const damaged: Detail = { reason: damagedReason };

const isDetail = has({
  failures: maybe(isNumber),
  crashes: maybe(isNumber),
  releases: maybe(isNumber),
  attemptsMax: maybe(isNumber),
  metadata: maybe(isText),
  tick: maybe(isNumber),
  missed: maybe(isNumber),
  progress: maybe(isNumber),
  output: maybe(isText),
  endCause: maybe(isText),
  reason: maybe(isText),
  attempts: maybe(
    listOf(has({ attempt: isNumber, worker: isText, startedAt: isNumber, endedAt: maybe(isNumber), outcome: isText })),
  ),
  log: maybe(listOf(has({ at: isNumber, attempt: isNumber, text: isText }))),
});

/** A damaged row must stop neither a claim of its queue nor a listing. */
function readDetail(text: string | null): Detail {
  if (text === null) return noDetail;
  try {
    const detail: unknown = JSON.parse(text);
    return isDetail(detail) ? (detail as Detail) : damaged;
  } catch {
    return damaged;
  }
}

/** Whether a row's `detail` cannot be read: the job's counts and metadata are lost, so it must not run. */
export function isDamaged(detail: string | null): boolean {
  return readDetail(detail) === damaged;
}

/** The part of a job that `detail` holds. */
export function fromDetail(text: string | null) {
  const detail = readDetail(text);
  return {
    failures: detail.failures ?? 0,
    crashes: detail.crashes ?? 0,
    releases: detail.releases ?? 0,
    attemptsMax: detail.attemptsMax,
    metadata: detail.metadata,
    progress: detail.progress,
    output: detail.output,
    reason: detail.reason,
    endCause: detail.endCause,
    attempts: detail.attempts ?? nothing,
    log: detail.log ?? nothing,
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

function originOf(id: string | null, incarnation: string | null, text: string | null): Job["schedule"] {
  if (id === null || incarnation === null) return undefined;
  const { tick = 0, missed = 0 } = readDetail(text);
  return { id, incarnation, tick, missed };
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

/** The JSON of what has no column. */
export function detailOf(job: Job): string | null {
  const detail: Detail = {
    failures: job.failures || undefined,
    crashes: job.crashes || undefined,
    releases: job.releases || undefined,
    attemptsMax: job.attemptsMax,
    metadata: job.metadata,
    tick: job.schedule?.tick,
    missed: job.schedule?.missed || undefined,
    progress: job.progress,
    output: job.output,
    endCause: job.endCause,
    reason: job.reason,
    attempts: job.attempts.length === 0 ? undefined : job.attempts,
    log: job.log.length === 0 ? undefined : job.log,
  };
  const text = JSON.stringify(detail);
  return text === "{}" ? null : text;
}

/** Whether an ended job is stored at all; one whose retention is over as it ends is not. */
export function isKept({ state, finishedAt, expiresAt }: Job): boolean {
  return !(isFinished(state) && finishedAt !== undefined && expiresAt !== undefined && expiresAt <= finishedAt);
}

// A job as stores with columns keep it: its place, and `detail`, the JSON of what no statement looks at. A foreign hand may
// have damaged a row: it stops neither a claim of its queue nor a listing.
import type { Millis } from "./clock.ts";
import { type AttemptRecord, type EndCause, isFinished, type Job, type JobState, type LogLine } from "./job.ts";
import { has, isNumber, isText, listOf, maybe } from "./shape.ts";

/** Where a job is: the stored state, with `pending` split by what a claim may do with it. */
export type Place = "ready" | "deferred" | "held" | "active" | "completed" | "failed" | "cancelled";

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
  return partOf(readDetail(text));
}

/** The same of a value that is part of a larger text; undefined when it is damaged. */
export function fromDetailValue(value: unknown) {
  if (value === undefined) return newJobParts;
  return isDetail(value) ? partOf(value as Detail) : undefined;
}

function partOf(detail: Detail) {
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

const newJobParts = partOf(noDetail);

/** What is shown of a job whose `detail` is damaged. */
export const damagedParts = partOf(damaged);

/** The tick that made a job, from its columns and its `detail`. */
export function originOf(id: string | null, incarnation: string | null, text: string | null): Job["schedule"] {
  if (id === null || incarnation === null) return undefined;
  const { tick = 0, missed = 0 } = readDetail(text);
  return { id, incarnation, tick, missed };
}

/** The part of a job that `detail` holds. */
type JobDetail = Pick<
  Job,
  | "failures"
  | "crashes"
  | "releases"
  | "attemptsMax"
  | "metadata"
  | "schedule"
  | "progress"
  | "output"
  | "endCause"
  | "reason"
  | "attempts"
  | "log"
>;

/** The JSON of what has no column. */
export function detailOf(job: JobDetail): string | null {
  const { tick, missed } = job.schedule ?? {};
  const text = JSON.stringify({ ...detailValueOf(job), tick, missed: missed || undefined });
  return text === "{}" ? null : text;
}

/** What `fromDetailValue` reads: members that are absent, or as they are in a new job, are left out. */
export function detailValueOf(job: Partial<JobDetail>) {
  return {
    failures: job.failures || undefined,
    crashes: job.crashes || undefined,
    releases: job.releases || undefined,
    attemptsMax: job.attemptsMax,
    metadata: job.metadata,
    progress: job.progress,
    output: job.output,
    endCause: job.endCause,
    reason: job.reason,
    attempts: job.attempts?.length ? job.attempts : undefined,
    log: job.log?.length ? job.log : undefined,
  } satisfies Detail;
}

/** Whether an ended job is stored at all; one whose retention is over as it ends is not. */
export function isKept({ state, finishedAt, expiresAt }: Job): boolean {
  return !(isFinished(state) && finishedAt !== undefined && expiresAt !== undefined && expiresAt <= finishedAt);
}

// What a job of ours is at BullMQ: its id, priority, attempts and curve, and the note by which `.work` knows it again.
import type { JobsOptions } from "bullmq";
import { InvalidInputError, type JobView, type RetryPolicy } from "../index.ts";
import type { QueueOptions } from "./options.ts";

/** What a delivered job carries of ours. */
export interface Note {
  readonly id: string;
  readonly tenant: string;
  readonly queue: string;
  /** Instants in ms. */
  readonly dueAt: number;
  readonly createdAt: number;
  readonly key?: string;
  readonly schedule?: { readonly id: string; readonly tick: number; readonly missed: number };
  readonly metadata?: unknown;
}

/** Options of a BullMQ job with the note in them, as JSON text: BullMQ keeps what it does not know, but Lua would turn [] into {}. */
export type NotedOptions = JobsOptions & { readonly punctual?: string };

/** How BullMQ repeats a job. */
export type BullmqRetry = Pick<JobsOptions, "attempts" | "backoff">;

const ends: readonly string[] = ["failed", "timed-out", "cancelled"];

/**
 * The job's id at BullMQ: the same whoever delivers it after a crash. One that has ended before and was retried by hand is a new
 * job there. BullMQ refuses ids with a colon and ids of digits only.
 */
export function bullmqIdOf(job: Pick<JobView, "id" | "attempts">): string {
  const endings = job.attempts.filter(({ outcome }) => ends.includes(outcome)).length;
  return endings === 0 ? `punctual-${job.id}` : `punctual-${job.id}-${endings + 1}`;
}

/** @throws InvalidInputError for a curve that BullMQ does not have: a worker there would fail the job with another error */
export function mapRetry({ attempts, backoff }: RetryPolicy, field: string): BullmqRetry {
  if (typeof backoff === "function" || backoff.type === "linear") {
    throw new InvalidInputError(
      `${field}.backoff: BullMQ has exponential and fixed curves, no ${typeof backoff === "function" ? "function" : "linear one"}; give deliver a \`retry\` of its own`,
      { field: `${field}.backoff` },
    );
  }
  const { type, delayMs, maxMs, jitter } = backoff;
  const longestMs = type === "exponential" && attempts > 1 ? delayMs * 2 ** Math.min(attempts - 2, 60) : delayMs;
  if (longestMs > maxMs) {
    throw new InvalidInputError(
      `${field}.backoff.max: BullMQ has no longest wait, and attempt ${attempts} would wait for ${longestMs} ms instead of ${maxMs}; give deliver a \`retry\` of its own`,
      { field: `${field}.backoff.max` },
    );
  }
  return { attempts, backoff: { type, delay: delayMs, ...(jitter === 0 ? {} : { jitter }) } };
}

/** How a job is added to BullMQ's queue. */
export function mapOptions(
  job: JobView,
  retry: BullmqRetry,
  delayMs: number,
  { keepCompletedMs, keepFailedMs }: QueueOptions,
): NotedOptions {
  return {
    ...retry,
    ...(job.attemptsMax === undefined ? {} : { attempts: job.attemptsMax }),
    jobId: bullmqIdOf(job),
    // The same numbers, 1 first: never 0, which BullMQ ranks before 1.
    priority: job.priority,
    ...(delayMs === 0 ? {} : { delay: delayMs }),
    removeOnComplete: { age: Math.ceil(keepCompletedMs / 1_000) },
    removeOnFail: { age: Math.ceil(keepFailedMs / 1_000) },
    punctual: JSON.stringify(noteOf(job)),
  };
}

function noteOf({ id, tenant, queue, dueAt, createdAt, key, schedule, metadata }: JobView): Note {
  return {
    id,
    tenant,
    queue,
    dueAt: dueAt.getTime(),
    createdAt: createdAt.getTime(),
    ...(key === undefined ? {} : { key }),
    ...(schedule === undefined ? {} : { schedule: { ...schedule, tick: schedule.tick.getTime() } }),
    ...(metadata === undefined ? {} : { metadata }),
  };
}

/** The note of a job, if Punctual delivered it. */
export function readNote(options: NotedOptions): Note | undefined {
  if (typeof options.punctual !== "string") return undefined;
  try {
    return JSON.parse(options.punctual) as Note;
  } catch {
    return undefined;
  }
}

// The options of an enqueue, and what they mean for the job.
import { type Duration, parseDuration, shown } from "../core/duration.ts";
import { InvalidInputError } from "../core/errors.ts";
import { checkInstant, checkNear } from "../core/instant.ts";
import type { Due, NewJob, OnConflict } from "../core/job.ts";
import { checkId } from "../core/tenant.ts";

/** A priority by name or number: critical 1, high 2, normal 5, low 10. */
export type Priority = "critical" | "high" | "normal" | "low" | number;

/** Options of `enqueue`. */
export interface EnqueueOptions {
  /** "default" by default; a tenant handle accepts only its own. */
  readonly tenant?: string;
  /** The task's queue by default. */
  readonly queue?: string;
  /** So long after now, by the store's clock; not together with `at`. */
  readonly delay?: Duration;
  /** At an instant: a Date, or a text with a zone. The past means now. */
  readonly at?: Date | string;
  /** 1 (first) to 10; normal by default. */
  readonly priority?: Priority;
  /** At most one pending job per (tenant, queue, key), beside the one that runs. */
  readonly key?: string;
  /** What happens when the key is taken: `ignore` (default), `replace`, `error`. */
  readonly onConflict?: OnConflict;
  /** Attempts in all, instead of the task's. */
  readonly attempts?: number;
  /** JSON kept with the job, at most 16 KiB. */
  readonly metadata?: unknown;
  /** An id that OutcomeUnknownError named in `details.ids`: enqueueing with it again finds the first job, if there is one. */
  readonly id?: string;
  /** The same key with the same request finds the first job for 24 h; with another request it is refused. */
  readonly idempotencyKey?: string;
}

/** The names of the options. */
export const enqueueOptions = [
  "tenant",
  "queue",
  "delay",
  "at",
  "priority",
  "key",
  "onConflict",
  "attempts",
  "metadata",
  "id",
  "idempotencyKey",
] as const;

const namedPriorities: Readonly<Record<string, number>> = { critical: 1, high: 2, normal: 5, low: 10 };

/** @throws InvalidInputError when it is no priority. */
export function checkPriority(value: unknown, field: string): number {
  const priority = typeof value === "string" && Object.hasOwn(namedPriorities, value) ? namedPriorities[value] : value;
  if (typeof priority === "number" && Number.isInteger(priority) && priority >= 1 && priority <= 10) return priority;
  throw new InvalidInputError(
    `${field} must be critical, high, normal, low or a whole number from 1 to 10, got ${shown(value)}`,
    {
      field,
    },
  );
}

/** When the job is due. @throws InvalidInputError for `delay` and `at` together, and for what is no time. */
export function checkDue(options: EnqueueOptions, now: number, path: (name: string) => string): Due {
  if (options.delay !== undefined && options.at !== undefined) {
    throw new InvalidInputError(`${path("delay")} and ${path("at")} exclude each other: give one`, {
      field: path("delay"),
    });
  }
  if (options.at !== undefined) return { at: checkNear(checkInstant(options.at, path("at")), now, path("at")) };
  return { afterMs: options.delay === undefined ? 0 : parseDuration(options.delay, path("delay")) };
}

/** The job's key. @throws InvalidInputError */
export function checkKey(options: EnqueueOptions, path: (name: string) => string): Pick<NewJob, "key" | "onConflict"> {
  const { key, onConflict } = options;
  if (onConflict !== undefined && !["ignore", "replace", "error"].includes(onConflict)) {
    throw new InvalidInputError(`${path("onConflict")} must be ignore, replace or error, got ${shown(onConflict)}`, {
      field: path("onConflict"),
    });
  }
  if (key === undefined) {
    if (onConflict === undefined) return {};
    throw new InvalidInputError(`${path("onConflict")} needs a key`, { field: path("onConflict") });
  }
  return { key: checkId(key, path("key")), onConflict };
}

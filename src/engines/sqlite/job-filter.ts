// Which jobs a listing shows: the filter as a part of static statements, and its values.
import type { Millis } from "../../core/clock.ts";
import type { JobFilter } from "../../core/engine.ts";
import { isFinished, type JobState } from "../../core/job.ts";
import type { Place } from "../../core/stored-job.ts";
import type { Value } from "./database.ts";
import { filterOf, filterValue, whenGiven } from "./listing.ts";

/** The head of a statement that `jobConditions` or `finishedConditions` are part of; takes `filterValues`. */
export const jobFilter: string = filterOf([
  "of_tenant",
  "of_queue",
  "of_task",
  "of_schedule",
  "of_places",
  "of_pending",
  "at_now",
  "of_keyed",
  "of_prefix",
  "due_from",
  "due_before",
  "created_from",
  "created_before",
  "finished_from",
  "finished_before",
]);

/** Which half of the pending jobs a row is of: due and claimable, or not. */
const pendingHalf = `CASE WHEN place = 'ready' OR (place = 'deferred' AND due_at <= ${filterValue("at_now")})
  THEN 'waiting' ELSE 'delayed' END`;

/** What a row of punctual_jobs must meet. */
export const jobConditions: string = [
  whenGiven("of_tenant", (tenant) => `tenant = ${tenant}`),
  whenGiven("of_queue", (queue) => `queue = ${queue}`),
  whenGiven("of_task", (task) => `task = ${task}`),
  whenGiven("of_schedule", (schedule) => `schedule = ${schedule}`),
  whenGiven("of_places", (places) => `place IN (SELECT value FROM json_each(${places}))`),
  whenGiven("of_pending", (half) => `place NOT IN ('ready', 'deferred', 'held') OR ${half} = ${pendingHalf}`),
  whenGiven("of_keyed", () => "key IS NOT NULL"),
  whenGiven("of_prefix", (prefix) => `substr(key, 1, length(${prefix})) = ${prefix}`),
  whenGiven("due_from", (from) => `due_at >= ${from}`),
  whenGiven("due_before", (before) => `due_at < ${before}`),
  whenGiven("created_from", (from) => `created_at >= ${from}`),
  whenGiven("created_before", (before) => `created_at < ${before}`),
].join("\n  AND ");

/** What a row of punctual_finished must meet. */
export const finishedConditions: string = [
  jobConditions,
  whenGiven("finished_from", (from) => `finished_at >= ${from}`),
  whenGiven("finished_before", (before) => `finished_at < ${before}`),
].join("\n  AND ");

const everyState: readonly JobState[] = ["pending", "active", "completed", "failed", "cancelled"];

/** A filter that only finished jobs can pass says so by its states. */
export function narrow(filter: JobFilter, finishedOnly: boolean): JobFilter {
  if (!finishedOnly && filter.finishedFrom === undefined && filter.finishedBefore === undefined) return filter;
  return { ...filter, states: (filter.states ?? everyState).filter(isFinished) };
}

/** The values of `jobFilter`. */
export function filterValues(filter: JobFilter, now: Millis): Value[] {
  const places = filter.states?.flatMap((state): Place[] =>
    state === "pending" ? ["ready", "deferred", "held"] : [state],
  );
  return [
    filter.tenant ?? null,
    filter.queue ?? null,
    filter.task ?? null,
    filter.schedule ?? null,
    places === undefined ? null : JSON.stringify(places),
    filter.pending ?? null,
    now,
    filter.keyed === true ? 1 : null,
    filter.keyPrefix ?? null,
    filter.dueFrom ?? null,
    filter.dueBefore ?? null,
    filter.createdFrom ?? null,
    filter.createdBefore ?? null,
    filter.finishedFrom ?? null,
    filter.finishedBefore ?? null,
  ];
}

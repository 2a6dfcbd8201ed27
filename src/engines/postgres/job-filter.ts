// Which jobs a listing shows: the filter as a part of static statements, whose first parameters are its values.
import type { Millis } from "../../core/clock.ts";
import type { JobFilter } from "../../core/engine.ts";
import { isFinished, type JobState } from "../../core/job.ts";
import type { Place } from "../../core/stored-job.ts";
import { placeOfRow } from "./fresh-leases.ts";
import { textArray } from "./lists.ts";
import type { Value } from "./sql.ts";

/** A condition that counts only when its parameter is not NULL. */
function whenGiven(parameter: string, condition: string): string {
  return `(${parameter} IS NULL OR ${condition})`;
}

/** Which half of the pending jobs a row is of: due and claimable, or not. */
const pendingHalf = (place: string) => `CASE WHEN ${place} = 'ready' OR (${place} = 'deferred' AND due_at <= $7::bigint)
  THEN 'waiting' ELSE 'delayed' END`;

/** What a row of punctual.jobs must meet. */
export const jobConditions: string = conditionsOf(`(${placeOfRow})`);

function conditionsOf(place: string): string {
  return [
    whenGiven("$1::text", "tenant = $1"),
    whenGiven("$2::text", "queue = $2"),
    whenGiven("$3::text", "task = $3"),
    whenGiven("$4::text", "schedule = $4"),
    whenGiven("$5::text[]", `${place} = ANY ($5::text[])`),
    whenGiven("$6::text", `${place} NOT IN ('ready', 'deferred', 'held') OR $6 = ${pendingHalf(place)}`),
    whenGiven("$8::boolean", "key IS NOT NULL"),
    whenGiven("$9::text", "starts_with(key, $9)"),
    whenGiven("$10::bigint", "due_at >= $10"),
    whenGiven("$11::bigint", "due_at < $11"),
    whenGiven("$12::bigint", "created_at >= $12"),
    whenGiven("$13::bigint", "created_at < $13"),
  ].join("\n  AND ");
}

/** What a row of punctual.finished must meet. */
export const finishedConditions: string = [
  conditionsOf("place"),
  whenGiven("$14::bigint", "finished_at >= $14"),
  whenGiven("$15::bigint", "finished_at < $15"),
].join("\n  AND ");

const everyState: readonly JobState[] = ["pending", "active", "completed", "failed", "cancelled"];

/** A filter that only finished jobs can pass says so by its states. */
export function narrow(filter: JobFilter, finishedOnly: boolean): JobFilter {
  if (!finishedOnly && filter.finishedFrom === undefined && filter.finishedBefore === undefined) return filter;
  return { ...filter, states: (filter.states ?? everyState).filter(isFinished) };
}

/** The values of a filter: $1 to $15; a statement's own parameters follow. @param now tells due jobs from others */
export function filterValues(filter: JobFilter, now: Millis | null): Value[] {
  const places = filter.states?.flatMap((state): Place[] =>
    state === "pending" ? ["ready", "deferred", "held"] : [state],
  );
  return [
    filter.tenant ?? null,
    filter.queue ?? null,
    filter.task ?? null,
    filter.schedule ?? null,
    places === undefined ? null : textArray(places),
    filter.pending ?? null,
    now,
    filter.keyed === true ? true : null,
    filter.keyPrefix ?? null,
    filter.dueFrom ?? null,
    filter.dueBefore ?? null,
    filter.createdFrom ?? null,
    filter.createdBefore ?? null,
    filter.finishedFrom ?? null,
    filter.finishedBefore ?? null,
  ];
}

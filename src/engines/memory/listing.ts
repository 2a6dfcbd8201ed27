// Listings of jobs in memory, in each of the contract's orders.
import type { Millis } from "../../core/clock.ts";
import type { JobFilter, JobPage, JobSort } from "../../core/engine.ts";
import { type Job, shownState } from "../../core/job.ts";
import { decodePosition, encodePosition, type Page } from "../../core/page.ts";
import type { Stored } from "./lane.ts";
import type { World } from "./world.ts";

export function listJobs(world: World, filter: JobFilter, page: JobPage, now: Millis): Page<Job> {
  const { limit, cursor, sort = "newest" } = page;
  const after = cursor === undefined ? undefined : decodePosition(cursor, sort, sort === "finished" ? 2 : 1);
  const found = [...world.jobs.values()]
    .filter(({ job }) => matches(job, filter, now) && (sort !== "finished" || job.finishedAt !== undefined))
    .map((stored) => ({ job: stored.job, position: positionOf(stored, sort) }))
    .filter(({ position }) => after === undefined || compare(position, after, sort) > 0)
    .sort((a, b) => compare(a.position, b.position, sort));
  const items = found.slice(0, limit);
  const last = items.at(-1);
  return {
    items: items.map(({ job }) => job),
    ...(found.length > limit && last !== undefined ? { next: encodePosition(sort, last.position) } : {}),
  };
}

function positionOf({ job, seq }: Stored, sort: JobSort): readonly number[] {
  return sort === "finished" ? [job.finishedAt ?? 0, seq] : [seq];
}

/** Below 0 when `a` comes first. */
function compare(a: readonly number[], b: readonly number[], sort: JobSort): number {
  const index = a.findIndex((part, at) => part !== b[at]);
  const ascending = index === -1 ? 0 : (a[index] ?? 0) - (b[index] ?? 0);
  return sort === "oldest" ? ascending : -ascending;
}

function matches(job: Job, filter: JobFilter, now: Millis): boolean {
  return (
    (filter.tenant === undefined || job.tenant === filter.tenant) &&
    (filter.queue === undefined || job.queue === filter.queue) &&
    (filter.task === undefined || job.task === filter.task) &&
    (filter.schedule === undefined || job.schedule?.id === filter.schedule) &&
    (filter.states === undefined || filter.states.includes(job.state)) &&
    (filter.pending === undefined || job.state !== "pending" || shownState(job, now) === filter.pending) &&
    (filter.keyed !== true || job.key !== undefined) &&
    (filter.keyPrefix === undefined || job.key?.startsWith(filter.keyPrefix) === true) &&
    isWithin(job.dueAt, filter.dueFrom, filter.dueBefore) &&
    isWithin(job.createdAt, filter.createdFrom, filter.createdBefore) &&
    isWithin(job.finishedAt, filter.finishedFrom, filter.finishedBefore)
  );
}

/** Whether `from <= at < before`, as far as these are given; what has no instant is within no bound. */
function isWithin(at: Millis | undefined, from: Millis | undefined, before: Millis | undefined): boolean {
  if (from === undefined && before === undefined) return true;
  return at !== undefined && (from === undefined || at >= from) && (before === undefined || at < before);
}

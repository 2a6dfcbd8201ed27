// Listings of jobs in memory, in each of the contract's orders.
import type { Millis } from "../core/clock.ts";
import type { JobFilter, JobPage, JobSort } from "../core/engine.ts";
import type { Job } from "../core/job.ts";
import { jobMatches } from "../core/job-filter.ts";
import { decodePosition, encodePosition, type Page } from "../core/page.ts";
import type { Stored } from "./lane.ts";
import type { World } from "./world.ts";

export function listJobs(world: World, filter: JobFilter, page: JobPage, now: Millis): Page<Job> {
  const { limit, cursor, sort = "newest" } = page;
  const after = cursor === undefined ? undefined : decodePosition(cursor, sort, sort === "finished" ? 2 : 1);
  const found = [...world.jobs.values()]
    .filter(({ job }) => jobMatches(job, filter, now) && (sort !== "finished" || job.finishedAt !== undefined))
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

// Listings of jobs, in each of the contract's orders.
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
  // One more than is asked for tells whether there is another page.
  const found =
    sort === "finished"
      ? finished(world, filter, after, now)
      : inOrder(world, filter, after?.[0], { newest: sort === "newest", count: limit + 1, now });
  const items = found.slice(0, limit);
  const last = items.at(-1);
  return {
    items: items.map(({ job }) => job),
    ...(found.length > limit && last !== undefined ? { next: encodePosition(sort, positionOf(last, sort)) } : {}),
  };
}

function inOrder(
  world: World,
  filter: JobFilter,
  after: number | undefined,
  { newest, count, now }: { readonly newest: boolean; readonly count: number; readonly now: Millis },
): Stored[] {
  const found: Stored[] = [];
  for (const id of world.insertionOrder.beyond(after, newest)) {
    const stored = world.jobs.get(id);
    if (stored === undefined || !jobMatches(stored.job, filter, now)) continue;
    found.push(stored);
    if (found.length === count) break;
  }
  return found;
}

/** All that have finished, beyond a position. */
function finished(world: World, filter: JobFilter, after: readonly number[] | undefined, now: Millis): Stored[] {
  const isBeyond = (stored: Stored) => after === undefined || compare(positionOf(stored, "finished"), after) < 0;
  return [...world.jobs.values()]
    .filter((stored) => stored.job.finishedAt !== undefined && isBeyond(stored) && jobMatches(stored.job, filter, now))
    .sort((a, b) => compare(positionOf(b, "finished"), positionOf(a, "finished")));
}

function positionOf({ job, seq }: Stored, sort: JobSort): readonly number[] {
  return sort === "finished" ? [job.finishedAt ?? 0, seq] : [seq];
}

/** Below 0 when `a` is before `b`. */
function compare(a: readonly number[], b: readonly number[]): number {
  const index = a.findIndex((part, at) => part !== b[at]);
  return index === -1 ? 0 : (a[index] ?? 0) - (b[index] ?? 0);
}

// Which jobs a listing shows, for engines that look at whole jobs.
import type { Millis } from "./clock.ts";
import type { JobFilter } from "./engine.ts";
import { isFinished, type Job, type JobState, shownState } from "./job.ts";

/** Whether a job passes a listing's filter. @param now tells due jobs from others */
export function jobMatches(job: Job, filter: JobFilter, now: Millis): boolean {
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

const everyState: readonly JobState[] = ["pending", "active", "completed", "failed", "cancelled"];

/** The states of the jobs that may pass a filter. @param finishedOnly no others are asked for */
export function statesOf(filter: JobFilter, finishedOnly: boolean): readonly JobState[] {
  const states = filter.states ?? everyState;
  const isOfEnds = finishedOnly || filter.finishedFrom !== undefined || filter.finishedBefore !== undefined;
  return isOfEnds ? states.filter(isFinished) : states;
}

// Deleting finished jobs in memory: what retention no longer keeps (J10), and what an operator names.
import { purgedJobsEvent } from "../core/audit.ts";
import type { Millis } from "../core/clock.ts";
import type { FinishedPurge, PurgeAnswer, PurgeRequest } from "../core/engine.ts";
import type { JobId } from "../core/id.ts";
import { isFinished, type Job } from "../core/job.ts";
import type { World } from "./world.ts";

/** A round of the janitor's work. */
export function purgeJobs(world: World, request: PurgeRequest, now: Millis): PurgeAnswer {
  const completedCountMax = request.completedCountMax ?? world.retention.completedCountMax;
  const endedCountMax = request.endedCountMax ?? world.retention.endedCountMax;
  const kept = new Map<string, number>();
  const doomed: JobId[] = [];
  const finished = [...world.jobs.values()].filter(({ job }) => isFinished(job.state));
  finished.sort((a, b) => (b.job.finishedAt ?? 0) - (a.job.finishedAt ?? 0) || b.seq - a.seq);
  for (const { job } of finished) {
    const completed = job.state === "completed";
    const group = `${completed}\n${job.queue}`;
    const rank = (kept.get(group) ?? 0) + 1;
    const tooOld = job.expiresAt !== undefined && job.expiresAt <= now;
    const tooMany = rank > (completed ? completedCountMax : endedCountMax);
    if (tooOld || tooMany) doomed.push(job.id);
    else kept.set(group, rank);
  }
  for (const id of doomed.slice(0, request.limit)) world.drop(id);
  for (const [key, used] of world.idempotency) if (used.expiresAt <= now) world.forget(key);
  for (const [key, { expiresAt }] of world.records) {
    if (expiresAt !== undefined && expiresAt <= now) world.removeRecord(key);
  }
  return { deleted: Math.min(doomed.length, request.limit), more: doomed.length > request.limit };
}

/** What an operator names. It needs no cursor but in a dry run, which answers for all at once. */
export function purgeFinished(world: World, purge: FinishedPurge, limit: number, now: Millis): PurgeAnswer {
  const doomed = [...world.jobs.values()].filter(({ job }) => isNamed(job, purge)).map(({ job }) => job.id);
  if (purge.dryRun === true) return { deleted: doomed.length, more: false };
  const deleted = doomed.slice(0, limit);
  for (const id of deleted) world.drop(id);
  if (deleted.length > 0) world.append(purgedJobsEvent(purge, deleted.length, now));
  return { deleted: deleted.length, more: doomed.length > limit };
}

function isNamed({ state, queue, tenant, finishedAt }: Job, purge: FinishedPurge): boolean {
  return (
    state !== "pending" &&
    state !== "active" &&
    finishedAt !== undefined &&
    finishedAt < purge.before &&
    (purge.states === undefined || purge.states.includes(state)) &&
    (purge.queue === undefined || purge.queue === queue) &&
    (purge.tenant === undefined || purge.tenant === tenant)
  );
}

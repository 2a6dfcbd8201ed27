// The one way a job ends: totals, audit, its key's successor, retention, its schedule.

import { afterJobEnd } from "../core/after-end.ts";
import { jobEndEvent } from "../core/audit.ts";
import type { Millis } from "../core/clock.ts";
import type { JobId } from "../core/id.ts";
import type { Job, JobOrigin } from "../core/job.ts";
import type { EndedJob, ScheduleRef } from "../core/schedule.ts";
import { cancelJob } from "../core/transitions.ts";
import { insertJob } from "./insert.ts";
import { scheduleKey, type World } from "./world.ts";

/** What the end of a job led to beyond the job. */
export interface Aftermath {
  readonly schedulePaused?: ScheduleRef;
}

/** Ends a job, as core decided it: stores it and does all that follows, in the same step. */
export function end(world: World, job: Job, now: Millis, actor?: string): Aftermath {
  const { state } = job;
  if (state === "pending" || state === "active") throw new Error(`job ${job.id} has not ended: ${state}`);
  world.save(job, now);
  world.touchLane(world.lane(job.queue, job.tenant)).totals[state]++;
  const event = jobEndEvent(job, now, world.retention.auditsAll);
  world.append(event === undefined ? undefined : { ...event, actor });
  promoteSuccessor(world, job, now);
  world.trim(job);
  return job.schedule === undefined ? {} : tellSchedule(world, job.tenant, job.schedule, state, now);
}

function promoteSuccessor(world: World, job: Job, now: Millis): void {
  const { current, successor } = world.slots(job);
  const next = current === undefined && successor !== undefined ? world.jobs.get(successor)?.job : undefined;
  if (next !== undefined) world.save({ ...next, successor: undefined }, now);
}

function tellSchedule(
  world: World,
  tenant: string,
  { id, incarnation }: JobOrigin,
  state: EndedJob["state"],
  now: Millis,
): Aftermath {
  const schedule = world.schedules.get(scheduleKey({ tenant, id }));
  if (schedule === undefined) return {};
  const after = afterJobEnd(schedule, { incarnation, state }, world.countUnfinished(incarnation), now);
  if (after === undefined) return {};
  world.saveSchedule(after.schedule);
  for (const job of after.insert) insertJob(world, job, undefined, now);
  for (const event of after.events) world.append(event);
  return schedule.enabled && !after.schedule.enabled ? { schedulePaused: { tenant, id } } : {};
}

/** Cancels a job for its schedule: a pending one ends, an active one is asked to. */
export function cancelForSchedule(
  world: World,
  id: JobId,
  cause: "cancelled" | "replaced",
  reason: string,
  now: Millis,
): void {
  const job = world.jobs.get(id)?.job;
  if (job?.state === "pending") end(world, cancelJob(job, cause, reason, now), now);
  else if (job?.state === "active") world.askToCancel(job, now);
}

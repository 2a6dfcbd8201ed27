// The one way a job ends: totals, audit, its key's successor, retention, its schedule.

import { afterJobEnd } from "../../core/after-end.ts";
import { cancellingEvent, jobEndEvent } from "../../core/audit.ts";
import type { JobId } from "../../core/id.ts";
import type { Job, JobOrigin } from "../../core/job.ts";
import type { EndedJob, ScheduleRef } from "../../core/schedule.ts";
import { cancelJob } from "../../core/transitions.ts";
import { insertJob } from "./insert.ts";
import { findLive, hasUnfinished, saveJob, slotsOf } from "./job-table.ts";
import type { Stored } from "./rows.ts";
import { findSchedule, saveSchedule } from "./schedule-table.ts";
import type { Tx } from "./tx.ts";

/** What the end of a job led to beyond the job. */
export interface Aftermath {
  readonly schedulePaused?: ScheduleRef;
}

/** Ends a job, as core decided it: stores it and does all that follows, in the same step. */
export function endJob(tx: Tx, job: Job, before: Stored, actor?: string): Aftermath {
  const { state } = job;
  if (state === "pending" || state === "active") throw new Error(`job ${job.id} has not ended: ${state}`);
  saveJob(tx, job, before);
  tx.lanes.addEnded(job.queue, job.tenant, state, 1);
  const event = jobEndEvent(job, tx.now, tx.auditsAll);
  tx.append(event === undefined ? undefined : { ...event, actor });
  promoteSuccessor(tx, job);
  return job.schedule === undefined ? {} : tellSchedule(tx, job.tenant, job.schedule, state);
}

function promoteSuccessor(tx: Tx, job: Job): void {
  const { current, successor } = slotsOf(tx, job);
  if (current !== undefined || successor === undefined) return;
  saveJob(tx, { ...successor.job, successor: undefined }, successor);
}

function tellSchedule(tx: Tx, tenant: string, { id, incarnation }: JobOrigin, state: EndedJob["state"]): Aftermath {
  const schedule = findSchedule(tx, { tenant, id });
  if (schedule === undefined) return {};
  const left = hasUnfinished(tx, incarnation) ? 1 : 0;
  const after = afterJobEnd(schedule, { incarnation, state }, left, tx.now);
  if (after === undefined) return {};
  saveSchedule(tx, after.schedule);
  for (const job of after.insert) insertJob(tx, job, undefined);
  for (const event of after.events) tx.append(event);
  return schedule.enabled && !after.schedule.enabled ? { schedulePaused: { tenant, id } } : {};
}

/** Cancels a job for its schedule: a pending one ends, an active one is asked to. */
export function cancelForSchedule(tx: Tx, id: JobId, cause: "cancelled" | "replaced", reason: string): void {
  const stored = findLive(tx, id);
  if (stored === undefined) return;
  if (stored.job.state === "pending") endJob(tx, cancelJob(stored.job, cause, reason, tx.now), stored);
  else askToCancel(tx, stored);
}

/** Asks an active job's worker to stop. */
export function askToCancel(tx: Tx, stored: Stored, actor?: string): void {
  tx.append(cancellingEvent(stored.job, tx.now, actor));
  saveJob(tx, { ...stored.job, cancelRequested: true }, stored);
  tx.cancelling(stored.job.id);
}

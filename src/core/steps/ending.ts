// The one way a job ends: totals, audit, its key's successor, retention, its schedule.
import { afterJobEnd } from "../after-end.ts";
import { cancellingEvent, jobEndEvent } from "../audit.ts";
import type { JobId } from "../id.ts";
import type { Job, JobOrigin } from "../job.ts";
import type { Ledger, StoredJob } from "../ledger.ts";
import type { EndedJob, ScheduleRef } from "../schedule.ts";
import { cancelJob } from "../transitions.ts";
import { insertJob } from "./insert.ts";

/** What the end of a job led to beyond the job. */
export interface Aftermath {
  readonly schedulePaused?: ScheduleRef;
}

/** Ends a job, as core decided it: stores it and does all that follows, in the same step. */
export function endJob<S extends StoredJob>(ledger: Ledger<S>, job: Job, before: S, actor?: string): Aftermath {
  const { state } = job;
  if (state === "pending" || state === "active") throw new Error(`job ${job.id} has not ended: ${state}`);
  ledger.saveJob(job, before);
  ledger.countEnded(job.queue, job.tenant, state);
  const event = jobEndEvent(job, ledger.now, ledger.auditsAll);
  ledger.append(event === undefined ? undefined : { ...event, actor });
  promoteSuccessor(ledger, job);
  return job.schedule === undefined ? {} : tellSchedule(ledger, job.tenant, job.schedule, state);
}

function promoteSuccessor<S extends StoredJob>(ledger: Ledger<S>, job: Job): void {
  const { current, successor } = ledger.slotsOf(job);
  if (current !== undefined || successor === undefined) return;
  ledger.saveJob({ ...successor.job, successor: undefined }, successor);
}

function tellSchedule(
  ledger: Ledger,
  tenant: string,
  { id, incarnation }: JobOrigin,
  state: EndedJob["state"],
): Aftermath {
  const schedule = ledger.findSchedule({ tenant, id });
  if (schedule === undefined) return {};
  const left = ledger.hasUnfinished(incarnation) ? 1 : 0;
  const after = afterJobEnd(schedule, { incarnation, state }, left, ledger.now);
  if (after === undefined) return {};
  ledger.saveSchedule(after.schedule);
  for (const job of after.insert) insertJob(ledger, job, undefined);
  for (const event of after.events) ledger.append(event);
  return schedule.enabled && !after.schedule.enabled ? { schedulePaused: { tenant, id } } : {};
}

/** Cancels a job for its schedule: a pending one ends, an active one is asked to. */
export function cancelForSchedule<S extends StoredJob>(
  ledger: Ledger<S>,
  id: JobId,
  cause: "cancelled" | "replaced",
  reason: string,
): void {
  const stored = ledger.findLive(id);
  if (stored === undefined) return;
  if (stored.job.state === "pending") endJob(ledger, cancelJob(stored.job, cause, reason, ledger.now), stored);
  else askToCancel(ledger, stored);
}

/** Asks an active job's worker to stop. */
export function askToCancel<S extends StoredJob>(ledger: Ledger<S>, stored: S, actor?: string): void {
  const { job } = stored;
  ledger.append(cancellingEvent(job, ledger.now, actor));
  ledger.saveJob({ ...job, cancelRequested: true }, stored);
  ledger.cancelling(job.id);
}

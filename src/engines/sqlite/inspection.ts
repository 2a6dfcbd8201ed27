// Asking why, in SQLite: the contract's InspectionStore.
import type { InspectionStore } from "../../core/engine.ts";
import type { JobId } from "../../core/id.ts";
import type { Job } from "../../core/job.ts";
import { everyQueue, rateAllowance } from "../../core/queue.ts";
import type { JobStanding, TenantStanding } from "../../core/standing.ts";
import { findings } from "./findings.ts";
import { findJob, slotsOf } from "./job-table.ts";
import { findQueue } from "./queues.ts";
import type { Stored } from "./rows.ts";
import { readableSchedule, type ScheduleRow } from "./schedule-table.ts";
import type { Steps, Tx } from "./tx.ts";

const readyAheadStatement = `-- inspection.readyAhead
SELECT count(*) AS ahead FROM (
  SELECT 1 FROM punctual_jobs WHERE queue = ? AND tenant = ? AND place = 'ready'
    AND (priority, due_at, seq) < (?, ?, ?) LIMIT ?)`;

// What has come due since the last claim is not ready yet, and comes before it all the same.
const deferredAheadStatement = `-- inspection.deferredAhead
SELECT count(*) AS ahead FROM (
  SELECT 1 FROM punctual_jobs WHERE queue = ? AND place = 'deferred' AND due_at <= ? AND tenant = ?
    AND (priority, due_at, seq) < (?, ?, ?) LIMIT ?)`;

/** Deferred jobs that came due unobserved are looked through up to here (J14). */
const dueCountMax = 10_000;

const otherTenantsStatement = `-- inspection.otherTenants
SELECT count(*) AS others FROM (
  SELECT tenant FROM punctual_lanes WHERE queue = ? AND listed = 1
  UNION SELECT tenant FROM (
    SELECT tenant FROM punctual_jobs WHERE queue = ? AND place = 'deferred' AND due_at <= ? ORDER BY due_at LIMIT ?)
) WHERE tenant <> ?`;

const dueStatement = `-- inspection.dueSchedules
SELECT tenant, id, schedule FROM punctual_schedules WHERE next_at IS NOT NULL AND next_at <= ? ORDER BY next_at LIMIT ?`;

const disabledStatement = `-- inspection.disabledSchedules
SELECT tenant, id, schedule FROM punctual_schedules WHERE enabled = 0 ORDER BY tenant, id LIMIT ?`;

export function inspectionStore(steps: Steps): InspectionStore {
  return {
    standing: (id, { aheadMax }) => steps.read((tx) => standing(tx, id, aheadMax)),
    schedules: (which, limit) =>
      steps.read(({ connection, now }) => {
        const rows =
          which === "due"
            ? connection.all<ScheduleRow>(dueStatement, now, limit)
            : connection.all<ScheduleRow>(disabledStatement, limit);
        // The findings name the rows that cannot be read.
        return rows.flatMap((row) => readableSchedule(row) ?? []);
      }),
    findings: () => steps.read(findings),
  };
}

function standing(tx: Tx, id: JobId, aheadMax: number): JobStanding | undefined {
  const stored = findJob(tx, id);
  if (stored === undefined) return undefined;
  const { job } = stored;
  const found = findQueue(tx, job.queue);
  const rate = found?.queue.rate;
  const { current, successor } = slotsOf(tx, job);
  return {
    now: tx.now,
    job,
    queue: found?.queue,
    allPaused: findQueue(tx, everyQueue)?.queue.paused === true,
    active: tx.lanes.active(job.queue),
    ahead: countAhead(tx, stored, aheadMax),
    otherTenants: countOthers(tx, job),
    regainAt: rate && rateAllowance(rate, found.window, tx.now).regainAt,
    tenantLimits: tenantLimits(tx, job.tenant),
    holder: current?.job.id === id ? undefined : current?.job.id,
    successor: successor?.job.id === id ? undefined : successor?.job.id,
  };
}

function tenantLimits({ tenants, lanes }: Tx, id: string): TenantStanding | undefined {
  const room = tenants.room(id);
  if (room === undefined) return undefined;
  const { concurrency, rate } = tenants.find(id)?.tenant ?? {};
  return { concurrency, rate, active: lanes.activeOf(id), regainAt: room.regainAt };
}

function countOthers({ connection, now }: Tx, { queue, tenant }: Job): number {
  const values = [queue, queue, now, dueCountMax, tenant];
  return connection.get<{ others: number }>(otherTenantsStatement, ...values)?.others ?? 0;
}

function countAhead({ connection, now }: Tx, { job, seq, place }: Stored, max: number): number {
  if (job.state !== "pending" || place === "held" || job.dueAt > now) return 0;
  const { queue, tenant, priority, dueAt } = job;
  const ready = connection.get<{ ahead: number }>(readyAheadStatement, queue, tenant, priority, dueAt, seq, max);
  const left = max - (ready?.ahead ?? 0);
  const values = [queue, now, tenant, priority, dueAt, seq, left];
  return max - left + (connection.get<{ ahead: number }>(deferredAheadStatement, ...values)?.ahead ?? 0);
}

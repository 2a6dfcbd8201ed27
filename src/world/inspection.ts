// Asking why, in memory: the contract's InspectionStore over the world.
import type { Millis } from "../core/clock.ts";
import type { InspectionStore } from "../core/engine.ts";
import type { Finding } from "../core/findings.ts";
import type { JobId } from "../core/id.ts";
import { compareDue } from "../core/job.ts";
import { everyQueue, rateAllowance } from "../core/queue.ts";
import type { Schedule } from "../core/schedule.ts";
import type { JobStanding, TenantStanding } from "../core/standing.ts";
import type { Lane, Stored } from "./lane.ts";
import type { Run } from "./run.ts";
import { scheduleKey, type World } from "./world.ts";

export function inspectionStore(run: Run, findings: () => Promise<Finding[]>): InspectionStore {
  return {
    standing: (id, { aheadMax }) => run((world, now) => standing(world, id, aheadMax, now)),
    schedules: (which, limit) => run((world, now) => schedules(world, which, now).slice(0, limit)),
    findings,
  };
}

function schedules(world: World, which: "due" | "disabled", now: Millis): Schedule[] {
  const all = [...world.schedules.values()];
  if (which === "disabled") {
    const disabled = all.filter(({ enabled }) => !enabled);
    return disabled.sort((a, b) => (scheduleKey(a) < scheduleKey(b) ? -1 : 1));
  }
  const due = all.filter(({ cursor: { nextAt } }) => nextAt !== undefined && nextAt <= now);
  return due.sort((a, b) => (a.cursor.nextAt ?? 0) - (b.cursor.nextAt ?? 0));
}

function standing(world: World, id: JobId, aheadMax: number, now: Millis): JobStanding | undefined {
  const stored = world.jobs.get(id);
  if (stored === undefined) return undefined;
  const { job } = stored;
  const lanes = [...(world.lanes.get(job.queue)?.values() ?? [])];
  const queue = world.queues.get(job.queue);
  const rate = queue?.rate;
  const { current, successor } = world.slots(job);
  return {
    now,
    job,
    queue,
    allPaused: world.queues.get(everyQueue)?.paused === true,
    active: lanes.reduce((sum, lane) => sum + lane.counts.active, 0),
    ahead: countAhead(world, stored, aheadMax, now),
    otherTenants: lanes.filter((lane) => lane.tenant !== job.tenant && hasDue(lane, now)).length,
    regainAt: rate && rateAllowance(rate, world.windows.get(job.queue) ?? [], now).regainAt,
    tenantLimits: tenantLimits(world, job.tenant, now),
    holder: current === id ? undefined : current,
    successor: successor === id ? undefined : successor,
  };
}

function tenantLimits(world: World, tenant: string, now: Millis): TenantStanding | undefined {
  const { concurrency, rate } = world.tenants.get(tenant) ?? {};
  if (concurrency === undefined && rate === undefined) return undefined;
  return {
    concurrency,
    rate,
    active: world.tenants.activeJobs(tenant),
    regainAt: world.tenants.roomOf(tenant, now).regainAt,
  };
}

function hasDue(lane: Lane, now: Millis): boolean {
  return lane.counts.ready > 0 || lane.countDue(now) > 0;
}

/** Whether it is ready, or the next claim makes it so. */
function isDue({ job, place }: Stored, now: Millis): boolean {
  return place === "ready" || (place === "deferred" && job.dueAt <= now);
}

function countAhead(world: World, stored: Stored, max: number, now: Millis): number {
  if (!isDue(stored, now)) return 0;
  const { job, seq } = stored;
  let ahead = 0;
  for (const other of world.jobs.values()) {
    const sameLane = other.job.queue === job.queue && other.job.tenant === job.tenant;
    if (!sameLane || !isDue(other, now)) continue;
    if ((compareDue(other.job, job) || other.seq - seq) < 0 && ++ahead === max) break;
  }
  return ahead;
}

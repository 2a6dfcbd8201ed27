// Asking why, in Redis: the contract's InspectionStore. What stands before a job is read in one script, and so is of one
// moment.
import type { Millis } from "../../core/clock.ts";
import type { InspectionStore } from "../../core/engine.ts";
import type { JobId } from "../../core/id.ts";
import type { Job } from "../../core/job.ts";
import { everyQueue, rateAllowance } from "../../core/queue.ts";
import type { JobStanding, TenantStanding } from "../../core/standing.ts";
import { readWindow } from "../../core/stored-limits.ts";
import { limitsClaims, tenantRoom } from "../../core/tenant-record.ts";
import { dataFindings } from "./findings.ts";
import { getJob } from "./job-listing.ts";
import { readQueue } from "./queues.ts";
import { seqOf } from "./row-head.ts";
import { parseBase } from "./rows.ts";
import { inspectSchedules } from "./schedule-listing.ts";
import { standingScript } from "./scripts/stats.ts";
import type { Access } from "./store.ts";
import { readTenant } from "./tenant-rows.ts";

/** The findings are of what is stored; those of the server are the store's. */
export function inspectionStore(access: Access): InspectionStore {
  return {
    standing: (id, { aheadMax }) => standing(access, id, aheadMax),
    schedules: (which, limit) => inspectSchedules(access, which, limit),
    findings: () => dataFindings(access),
  };
}

type Text = string | null;
type Answer = readonly [
  now: string,
  seq: string,
  base: string,
  overlay: Text,
  queue: Text,
  everyQueue: Text,
  window: Text,
  active: number,
  ahead: number,
  otherTenants: number,
  tenant: Text,
  tenantActive: Text,
  tenantWindow: Text,
  slots: Text,
];

async function standing(access: Access, id: JobId, aheadMax: number): Promise<JobStanding | undefined> {
  // A job keeps its key: the script looks its slots up by a name that is made here.
  const known = await getJob(access, id);
  if (known === undefined) return undefined;
  const { tenant, queue, key } = known;
  const slots = key === undefined ? "" : `${tenant}\n${queue}\n${key}`;
  const reply = await access.client.run(standingScript, [access.testNow(), id, slots, aheadMax]);
  const answer = reply as Answer | readonly [];
  return answer.length === 0 ? undefined : standingOf(id, answer);
}

function standingOf(id: JobId, answer: Answer): JobStanding {
  const [time, seq, base, overlay, queueText, everyText, window, active, ahead, otherTenants] = answer;
  const now = Number(time);
  const { job } = parseBase(seqOf(seq), base, overlay, now);
  const queue = readQueue(job.queue, queueText);
  const rate = queue?.rate;
  const [current, successor] = (answer[13] ?? "\t").split("\t");
  return {
    now,
    job,
    queue,
    allPaused: readQueue(everyQueue, everyText)?.paused === true,
    active,
    ahead,
    otherTenants,
    regainAt: rate && rateAllowance(rate, readWindow(window), now).regainAt,
    tenantLimits: tenantLimits(job, answer, now),
    holder: otherThan(id, current),
    successor: otherThan(id, successor),
  };
}

function otherThan(id: JobId, slot: string | undefined): JobId | undefined {
  return slot === "" || slot === id ? undefined : slot;
}

function tenantLimits(job: Job, answer: Answer, now: Millis): TenantStanding | undefined {
  const tenant = readTenant(job.tenant, answer[10]);
  if (tenant === undefined || !limitsClaims(tenant)) return undefined;
  const { concurrency, rate } = tenant;
  const active = Number(answer[11] ?? 0);
  return { concurrency, rate, active, regainAt: tenantRoom(tenant, readWindow(answer[12]), active, now).regainAt };
}

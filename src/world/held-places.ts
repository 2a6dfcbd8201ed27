// Places of a tenant's concurrency that dead workers hold: their leases have ended, and nobody recovers them, as the
// queue is paused or not served. Who serves it has a lease's time to; then a claim that wants the place gives it up.
import { waitsAgainEvent } from "../core/audit.ts";
import type { Millis } from "../core/clock.ts";
import type { ClaimRequest } from "../core/engine.ts";
import { isFinished, type Job } from "../core/job.ts";
import { giveUpLease } from "../core/transitions.ts";
import { end } from "./ending.ts";
import type { Stored } from "./lane.ts";
import { firstLease, leasesOf } from "./leases.ts";
import type { World } from "./world.ts";

/** Gives up places for which jobs of the claim's queues wait: their jobs wait again, and are no longer the worker's. */
export function giveUpPlaces(world: World, open: readonly string[], request: ClaimRequest, now: Millis): void {
  const wanting = wantingPlaces(world, open, request, now);
  if (wanting.size === 0) return;
  const ended = leasesOfTenants(world, wanting, now - request.leaseMs);
  for (const { job } of ended.sort((a, b) => (a.job.leaseUntil ?? 0) - (b.job.leaseUntil ?? 0) || a.seq - b.seq)) {
    // As many as are wanted: another of the same tenant may have made room.
    if (world.tenants.roomOf(job.tenant, now).jobs === 0) giveUp(world, job, now);
  }
}

/** When a place may be given up for jobs of the claim's queues: the past when there is one; may be early, is not late. */
export function giveUpAt(
  world: World,
  open: readonly string[],
  request: ClaimRequest,
  now: Millis,
): Millis | undefined {
  const wanting = wantingPlaces(world, open, request, now);
  if (wanting.size === 0) return undefined;
  let first = Number.POSITIVE_INFINITY;
  for (const { job } of leasesOfTenants(world, wanting, first)) first = Math.min(first, job.leaseUntil ?? 0);
  return Number.isFinite(first) ? Math.max(now, first + request.leaseMs) : undefined;
}

/** Tenants with jobs in the claim's queues that wait for nothing but a place. */
function wantingPlaces(world: World, open: readonly string[], { starts }: ClaimRequest, now: Millis): Set<string> {
  const wanting = new Set<string>();
  if (starts < 1) return wanting;
  for (const id of world.tenants.limited) {
    if (!open.some((queue) => hasReady(world, queue, id, now))) continue;
    const { jobs, recoveries } = world.tenants.roomOf(id, now);
    if (jobs === 0 && recoveries > 0) wanting.add(id);
  }
  return wanting;
}

function hasReady(world: World, queue: string, tenant: string, now: Millis): boolean {
  const lane = world.lanes.get(queue)?.get(tenant);
  const dueAt = lane?.deferred.peek()?.job.dueAt;
  if (dueAt !== undefined && dueAt <= now) world.promote(queue, now);
  return (lane?.counts.ready ?? 0) > 0;
}

function leasesOfTenants(world: World, tenants: ReadonlySet<string>, until: Millis): Stored[] {
  const found: Stored[] = [];
  for (const queue of world.leases.keys()) {
    const first = firstLease(world, queue)?.job.leaseUntil;
    if (first === undefined || first > until) continue;
    for (const stored of leasesOf(world, queue)) {
      if (tenants.has(stored.job.tenant) && (stored.job.leaseUntil ?? 0) <= until) found.push(stored);
    }
  }
  return found;
}

function giveUp(world: World, job: Job, now: Millis): void {
  const after = giveUpLease(job, now, world.slots(job).successor !== undefined);
  if (isFinished(after.state)) end(world, after, now);
  else {
    world.save(after, now);
    if (world.retention.auditsAll) world.append(waitsAgainEvent(after, { outcome: "release" }, now));
  }
  world.wakeLimited(job.queue, now);
}

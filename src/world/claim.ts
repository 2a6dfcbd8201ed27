// Claiming: expired leases first and alone, then due jobs by lane, priority, due time and insertion.
import { claimedEvent } from "../core/audit.ts";
import type { Millis } from "../core/clock.ts";
import type { ClaimAnswer, ClaimRequest } from "../core/engine.ts";
import { type ClaimedJob, compareDue, type Job } from "../core/job.ts";
import { everyQueue, isLimited, type LaneTaken, passAfter, passBeside } from "../core/queue.ts";
import { applyClaim, isLost, supersedeExpired } from "../core/transitions.ts";
import { allowance, rateLeft, spendRates, tenantRegainAt } from "./claim-limits.ts";
import { end } from "./ending.ts";
import { giveUpAt, giveUpPlaces } from "./held-places.ts";
import type { Stored } from "./lane.ts";
import { firstLease, leasesOf } from "./leases.ts";
import { isClaimable, isSlotWanted, pick } from "./sharing.ts";
import type { World } from "./world.ts";

export function claim(world: World, request: ClaimRequest, now: Millis): ClaimAnswer {
  if (request.repeat === true) {
    const again = claimedBy(world, request);
    if (again.length > 0) return { jobs: again, nextDueAt: now, paused: [], limited: [] };
  }
  const allPaused = world.queues.get(everyQueue)?.paused === true;
  const isPaused = (queue: string) => allPaused || world.queues.get(queue)?.paused === true;
  const paused = request.wants.map((want) => want.queue).filter(isPaused);
  const limited = request.wants.map((want) => want.queue).filter((queue) => isLimited(world.queues.get(queue)));
  const open = request.wants.filter((want) => !isPaused(want.queue));

  const recovered = recoverOne(world, open, request, now);
  const names = open.map(({ queue }) => queue);
  if (recovered === undefined) giveUpPlaces(world, names, request, now);
  const jobs = recovered === undefined ? take(world, open, request, now) : [recovered];
  const dues = names.map((queue) => nextDue(world, queue, request.starts, now));
  const nextDueAt = earliest([...dues, giveUpAt(world, names, request, now)]);
  const slotsWanted = open.some(({ queue }) => isSlotWanted(world, queue, now));
  return { jobs, nextDueAt, slotsWanted, paused, limited };
}

function claimedBy(world: World, { claimId, worker }: ClaimRequest): ClaimedJob[] {
  const found = [...world.jobs.values()].filter(
    ({ job }) => job.state === "active" && job.token === claimId && job.worker === worker,
  );
  found.sort((a, b) => compareDue(a.job, b.job) || a.seq - b.seq);
  return found.map(({ job }) => ({ ...(job as ClaimedJob), recovered: isLost(job) }));
}

/** A job whose lease has ended, alone. One with a successor ends instead, and the next is looked at. */
function recoverOne(
  world: World,
  wants: ClaimRequest["wants"],
  request: ClaimRequest,
  now: Millis,
): ClaimedJob | undefined {
  if (request.starts < 1) return undefined;
  for (const { queue, limit } of wants) {
    // It is started again, so the rates count it; it is active already, so no concurrency does.
    if (limit < 1 || request.limit < 1 || rateLeft(world, queue, now).limit < 1) continue;
    for (let job = expired(world, queue, now); job !== undefined; job = expired(world, queue, now)) {
      if (world.slots(job).successor === undefined) {
        const claimed = take1(world, job, request, true, now);
        spendRates(world, queue, [claimed], now);
        return claimed;
      }
      end(world, supersedeExpired(job, now), now);
    }
  }
  return undefined;
}

/** The lease of a queue that ended first, of a tenant whose rate allows it to be recovered. */
function expired(world: World, queue: string, now: Millis): Job | undefined {
  const lease = firstLease(world, queue);
  if (lease === undefined || (lease.job.leaseUntil ?? 0) > now) return undefined;
  if (tenantRegainAt(world, lease.job.tenant, now) === undefined) return lease.job;
  // Behind one that must wait there may be others.
  const ended = leasesOf(world, queue).filter(
    ({ job }) => (job.leaseUntil ?? 0) <= now && tenantRegainAt(world, job.tenant, now) === undefined,
  );
  return ended.sort((a, b) => (a.job.leaseUntil ?? 0) - (b.job.leaseUntil ?? 0) || a.seq - b.seq)[0]?.job;
}

function take(world: World, wants: ClaimRequest["wants"], request: ClaimRequest, now: Millis): ClaimedJob[] {
  const jobs: ClaimedJob[] = [];
  let bytes = 0;
  for (const want of wants) {
    const room = Math.min(want.limit, request.limit - jobs.length, allowance(world, want.queue, now).limit);
    if (room <= 0) continue;
    const before = jobs.length;
    const { picked, shares } = pick(world, want.queue, request.starts - before, room, now);
    if (picked.length === 0) continue;
    const lost = picked.find(({ job }) => isLost(job));
    for (const stored of picked) {
      bytes += stored.job.input.length;
      const isBeside = lost !== undefined && (stored !== lost || before > 0);
      if (isBeside || (jobs.length > 0 && bytes > request.bytesMax)) {
        // Popped and not taken: it goes back to its place in the lane.
        world.lane(stored.job.queue, stored.job.tenant).ready.push(stored);
        continue;
      }
      jobs.push(take1(world, stored.job, request, jobs.length < request.starts, now));
    }
    const taken = jobs.slice(before);
    moveLanes(
      world,
      want.queue,
      shares.map((one) => ({ ...one, taken: taken.filter(({ tenant }) => tenant === one.planned.tenant).length })),
    );
    spendRates(world, want.queue, taken, now);
    if (lost !== undefined && taken.length > 0) break;
  }
  return jobs;
}

function moveLanes(world: World, queue: string, lanes: readonly LaneTaken[]): void {
  for (const one of lanes) world.touchLane(world.lane(queue, one.planned.tenant)).pass = passAfter(one);
  const beside = world.tenants.limited.size === 0 ? undefined : passBeside(lanes);
  if (beside === undefined) return;
  for (const tenant of world.tenants.limited) {
    const lane = world.lanes.get(queue)?.get(tenant);
    if (lane !== undefined && lane.counts.ready > 0) world.touchLane(lane).pass = Math.max(lane.pass, beside);
  }
}

function take1(world: World, job: Job, request: ClaimRequest, startsNow: boolean, now: Millis): ClaimedJob {
  const { claimId: token, worker, leaseMs } = request;
  const claimed = applyClaim(job, { token, worker, leaseMs, startsNow }, now);
  const { recovered: _, ...stored } = claimed;
  world.save(stored, now);
  if (world.retention.auditsAll) world.append(claimedEvent(claimed, now));
  return claimed;
}

/** When a queue next has something to claim, after this claim. */
function nextDue(world: World, queue: string, starts: number, now: Millis): Millis | undefined {
  const { limit, regainAt } = allowance(world, queue, now);
  const recoverAt = rateLeft(world, queue, now).regainAt ?? 0;
  const dues: (Millis | undefined)[] = [nextRecovery(world, queue, recoverAt, now)];
  for (const lane of world.promote(queue, now)) {
    dues.push(lane.deferred.peek()?.job.dueAt);
    if (lane.counts.ready === 0) continue;
    if (isClaimable(world, lane.tenant, starts, now)) dues.push(limit > 0 ? now : regainAt);
    // A place that becomes free is told; a rate is regained in silence.
    else dues.push(tenantRegainAt(world, lane.tenant, now));
  }
  return earliest(dues);
}

/** When the next lease of a queue can be recovered: it has ended, and the rates of queue and tenant allow it. */
function nextRecovery(world: World, queue: string, recoverAt: Millis, now: Millis): Millis | undefined {
  const first = firstLease(world, queue);
  if (first === undefined) return undefined;
  const at = ({ job }: Stored) => Math.max(job.leaseUntil ?? 0, recoverAt, tenantRegainAt(world, job.tenant, now) ?? 0);
  // Only behind one that must wait for its tenant's rate may another come earlier.
  return tenantRegainAt(world, first.job.tenant, now) === undefined
    ? at(first)
    : earliest(leasesOf(world, queue).map(at));
}

function earliest(instants: readonly (Millis | undefined)[]): Millis | undefined {
  let first: Millis | undefined;
  for (const at of instants) if (at !== undefined && (first === undefined || at < first)) first = at;
  return first;
}

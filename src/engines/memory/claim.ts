// Claiming: expired leases first and alone, then due jobs by lane, priority, due time and insertion.
import { claimedEvent } from "../../core/audit.ts";
import type { Millis } from "../../core/clock.ts";
import type { ClaimAnswer, ClaimRequest } from "../../core/engine.ts";
import type { ClaimedJob, Job } from "../../core/job.ts";
import { everyQueue, isLimited, rateAllowance, shareLanes, spendRate } from "../../core/queue.ts";
import { applyClaim, supersedeExpired } from "../../core/settling.ts";
import { end } from "./ending.ts";
import type { Lane, Stored } from "./lane.ts";
import type { World } from "./world.ts";

/** What a queue may give to one claim. */
interface Allowance {
  readonly limit: number;
  /** When a rate limit gives again. */
  readonly regainAt?: Millis | undefined;
}

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
  const jobs = recovered === undefined ? take(world, open, request, now) : [recovered];
  const nextDueAt = earliest(open.map(({ queue }) => nextDue(world, queue, now)));
  return { jobs, nextDueAt, paused, limited };
}

function claimedBy(world: World, { claimId, worker }: ClaimRequest): ClaimedJob[] {
  const found: ClaimedJob[] = [];
  for (const { job } of world.jobs.values()) {
    if (job.state === "active" && job.token === claimId && job.worker === worker) {
      found.push({ ...(job as ClaimedJob), recovered: job.attempts.at(-1)?.outcome === "lost" });
    }
  }
  return found.sort((a, b) => a.priority - b.priority || a.dueAt - b.dueAt);
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
    // It is started again, so the rate counts it; it is active already, so the concurrency does not.
    if (limit < 1 || request.limit < 1 || rateLeft(world, queue, now).limit < 1) continue;
    for (let job = expired(world, queue, now); job !== undefined; job = expired(world, queue, now)) {
      if (world.slots(job).successor === undefined) {
        spend(world, queue, 1, now);
        return take1(world, job, request, true, now);
      }
      end(world, supersedeExpired(job, now), now);
    }
  }
  return undefined;
}

function expired(world: World, queue: string, now: Millis): Job | undefined {
  const heap = world.leases.get(queue);
  for (let top = heap?.peek(); top !== undefined; top = heap?.peek()) {
    if (world.isLive(top)) return (top.job.leaseUntil ?? 0) <= now ? top.job : undefined;
    heap?.pop();
  }
  return undefined;
}

function take(world: World, wants: ClaimRequest["wants"], request: ClaimRequest, now: Millis): ClaimedJob[] {
  const jobs: ClaimedJob[] = [];
  let bytes = 0;
  for (const want of wants) {
    const room = Math.min(want.limit, request.limit - jobs.length, allowance(world, want.queue, now).limit);
    if (room <= 0) continue;
    const before = jobs.length;
    for (const stored of pick(world, want.queue, room, now)) {
      bytes += stored.job.input.length;
      if (jobs.length > 0 && bytes > request.bytesMax) {
        // Popped and not taken: it goes back to its place in the lane.
        world.lane(stored.job.queue, stored.job.tenant).ready.push(stored);
        continue;
      }
      jobs.push(take1(world, stored.job, request, jobs.length < request.starts, now));
    }
    spend(world, want.queue, jobs.length - before, now);
  }
  return jobs;
}

function take1(world: World, job: Job, request: ClaimRequest, startsNow: boolean, now: Millis): ClaimedJob {
  const { claimId: token, worker, leaseMs } = request;
  const claimed = applyClaim(job, { token, worker, leaseMs, startsNow }, now);
  const { recovered: _, ...stored } = claimed;
  world.save(stored, now);
  if (world.retention.auditsAll) world.append(claimedEvent(claimed, now));
  return claimed;
}

/** The next jobs of a queue, shared among its lanes, one of each lane in turn. */
function pick(world: World, queue: string, limit: number, now: Millis): Stored[] {
  const open = world
    .promote(queue, now)
    .filter((lane) => lane.counts.ready > 0)
    .map((lane) => ({ tenant: lane.tenant, ready: lane.counts.ready, pass: lane.pass, weight: lane.weight }));
  const picked: Stored[][] = [];
  for (const { tenant, take, pass } of shareLanes(open, limit)) {
    const lane = world.lane(queue, tenant);
    lane.pass = pass;
    picked.push(popReady(world, lane, take));
  }
  const longest = Math.max(0, ...picked.map((jobs) => jobs.length));
  return Array.from({ length: longest }, (_, turn) => picked.flatMap((jobs) => jobs[turn] ?? [])).flat();
}

function popReady(world: World, lane: Lane, count: number): Stored[] {
  const jobs: Stored[] = [];
  while (jobs.length < count) {
    const top = lane.ready.pop();
    if (top === undefined) break;
    if (world.isLive(top)) jobs.push(top);
  }
  return jobs;
}

function allowance(world: World, queue: string, now: Millis): Allowance {
  const rate = rateLeft(world, queue, now);
  const concurrency = world.queues.get(queue)?.concurrency;
  if (concurrency === undefined) return rate;
  return { ...rate, limit: Math.min(rate.limit, concurrency - activeIn(world, queue)) };
}

function rateLeft(world: World, queue: string, now: Millis): Allowance {
  const rate = world.queues.get(queue)?.rate;
  if (rate === undefined) return { limit: Number.POSITIVE_INFINITY };
  const { allowed, window, regainAt } = rateAllowance(rate, world.windows.get(queue) ?? [], now);
  world.windows.set(queue, window);
  return { limit: allowed, regainAt };
}

function spend(world: World, queue: string, claims: number, now: Millis): void {
  const rate = world.queues.get(queue)?.rate;
  if (rate === undefined || claims === 0) return;
  world.windows.set(queue, spendRate(rate, world.windows.get(queue) ?? [], claims, now));
}

function activeIn(world: World, queue: string): number {
  let active = 0;
  for (const lane of world.lanes.get(queue)?.values() ?? []) active += lane.counts.active;
  return active;
}

function nextDue(world: World, queue: string, now: Millis): Millis | undefined {
  const { limit, regainAt } = allowance(world, queue, now);
  const recoverAt = rateLeft(world, queue, now).regainAt ?? 0;
  const heap = world.leases.get(queue);
  while (heap?.peek() !== undefined && !world.isLive(heap.peek() as Stored)) heap.pop();
  const leaseUntil = heap?.peek()?.job.leaseUntil;
  const dues: (Millis | undefined)[] = [leaseUntil === undefined ? undefined : Math.max(leaseUntil, recoverAt)];
  for (const lane of world.promote(queue, now)) {
    if (lane.counts.ready > 0) dues.push(limit > 0 ? now : regainAt);
    dues.push(lane.deferred.peek()?.job.dueAt);
  }
  return earliest(dues);
}

function earliest(instants: readonly (Millis | undefined)[]): Millis | undefined {
  let first: Millis | undefined;
  for (const at of instants) if (at !== undefined && (first === undefined || at < first)) first = at;
  return first;
}

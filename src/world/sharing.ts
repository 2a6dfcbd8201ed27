// Sharing a queue's claims among its lanes: the next jobs of those whose tenants' limits allow it.
import type { Millis } from "../core/clock.ts";
import { type LaneShare, type LimitedTake, shareLanes, shareLimited } from "../core/queue.ts";
import type { Lane, Stored } from "./lane.ts";
import type { World } from "./world.ts";

/** What a claim is to take of a queue: the jobs in order, and each lane's part as it was planned. */
export interface Picked {
  readonly picked: readonly Stored[];
  readonly shares: readonly { readonly share: LaneShare; readonly planned: LimitedTake }[];
}

/**
 * The next jobs of a queue, shared among its lanes, one of each lane in turn; those of limited tenants are among the
 * first `starts`.
 */
export function pick(world: World, queue: string, starts: number, limit: number, now: Millis): Picked {
  const lanes = world.promote(queue, now).filter((lane) => lane.counts.ready > 0);
  // Most queues of most claims have nothing.
  if (lanes.length === 0) return { picked: [], shares: [] };
  const takes =
    world.tenants.limited.size === 0 ? takeFreely(lanes, limit) : takeLimited(world, lanes, starts, limit, now);
  const shares = takes.flatMap((planned) => {
    const lane = lanes.find(({ tenant }) => tenant === planned.tenant);
    return lane === undefined ? [] : [{ share: shareOf(lane), planned, jobs: popReady(world, lane, planned.take) }];
  });
  const [only] = shares;
  if (shares.length === 1 && only !== undefined) return { picked: only.jobs, shares };
  const first = inTurn(shares.map(({ planned, jobs }) => jobs.slice(0, planned.starting)));
  const ahead = inTurn(shares.map(({ planned, jobs }) => jobs.slice(planned.starting)));
  return { picked: [...first, ...ahead], shares };
}

function takeFreely(lanes: readonly Lane[], limit: number): LimitedTake[] {
  return shareLanes(lanes.map(shareOf), limit).map((one) => ({ ...one, starting: one.take }));
}

function takeLimited(
  world: World,
  lanes: readonly Lane[],
  starts: number,
  limit: number,
  now: Millis,
): readonly LimitedTake[] {
  const rooms = lanes.map(({ tenant }) => world.tenants.roomOf(tenant, now).jobs);
  for (const [index, { tenant }] of lanes.entries()) if (rooms[index] !== 0) world.tenants.reenter(tenant);
  const shares = lanes.map((lane, index) => {
    const share = shareOf(lane);
    const limited = world.tenants.limited.has(lane.tenant);
    return { ...share, limited, ready: Math.min(share.ready, rooms[index] ?? 0) };
  });
  return shareLimited(shares, Math.max(0, starts), limit);
}

/** Whether a tenant with ready jobs may be given one by a claim that starts so many. */
export function isClaimable(world: World, tenant: string, starts: number, now: Millis): boolean {
  return !world.tenants.limited.has(tenant) || (starts > 0 && world.tenants.roomOf(tenant, now).jobs > 0);
}

/** Whether jobs of limited tenants are ready in a queue that only a free slot is given. */
export function isSlotWanted({ tenants, lanes }: World, queue: string, now: Millis): boolean {
  for (const tenant of tenants.limited) {
    const ready = lanes.get(queue)?.get(tenant)?.counts.ready ?? 0;
    if (ready > 0 && tenants.roomOf(tenant, now).jobs > 0) return true;
  }
  return false;
}

function shareOf({ tenant, counts, pass, weight }: Lane): LaneShare {
  return { tenant, ready: counts.ready, pass, weight };
}

/** One job of each lane in turn. */
function inTurn(lanes: readonly (readonly Stored[])[]): Stored[] {
  const longest = Math.max(0, ...lanes.map((jobs) => jobs.length));
  return Array.from({ length: longest }, (_, turn) => lanes.flatMap((jobs) => jobs[turn] ?? [])).flat();
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

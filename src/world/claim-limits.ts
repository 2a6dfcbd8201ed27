// What queues and tenants may give to a claim, and what claims spend of it (J12).
import type { Millis } from "../core/clock.ts";
import type { Job } from "../core/job.ts";
import { rateAllowance, spendRate } from "../core/queue.ts";
import type { World } from "./world.ts";

/** What a queue may give to one claim. */
export interface Allowance {
  readonly limit: number;
  /** When a rate limit gives again. */
  readonly regainAt?: Millis | undefined;
}

export function allowance(world: World, queue: string, now: Millis): Allowance {
  const rate = rateLeft(world, queue, now);
  const concurrency = world.queues.get(queue)?.concurrency;
  if (concurrency === undefined) return rate;
  return { ...rate, limit: Math.min(rate.limit, concurrency - activeIn(world, queue)) };
}

export function rateLeft(world: World, queue: string, now: Millis): Allowance {
  const rate = world.queues.get(queue)?.rate;
  if (rate === undefined) return { limit: Number.POSITIVE_INFINITY };
  const { allowed, regainAt } = rateAllowance(rate, world.windows.get(queue) ?? [], now);
  return { limit: allowed, regainAt };
}

/** When a tenant's rate gives again; undefined while it gives, or has none. */
export function tenantRegainAt(world: World, tenant: string, now: Millis): Millis | undefined {
  return world.tenants.limited.has(tenant) ? world.tenants.roomOf(tenant, now).regainAt : undefined;
}

/** Counts claims of a queue against its own rate and its tenants'. */
export function spendRates(world: World, queue: string, taken: readonly Job[], now: Millis): void {
  const rate = world.queues.get(queue)?.rate;
  if (rate !== undefined && taken.length > 0) {
    world.saveWindow(queue, spendRate(rate, world.windows.get(queue) ?? [], taken.length, now));
  }
  if (world.tenants.limited.size === 0) return;
  for (const tenant of new Set(taken.map((job) => job.tenant))) {
    world.tenants.spend(tenant, taken.filter((job) => job.tenant === tenant).length, now);
  }
}

function activeIn(world: World, queue: string): number {
  let active = 0;
  for (const lane of world.lanes.get(queue)?.values() ?? []) active += lane.counts.active;
  return active;
}

// Tenants in memory: the contract's TenantStore over the world.
import { tenantEvent } from "../core/audit.ts";
import type { Millis } from "../core/clock.ts";
import type { TenantStore } from "../core/engine.ts";
import { decodeCursor, encodeCursor } from "../core/page.ts";
import type { RateWindow } from "../core/queue.ts";
import {
  changeTenant,
  plainTenant,
  sameTenant,
  type Tenant,
  type TenantChange,
  type TenantFilter,
  type TenantSummary,
  tenantRoom,
} from "../core/tenant-record.ts";
import type { Run } from "./run.ts";
import type { World } from "./world.ts";

export function tenantStore(run: Run): TenantStore {
  return {
    put: (changes, actor) => run((world, now) => changes.map((change) => put(world, change, now, actor))),
    get: (ids) => run((world) => ids.map((id) => world.tenants.get(id))),
    list: (filter, page) =>
      run((world, now) => {
        const after = page.cursor === undefined ? "" : String(decodeCursor(page.cursor, 1)[0]);
        const found = namesOf(world).filter((id) => id > after && matches(id, filter));
        const items = found.slice(0, page.limit).map((id) => summaryOf(world, id, now));
        const last = items.at(-1);
        return {
          items,
          ...(found.length > items.length && last !== undefined ? { next: encodeCursor([last.id]) } : {}),
        };
      }),
  };
}

function put(world: World, change: TenantChange, now: Millis, actor: string | undefined): Tenant {
  const before = world.tenants.get(change.id);
  const after = changeTenant(before, change);
  if (before !== undefined && sameTenant(before, after)) return before;
  world.tenants.reenter(change.id);
  world.tenants.save(after, liveWindow(world, after, now), now, false);
  world.tenants.reweigh(after);
  world.append(tenantEvent(before, after, now, actor));
  // Leases that waited for its rate, or that an idle worker thinks do, are recovered at another time now.
  world.wakeAll(world.tenants.claimedQueuesOf(after.id), now);
  return after;
}

/** What its rate has counted and still counts: nothing once it is lifted. */
function liveWindow(world: World, tenant: Tenant, now: Millis): RateWindow {
  const { tenants } = world;
  return tenantRoom(tenant, tenants.windowOf(tenant.id), tenants.activeJobs(tenant.id), now).window;
}

function namesOf(world: World): string[] {
  const names = new Set(world.tenants.all().map(({ record }) => record.id));
  for (const lanes of world.lanes.values()) for (const tenant of lanes.keys()) names.add(tenant);
  for (const { tenant } of world.schedules.values()) names.add(tenant);
  return [...names].sort();
}

function matches(id: string, filter: TenantFilter): boolean {
  return (
    (filter.id === undefined || filter.id === id) && (filter.idPrefix === undefined || id.startsWith(filter.idPrefix))
  );
}

function summaryOf(world: World, id: string, now: Millis): TenantSummary {
  const activeJobs = world.tenants.activeJobs(id);
  const { regainAt } = world.tenants.roomOf(id, now);
  return {
    ...(world.tenants.get(id) ?? plainTenant(id)),
    activeSchedules: world.activeSchedules.get(id) ?? 0,
    pendingJobs: world.tenants.unfinishedJobs(id) - activeJobs,
    activeJobs,
    ...(regainAt === undefined ? {} : { regainAt }),
  };
}

// Tenants in PostgreSQL: the contract's TenantStore.
import { tenantEvent } from "../../core/audit.ts";
import type { TenantStore } from "../../core/engine.ts";
import type { TenantId } from "../../core/tenant.ts";
import { changeTenant, sameTenant, type Tenant, type TenantChange, tenantRoom } from "../../core/tenant-record.ts";
import { Names } from "../../core/workspace/names.ts";
import { lockClaimsOf } from "./claim-locks.ts";
import type { Step, Steps } from "./steps.ts";
import { activeOfTenants, claimedQueuesOf, reenterLanes, reweighLanes } from "./tenant-lanes.ts";
import { listTenants } from "./tenant-listing.ts";
import { findTenants, saveTenant } from "./tenant-rows.ts";

export function tenantStore(steps: Steps): TenantStore {
  return {
    put: (changes, actor) =>
      steps.begin(async (step) => {
        // Before any row; a caller's transaction may stay open for long, and must not stop claims meanwhile.
        if (!steps.connections.joined) await lockClaimsOf(step.session, namesOf(changes));
        return putAll(step, changes, actor);
      }),
    get: async (ids) => {
      const found = await findTenants(steps.connections, ids);
      return ids.map((id) => found.get(id)?.tenant);
    },
    list: (filter, page) => listTenants(steps, filter, page),
  };
}

async function putAll(step: Step, changes: readonly TenantChange[], actor: string | undefined): Promise<Tenant[]> {
  // All are locked before any is changed, in one order.
  await findTenants(step.session, namesOf(changes), true);
  const after: Tenant[] = [];
  for (const change of changes) after.push(await put(step, change, actor));
  return after;
}

function namesOf(changes: readonly TenantChange[]): TenantId[] {
  return [...new Set(changes.map(({ id }) => id))];
}

async function put(step: Step, change: TenantChange, actor: string | undefined): Promise<Tenant> {
  const { session, now } = step;
  const stored = (await findTenants(session, [change.id])).get(change.id);
  const before = stored?.tenant;
  const after = changeTenant(before, change);
  const active = (await activeOfTenants(session, [after.id])).get(after.id) ?? 0;
  const room = tenantRoom(after, stored?.window ?? [], active, now);
  const isNew = stored === undefined;
  // A foreign hand has mended the row or its lanes: the same limits set again hold.
  await reweighLanes(session, after);
  if (before !== undefined && sameTenant(before, after)) {
    await saveTenant(session, after, { room, wasPassedOver: stored?.passedOver === true, isNew });
    return before;
  }
  if (stored?.passedOver === true) await reenterLanes(session, after.id);
  await saveTenant(session, after, { room, wasPassedOver: false, isNew });
  // Leases that waited for its rate, or that an idle worker thinks do, are recovered at another time now.
  const queues = await claimedQueuesOf(session, after.id);
  return step.decide(new Names(), (workspace) => {
    workspace.append(tenantEvent(before, after, now, actor));
    for (const queue of queues) workspace.wake(queue, now);
    return after;
  });
}

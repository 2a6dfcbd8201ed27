// Tenants in Redis: the contract's TenantStore.
import { tenantEvent } from "../../core/audit.ts";
import type { Millis } from "../../core/clock.ts";
import type { TenantStore } from "../../core/engine.ts";
import type { TenantId } from "../../core/tenant.ts";
import { changeTenant, limitsClaims, sameTenant, type Tenant, type TenantChange } from "../../core/tenant-record.ts";
import { eventParts, noEvent } from "./event-rows.ts";
import { getTenants, putTenants } from "./scripts/tenants.ts";
import type { Access } from "./store.ts";
import { listTenants } from "./tenant-listing.ts";
import { readTenant } from "./tenant-rows.ts";

export function tenantStore(access: Access): TenantStore {
  return {
    put: (changes, actor) => putAll(access, changes, actor),
    get: async (ids) => {
      if (ids.length === 0) return [];
      const [texts] = (await access.client.read([["HMGET", "tenants", ...ids]])) as [readonly (string | null)[]];
      return ids.map((id, index) => readTenant(id, texts[index] ?? null));
    },
    list: (filter, page) => listTenants(access, filter, page),
  };
}

async function putAll(access: Access, changes: readonly TenantChange[], actor: string | undefined): Promise<Tenant[]> {
  const { client, history } = access;
  if (changes.length === 0) return [];
  const ids = [...new Set(changes.map(({ id }) => id))];
  for (;;) {
    const answer = await client.run(getTenants, [access.testNow(), ...ids]);
    const [now, texts] = answer as readonly [Millis, readonly (string | null)[]];
    const tenants = new Map(ids.map((id, index) => [id, readTenant(id, texts[index] ?? null)]));
    const plans = changes.map((change) => plan(tenants, change));
    const writes = plans.flatMap(({ before, after, isNew }) => {
      const told = isNew ? [tenantEvent(before, after, now, actor)] : [];
      const [event = noEvent] = eventParts(told, history);
      return [...recordParts(after, isNew), ...event];
    });
    const read = ids.flatMap((id, index) => [id, texts[index] ?? ""]);
    const args = [access.testNow(), history.eventAgeMsMax, ids.length, ...read, ...writes];
    // Somebody has changed one of them since: the changes are made to what there is now.
    if ((await client.run(putTenants, args)) !== "moved") return plans.map(({ after }) => after);
  }
}

interface Plan {
  readonly before: Tenant | undefined;
  readonly after: Tenant;
  /** It says something new; one that does not still mends its lanes, which a foreign hand may have changed. */
  readonly isNew: boolean;
}

function plan(tenants: Map<TenantId, Tenant | undefined>, change: TenantChange): Plan {
  const before = tenants.get(change.id);
  const after = changeTenant(before, change);
  if (before !== undefined && sameTenant(before, after)) return { before, after: before, isNew: false };
  tenants.set(change.id, after);
  return { before, after, isNew: true };
}

function recordParts(tenant: Tenant, isNew: boolean): (string | number)[] {
  const { id, weight, guardrails } = tenant;
  const json = isNew ? JSON.stringify(tenant) : "";
  return [id, json, weight, limitsClaims(tenant) ? "1" : "", guardrails === undefined ? "" : "1"];
}

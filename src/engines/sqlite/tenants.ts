// Tenants in SQLite: the contract's TenantStore.
import { tenantEvent } from "../../core/audit.ts";
import type { TenantStore } from "../../core/engine.ts";
import { decodeCursor, encodeCursor, type Page } from "../../core/page.ts";
import {
  changeTenant,
  plainTenant,
  sameTenant,
  type Tenant,
  type TenantChange,
  type TenantFilter,
  type TenantSummary,
  tenantRoom,
} from "../../core/tenant-record.ts";
import { countActive } from "./schedule-table.ts";
import { findTenant, saveTenant } from "./tenant-table.ts";
import type { Steps, Tx } from "./tx.ts";

// The first of each index: a tenant's many schedules are jumped over, not read.
const nextStatement = `-- tenants.next
SELECT min(id) AS id FROM (
  SELECT min(id) AS id FROM punctual_tenants WHERE id >= ?
  UNION ALL SELECT min(tenant) FROM punctual_lanes WHERE tenant >= ?
  UNION ALL SELECT min(tenant) FROM punctual_schedules WHERE tenant >= ?
)`;

export function tenantStore(steps: Steps): TenantStore {
  return {
    put: (changes, actor) => steps.write((tx) => changes.map((change) => put(tx, change, actor))),
    get: (ids) => steps.read(({ connection }) => ids.map((id) => findTenant(connection, id)?.tenant)),
    list: (filter, page) => steps.read((tx) => list(tx, filter, page)),
  };
}

function put(tx: Tx, change: TenantChange, actor: string | undefined): Tenant {
  const { connection, lanes, now } = tx;
  const stored = findTenant(connection, change.id);
  const before = stored?.tenant;
  const after = changeTenant(before, change);
  const room = tenantRoom(after, stored?.window ?? [], lanes.activeOf(after.id), now);
  // An older version has made lanes with another weight, a foreign hand has mended the row: the same limits set again hold.
  lanes.reweigh(after);
  tx.tenants.forget();
  if (stored !== undefined && before !== undefined && sameTenant(before, after)) {
    saveTenant(connection, after, room, stored.passedOver);
    return before;
  }
  if (stored?.passedOver === true) lanes.reenter(after.id);
  saveTenant(connection, after, room, false);
  tx.append(tenantEvent(before, after, now, actor));
  // Leases that waited for its rate, or that an idle worker thinks do, are recovered at another time now.
  for (const queue of lanes.claimedQueuesOf(after.id)) tx.wake(queue, now);
  return after;
}

function list(
  tx: Tx,
  filter: TenantFilter,
  page: { readonly limit: number; readonly cursor?: string },
): Page<TenantSummary> {
  const { id, idPrefix = "" } = filter;
  const after = page.cursor === undefined ? undefined : String(decodeCursor(page.cursor, 1)[0]);
  const items: TenantSummary[] = [];
  let found = nextAt(tx, after === undefined || after < (id ?? idPrefix) ? (id ?? idPrefix) : beyond(after));
  while (found?.startsWith(idPrefix) && (id === undefined || found === id)) {
    const last = items.at(-1);
    if (items.length === page.limit && last !== undefined) return { items, next: encodeCursor([last.id]) };
    items.push(summaryOf(tx, found));
    found = nextAt(tx, beyond(found));
  }
  return { items };
}

/** The first tenant from a name on. */
function nextAt({ connection, lanes }: Tx, from: string): string | undefined {
  lanes.flush();
  return connection.get<{ id: string | null }>(nextStatement, from, from, from)?.id ?? undefined;
}

/** The least text after a name: a space sorts before whatever an id is made of. */
function beyond(id: string): string {
  return `${id} `;
}

function summaryOf(tx: Tx, id: string): TenantSummary {
  const stored = tx.tenants.find(id);
  const activeJobs = tx.lanes.activeOf(id);
  const { regainAt } = tx.tenants.room(id) ?? {};
  return {
    ...(stored?.tenant ?? plainTenant(id)),
    activeSchedules: countActive(tx, id),
    pendingJobs: tx.lanes.unfinished(id) - activeJobs,
    activeJobs,
    ...(regainAt === undefined ? {} : { regainAt }),
  };
}

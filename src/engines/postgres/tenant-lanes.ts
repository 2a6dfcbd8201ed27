// A tenant's lanes, over all queues: their weight, their place in the fair share, and what they count.
import type { TenantId } from "../../core/tenant.ts";
import type { Tenant } from "../../core/tenant-record.ts";
import type { Session } from "./connections.ts";
import { exactLanes } from "./lanes.ts";

// Lanes are locked in one order by whoever takes several.
const reweighStatement = `-- lanes.reweigh
UPDATE punctual.lanes AS lanes SET weight = $2::float8
FROM (
  SELECT queue FROM punctual.lanes WHERE tenant = $1 AND weight <> $2::float8 ORDER BY queue FOR UPDATE
) AS own
WHERE lanes.tenant = $1 AND lanes.queue = own.queue`;

const reenterStatement = `-- lanes.reenter
UPDATE punctual.lanes AS lanes SET pass = greatest(lanes.pass, coalesce((
  SELECT pass FROM punctual.lanes AS others WHERE others.queue = lanes.queue AND listed AND NOT EXISTS (
    SELECT 1 FROM punctual.tenants WHERE id = others.tenant AND passed_over
  ) ORDER BY pass LIMIT 1
), (SELECT max(pass) FROM punctual.lanes AS others WHERE others.queue = lanes.queue)))
FROM (SELECT queue FROM punctual.lanes WHERE tenant = $1 AND listed ORDER BY queue FOR UPDATE) AS own
WHERE lanes.tenant = $1 AND lanes.queue = own.queue`;

const among = "tenant IN (SELECT value FROM json_array_elements_text($1::json))";

// Lanes are found by their tenant; of what is not counted into them yet each row is looked up in the list.
const activeStatement = `-- lanes.activeOf
SELECT tenant, sum(active)::float8 AS active FROM (
  SELECT tenant, active FROM punctual.lanes WHERE ${among}
  UNION ALL SELECT tenant, active FROM punctual.lane_deltas WHERE (${among}) IS TRUE
) AS parts GROUP BY tenant`;

const claimedQueuesStatement = `-- lanes.claimedQueues
SELECT queue FROM ${exactLanes} AS lanes WHERE tenant = $1 AND (ready > 0 OR active > 0) ORDER BY queue`;

/** A tenant's weight reaches the lanes that it has. */
export async function reweighLanes(session: Session, { id, weight }: Tenant): Promise<void> {
  await session.run(reweighStatement, [id, weight]);
}

/** A tenant's lanes were passed over while its limit was reached: they re-enter as lanes that fill do. */
export async function reenterLanes(session: Session, tenant: TenantId): Promise<void> {
  await session.run(reenterStatement, [tenant]);
}

/** The active jobs of tenants, in all queues; those without a lane are left out. */
export async function activeOfTenants(session: Session, ids: readonly TenantId[]): Promise<Map<TenantId, number>> {
  const rows = await session.run(activeStatement, [JSON.stringify(ids)]);
  return new Map(rows.map((row) => [row["tenant"], row["active"]]));
}

/** The queues in which a tenant has ready or active jobs. */
export async function claimedQueuesOf(session: Session, tenant: TenantId): Promise<string[]> {
  return (await session.run(claimedQueuesStatement, [tenant])).map((row) => row["queue"]);
}

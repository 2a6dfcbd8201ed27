// Listings of schedules, by tenant and id.
import type { ScheduleFilter } from "../../core/engine.ts";
import { decodeCursor, encodeCursor, type Page } from "../../core/page.ts";
import type { Schedule } from "../../core/schedule.ts";
import type { TenantId } from "../../core/tenant.ts";
import type { Connections } from "./connections.ts";
import { readableSchedule, type ScheduleRow } from "./schedule-rows.ts";
import type { Value } from "./sql.ts";
import type { Steps } from "./steps.ts";

/** Tenants that one step of a listing by the beginning of ids looks at. */
const tenantsPerStep = 200;

const conditions = `($1::text IS NULL OR task = $1) AND ($2::text IS NULL OR queue = $2)
  AND ($3::boolean IS NULL OR enabled = $3)`;

const listStatement = `-- schedules.list
SELECT tenant, id, schedule FROM punctual.schedules
WHERE (tenant, id) > ($5, $6) AND ${conditions} ORDER BY tenant, id LIMIT $4`;

const listOfTenantStatement = `-- schedules.listOfTenant
SELECT tenant, id, schedule FROM punctual.schedules
WHERE tenant = $5 AND id > $6 AND ${conditions} ORDER BY id LIMIT $4`;

const begun = "id >= $7 AND id < $7 || chr(1114111)";

const listPrefixOfTenantStatement = `-- schedules.listPrefixOfTenant
SELECT tenant, id, schedule FROM punctual.schedules
WHERE tenant = $5 AND id > $6 AND ${begun} AND ${conditions} ORDER BY id LIMIT $4`;

// Ranges of the key: a tenant's other schedules are jumped over. One row without an id tells how far the step came.
const listPrefixStatement = `-- schedules.listPrefix
WITH RECURSIVE next (tenant, step) AS (
  SELECT min(tenant), 1 FROM punctual.schedules WHERE tenant >= $5
  UNION ALL
  SELECT (SELECT min(tenant) FROM punctual.schedules WHERE tenant > next.tenant), step + 1
  FROM next WHERE next.tenant IS NOT NULL AND step < ${tenantsPerStep}
), tenants AS MATERIALIZED (SELECT tenant FROM next WHERE tenant IS NOT NULL),
own AS (
  SELECT found.* FROM tenants, LATERAL (
    SELECT tenant, id, schedule FROM punctual.schedules AS schedules
    WHERE schedules.tenant = tenants.tenant AND id > CASE WHEN tenants.tenant = $5 THEN $6 ELSE '' END
      AND ${begun} AND ${conditions} ORDER BY id LIMIT $4
  ) AS found ORDER BY tenant, id LIMIT $4
)
SELECT tenant, id, schedule FROM own
UNION ALL
SELECT max(tenant), NULL, NULL FROM tenants HAVING count(*) = ${tenantsPerStep}`;

type Row = ScheduleRow;

/** Where a listing goes on: behind an id of a tenant. */
interface Place {
  readonly tenant: TenantId;
  readonly id: string;
}

/** What cannot be read is left out; the findings name it. */
export async function listSchedules(
  { connections }: Steps,
  filter: ScheduleFilter,
  page: { readonly limit: number; readonly cursor?: string },
): Promise<Page<Schedule>> {
  const [tenant = "", id = ""] = page.cursor === undefined ? [] : decodeCursor(page.cursor, 2).map(String);
  const rows = await read(connections, filter, { tenant, id }, page.limit + 1);
  const shown = rows.slice(0, page.limit);
  const items = shown.flatMap((row) => readableSchedule(row) ?? []);
  const last = shown.at(-1);
  if (rows.length <= page.limit || last === undefined) return { items };
  return { items, next: encodeCursor([last.tenant, last.id]) };
}

async function read(connections: Connections, filter: ScheduleFilter, place: Place, limit: number): Promise<Row[]> {
  const { tenant, idPrefix, task = null, queue = null, enabled = null } = filter;
  const common: Value[] = [task, queue, enabled];
  if (idPrefix !== undefined && tenant === undefined) return readPrefix(connections, common, idPrefix, place, limit);
  const values = [...common, limit, tenant ?? place.tenant, place.id];
  const rows =
    tenant === undefined
      ? connections.run(listStatement, values)
      : idPrefix === undefined
        ? connections.run(listOfTenantStatement, values)
        : connections.run(listPrefixOfTenantStatement, [...values, idPrefix]);
  return (await rows) as Row[];
}

async function readPrefix(
  connections: Connections,
  common: readonly Value[],
  prefix: string,
  place: Place,
  limit: number,
): Promise<Row[]> {
  const rows: Row[] = [];
  let from: Place | undefined = place;
  while (from !== undefined && rows.length < limit) {
    const values: Value[] = [...common, limit - rows.length, from.tenant, from.id, prefix];
    const found = (await connections.run(listPrefixStatement, values)) as (Row & { readonly id: string | null })[];
    rows.push(...found.filter((row) => row.id !== null));
    const reached = found.find((row) => row.id === null)?.tenant;
    // The tenant that was looked at last has been read to its end.
    from = reached === undefined ? undefined : { tenant: `${reached} `, id: "" };
  }
  return rows;
}

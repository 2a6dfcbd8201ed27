// Listings of tenants: those with a record, schedules or jobs, each with what it has at one moment.
import type { Millis } from "../../core/clock.ts";
import { decodeCursor, encodeCursor, type Page } from "../../core/page.ts";
import type { TenantId } from "../../core/tenant.ts";
import {
  limitsClaims,
  plainTenant,
  type TenantFilter,
  type TenantSummary,
  tenantRoom,
} from "../../core/tenant-record.ts";
import { nowOf } from "./sql.ts";
import type { Steps } from "./steps.ts";
import { type TenantRow, tenantColumns, toStoredTenant } from "./tenant-rows.ts";

/** The first tenant for whose id a condition holds: a tenant's many schedules and lanes are jumped over, not read. */
const firstTenant = (condition: (id: string) => string) => `least(
    (SELECT min(id) FROM punctual.tenants WHERE ${condition("id")}),
    (SELECT min(tenant) FROM punctual.lanes WHERE ${condition("tenant")}),
    (SELECT min(tenant) FROM punctual.schedules WHERE ${condition("tenant")})
  )`;

const nextStatement = `-- tenants.next
WITH RECURSIVE next (id) AS (
  SELECT ${firstTenant((id) => `${id} >= $1`)}
  UNION ALL
  SELECT ${firstTenant((id) => `${id} > next.id`)} FROM next WHERE next.id IS NOT NULL
)
SELECT id FROM next WHERE id IS NOT NULL LIMIT $2`;

const had = "ready + deferred + held + active + completed_total + failed_total + cancelled_total";

const countsOf = (lanes: string, condition: string) =>
  `SELECT tenant, ready + deferred + held, active, ${had}, 0, false FROM punctual.${lanes} WHERE ${condition}`;

// A lane that never had a job (its insert was undone) makes no tenant. Each wanted id finds its lanes; in what is not
// counted into them yet each row looks for its tenant.
const summaryStatement = `-- tenants.summaries
WITH wanted AS MATERIALIZED (SELECT value AS id FROM json_array_elements_text($1::json)),
parts (id, pending, active, had, ticking, scheduled) AS (
  ${countsOf("lanes", "tenant IN (SELECT id FROM wanted)")}
  UNION ALL ${countsOf("lane_deltas", "(tenant IN (SELECT id FROM wanted)) IS TRUE")}
  UNION ALL SELECT id, 0, 0, 0, (
    SELECT count(*) FROM punctual.schedules WHERE tenant = wanted.id AND enabled AND next_at IS NOT NULL
  ), EXISTS (SELECT 1 FROM punctual.schedules WHERE tenant = wanted.id)
  FROM wanted
), summed AS (
  SELECT id AS name, sum(pending)::float8 AS pending, sum(active)::float8 AS active_jobs, sum(had) > 0 AS had,
    sum(ticking)::float8 AS ticking, bool_or(scheduled) AS scheduled
  FROM parts GROUP BY id
)
SELECT ${tenantColumns}, id IS NOT NULL AS has_record, name, pending, active_jobs, ticking, ${nowOf("$2")}::float8 AS now
FROM summed LEFT JOIN punctual.tenants AS tenants ON tenants.id = summed.name
WHERE id IS NOT NULL OR had OR scheduled
ORDER BY name COLLATE "C"`;

interface SummaryRow extends TenantRow {
  readonly name: TenantId;
  readonly has_record: boolean;
  readonly pending: number;
  readonly active_jobs: number;
  readonly ticking: number;
  readonly now: Millis;
}

/** Tenants by id. */
export async function listTenants(
  steps: Steps,
  { id, idPrefix = "" }: TenantFilter,
  page: { readonly limit: number; readonly cursor?: string },
): Promise<Page<TenantSummary>> {
  const least = id ?? idPrefix;
  const after = page.cursor === undefined ? undefined : String(decodeCursor(page.cursor, 1)[0]);
  let from: string | undefined = after === undefined || after < least ? least : beyond(after);
  const items: TenantSummary[] = [];
  while (from !== undefined && items.length <= page.limit) {
    const wanted = id === undefined ? page.limit + 1 - items.length : 1;
    const found: TenantId[] = (await steps.connections.run(nextStatement, [from, wanted])).map((row) => row["id"]);
    const own: TenantId[] = found.filter((one) => (id === undefined ? one.startsWith(idPrefix) : one === id));
    if (own.length > 0) {
      const rows = await steps.connections.run(summaryStatement, [JSON.stringify(own), steps.testNow]);
      items.push(...(rows as SummaryRow[]).map(toSummary));
    }
    const last: TenantId | undefined = own.at(-1);
    from = last === undefined || own.length < wanted || id !== undefined ? undefined : beyond(last);
  }
  const shown = items.slice(0, page.limit);
  const last = shown.at(-1);
  return {
    items: shown,
    ...(items.length > page.limit && last !== undefined ? { next: encodeCursor([last.id]) } : {}),
  };
}

/** The least text after a name: a space sorts before whatever an id is made of. */
function beyond(id: string): string {
  return `${id} `;
}

function toSummary(row: SummaryRow): TenantSummary {
  const { tenant, window } = row.has_record
    ? toStoredTenant({ ...row, id: row.name })
    : { tenant: plainTenant(row.name), window: [] };
  const activeJobs = row.active_jobs;
  const { regainAt } = limitsClaims(tenant) ? tenantRoom(tenant, window, activeJobs, row.now) : {};
  return {
    ...tenant,
    activeSchedules: row.ticking,
    pendingJobs: row.pending,
    activeJobs,
    ...(regainAt === undefined ? {} : { regainAt }),
  };
}

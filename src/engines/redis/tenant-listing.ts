// Listings of tenants: those with a record, schedules or jobs, each with what it has at one moment.
import type { Millis } from "../../core/clock.ts";
import { decodeCursor, encodeCursor, type Page } from "../../core/page.ts";
import { readWindow } from "../../core/stored-limits.ts";
import {
  limitsClaims,
  plainTenant,
  type TenantFilter,
  type TenantSummary,
  tenantRoom,
} from "../../core/tenant-record.ts";
import { listTenants as listScript } from "./scripts/tenants.ts";
import type { Access } from "./store.ts";
import { readTenant } from "./tenant-rows.ts";

/** Names that one script looks at least: those that have nothing any more are passed over by the hundred. */
const leastRead = 100;

type Row = readonly [
  id: string,
  text: string | null,
  active: string | null,
  unfinished: string | null,
  schedules: string | null,
  window: string | null,
];

/** Tenants by id. */
export async function listTenants(
  access: Access,
  { id, idPrefix = "" }: TenantFilter,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string },
): Promise<Page<TenantSummary>> {
  const begun = id ?? idPrefix;
  const after = cursor === undefined ? undefined : String(decodeCursor(cursor, 1)[0]);
  // Ids are of ASCII: their order is the same here and there.
  let from: string | undefined = after === undefined || after < begun ? `[${begun}` : `(${after}`;
  const found: TenantSummary[] = [];
  while (from !== undefined && found.length <= limit) {
    const count = id === undefined ? Math.max(leastRead, limit + 1 - found.length) : 1;
    const answer = await access.client.run(listScript, [access.testNow(), from, begun, count]);
    const [now, reached, rows] = answer as unknown as readonly [Millis, string | null, readonly Row[]];
    found.push(...rows.filter((row) => matches(row[0], id, idPrefix)).map((row) => summaryOf(row, now)));
    from = reached === null || id !== undefined ? undefined : `(${reached}`;
  }
  const items = found.slice(0, limit);
  const last = items.at(-1);
  return { items, ...(found.length > limit && last !== undefined ? { next: encodeCursor([last.id]) } : {}) };
}

function matches(name: string, id: string | undefined, idPrefix: string): boolean {
  return (id === undefined || name === id) && name.startsWith(idPrefix);
}

function summaryOf([id, text, active, unfinished, schedules, window]: Row, now: Millis): TenantSummary {
  const tenant = readTenant(id, text) ?? plainTenant(id);
  const activeJobs = countOf(active);
  const { regainAt } = limitsClaims(tenant) ? tenantRoom(tenant, readWindow(window), activeJobs, now) : {};
  return {
    ...tenant,
    activeSchedules: countOf(schedules),
    pendingJobs: countOf(unfinished) - activeJobs,
    activeJobs,
    ...(regainAt === undefined ? {} : { regainAt }),
  };
}

function countOf(text: string | null): number {
  return Number(text ?? 0) || 0;
}

// The table of tenants' records: reading them whatever a row holds, and the one write of them.
import { isGuardrails, type TenantGuardrails } from "../../core/guardrails.ts";
import type { RateWindow } from "../../core/queue.ts";
import { parsedJson, readRate, readWindow } from "../../core/stored-limits.ts";
import type { TenantId } from "../../core/tenant.ts";
import { limitsClaims, type Tenant, type TenantRoom } from "../../core/tenant-record.ts";
import type { Session } from "./connections.ts";

/** What to select for a `TenantRow`. */
export const tenantColumns = "id, weight, concurrency, rate, rate_window, guardrails, passed_over";

const names = "SELECT value FROM json_array_elements_text($1::json)";

const findStatement = `-- tenants.find
SELECT ${tenantColumns} FROM punctual.tenants WHERE id IN (${names}) ORDER BY id`;

const lockStatement = `-- tenants.lock
SELECT ${tenantColumns} FROM punctual.tenants WHERE id IN (${names}) ORDER BY id FOR UPDATE`;

const createStatement = `-- tenants.create
INSERT INTO punctual.tenants (id, weight, concurrency, rate, rate_window, guardrails, limited, blocked_until, passed_over)
VALUES ($1, $2::float8, $3::integer, $4::text, $5::text, $6::text, $7::boolean, $8::bigint, $9::boolean)`;

const updateStatement = `-- tenants.update
UPDATE punctual.tenants SET weight = $2::float8, concurrency = $3::integer, rate = $4::text, rate_window = $5::text,
  guardrails = $6::text, limited = $7::boolean, blocked_until = $8::bigint, passed_over = $9::boolean
WHERE id = $1`;

export interface TenantRow {
  readonly id: TenantId;
  readonly weight: number;
  readonly concurrency: number | null;
  readonly rate: string | null;
  readonly rate_window: string | null;
  readonly guardrails: string | null;
  readonly passed_over: boolean;
}

/** A tenant's record, with the claims that its rate counts. */
export interface StoredTenant {
  readonly tenant: Tenant;
  readonly window: RateWindow;
  readonly passedOver: boolean;
}

/** The records of tenants, by id; those that have none are left out. @param lock until the transaction ends */
export async function findTenants(
  session: Session,
  ids: readonly TenantId[],
  lock = false,
): Promise<Map<TenantId, StoredTenant>> {
  const rows = (await session.run(lock ? lockStatement : findStatement, [JSON.stringify(ids)])) as TenantRow[];
  return new Map(rows.map((row) => [row.id, toStoredTenant(row)]));
}

/** How a record is stored. */
export interface TenantSave {
  /** What the record leaves to be claimed now. */
  readonly room: TenantRoom;
  readonly wasPassedOver: boolean;
  /** There was none; another that is made meanwhile repeats the step. */
  readonly isNew: boolean;
}

export async function saveTenant(
  session: Session,
  tenant: Tenant,
  { room: { window, jobs, regainAt }, wasPassedOver, isNew }: TenantSave,
): Promise<void> {
  const { id, weight, concurrency, rate, guardrails } = tenant;
  await session.run(isNew ? createStatement : updateStatement, [
    id,
    weight,
    concurrency ?? null,
    rate === undefined ? null : JSON.stringify(rate),
    JSON.stringify(window),
    guardrails === undefined ? null : JSON.stringify(guardrails),
    limitsClaims(tenant),
    regainAt ?? null,
    limitsClaims(tenant) && (jobs === 0 || wasPassedOver),
  ]);
}

const nothingAtAll = { count: 0, periodMs: 1 };

export function toStoredTenant(row: TenantRow): StoredTenant {
  const { id, weight, concurrency } = row;
  const rate = readRate(row.rate);
  const guardrails = row.guardrails === null ? undefined : parsedJson(row.guardrails);
  return {
    tenant: {
      id,
      weight,
      ...(concurrency === null ? {} : { concurrency }),
      // A limit that cannot be read must neither be ignored nor stop other tenants: this one stands still until it is set anew.
      ...(rate === undefined ? {} : { rate: rate === "unreadable" ? nothingAtAll : rate }),
      // Unreadable ones leave the scheduler's, which are there to hold for everyone; the findings name the row.
      ...(isGuardrails(guardrails) ? { guardrails: guardrails as TenantGuardrails } : {}),
    },
    window: readWindow(row.rate_window),
    passedOver: row.passed_over,
  };
}

/** The tenant of a row that must be whole. @throws where a column is no JSON of ours */
export function wholeTenant(row: TenantRow): StoredTenant {
  for (const text of [row.rate, row.rate_window, row.guardrails]) if (text !== null) JSON.parse(text);
  return toStoredTenant(row);
}

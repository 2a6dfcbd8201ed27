// The table of tenants' records: reading one whatever its row holds, and the one write of it.
import { isGuardrails, type TenantGuardrails } from "../../core/guardrails.ts";
import type { RateWindow } from "../../core/queue.ts";
import { parsedJson, readRate, readWindow } from "../../core/stored-limits.ts";
import { limitsClaims, type Tenant, type TenantRoom } from "../../core/tenant-record.ts";
import type { Connection } from "./database.ts";

const columns = "id, weight, concurrency, rate, rate_window, guardrails, passed_over";

const findStatement = `-- tenants.find\nSELECT ${columns} FROM punctual_tenants WHERE id = ?`;

const listStatement = `-- tenants.after
SELECT ${columns} FROM punctual_tenants WHERE id > ? ORDER BY id LIMIT ?`;

const saveStatement = `-- tenants.save
INSERT INTO punctual_tenants (id, weight, concurrency, rate, rate_window, guardrails, limited, blocked_until, passed_over)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
  weight = excluded.weight, concurrency = excluded.concurrency, rate = excluded.rate,
  rate_window = excluded.rate_window, guardrails = excluded.guardrails, limited = excluded.limited,
  blocked_until = excluded.blocked_until, passed_over = excluded.passed_over`;

export interface TenantRow {
  readonly id: string;
  readonly weight: number;
  readonly concurrency: number | null;
  readonly rate: string | null;
  readonly rate_window: string | null;
  readonly guardrails: string | null;
  readonly passed_over: number;
}

/** A tenant's record, with the claims that its rate counts. */
export interface StoredTenant {
  readonly tenant: Tenant;
  readonly window: RateWindow;
  readonly passedOver: boolean;
}

/** Rows by id. */
export function tenantsAfter(connection: Connection, id: string, limit: number): TenantRow[] {
  return connection.all<TenantRow>(listStatement, id, limit);
}

export function findTenant(connection: Connection, id: string): StoredTenant | undefined {
  const row = connection.get<TenantRow>(findStatement, id);
  return row === undefined ? undefined : toStoredTenant(row);
}

/** @param room what the record leaves to be claimed now */
export function saveTenant(
  connection: Connection,
  tenant: Tenant,
  { window, jobs, regainAt }: TenantRoom,
  wasPassedOver: boolean,
): void {
  const { id, weight, concurrency, rate, guardrails } = tenant;
  connection.run(
    saveStatement,
    id,
    weight,
    concurrency ?? null,
    rate === undefined ? null : JSON.stringify(rate),
    JSON.stringify(window),
    guardrails === undefined ? null : JSON.stringify(guardrails),
    Number(limitsClaims(tenant)),
    regainAt ?? null,
    Number(limitsClaims(tenant) && (jobs === 0 || wasPassedOver)),
  );
}

const nothingAtAll = { count: 0, periodMs: 1 };

function toStoredTenant(row: TenantRow): StoredTenant {
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
    passedOver: row.passed_over === 1,
  };
}

/** The tenant of a row that must be whole. @throws where a column is no JSON of ours */
export function wholeTenant(row: TenantRow): StoredTenant {
  for (const text of [row.rate, row.rate_window, row.guardrails]) if (text !== null) JSON.parse(text);
  return toStoredTenant(row);
}

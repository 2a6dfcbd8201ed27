// The table of used idempotencyKeys.
import type { Millis } from "../../core/clock.ts";
import { jobIdFromBytes, jobIdToBytes } from "../../core/id.ts";
import type { UsedKey } from "../../core/ledger.ts";
import type { Tx } from "./tx.ts";

const findStatement = `-- idempotency.find
SELECT body, job, due_at FROM punctual_idempotency WHERE tenant = ? AND key = ? AND expires_at > ?`;

const rememberStatement = `-- idempotency.remember
INSERT INTO punctual_idempotency (tenant, key, body, job, due_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (tenant, key) DO UPDATE SET
  body = excluded.body, job = excluded.job, due_at = excluded.due_at, expires_at = excluded.expires_at`;

interface KeyRow {
  readonly body: string;
  readonly job: Uint8Array;
  readonly due_at: Millis;
}

/** What a key was used for; undefined once that has expired. */
export function findUsedKey({ connection, now }: Tx, tenant: string, key: string): UsedKey | undefined {
  const row = connection.get<KeyRow>(findStatement, tenant, key, now);
  return row && { body: row.body, job: jobIdFromBytes(row.job), dueAt: row.due_at };
}

export function rememberKey({ connection }: Tx, tenant: string, key: string, used: UsedKey, expiresAt: Millis): void {
  connection.run(rememberStatement, tenant, key, used.body, jobIdToBytes(used.job), used.dueAt, expiresAt);
}

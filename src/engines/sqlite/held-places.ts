// Places of a tenant's concurrency that dead workers hold: their leases have ended, and nobody recovers them, as the
// queue is paused or not served. Who serves it has a lease's time to; then a claim that wants the place gives it up.

import type { Millis } from "../../core/clock.ts";
import type { ClaimRequest } from "../../core/engine.ts";
import { giveUpPlace } from "../../core/steps/recovery.ts";
import { ledgerOf } from "./ledger.ts";
import { waitsForPlace } from "./limited-lanes.ts";
import { type JobRow, jobColumns, type Stored, toStored } from "./rows.ts";
import type { Tx } from "./tx.ts";

/** Leases that one claim gives up, at most. */
const givenUpMax = 100;

// Queue by queue along the index of leases: a look at the first of each.
const queues = `WITH RECURSIVE queues (name) AS (
  SELECT min(queue) FROM punctual_jobs WHERE place = 'active'
  UNION ALL
  SELECT (SELECT min(queue) FROM punctual_jobs WHERE place = 'active' AND queue > name) FROM queues WHERE name IS NOT NULL
)`;

const anyEndedStatement = `-- jobs.anyEndedLongAgo
${queues} SELECT 1 AS found FROM queues CROSS JOIN punctual_jobs
WHERE queue = name AND place = 'active' AND lease_until <= ? LIMIT 1`;

const heldStatement = `-- jobs.holdingPlaces
${queues} SELECT ${jobColumns} FROM queues CROSS JOIN punctual_jobs AS jobs
WHERE queue = name AND place = 'active' AND lease_until <= ? AND EXISTS (
  SELECT 1 FROM punctual_tenants AS tenants WHERE tenants.id = jobs.tenant AND limited = 1
    AND coalesce(blocked_until, 0) <= ?
    AND concurrency <= (SELECT sum(active) FROM punctual_lanes AS lanes WHERE lanes.tenant = tenants.id)
) AND EXISTS (
  SELECT 1 FROM punctual_lanes AS lanes WHERE lanes.tenant = jobs.tenant AND listed = 1
    AND lanes.queue IN (SELECT value FROM json_each(?))
) ORDER BY lease_until, seq LIMIT ?`;

const nextEndStatement = `-- jobs.nextLeaseEnd
${queues} SELECT min((
  SELECT min(lease_until) FROM punctual_jobs WHERE queue = name AND place = 'active' AND lease_until > ?
)) AS at FROM queues WHERE name IS NOT NULL`;

/**
 * Gives up places for which jobs of the claim's queues wait: their jobs wait again, and are no longer the worker's.
 * @returns whether it gave up any
 */
export function giveUpPlaces(tx: Tx, open: readonly string[], request: ClaimRequest): boolean {
  if (!tx.tenants.limitAny || !anyEnded(tx, request) || !isWanted(tx, open, request)) return false;
  const ledger = ledgerOf(tx);
  let any = false;
  for (const stored of holding(tx, open, request, givenUpMax)) {
    const { tenant } = stored.job;
    // As many as are wanted: another of the same tenant may have made room.
    if (!tx.tenants.allowsRecovery(tenant) || tx.tenants.room(tenant)?.jobs !== 0) continue;
    giveUpPlace(ledger, stored);
    any = true;
  }
  return any;
}

/** When a place may be given up for jobs of the claim's queues: the past when there is one; may be early, is not late. */
export function giveUpAt(tx: Tx, open: readonly string[], request: ClaimRequest): Millis | undefined {
  if (!isWanted(tx, open, request)) return undefined;
  if (anyEnded(tx, request) && holding(tx, open, request, 1).length > 0) return tx.now;
  const { at } = tx.connection.get<{ at: Millis | null }>(nextEndStatement, tx.now - request.leaseMs) ?? {};
  return at == null ? undefined : at + request.leaseMs;
}

/** Whether jobs of the claim's queues wait for nothing but a place of their tenant. */
function isWanted({ connection, lanes, tenants, now }: Tx, open: readonly string[], { starts }: ClaimRequest): boolean {
  if (starts < 1 || !tenants.limitAny) return false;
  lanes.flush();
  return open.some((queue) => waitsForPlace(connection, queue, now));
}

/** Whether any lease ended so long ago: mostly there is none, and no need to look closer. */
function anyEnded({ connection, now }: Tx, { leaseMs }: ClaimRequest): boolean {
  return connection.get(anyEndedStatement, now - leaseMs) !== undefined;
}

function holding({ connection, now }: Tx, open: readonly string[], { leaseMs }: ClaimRequest, limit: number): Stored[] {
  const values = [now - leaseMs, now, JSON.stringify(open), limit];
  return connection.tuples<JobRow>(heldStatement, ...values).map(toStored);
}

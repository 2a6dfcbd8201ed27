// What keeps claims apart: those of one queue come one after another, those that count tenants' limits too. The locks are
// advisory and end with the transaction. Order: queues by their number, then the tenants' one; rows only after these.
import type { TenantId } from "../../core/tenant.ts";
import type { Session, Statement } from "./connections.ts";

/** A queue's number, as an expression over its name. The schema's own name takes the place of `punctual.`. */
export function queueKey(name: string): string {
  return `hashtextextended('punctual.claims' || ' ' || ${name}, 0)`;
}

const tenantsKey = "hashtextextended('punctual.tenants', 0)";

// Sorted before any is taken: DISTINCT keeps the subquery by itself.
const lockQueuesStatement = `-- claim.lockQueues
SELECT pg_advisory_xact_lock(key)::text AS locked FROM (
  SELECT DISTINCT ${queueKey("value")} AS key FROM json_array_elements_text($1::json) ORDER BY key
) AS keys`;

const lockTenantsStatement = `-- claim.lockTenants
SELECT pg_advisory_xact_lock(${tenantsKey})::text AS locked WHERE $1::boolean OR EXISTS (
  SELECT 1 FROM punctual.lanes AS lanes JOIN punctual.tenants AS tenants ON tenants.id = lanes.tenant AND tenants.limited
  WHERE lanes.queue IN (SELECT value FROM json_array_elements_text($2::json)) AND lanes.listed
)`;

const lockLanesStatement = `-- claim.lockLanesOf
SELECT pg_advisory_xact_lock(key)::text AS locked FROM (
  SELECT DISTINCT ${queueKey("queue")} AS key FROM punctual.lanes
  WHERE tenant IN (SELECT value FROM json_array_elements_text($1::json)) ORDER BY key
) AS keys`;

/** Waits for the claims of queues. What is read in later statements is as they have left it. */
export function lockQueues(queues: readonly string[]): Statement {
  return [lockQueuesStatement, [JSON.stringify(queues)]];
}

/** Waits for claims that count tenants' limits, if lanes of such tenants are listed in the queues, or `always`. */
export function lockTenants(queues: readonly string[], always = false): Statement {
  return [lockTenantsStatement, [always, JSON.stringify(queues)]];
}

/** Waits for every claim that may look at these tenants: whoever changes their records or lanes takes this first. */
export async function lockClaimsOf(session: Session, tenants: readonly TenantId[]): Promise<void> {
  await session.run(lockLanesStatement, [JSON.stringify(tenants)]);
  await session.run(lockTenantsStatement, [true, "[]"]);
}

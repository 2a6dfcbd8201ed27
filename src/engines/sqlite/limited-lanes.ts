// The lanes that a claim may look at where tenants have limits: those that are full or have used up their rate are
// passed over in the statement itself, so that they hide nobody.
import type { Connection } from "./database.ts";
import type { ReadyLane } from "./lanes.ts";

const isLimited = "EXISTS (SELECT 1 FROM punctual_tenants WHERE id = lanes.tenant AND limited = 1)";

const isBlocked = `EXISTS (
  SELECT 1 FROM punctual_tenants AS tenants WHERE id = lanes.tenant AND limited = 1 AND (
    blocked_until > ? OR concurrency <= (SELECT sum(active) FROM punctual_lanes WHERE tenant = tenants.id)))`;

/** All places of its tenant are taken, though its rate gives. */
const isFull = `EXISTS (
  SELECT 1 FROM punctual_tenants AS tenants WHERE id = lanes.tenant AND limited = 1 AND coalesce(blocked_until, 0) <= ?
    AND concurrency <= (SELECT sum(active) FROM punctual_lanes WHERE tenant = tenants.id))`;

const columns = `lane, tenant, ready, pass, weight, ${isLimited} AS limited`;

const claimableStatement = `-- lanes.claimable
SELECT ${columns} FROM punctual_lanes AS lanes WHERE queue = ? AND listed = 1 AND NOT ${isBlocked}
ORDER BY pass, lane LIMIT ?`;

const slotWantedStatement = `-- lanes.slotWanted
SELECT 1 AS found FROM punctual_lanes AS lanes WHERE queue = ? AND listed = 1 AND ${isLimited} AND NOT ${isBlocked} LIMIT 1`;

const unlimitedStatement = `-- lanes.unlimited
SELECT ${columns} FROM punctual_lanes AS lanes WHERE queue = ? AND listed = 1 AND NOT ${isLimited}
ORDER BY pass, lane LIMIT ?`;

const heldBackStatement = `-- lanes.heldBack
SELECT 1 AS found FROM punctual_lanes AS lanes WHERE queue = ? AND listed = 1 AND ${isFull} LIMIT 1`;

const regainStatement = `-- lanes.regainAt
SELECT min(blocked_until) AS at FROM punctual_lanes AS lanes JOIN punctual_tenants AS tenants ON id = tenant
WHERE queue = ? AND listed = 1 AND blocked_until > ?`;

/** A lane with ready jobs that its tenant's limits leave to be claimed. */
export interface LimitedLane extends ReadyLane {
  readonly limited: number;
}

/**
 * The lanes that `starts` claims which start may be given to, and those beyond them: no more than so many can be served,
 * and these have the lowest passes. In the order of their creation.
 */
export function claimableLanes(
  connection: Connection,
  queue: string,
  { starts, limit, now }: { readonly starts: number; readonly limit: number; readonly now: number },
): LimitedLane[] {
  const starting =
    starts < 1 ? [] : connection.all<LimitedLane>(claimableStatement, queue, now, Math.min(starts, limit));
  const ahead = limit <= starts ? [] : connection.all<LimitedLane>(unlimitedStatement, queue, limit);
  const known = new Set(starting.map(({ lane }) => lane));
  return [...starting, ...ahead.filter(({ lane }) => !known.has(lane))].sort((a, b) => a.lane - b.lane);
}

/** Whether a queue has jobs of limited tenants that a claim for a free slot would be given. */
export function wantsSlot(connection: Connection, queue: string, now: number): boolean {
  return connection.get(slotWantedStatement, queue, now) !== undefined;
}

/** Whether a queue has jobs that wait for nothing but a place of their tenant. */
export function waitsForPlace(connection: Connection, queue: string, now: number): boolean {
  return connection.get(heldBackStatement, queue, now) !== undefined;
}

/** When the first of a queue's lanes that wait for their tenant's rate may go on. */
export function lanesRegainAt(connection: Connection, queue: string, now: number): number | undefined {
  return connection.get<{ at: number | null }>(regainStatement, queue, now)?.at ?? undefined;
}

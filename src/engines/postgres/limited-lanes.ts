// The lanes that a claim may look at where tenants have limits: those that are full or have used up their rate are
// passed over in the statement itself, so that they hide nobody. A tenant's active jobs are counted exactly: what its
// lanes have, and what is not folded into them yet.
import type { Millis } from "../../core/clock.ts";
import type { LaneShare } from "../../core/queue.ts";
import type { Session, Statement } from "./connections.ts";
import type { LaneName } from "./lanes.ts";

/** A lane with ready jobs, as a claim shares them. */
export interface ReadyLane extends LaneShare {
  readonly queue: string;
  readonly lane: number;
  /** Its tenant's claims are limited. */
  readonly limited: boolean;
}

const names = (parameter: string) => `SELECT value FROM json_array_elements_text(${parameter}::json)`;

// Sets are looked up by hash (`IS TRUE` keeps the planner from joining them): it knows too little of their sizes, as a
// queue may have come to thousands of tenants since the tables were last analyzed.
const among = (name: string, set: string) => `(${name} IN (${set})) IS TRUE`;

/** Of the `concerned` tenants, those whose places are all taken, in whatever queue. */
const full = `full_ones AS MATERIALIZED (
  SELECT tenant FROM (
    SELECT id AS tenant, concurrency, (
      SELECT coalesce(sum(active), 0) FROM punctual.lanes AS lanes WHERE lanes.tenant = concerned.id
    ) AS active FROM concerned WHERE concurrency IS NOT NULL
    UNION ALL
    SELECT tenant, NULL, active FROM punctual.lane_deltas WHERE ${among("tenant", "SELECT id FROM concerned")}
  ) AS parts GROUP BY tenant HAVING max(concurrency) <= sum(active)
)`;

const blocked = (now: string) => `SELECT id FROM concerned WHERE blocked_until > ${now}::bigint`;

const left = `NOT EXISTS (
  SELECT 1 FROM json_to_recordset($3::json) AS unwanted (queue text, tenant text)
  WHERE unwanted.queue = lanes.queue AND unwanted.tenant = lanes.tenant
)`;

// Only of queues that are locked and folded. No more than `limit` lanes can be served by `limit` claims, and those are
// the ones with the lowest passes; one more tells that there are more.
const readyStatement = `-- lanes.ready
SELECT ready.queue, ready.lane::float8 AS lane, ready.tenant, ready.ready::float8 AS ready, ready.pass, ready.weight,
  false AS limited
FROM json_to_recordset($1::json) AS wants (queue text, most integer) CROSS JOIN LATERAL (
  SELECT * FROM punctual.lanes AS lanes WHERE lanes.queue = wants.queue AND listed ORDER BY pass, lane LIMIT wants.most + 1
) AS ready`;

const moreStatement = `-- lanes.readyBut
SELECT lanes.queue, lanes.lane::float8 AS lane, lanes.tenant, lanes.ready::float8 AS ready, lanes.pass, lanes.weight,
  false AS limited
FROM punctual.lanes AS lanes WHERE lanes.queue = $1 AND listed AND ${left} ORDER BY pass, lane LIMIT $2::integer`;

const laneColumns = `lane::float8 AS lane, queue, tenant, ready::float8 AS ready, pass, weight,
  ${among("tenant", "SELECT id FROM concerned")} AS limited`;

// First those for claims that start, then those for claims beyond these.
const claimableStatement = `-- lanes.claimable
WITH concerned AS MATERIALIZED (
  SELECT id, concurrency, blocked_until FROM punctual.tenants AS tenants
  WHERE limited AND EXISTS (SELECT 1 FROM punctual.lanes AS lanes WHERE queue = $1 AND tenant = tenants.id AND listed)
), ${full}
(SELECT ${laneColumns} FROM punctual.lanes AS lanes
  WHERE queue = $1 AND listed AND ${left}
    AND tenant NOT IN (${blocked("$4")}) AND tenant NOT IN (SELECT tenant FROM full_ones)
  ORDER BY lanes.pass, lanes.lane LIMIT $2::integer)
UNION
(SELECT ${laneColumns} FROM punctual.lanes AS lanes
  WHERE queue = $1 AND listed AND ${left} AND tenant NOT IN (SELECT id FROM concerned)
  ORDER BY lanes.pass, lanes.lane LIMIT $5::integer)`;

/** The lanes of some queues that have ready jobs and what stands in their way, folded or not: of $1 queues, at $2. */
export const waitingLanes = `filled AS MATERIALIZED (
  SELECT queue, tenant FROM (
    SELECT queue, tenant, ready FROM punctual.lanes WHERE queue IN (${names("$1")})
    UNION ALL
    SELECT queue, tenant, ready FROM punctual.lane_deltas WHERE queue IN (${names("$1")})
  ) AS parts GROUP BY queue, tenant HAVING sum(ready) > 0
), concerned AS MATERIALIZED (
  SELECT id, concurrency, blocked_until FROM punctual.tenants
  WHERE limited AND ${among("id", "SELECT tenant FROM filled")}
), ${full}, waiting AS MATERIALIZED (
  SELECT queue, tenant, ${among("tenant", "SELECT id FROM concerned")} AS limited,
    ${among("tenant", blocked("$2"))} AS blocked, ${among("tenant", "SELECT tenant FROM full_ones")} AS is_full
  FROM filled AS lanes WHERE ${left}
)`;

const standingStatement = `-- lanes.standing
WITH ${waitingLanes}
SELECT queue, bool_or(NOT limited OR ($4::boolean AND NOT blocked AND NOT is_full)) AS claimable,
  bool_or(limited AND NOT blocked AND NOT is_full) AS slot_wanted, bool_or(limited AND NOT blocked AND is_full) AS held_back,
  min((SELECT blocked_until FROM punctual.tenants WHERE id = waiting.tenant)) FILTER (WHERE blocked)::float8 AS regain_at
FROM waiting GROUP BY queue`;

/** What waits in a queue beside the claim. */
export interface Standing {
  /** There is something ready that a claim would be given. */
  readonly claimable: boolean;
  /** Jobs of limited tenants are ready that a claim for a free slot would be given. */
  readonly slotWanted: boolean;
  /** Jobs wait for nothing but a place of their tenant. */
  readonly heldBack: boolean;
  /** When the first of its lanes that wait for their tenant's rate may go on. */
  readonly regainAt: Millis | undefined;
}

/** The statement that answers the lanes that the next claims of queues may be given to, where no tenant is limited. */
export function readyLanesOf(queues: readonly { readonly queue: string; readonly most: number }[]): Statement {
  return [readyStatement, [JSON.stringify(queues)]];
}

/** The lanes of one queue that may be given something; those that gave less than they should are left out. */
export async function moreLanes(
  session: Session,
  queue: string,
  limit: number,
  out: readonly LaneName[],
): Promise<ReadyLane[]> {
  return (await session.run(moreStatement, [queue, limit, JSON.stringify(out)])) as ReadyLane[];
}

/**
 * The lanes that `starts` claims which start may be given to, and those beyond them: no more than so many can be served,
 * and these have the lowest passes.
 */
export async function claimableLanes(
  session: Session,
  queue: string,
  { starts, limit, now }: { readonly starts: number; readonly limit: number; readonly now: Millis },
  out: readonly LaneName[],
): Promise<ReadyLane[]> {
  const starting = Math.max(0, Math.min(starts, limit));
  const ahead = limit > starts ? limit : 0;
  return (await session.run(claimableStatement, [queue, starting, JSON.stringify(out), now, ahead])) as ReadyLane[];
}

/** What waits in queues, by name; a queue in which nothing is ready is left out. */
export async function standingOf(
  session: Session,
  queues: readonly string[],
  { now, starts }: { readonly now: Millis; readonly starts: number },
  out: readonly LaneName[] = [],
): Promise<Map<string, Standing>> {
  const values = [JSON.stringify(queues), now, JSON.stringify(out), starts > 0];
  const rows = await session.run(standingStatement, values);
  return new Map(
    rows.map((row) => [
      row["queue"],
      {
        claimable: row["claimable"],
        slotWanted: row["slot_wanted"],
        heldBack: row["held_back"],
        regainAt: row["regain_at"] ?? undefined,
      },
    ]),
  );
}

// The counters of lanes: exact in one statement, as lanes and what is not folded into them yet are read in one snapshot.

import { counters } from "../../core/workspace/lane-changes.ts";
import { pairText } from "../../core/workspace/names.ts";
import { queueKey } from "./claim-locks.ts";
import type { Connections, Session, Statement } from "./connections.ts";
import type { Row } from "./sql.ts";

const added = counters.map((name) => `${name} = lanes.${name} + moved.${name}`).join(", ");
const summed = counters.map((name) => `sum(${name})::bigint AS ${name}`).join(", ");

/** Lanes with exact counters, as a subquery. A lane that never had a job is none. */
export const exactLanes = `(
  SELECT queue, tenant, ${counters.map((name) => `sum(${name})::float8 AS ${name}`).join(", ")}
  FROM (
    SELECT queue, tenant, ${counters.join(", ")} FROM punctual.lanes
    UNION ALL
    SELECT queue, tenant, ${counters.join(", ")} FROM punctual.lane_deltas
  ) AS parts GROUP BY queue, tenant
)`;

/** Makes the rows of those lanes of a list that have none; the list has each lane once, in order. */
export function missingLanesOf(list: string): string {
  return `INSERT INTO punctual.lanes (queue, tenant, weight)
  SELECT queue, tenant, coalesce((SELECT weight FROM punctual.tenants WHERE tenants.id = ${list}.tenant), 1) FROM ${list}
  WHERE NOT EXISTS (SELECT 1 FROM punctual.lanes AS lane WHERE lane.queue = ${list}.queue AND lane.tenant = ${list}.tenant)
  ON CONFLICT (queue, tenant) DO NOTHING`;
}

const createStatement = `-- lanes.create
INSERT INTO punctual.lanes (queue, tenant, weight)
SELECT new.queue, new.tenant, coalesce((SELECT weight FROM punctual.tenants WHERE tenants.id = new.tenant), 1)
FROM json_to_recordset($1::json) AS new (queue text, tenant text) ORDER BY new.queue, new.tenant
ON CONFLICT (queue, tenant) DO NOTHING`;

// Jobs that are promised count on them, whatever their own transaction's durability: nobody makes them again.
const createDurablyStatement = `-- lanes.createDurably
INSERT INTO punctual.lanes (queue, tenant, weight)
SELECT new.queue, new.tenant, coalesce((SELECT weight FROM punctual.tenants WHERE tenants.id = new.tenant), 1)
FROM json_to_recordset($1::json) AS new (queue text, tenant text)
WHERE set_config('synchronous_commit', 'on', true) = 'on' ORDER BY new.queue, new.tenant
ON CONFLICT (queue, tenant) DO NOTHING`;

const names = "SELECT value FROM json_array_elements_text($1::json)";

/** Lanes that no tenant's limit holds back: a condition on `others`. */
export const notPassedOver = "others.tenant NOT IN (SELECT id FROM punctual.tenants WHERE passed_over)";

/**
 * Where lanes that fill enter, as an expression over a queue: at the lowest pass of its listed lanes that meet a
 * condition, as the pass of those passed over is of another day; where there is none, at the greatest pass there is, so
 * that nobody saves up over an idle moment. As nobody enters below the lowest, many enter as they would one by one.
 */
export function enteringPass(queue: string, condition: string): string {
  return `coalesce((
  SELECT pass FROM punctual.lanes AS others WHERE others.queue = ${queue}.queue AND listed AND ${condition}
  ORDER BY pass LIMIT 1
), greatest(
  (SELECT max(pass) FROM punctual.lanes AS others WHERE others.queue = ${queue}.queue AND listed),
  (SELECT max(pass) FROM punctual.lanes AS others WHERE others.queue = ${queue}.queue AND NOT listed)
))`;
}

const staysListed = "(others.queue, others.tenant) NOT IN (SELECT queue, tenant FROM emptied)";

// Under the queues' locks (claim-locks.ts). Lanes that fill are listed, those that empty no longer are. A lane whose row is
// gone, as after a restore, is made: nothing that was counted is dropped.
const foldStatement = `-- lanes.fold
WITH gone AS (
  DELETE FROM punctual.lane_deltas WHERE ctid IN (
    SELECT ctid FROM punctual.lane_deltas WHERE (queue IN (${names})) IS TRUE LIMIT $2 FOR UPDATE SKIP LOCKED
  ) RETURNING *
), moved AS MATERIALIZED (
  SELECT queue, tenant, ${summed} FROM gone GROUP BY queue, tenant ORDER BY queue, tenant
), emptied AS MATERIALIZED (
  SELECT queue, tenant FROM moved JOIN punctual.lanes AS lanes USING (queue, tenant) WHERE lanes.ready + moved.ready <= 0
), entering AS MATERIALIZED (
  SELECT queue, ${enteringPass("filling", `${notPassedOver} AND ${staysListed}`)} AS pass FROM (
    SELECT DISTINCT moved.queue FROM moved LEFT JOIN punctual.lanes AS lanes USING (queue, tenant)
    WHERE listed IS NOT TRUE AND coalesce(lanes.ready, 0) + moved.ready > 0
  ) AS filling
), folded AS (
  UPDATE punctual.lanes AS lanes SET ${added}, listed = lanes.ready + moved.ready > 0,
    pass = CASE WHEN NOT listed AND lanes.ready + moved.ready > 0
      THEN greatest(lanes.pass, entering.pass) ELSE lanes.pass END
  FROM moved LEFT JOIN entering USING (queue) WHERE lanes.queue = moved.queue AND lanes.tenant = moved.tenant
), made AS (
  INSERT INTO punctual.lanes (queue, tenant, ${counters.join(", ")}, listed, pass, weight)
  SELECT queue, tenant, ${counters.map((name) => `moved.${name}`).join(", ")}, moved.ready > 0, coalesce(entering.pass, 0),
    coalesce((SELECT weight FROM punctual.tenants WHERE tenants.id = moved.tenant), 1)
  FROM moved LEFT JOIN entering USING (queue)
  WHERE NOT EXISTS (SELECT 1 FROM punctual.lanes AS lane WHERE lane.queue = moved.queue AND lane.tenant = moved.tenant)
  ON CONFLICT (queue, tenant) DO UPDATE SET ${added.replaceAll("moved.", "excluded.")},
    listed = lanes.ready + excluded.ready > 0, pass = greatest(lanes.pass, excluded.pass)
)
SELECT count(*)::int4 AS folded FROM gone`;

// A queue whose lock is taken is being claimed from, and so folded.
const lockFreeStatement = `-- lanes.lockFree
SELECT queue FROM (SELECT DISTINCT queue FROM punctual.lane_deltas OFFSET 0) AS counted
WHERE pg_try_advisory_xact_lock(${queueKey("queue")}) LIMIT $1`;

/** Rows that one fold moves, at most: claims of its queues wait for it. */
const foldMax = 1_000;

/** Queues that are folded together, at most: each takes a lock, and who claims from any of them waits. */
const queuesMax = 50;

/** Moves what calls have counted into the lanes of queues; the caller holds their locks. */
export function foldOf(queues: readonly string[]): Statement {
  return [foldStatement, [JSON.stringify(queues), foldMax]];
}

/** Whether a fold has left something. */
export function foldsOn(rows: readonly Row[]): boolean {
  return rows[0]?.["folded"] === foldMax;
}

/** Moves what calls have counted into the lanes of some queues that nobody claims from; returns whether there may be more. */
export async function foldLanes(connections: Connections): Promise<boolean> {
  // The locks would last as long as the caller's transaction.
  if (connections.joined) return false;
  return connections.transaction(async (session) => {
    const free = await session.run(lockFreeStatement, [queuesMax]);
    if (free.length === 0) return false;
    const [text, values] = foldOf(free.map((row) => row["queue"]));
    const rows = await session.run(text, values);
    return foldsOn(rows) || (free.length === queuesMax && rows[0]?.["folded"] > 0);
  });
}

const waitingQueuesStatement = `-- lanes.readyQueues
SELECT DISTINCT lanes.queue FROM punctual.tenants AS tenants
JOIN punctual.lanes AS lanes ON lanes.tenant = tenants.id
LEFT JOIN (
  SELECT queue, tenant, sum(ready) AS ready FROM punctual.lane_deltas GROUP BY queue, tenant
) AS moved ON moved.queue = lanes.queue AND moved.tenant = lanes.tenant
WHERE tenants.id IN (${names}) AND limited AND passed_over AND lanes.ready + coalesce(moved.ready, 0) > 0`;

/** The queues in which those of the tenants have ready jobs that were given nothing for want of a place or of rate. */
export async function queuesWaitingFor(session: Session, tenants: readonly string[]): Promise<string[]> {
  const rows = await session.run(waitingQueuesStatement, [JSON.stringify(tenants)]);
  return rows.map((row) => row["queue"]);
}

/** A lane by its names. */
export interface LaneName {
  readonly queue: string;
  readonly tenant: string;
}

/** Makes the rows of lanes that may not be there. */
export function laneRows(lanes: readonly LaneName[]): Statement {
  return [createStatement, [listOf(lanes)]];
}

function listOf(lanes: readonly LaneName[]): string {
  return JSON.stringify(lanes.map(({ queue, tenant }) => ({ queue, tenant })));
}

/**
 * The lanes that are known to be there. Only callers' transactions ask: they would hold a row that they make until their
 * end. Our own make what is missing as they count. Who is wrong here leaves it to the next fold.
 */
export class KnownLanes {
  readonly #known = new Set<string>();

  /** Those that may not be there yet. */
  unknown(lanes: readonly LaneName[]): LaneName[] {
    const unknown = new Map<string, LaneName>();
    for (const { queue, tenant } of lanes) {
      const text = pairText(queue, tenant);
      if (!this.#known.has(text)) unknown.set(text, { queue, tenant });
    }
    return [...unknown.values()];
  }

  /** Makes the rows of lanes that may not be there. @param aside commits at once */
  async create(aside: Session, lanes: readonly LaneName[]): Promise<void> {
    await aside.run(createDurablyStatement, [listOf(lanes)]);
    for (const { queue, tenant } of lanes) this.#known.add(pairText(queue, tenant));
  }

  /** The store may be another one now. */
  forget(): void {
    this.#known.clear();
  }
}

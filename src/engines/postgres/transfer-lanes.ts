// The lanes that jobs are counted in, as values and back. Their counters follow from their jobs; what is carried is what
// does not: totals, and the place in the fair share.
import { counters } from "../../core/workspace/lane-changes.ts";
import { beyond, type KindTransfer, lastOfEach, pairRecords, pairs, runWith } from "./transfer-kind.ts";

const totals = ["completed_total", "failed_total", "cancelled_total"] as const;
const places = counters.filter((counter) => !totals.some((total) => total === counter));
const summed = counters.map((counter) => `sum(${counter})::bigint AS ${counter}`).join(", ");
const exact = (counter: string) => `lanes.${counter} + coalesce(moved.${counter}, 0)`;

/** A lane's row stays for ever, as processes know that it is there: with this pass, and empty, it is as good as none. */
const removedPass = -1;

const isThere = `(pass <> ${removedPass} OR ${counters.map((counter) => `${exact(counter)} <> 0`).join(" OR ")})`;
const moved = `(SELECT queue, tenant, ${summed} FROM punctual.lane_deltas GROUP BY queue, tenant)`;

const lanesStatement = `-- transfer.lanes
WITH moved AS MATERIALIZED ${moved}
SELECT lanes.queue, lanes.tenant, pass, weight, ${totals.map((total) => `(${exact(total)})::float8 AS ${total}`).join(", ")}
FROM punctual.lanes AS lanes LEFT JOIN moved ON moved.queue = lanes.queue AND moved.tenant = lanes.tenant
WHERE (lanes.queue, lanes.tenant) > ($1, $2) AND ${isThere}
ORDER BY lanes.queue, lanes.tenant LIMIT $3`;

/** How many lanes `transfer.read` gives. */
export const laneCount = `(
  SELECT count(*) FROM punctual.lanes AS lanes LEFT JOIN ${moved} AS moved USING (queue, tenant) WHERE ${isThere}
)`;

// What calls have counted is folded in the same statement: a total that is set is not counted on from an older one.
const saveStatement = `-- transfer.saveLanes
WITH new AS MATERIALIZED (
  SELECT * FROM json_to_recordset($1::json) AS new (queue text, tenant text, completed bigint, failed bigint,
    cancelled bigint, pass float8, weight float8)
), gone AS (
  DELETE FROM punctual.lane_deltas AS deltas USING new WHERE deltas.queue = new.queue AND deltas.tenant = new.tenant
  RETURNING deltas.*
), moved AS MATERIALIZED (SELECT queue, tenant, ${summed} FROM gone GROUP BY queue, tenant)
INSERT INTO punctual.lanes AS lanes (queue, tenant, ${places.join(", ")}, ${totals.join(", ")}, listed, pass, weight)
SELECT queue, tenant, ${places.map((place) => `coalesce(moved.${place}, 0)`).join(", ")}, new.completed, new.failed,
  new.cancelled, coalesce(moved.ready, 0) > 0, new.pass, new.weight
FROM new LEFT JOIN moved USING (queue, tenant) ORDER BY queue, tenant
ON CONFLICT (queue, tenant) DO UPDATE SET ${places.map((place) => `${place} = lanes.${place} + excluded.${place}`).join(", ")},
  ${totals.map((total) => `${total} = excluded.${total}`).join(", ")}, listed = lanes.ready + excluded.ready > 0,
  pass = excluded.pass, weight = excluded.weight`;

const removeStatement = `-- transfer.removeLanes
WITH gone AS (
  DELETE FROM punctual.lane_deltas AS deltas USING ${pairRecords}
  WHERE deltas.queue = named.first AND deltas.tenant = named.second
)
UPDATE punctual.lanes AS lanes SET ${counters.map((counter) => `${counter} = 0`).join(", ")}, listed = false,
  pass = ${removedPass}, weight = coalesce((SELECT weight FROM punctual.tenants WHERE tenants.id = lanes.tenant), 1)
FROM ${pairRecords} WHERE lanes.queue = named.first AND lanes.tenant = named.second`;

interface LaneRow {
  readonly queue: string;
  readonly tenant: string;
  readonly pass: number;
  readonly weight: number;
  readonly completed_total: number;
  readonly failed_total: number;
  readonly cancelled_total: number;
}

export const laneTransfer: KindTransfer<"lane"> = {
  read: async (session, { after, limit }) => {
    const rows = (await session.run(lanesStatement, [...beyond(after), limit])) as LaneRow[];
    return rows.map(({ queue, tenant, pass, weight, ...row }) => ({
      kind: "lane",
      queue,
      tenant,
      totals: { completed: row.completed_total, failed: row.failed_total, cancelled: row.cancelled_total },
      pass,
      weight,
    }));
  },
  write: async ({ session }, items) => {
    const lanes = lastOfEach(items, ({ queue, tenant }) => [queue, tenant]);
    await runWith(
      session,
      saveStatement,
      lanes.map(({ queue, tenant, totals, pass, weight }) => ({ queue, tenant, pass, weight, ...totals })),
    );
  },
  remove: ({ session }, names) => runWith(session, removeStatement, pairs(names)),
};

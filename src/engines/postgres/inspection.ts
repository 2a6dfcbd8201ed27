// Asking why, in PostgreSQL: the contract's InspectionStore. What stands before a job is read in one statement, and so is of
// one moment.
import type { InspectionStore } from "../../core/engine.ts";
import type { JobId } from "../../core/id.ts";
import { everyQueue, rateAllowance } from "../../core/queue.ts";
import type { JobStanding, TenantStanding } from "../../core/standing.ts";
import { readWindow } from "../../core/stored-limits.ts";
import { limitsClaims, tenantRoom } from "../../core/tenant-record.ts";
import { findings } from "./findings.ts";
import { isReady } from "./fresh-leases.ts";
import { exactLanes } from "./lanes.ts";
import { type QueueRow, queueColumns, toQueue } from "./queue-rows.ts";
import { finishedColumns, type JobRow, jobColumns, toJob } from "./rows.ts";
import { readableSchedule, type ScheduleRow } from "./schedule-rows.ts";
import { nowOf } from "./sql.ts";
import type { Steps } from "./steps.ts";
import { type TenantRow, tenantColumns, toStoredTenant } from "./tenant-rows.ts";

const spot = "seq, tenant, queue, key, place, priority, due_at";

/** The job of the key's slot that is asked for, unless it is the job itself. */
const slot = (condition: string) => `(
    SELECT jobs.id::text FROM spot JOIN punctual.jobs AS jobs USING (tenant, queue, key)
    WHERE ${condition} AND jobs.id <> $1::uuid
  )`;

// Of a tenant's jobs those that a claim takes first; `which` are to be taken at all.
const ahead = (which: string) => `(
    SELECT count(*) FROM (
      SELECT 1 FROM punctual.jobs AS jobs WHERE jobs.queue = (SELECT queue FROM spot) AND ${which}
        AND jobs.tenant = (SELECT tenant FROM spot)
        AND (jobs.priority, jobs.due_at, jobs.seq)
          < ((SELECT priority FROM spot), (SELECT due_at FROM spot), (SELECT seq FROM spot))
      LIMIT $3
    ) AS before
  )`;

// What has come due since the last claim is not ready yet, and comes before it all the same.
const standingStatement = `-- inspection.standing
WITH at AS MATERIALIZED (SELECT ${nowOf("$2")} AS now),
spot AS MATERIALIZED (
  SELECT ${spot} FROM punctual.jobs WHERE id = $1::uuid
  UNION ALL
  SELECT ${spot} FROM punctual.finished WHERE id = $1::uuid LIMIT 1
), own AS MATERIALIZED (
  SELECT ${jobColumns} FROM punctual.jobs WHERE id = $1::uuid
  UNION ALL
  SELECT ${finishedColumns} FROM punctual.finished WHERE id = $1::uuid LIMIT 1
), lanes AS MATERIALIZED (
  SELECT * FROM ${exactLanes} AS exact
  WHERE queue = (SELECT queue FROM spot) OR tenant = (SELECT tenant FROM spot)
)
SELECT own.*, at.now::float8 AS now,
  (SELECT row_to_json(record)::text FROM (
    SELECT ${queueColumns} FROM punctual.queues WHERE name = own.queue
  ) AS record) AS queue_record,
  EXISTS (SELECT 1 FROM punctual.queues WHERE name = '${everyQueue}' AND paused) AS all_paused,
  (SELECT coalesce(sum(active), 0) FROM lanes WHERE queue = own.queue)::float8 AS active_in_queue,
  (SELECT count(*) FROM lanes WHERE queue = own.queue AND tenant <> own.tenant AND ready > 0)::int4 AS other_tenants,
  (SELECT row_to_json(record)::text FROM (
    SELECT ${tenantColumns} FROM punctual.tenants WHERE id = own.tenant
  ) AS record) AS tenant_record,
  (SELECT coalesce(sum(active), 0) FROM lanes WHERE tenant = own.tenant)::float8 AS active_of_tenant,
  CASE WHEN own.place IN ('ready', 'deferred') AND own.due_at <= at.now THEN least($3::bigint, ${ahead(isReady)}
    + ${ahead("place = 'deferred' AND jobs.due_at <= (SELECT now FROM at)")}) ELSE 0 END::float8 AS ahead,
  ${slot("jobs.place <> 'held'")} AS holder,
  ${slot("jobs.place = 'held'")} AS successor
FROM own, at`;

interface StandingRow extends JobRow {
  readonly now: number;
  /** A row of queues as JSON. */
  readonly queue_record: string | null;
  readonly all_paused: boolean;
  readonly active_in_queue: number;
  readonly other_tenants: number;
  /** A row of tenants as JSON. */
  readonly tenant_record: string | null;
  readonly active_of_tenant: number;
  readonly ahead: number;
  readonly holder: string | null;
  readonly successor: string | null;
}

const dueStatement = `-- inspection.dueSchedules
SELECT tenant, id, schedule FROM punctual.schedules
WHERE next_at IS NOT NULL AND next_at <= (SELECT ${nowOf("$1")}) ORDER BY next_at LIMIT $2`;

const disabledStatement = `-- inspection.disabledSchedules
SELECT tenant, id, schedule FROM punctual.schedules WHERE NOT enabled ORDER BY tenant, id LIMIT $1`;

export function inspectionStore(steps: Steps): InspectionStore {
  const { connections } = steps;
  return {
    standing: async (id: JobId, { aheadMax }) => {
      const [row] = (await connections.run(standingStatement, [id, steps.testNow, aheadMax])) as StandingRow[];
      return row === undefined ? undefined : standingOf(row);
    },
    schedules: async (which, limit) => {
      const rows = await (which === "due"
        ? connections.run(dueStatement, [steps.testNow, limit])
        : connections.run(disabledStatement, [limit]));
      // The findings name the rows that cannot be read.
      return (rows as ScheduleRow[]).flatMap((row) => readableSchedule(row) ?? []);
    },
    findings: () => findings(steps),
  };
}

function standingOf(row: StandingRow): JobStanding {
  const record = row.queue_record === null ? undefined : (JSON.parse(row.queue_record) as QueueRow);
  const queue = record === undefined ? undefined : toQueue(record);
  const rate = queue?.rate;
  return {
    now: row.now,
    job: toJob(row),
    queue,
    allPaused: row.all_paused,
    active: row.active_in_queue,
    ahead: row.ahead,
    otherTenants: row.other_tenants,
    regainAt: rate && rateAllowance(rate, readWindow(record?.rate_window ?? null), row.now).regainAt,
    tenantLimits: tenantLimits(row),
    holder: row.holder ?? undefined,
    successor: row.successor ?? undefined,
  };
}

function tenantLimits({
  tenant_record: record,
  active_of_tenant: active,
  now,
}: StandingRow): TenantStanding | undefined {
  if (record === null) return undefined;
  const { tenant, window } = toStoredTenant(JSON.parse(record) as TenantRow);
  if (!limitsClaims(tenant)) return undefined;
  const { concurrency, rate } = tenant;
  return { concurrency, rate, active, regainAt: tenantRoom(tenant, window, active, now).regainAt };
}

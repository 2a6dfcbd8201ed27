// What people have set up, as values and back: queues, tenants and schedules.
import { limitsClaims, tenantRoom } from "../../core/tenant-record.ts";
import { exactLanes } from "./lanes.ts";
import { type QueueRow, queueColumns } from "./queue-rows.ts";
import { type ScheduleRow, scheduleColumns, scheduleJson, scheduleRecord, toSchedule } from "./schedule-rows.ts";
import { type TenantRow, tenantColumns, wholeTenant } from "./tenant-rows.ts";
import { beyond, type KindTransfer, lastOfEach, pairRecords, pairs, readable, runWith } from "./transfer-kind.ts";

const readQueuesStatement = `-- transfer.queues
SELECT ${queueColumns} FROM punctual.queues WHERE name > $1 ORDER BY name LIMIT $2`;

const writeQueuesStatement = `-- transfer.saveQueues
INSERT INTO punctual.queues (name, paused, concurrency, rate, rate_window)
SELECT name, paused, concurrency, rate, rate_window FROM json_to_recordset($1::json)
  AS new (name text, paused boolean, concurrency integer, rate text, rate_window text) ORDER BY name
ON CONFLICT (name) DO UPDATE SET paused = excluded.paused, concurrency = excluded.concurrency, rate = excluded.rate,
  rate_window = excluded.rate_window`;

const removeQueuesStatement = `-- transfer.removeQueues
DELETE FROM punctual.queues WHERE name IN (SELECT first FROM ${pairRecords})`;

export const queueTransfer: KindTransfer<"queue"> = {
  read: async (session, { after, limit }) => {
    const rows = (await session.run(readQueuesStatement, [beyond(after)[0], limit])) as QueueRow[];
    return rows.map((row) =>
      readable(`queue ${row.name}`, () => ({
        kind: "queue",
        queue: {
          name: row.name,
          paused: row.paused,
          concurrency: row.concurrency ?? undefined,
          rate: row.rate === null ? undefined : JSON.parse(row.rate),
        },
        window: row.rate_window === null ? [] : JSON.parse(row.rate_window),
      })),
    );
  },
  write: ({ session }, items) =>
    runWith(
      session,
      writeQueuesStatement,
      lastOfEach(items, ({ queue }) => [queue.name]).map(({ queue: { name, paused, concurrency, rate }, window }) => ({
        name,
        paused,
        concurrency: concurrency ?? null,
        rate: rate === undefined ? null : JSON.stringify(rate),
        rate_window: JSON.stringify(window),
      })),
    ),
  remove: ({ session }, names) => runWith(session, removeQueuesStatement, pairs(names)),
};

const readTenantsStatement = `-- transfer.tenants
SELECT ${tenantColumns} FROM punctual.tenants WHERE id > $1 ORDER BY id LIMIT $2`;

const tenantValues = "weight, concurrency, rate, rate_window, guardrails, limited, blocked_until, passed_over";

const writeTenantsStatement = `-- transfer.saveTenants
INSERT INTO punctual.tenants (id, ${tenantValues})
SELECT id, ${tenantValues} FROM json_to_recordset($1::json) AS new (id text, weight float8, concurrency integer, rate text,
  rate_window text, guardrails text, limited boolean, blocked_until bigint, passed_over boolean) ORDER BY id
ON CONFLICT (id) DO UPDATE SET (${tenantValues}) = (excluded.${tenantValues.replaceAll(", ", ", excluded.")})`;

const activeStatement = `-- transfer.activeOf
SELECT tenant, sum(active)::float8 AS active FROM ${exactLanes} AS lanes
WHERE tenant IN (SELECT value FROM json_array_elements_text($1::json)) GROUP BY tenant`;

const removeTenantsStatement = `-- transfer.removeTenants
DELETE FROM punctual.tenants WHERE id IN (SELECT first FROM ${pairRecords})`;

export const tenantTransfer: KindTransfer<"tenant"> = {
  read: async (session, { after, limit }) => {
    const rows = (await session.run(readTenantsStatement, [beyond(after)[0], limit])) as TenantRow[];
    return rows.map((row) =>
      readable(`tenant ${row.id}`, () => {
        const { tenant, window } = wholeTenant(row);
        return { kind: "tenant", tenant, window };
      }),
    );
  },
  write: async ({ session, now }, items) => {
    const tenants = lastOfEach(items, ({ tenant }) => [tenant.id]);
    const ids = JSON.stringify(tenants.map(({ tenant }) => tenant.id));
    const counted = await session.run(activeStatement, [ids]);
    const active = new Map(counted.map((row) => [row["tenant"], row["active"]]));
    const rows = tenants.map(({ tenant, window }) => {
      const room = tenantRoom(tenant, window, active.get(tenant.id) ?? 0, now);
      const { id, weight, concurrency, rate, guardrails } = tenant;
      return {
        id,
        weight,
        concurrency: concurrency ?? null,
        rate: rate === undefined ? null : JSON.stringify(rate),
        rate_window: JSON.stringify(room.window),
        guardrails: guardrails === undefined ? null : JSON.stringify(guardrails),
        limited: limitsClaims(tenant),
        blocked_until: room.regainAt ?? null,
        // Where its lanes stand in the fair share is known once its jobs are there: they re-enter it as lanes that fill do.
        passed_over: limitsClaims(tenant),
      };
    });
    await runWith(session, writeTenantsStatement, rows);
  },
  remove: ({ session }, names) => runWith(session, removeTenantsStatement, pairs(names)),
};

const readSchedulesStatement = `-- transfer.schedules
SELECT tenant, id, schedule FROM punctual.schedules WHERE (tenant, id) > ($1, $2) ORDER BY tenant, id LIMIT $3`;

const scheduleValues = scheduleColumns.replace("tenant, id, ", "");

const writeSchedulesStatement = `-- transfer.saveSchedules
INSERT INTO punctual.schedules (${scheduleColumns})
SELECT ${scheduleColumns} FROM json_to_recordset($1::json) AS new (${scheduleRecord}) ORDER BY tenant, id
ON CONFLICT (tenant, id) DO UPDATE SET (${scheduleValues}) = (excluded.${scheduleValues.replaceAll(", ", ", excluded.")})`;

const removeSchedulesStatement = `-- transfer.removeSchedules
DELETE FROM punctual.schedules AS schedules USING ${pairRecords}
WHERE schedules.tenant = named.first AND schedules.id = named.second`;

export const scheduleTransfer: KindTransfer<"schedule"> = {
  read: async (session, { after, limit }) => {
    const rows = (await session.run(readSchedulesStatement, [...beyond(after), limit])) as ScheduleRow[];
    return rows.map((row) =>
      readable(`schedule ${row.id} of tenant ${row.tenant}`, () => ({ kind: "schedule", schedule: toSchedule(row) })),
    );
  },
  write: ({ session }, items) =>
    runWith(
      session,
      writeSchedulesStatement,
      lastOfEach(items, ({ schedule }) => [schedule.tenant, schedule.id]).map(({ schedule }) => scheduleJson(schedule)),
    ),
  remove: ({ session }, names) => runWith(session, removeSchedulesStatement, pairs(names)),
};

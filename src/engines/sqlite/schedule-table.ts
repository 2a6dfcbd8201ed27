// The table of schedules: whole schedules as JSON, beside the columns that are searched or compared.
import type { Schedule, ScheduleRef } from "../../core/schedule.ts";
import type { Tx } from "./tx.ts";

const findStatement = `-- schedules.find
SELECT schedule FROM punctual_schedules WHERE tenant = ? AND id = ?`;

const saveStatement = `-- schedules.save
INSERT INTO punctual_schedules (tenant, id, incarnation, revision, task, queue, enabled, cursor_after, next_at, schedule)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (tenant, id) DO UPDATE SET
  incarnation = excluded.incarnation, revision = excluded.revision, task = excluded.task, queue = excluded.queue,
  enabled = excluded.enabled, cursor_after = excluded.cursor_after, next_at = excluded.next_at,
  schedule = excluded.schedule`;

const removeStatement = "-- schedules.remove\nDELETE FROM punctual_schedules WHERE tenant = ? AND id = ?";

const countStatement = `-- schedules.countEnabled
SELECT count(*) AS enabled FROM punctual_schedules WHERE tenant = ? AND enabled = 1`;

const unmovedStatement = `-- schedules.unmoved
SELECT 1 AS found FROM punctual_schedules
WHERE tenant = ? AND id = ? AND incarnation = ? AND revision = ? AND cursor_after = ?`;

const dueStatement = `-- schedules.due
SELECT tenant, id, schedule FROM punctual_schedules
WHERE next_at IS NOT NULL AND next_at <= ? ORDER BY next_at LIMIT ?`;

const disableStatement = `-- schedules.disableUnreadable
UPDATE punctual_schedules SET enabled = 0, next_at = NULL WHERE tenant = ? AND id = ?`;

const nextStatement = `-- schedules.next
SELECT next_at FROM punctual_schedules WHERE next_at IS NOT NULL ORDER BY next_at LIMIT 1`;

export interface ScheduleRow {
  readonly schedule: string;
}

interface DueRow extends ScheduleRow {
  readonly tenant: string;
  readonly id: string;
}

export function toSchedule({ schedule }: ScheduleRow): Schedule {
  return JSON.parse(schedule);
}

export function findSchedule({ connection }: Tx, { tenant, id }: ScheduleRef): Schedule | undefined {
  const row = connection.get<ScheduleRow>(findStatement, tenant, id);
  return row === undefined ? undefined : toSchedule(row);
}

export function saveSchedule({ connection }: Tx, schedule: Schedule): void {
  connection.run(
    saveStatement,
    schedule.tenant,
    schedule.id,
    schedule.incarnation,
    schedule.revision,
    schedule.definition.task,
    schedule.definition.queue,
    Number(schedule.enabled),
    schedule.cursor.after,
    schedule.cursor.nextAt ?? null,
    JSON.stringify(schedule),
  );
}

export function removeSchedule({ connection }: Tx, { tenant, id }: ScheduleRef): void {
  connection.run(removeStatement, tenant, id);
}

export function countEnabled({ connection }: Tx, tenant: string): number {
  return connection.get<{ enabled: number }>(countStatement, tenant)?.enabled ?? 0;
}

/** The cursor is the lock (S2): whether the stored schedule is still the one that was decided upon. */
export function isUnmoved({ connection }: Tx, { tenant, id, incarnation, revision, cursor }: Schedule): boolean {
  return connection.get(unmovedStatement, tenant, id, incarnation, revision, cursor.after) !== undefined;
}

/** The schedules that are due. A row that cannot be read is disabled, so that it stops nobody else (S8). */
export function dueSchedules(tx: Tx, limit: number): Schedule[] {
  const { connection, now } = tx;
  return connection.all<DueRow>(dueStatement, now, limit).flatMap((row) => {
    try {
      return toSchedule(row);
    } catch (error) {
      connection.run(disableStatement, row.tenant, row.id);
      const reason = `its row cannot be read: ${error instanceof Error ? error.message : String(error)}`;
      tx.append({ type: "schedule:disabled", tenant: row.tenant, schedule: row.id, at: now, data: { reason } });
      return [];
    }
  });
}

export function nextTickAt({ connection }: Tx): number | undefined {
  return connection.get<{ next_at: number }>(nextStatement)?.next_at;
}

// The table of schedules: whole schedules as JSON, beside the columns that are searched or compared.
import { StoreCorruptError } from "../../core/errors.ts";
import { type JobId, jobIdToBytes } from "../../core/id.ts";
import type { Schedule, ScheduleRef } from "../../core/schedule.ts";
import { isStoredSchedule } from "../../core/stored-schedule.ts";
import { isStored } from "./job-table.ts";
import type { Tx } from "./tx.ts";

const findStatement = `-- schedules.find
SELECT tenant, id, schedule FROM punctual_schedules WHERE tenant = ? AND id = ?`;

const saveStatement = `-- schedules.save
INSERT INTO punctual_schedules (tenant, id, incarnation, revision, task, queue, enabled, cursor_after, next_at, schedule)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (tenant, id) DO UPDATE SET
  incarnation = excluded.incarnation, revision = excluded.revision, task = excluded.task, queue = excluded.queue,
  enabled = excluded.enabled, cursor_after = excluded.cursor_after, next_at = excluded.next_at,
  schedule = excluded.schedule`;

const removeStatement = "-- schedules.remove\nDELETE FROM punctual_schedules WHERE tenant = ? AND id = ?";

const countStatement = `-- schedules.countActive
SELECT count(*) AS active FROM punctual_schedules WHERE tenant = ? AND enabled = 1 AND next_at IS NOT NULL`;

const unmovedStatement = `-- schedules.unmoved
SELECT 1 AS found FROM punctual_schedules
WHERE tenant = ? AND id = ? AND incarnation = ? AND revision = ? AND cursor_after = ?`;

const dueStatement = `-- schedules.due
SELECT tenant, id, schedule, incarnation, revision, cursor_after FROM punctual_schedules
WHERE next_at IS NOT NULL AND next_at <= ? ORDER BY next_at LIMIT ?`;

const disableStatement = `-- schedules.disableUnreadable
UPDATE punctual_schedules SET enabled = 0, next_at = NULL WHERE tenant = ? AND id = ?`;

const firedStatement = `-- schedules.firedBefore
SELECT 1 AS found FROM punctual_events WHERE job = ? AND type = 'tick:fired' LIMIT 1`;

const nextStatement = `-- schedules.next
SELECT next_at FROM punctual_schedules WHERE next_at IS NOT NULL ORDER BY next_at LIMIT 1`;

export interface ScheduleRow {
  readonly tenant: string;
  readonly id: string;
  readonly schedule: string;
}

interface DueRow extends ScheduleRow {
  readonly incarnation: string;
  readonly revision: number;
  readonly cursor_after: number;
}

/** @throws StoreCorruptError when the row cannot be read */
export function toSchedule(row: ScheduleRow): Schedule {
  const schedule = readableSchedule(row);
  if (schedule !== undefined) return schedule;
  throw new StoreCorruptError(`the row of schedule ${row.id} of tenant ${row.tenant} cannot be read`, {
    mend: "Remove the schedule and create it again, or put it as it should be with ensure().",
  });
}

/** The schedule of a row; undefined for one that cannot be read, which must stop nobody else (S8). */
export function readableSchedule(row: ScheduleRow): Schedule | undefined {
  try {
    const value: unknown = JSON.parse(row.schedule);
    return isStoredSchedule(value, row) ? value : undefined;
  } catch {
    return undefined;
  }
}

function findRow({ connection }: Tx, { tenant, id }: ScheduleRef): ScheduleRow | undefined {
  return connection.get<ScheduleRow>(findStatement, tenant, id);
}

/** The schedule as far as it can be read: a damaged one is as good as none, and is replaced by a put. */
export function findSchedule(tx: Tx, ref: ScheduleRef): Schedule | undefined {
  const row = findRow(tx, ref);
  return row === undefined ? undefined : readableSchedule(row);
}

/** @throws StoreCorruptError when it is there and cannot be read */
export function getSchedule(tx: Tx, ref: ScheduleRef): Schedule | undefined {
  const row = findRow(tx, ref);
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

/** Whether there was one. */
export function removeSchedule({ connection }: Tx, { tenant, id }: ScheduleRef): boolean {
  return connection.run(removeStatement, tenant, id) > 0;
}

/** Those that tick. */
export function countActive({ connection }: Tx, tenant: string): number {
  return connection.get<{ active: number }>(countStatement, tenant)?.active ?? 0;
}

/** The cursor is the lock (S2): whether the stored schedule is still the one that was decided upon. */
export function isUnmoved({ connection }: Tx, { tenant, id, incarnation, revision, cursor }: Schedule): boolean {
  return connection.get(unmovedStatement, tenant, id, incarnation, revision, cursor.after) !== undefined;
}

/** Whether a schedule's job is there, or was: retention may have kept nothing of it, the audit log of its tick does. */
export function hasFired(tx: Tx, job: JobId): boolean {
  return isStored(tx, job) || tx.connection.get(firedStatement, jobIdToBytes(job)) !== undefined;
}

/** The schedules that are due. A row that cannot be read is disabled, so that it stops nobody else (S8). */
export function dueSchedules(tx: Tx, limit: number): Schedule[] {
  const { connection, now } = tx;
  return connection.all<DueRow>(dueStatement, now, limit).flatMap((row) => {
    const schedule = readableSchedule(row);
    if (schedule !== undefined && isAsItsColumns(schedule, row)) return [schedule];
    const { tenant, id } = row;
    connection.run(disableStatement, tenant, id);
    tx.append({ type: "schedule:disabled", tenant, schedule: id, at: now, data: { reason: "its row cannot be read" } });
    return [];
  });
}

/** What a fire compares. A row that says one thing in its columns and another in its JSON would stay due for ever. */
function isAsItsColumns({ incarnation, revision, cursor }: Schedule, row: DueRow): boolean {
  return incarnation === row.incarnation && revision === row.revision && cursor.after === row.cursor_after;
}

export function nextTickAt({ connection }: Tx): number | undefined {
  return connection.get<{ next_at: number }>(nextStatement)?.next_at;
}

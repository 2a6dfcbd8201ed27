// Schedules as rows and back: whole schedules as JSON, beside the columns that are searched or compared.
import { StoreCorruptError } from "../../core/errors.ts";
import type { Schedule } from "../../core/schedule.ts";
import { isStoredSchedule } from "../../core/stored-schedule.ts";

export interface ScheduleRow {
  readonly tenant: string;
  readonly id: string;
  readonly schedule: string;
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

/** @throws StoreCorruptError when the row cannot be read */
export function toSchedule(row: ScheduleRow): Schedule {
  const schedule = readableSchedule(row);
  if (schedule !== undefined) return schedule;
  throw new StoreCorruptError(`the row of schedule ${row.id} of tenant ${row.tenant} cannot be read`, {
    mend: "Remove the schedule and create it again, or put it as it should be with ensure().",
  });
}

/** A schedule as the JSON that the statements which write many rows read them from. */
export function scheduleJson(schedule: Schedule) {
  return {
    tenant: schedule.tenant,
    id: schedule.id,
    incarnation: schedule.incarnation,
    revision: schedule.revision,
    task: schedule.definition.task,
    queue: schedule.definition.queue,
    enabled: schedule.enabled,
    cursor_after: schedule.cursor.after,
    next_at: schedule.cursor.nextAt ?? null,
    schedule: JSON.stringify(schedule),
  };
}

export const scheduleColumns =
  "tenant, id, incarnation, revision, task, queue, enabled, cursor_after, next_at, schedule";

/** The columns of `scheduleJson` with their types, for json_to_recordset. */
export const scheduleRecord = `tenant text, id text, incarnation text, revision integer, task text, queue text,
  enabled boolean, cursor_after bigint, next_at bigint, schedule text`;

// Schedules as texts and back: `<rev>|<JSON>`, under `<tenant>\n<id>`.
import { StoreCorruptError } from "../../core/errors.ts";
import type { Schedule, ScheduleRef } from "../../core/schedule.ts";
import { parsedJson } from "../../core/stored-limits.ts";
import { isStoredSchedule } from "../../core/stored-schedule.ts";

/** Under which name a schedule is stored. */
export function scheduleName({ tenant, id }: ScheduleRef): string {
  return `${tenant}\n${id}`;
}

/** Whose name it is. */
export function scheduleRef(name: string): ScheduleRef {
  const end = name.indexOf("\n");
  return { tenant: name.slice(0, Math.max(0, end)), id: name.slice(end + 1) };
}

/** The schedule of a text; undefined for one that cannot be read, which must stop nobody else (S8). */
export function readableSchedule(ref: ScheduleRef, text: string): Schedule | undefined {
  const value = parsedJson(text.slice(text.indexOf("|") + 1));
  return isStoredSchedule(value, ref) ? value : undefined;
}

/** @throws StoreCorruptError when the text cannot be read */
export function toSchedule(ref: ScheduleRef, text: string): Schedule {
  const schedule = readableSchedule(ref, text);
  if (schedule !== undefined) return schedule;
  throw new StoreCorruptError(`what is stored of schedule ${ref.id} of tenant ${ref.tenant} cannot be read`, {
    mend: "Remove the schedule and create it again, or put it as it should be with ensure().",
  });
}

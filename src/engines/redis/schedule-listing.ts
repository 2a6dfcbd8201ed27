// Reading schedules: one by name, listings by tenant and id, those that are due and those that do not fire.
import type { ScheduleFilter } from "../../core/engine.ts";
import { decodeCursor, encodeCursor, type Page } from "../../core/page.ts";
import type { Schedule, ScheduleRef } from "../../core/schedule.ts";
import { readableSchedule, scheduleName, scheduleRef, toSchedule } from "./schedule-rows.ts";
import { listDueSchedules, listSchedules as listScript } from "./scripts/schedule-listing.ts";
import type { Access } from "./store.ts";

/** Schedules that one script looks at, at most; and at least, where a filter may leave some out. */
const mostRead = 1_000;
const leastRead = 100;

/** @throws StoreCorruptError when what is stored of it cannot be read */
export async function getSchedule({ client }: Access, ref: ScheduleRef): Promise<Schedule | undefined> {
  const [text] = (await client.read([["HGET", "schedules", scheduleName(ref)]])) as [string | null];
  return text === null ? undefined : toSchedule(ref, text);
}

/** What cannot be read is left out; the findings name it. */
export async function listSchedules(
  access: Access,
  filter: ScheduleFilter,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string },
): Promise<Page<Schedule>> {
  const after = cursor === undefined ? undefined : decodeCursor(cursor, 2).map(String);
  const found = await read(access, filter, limit + 1, after && { tenant: after[0] ?? "", id: after[1] ?? "" });
  const items = found.slice(0, limit);
  const last = items.at(-1);
  if (found.length <= limit || last === undefined) return { items };
  return { items, next: encodeCursor([last.tenant, last.id]) };
}

/** `due`: the longest overdue first. `disabled`: by tenant and id. */
export async function inspectSchedules(access: Access, which: "due" | "disabled", limit: number): Promise<Schedule[]> {
  if (which === "disabled") return read(access, { enabled: false }, limit);
  const answer = await access.client.run(listDueSchedules, [access.testNow(), limit]);
  const [names, texts] = answer as unknown as readonly [readonly string[], readonly (string | null)[]];
  return names.flatMap((name, index) => readableSchedule(scheduleRef(name), texts[index] ?? "") ?? []);
}

async function read(access: Access, filter: ScheduleFilter, limit: number, after?: ScheduleRef): Promise<Schedule[]> {
  const { tenant = "", idPrefix = "" } = filter;
  const conditions = conditionsOf(filter);
  let from: string | undefined = beginning(filter, after);
  const found: Schedule[] = [];
  while (from !== undefined && found.length < limit) {
    const wanted = Math.max(leastRead, limit - found.length);
    const count = conditions.length > 0 ? mostRead : Math.min(wanted, mostRead);
    const answer = await access.client.run(listScript, [
      access.testNow(),
      from,
      tenant,
      idPrefix,
      count,
      ...conditions,
    ]);
    const [next, names, texts] = answer as unknown as readonly [string | null, readonly string[], readonly string[]];
    for (const [index, name] of names.entries()) {
      const schedule = readableSchedule(scheduleRef(name), texts[index] ?? "");
      if (schedule !== undefined && matches(schedule, filter)) found.push(schedule);
    }
    from = next ?? undefined;
  }
  return found.slice(0, limit);
}

/** Where a listing begins: with what the filter allows, or behind a schedule. Names are of ASCII: their order is the same here. */
function beginning({ tenant, idPrefix = "" }: ScheduleFilter, after: ScheduleRef | undefined): string {
  const least = tenant === undefined ? "" : scheduleName({ tenant, id: idPrefix });
  const last = after === undefined ? undefined : scheduleName(after);
  if (last !== undefined && last >= least) return `(${last}`;
  return least === "" ? "-" : `[${least}`;
}

/** What the JSON of a schedule that passes says, as the script looks for it: a member's name, and the member. */
function conditionsOf({ task, queue, enabled }: ScheduleFilter): string[] {
  return [
    ...(task === undefined ? [] : ['"task":"', `"task":${JSON.stringify(task)}`]),
    ...(queue === undefined ? [] : ['"queue":"', `"queue":${JSON.stringify(queue)}`]),
    ...(enabled === undefined ? [] : [`"enabled":${!enabled}`, `"enabled":${enabled}`]),
  ];
}

function matches(schedule: Schedule, { task, queue, enabled }: ScheduleFilter): boolean {
  return (
    (task === undefined || schedule.definition.task === task) &&
    (queue === undefined || schedule.definition.queue === queue) &&
    (enabled === undefined || schedule.enabled === enabled)
  );
}

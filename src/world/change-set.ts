// A step's changes as values that another process applies to its own world: rows that are new, the fields of those that
// differ, and the names of those that are gone. All of it can be written as JSON.
import type { Millis } from "../core/clock.ts";
import type { StoredEvent } from "../core/events.ts";
import type { JobId } from "../core/id.ts";
import type { Job } from "../core/job.ts";
import type { Queue, RateWindow } from "../core/queue.ts";
import type { Schedule } from "../core/schedule.ts";
import type { Signal } from "../core/signal.ts";
import type { Changes, LaneValues, RecordValue } from "./changes.ts";
import type { UsedKey } from "./idempotency.ts";
import type { Lane, Stored } from "./lane.ts";
import { changedRow, type RowChange, rowChange } from "./row-change.ts";
import type { StoredTenant } from "./tenant-book.ts";
import type { World } from "./world.ts";

/** A row by its name; `null`: it is gone. */
type Named<Value> = readonly [name: string, value: Value | null];

export interface ChangeSet {
  /** When, on the store's clock. */
  readonly at: Millis;
  /** The last place in the order of insertion, and the last event's id. */
  readonly last: readonly [seq: number, eventId: number];
  readonly jobs?: readonly (readonly [seq: number, job: Job])[];
  readonly jobChanges?: readonly (readonly [id: JobId, change: RowChange])[];
  readonly jobsGone?: readonly JobId[];
  readonly schedules?: readonly Schedule[];
  readonly scheduleChanges?: readonly (readonly [name: string, change: RowChange])[];
  readonly schedulesGone?: readonly string[];
  readonly queues?: readonly Named<Queue>[];
  readonly windows?: readonly Named<RateWindow>[];
  readonly tenants?: readonly Named<StoredTenant>[];
  readonly records?: readonly Named<RecordValue>[];
  readonly idempotency?: readonly Named<UsedKey>[];
  readonly lanes?: readonly LaneRow[];
  readonly events?: readonly StoredEvent[];
  readonly eventsGone?: readonly number[];
  readonly signals?: readonly Signal[];
}

/** A lane's values without its jobs' counts; `null`: it is gone. */
export type LaneRow = readonly [
  queue: string,
  tenant: string,
  values:
    | readonly [pass: number, weight: number, shared: 0 | 1, completed: number, failed: number, cancelled: number]
    | null,
];

/** Names a row among all. */
export type RowName =
  `${"job" | "schedule" | "queue" | "window" | "tenant" | "record" | "idempotency" | "lane" | "event"} ${string}`;

/** What has become of the rows that changed; undefined when all are as they were. */
export function changeSetOf(
  world: World,
  changes: Changes,
  signals: readonly Signal[],
  at: Millis,
): ChangeSet | undefined {
  const rows = {
    ...jobChanges(world, changes.jobs),
    ...scheduleChanges(world, changes.schedules),
    ...some("queues", named(changes.queues, world.queues)),
    ...some("windows", named(changes.windows, world.windows)),
    ...some("tenants", named(changes.tenants, { get: (id) => world.tenants.storedOf(id) })),
    ...some("records", named(changes.records, world.records)),
    ...some("idempotency", named(changes.idempotency, world.idempotency)),
    ...some("lanes", laneChanges(world, changes.lanes)),
    ...eventChanges(world, changes),
  };
  if (Object.keys(rows).length === 0 && !changes.setsEventId) return undefined;
  return { at, last: [world.lastSeq, world.lastEventId], ...rows, ...some("signals", signals) };
}

/** Makes a world what it is after a change set; a change of a row that is not known is passed over. */
export function applyChangeSet(world: World, set: ChangeSet): void {
  const { at } = set;
  const rows = (set.jobs ?? []).map(([seq, job]) => ({ seq, job }));
  for (const [id, change] of set.jobChanges ?? []) {
    const before = world.jobs.get(id);
    if (before !== undefined) rows.push({ seq: before.seq, job: changedRow(before.job, change) });
  }
  // The weights of tenants reach the lanes that their jobs make.
  for (const [id, stored] of set.tenants ?? []) world.tenants.putBack(id, stored ?? undefined);
  world.replaceJobs(rows, set.jobsGone ?? [], at);
  for (const schedule of set.schedules ?? []) world.saveSchedule(schedule);
  for (const [name, change] of set.scheduleChanges ?? []) {
    const before = world.schedules.get(name);
    if (before !== undefined) world.saveSchedule(changedRow(before, change));
  }
  for (const name of set.schedulesGone ?? []) {
    const before = world.schedules.get(name);
    if (before !== undefined) world.removeSchedule(before);
  }
  putAll(world.queues, set.queues);
  putAll(world.windows, set.windows);
  putAll(world.records, set.records);
  putAll(world.idempotency, set.idempotency);
  for (const row of set.lanes ?? []) applyLane(world, row);
  if (set.eventsGone !== undefined) {
    const gone = new Set(set.eventsGone);
    world.keepEvents(world.events.filter(({ id }) => !gone.has(id)));
  }
  for (const event of set.events ?? []) world.restoreEvent(event);
  const [seq, eventId] = set.last;
  world.lastSeq = seq;
  world.lastEventId = eventId;
}

/** Whole rows, as they are; names of rows that are gone are passed over. Applied where they are known they change nothing. */
export function rowsOf(world: World, names: readonly RowName[], at: Millis): ChangeSet {
  const jobs: [number, Job][] = [];
  const schedules: Schedule[] = [];
  const events: StoredEvent[] = [];
  const lanes: LaneRow[] = [];
  const others = { queue: [], window: [], tenant: [], record: [], idempotency: [] } as {
    readonly [Kind in "queue" | "window" | "tenant" | "record" | "idempotency"]: Named<never>[];
  };
  const tables = {
    queue: world.queues,
    window: world.windows,
    tenant: { get: (id: string) => world.tenants.storedOf(id) },
    record: world.records,
    idempotency: world.idempotency,
  };
  for (const row of names) {
    const blank = row.indexOf(" ");
    const kind = row.slice(0, blank);
    const name = row.slice(blank + 1);
    if (kind === "job") {
      const stored = world.jobs.get(name);
      if (stored !== undefined) jobs.push([stored.seq, stored.job]);
    } else if (kind === "schedule") {
      const schedule = world.schedules.get(name);
      if (schedule !== undefined) schedules.push(schedule);
    } else if (kind === "event") {
      const event = world.eventAt(Number(name));
      if (event !== undefined) events.push(event);
    } else if (kind === "lane") {
      const [queue = "", tenant = ""] = name.split("\n");
      const lane = world.lanes.get(queue)?.get(tenant);
      if (lane !== undefined) lanes.push(laneRow(lane));
    } else {
      const value = tables[kind as keyof typeof tables].get(name);
      if (value !== undefined) others[kind as keyof typeof others].push([name, value as never]);
    }
  }
  return {
    at,
    last: [world.lastSeq, world.lastEventId],
    ...some("jobs", jobs),
    ...some("schedules", schedules),
    ...some("queues", others.queue),
    ...some("windows", others.window),
    ...some("tenants", others.tenant),
    ...some("records", others.record),
    ...some("idempotency", others.idempotency),
    ...some("lanes", lanes),
    ...some("events", events),
  };
}

/** Tells of each row of a change set whether it is whole, changed, or gone. */
export function eachRow(set: ChangeSet, tell: (name: RowName, what: "whole" | "changed" | "gone") => void): void {
  for (const [, { id }] of set.jobs ?? []) tell(`job ${id}`, "whole");
  for (const [id] of set.jobChanges ?? []) tell(`job ${id}`, "changed");
  for (const id of set.jobsGone ?? []) tell(`job ${id}`, "gone");
  for (const { tenant, id } of set.schedules ?? []) tell(`schedule ${tenant}\n${id}`, "whole");
  for (const [name] of set.scheduleChanges ?? []) tell(`schedule ${name}`, "changed");
  for (const name of set.schedulesGone ?? []) tell(`schedule ${name}`, "gone");
  for (const [name, value] of set.queues ?? []) tell(`queue ${name}`, value === null ? "gone" : "whole");
  for (const [name, value] of set.windows ?? []) tell(`window ${name}`, value === null ? "gone" : "whole");
  for (const [name, value] of set.tenants ?? []) tell(`tenant ${name}`, value === null ? "gone" : "whole");
  for (const [name, value] of set.records ?? []) tell(`record ${name}`, value === null ? "gone" : "whole");
  for (const [name, value] of set.idempotency ?? []) tell(`idempotency ${name}`, value === null ? "gone" : "whole");
  for (const [queue, tenant, values] of set.lanes ?? []) {
    tell(`lane ${queue}\n${tenant}`, values === null ? "gone" : "whole");
  }
  for (const { id } of set.events ?? []) tell(`event ${id}`, "whole");
  for (const id of set.eventsGone ?? []) tell(`event ${id}`, "gone");
}

function jobChanges(world: World, changed: ReadonlyMap<JobId, Stored | undefined>) {
  const jobs: [number, Job][] = [];
  const changes: [JobId, RowChange][] = [];
  const gone: JobId[] = [];
  for (const [id, before] of changed) {
    const after = world.jobs.get(id);
    if (after === undefined) {
      if (before !== undefined) gone.push(id);
    } else if (before === undefined || before.seq !== after.seq) jobs.push([after.seq, after.job]);
    else {
      const change = rowChange(before.job, after.job);
      if (change !== undefined) changes.push([id, change]);
    }
  }
  return { ...some("jobs", jobs), ...some("jobChanges", changes), ...some("jobsGone", gone) };
}

function scheduleChanges(world: World, changed: ReadonlyMap<string, Schedule | undefined>) {
  const schedules: Schedule[] = [];
  const changes: [string, RowChange][] = [];
  const gone: string[] = [];
  for (const [name, before] of changed) {
    const after = world.schedules.get(name);
    if (after === undefined) {
      if (before !== undefined) gone.push(name);
    } else if (before === undefined) schedules.push(after);
    else {
      const change = rowChange(before, after);
      if (change !== undefined) changes.push([name, change]);
    }
  }
  return { ...some("schedules", schedules), ...some("scheduleChanges", changes), ...some("schedulesGone", gone) };
}

function named<Value>(
  changed: ReadonlyMap<string, Value | undefined>,
  present: { get(name: string): Value | undefined },
): Named<Value>[] {
  const rows: Named<Value>[] = [];
  for (const [name, before] of changed) {
    const after = present.get(name);
    if (after !== before && JSON.stringify(after) !== JSON.stringify(before)) rows.push([name, after ?? null]);
  }
  return rows;
}

function laneChanges(world: World, changed: ReadonlyMap<Lane, LaneValues | undefined>): LaneRow[] {
  const rows: LaneRow[] = [];
  for (const [lane, before] of changed) {
    const { queue, tenant } = lane;
    if (world.lanes.get(queue)?.get(tenant) !== lane) {
      if (before !== undefined) rows.push([queue, tenant, null]);
    } else if (before === undefined || !isSameLane(lane, before)) rows.push(laneRow(lane));
  }
  return rows;
}

function isSameLane(lane: LaneValues, before: LaneValues): boolean {
  return (
    lane.pass === before.pass &&
    lane.weight === before.weight &&
    lane.isShared === before.isShared &&
    lane.totals.completed === before.totals.completed &&
    lane.totals.failed === before.totals.failed &&
    lane.totals.cancelled === before.totals.cancelled
  );
}

function laneRow({ queue, tenant, pass, weight, isShared, totals }: Lane): LaneRow {
  return [queue, tenant, [pass, weight, isShared ? 1 : 0, totals.completed, totals.failed, totals.cancelled]];
}

function applyLane(world: World, [queue, tenant, values]: LaneRow): void {
  if (values === null) {
    world.removeLane(queue, tenant);
    return;
  }
  const [pass, weight, shared, completed, failed, cancelled] = values;
  const isShared = shared === 1;
  Object.assign(world.lane(queue, tenant), { pass, weight, isShared, totals: { completed, failed, cancelled } });
}

function eventChanges(world: World, { events: before }: Changes) {
  if (before === undefined) return {};
  const { list, length } = before;
  // Only a list that was replaced lacks any.
  if (world.events === list) return some("events", list.slice(length));
  const known = new Map(list.slice(0, length).map((event) => [event.id, event]));
  const kept = new Set(world.events.map(({ id }) => id));
  return {
    ...some(
      "events",
      world.events.filter((event) => known.get(event.id) !== event),
    ),
    ...some(
      "eventsGone",
      [...known.keys()].filter((id) => !kept.has(id)),
    ),
  };
}

function putAll<Value>(rows: Map<string, Value>, changed: readonly Named<Value>[] | undefined): void {
  for (const [name, value] of changed ?? []) {
    if (value === null) rows.delete(name);
    else rows.set(name, value);
  }
}

/** A member of a change set, where there is any of it. */
function some<Name extends string, Item>(
  name: Name,
  items: readonly Item[],
): { readonly [Key in Name]?: readonly Item[] } {
  return items.length === 0 ? {} : ({ [name]: items } as { readonly [Key in Name]: readonly Item[] });
}

// Schedules in SQLite: the contract's ScheduleStore. What a put or a fire does is core's decision; here it is stored.
import { putEvents, removeEvents } from "../../core/audit.ts";
import type {
  FireAnswer,
  FireRequest,
  FireResult,
  PutAnswer,
  RemoveOutcome,
  ScheduleFilter,
  ScheduleRemoval,
  ScheduleStore,
} from "../../core/engine.ts";
import { type Guardrails, limitError } from "../../core/guardrails.ts";
import { type JobId, jobIdToBytes } from "../../core/id.ts";
import { decodeCursor, encodeCursor, type Page } from "../../core/page.ts";
import { putLimit } from "../../core/put-limits.ts";
import { planPut } from "../../core/saving.ts";
import type { Schedule, SchedulePut } from "../../core/schedule.ts";
import type { DueSchedule, FireStep } from "../../core/step.ts";
import { cancelForSchedule } from "./ending.ts";
import { insertJob } from "./insert.ts";
import { isStored, unfinishedOf } from "./job-table.ts";
import { filterOf, whenGiven } from "./listing.ts";
import { checkEpoch } from "./migrations/migrate.ts";
import {
  countActive,
  dueSchedules,
  findSchedule,
  getSchedule,
  isUnmoved,
  nextTickAt,
  readableSchedule,
  removeSchedule,
  type ScheduleRow,
  saveSchedule,
} from "./schedule-table.ts";
import type { Steps, Tx } from "./tx.ts";

const filter = filterOf(["of_task", "of_queue", "of_enabled", "of_prefix"]);

const conditions = [
  whenGiven("of_task", (task) => `task = ${task}`),
  whenGiven("of_queue", (queue) => `queue = ${queue}`),
  whenGiven("of_enabled", (enabled) => `enabled = ${enabled}`),
  whenGiven("of_prefix", (prefix) => `substr(id, 1, length(${prefix})) = ${prefix}`),
].join("\n  AND ");

const listStatement = `-- schedules.list
${filter}
SELECT tenant, id, schedule FROM punctual_schedules WHERE (tenant, id) > (?, ?) AND ${conditions} ORDER BY tenant, id LIMIT ?`;

// Ranges of the key: a tenant's other schedules, and those of other tenants, are jumped over.
const listPrefixStatement = `-- schedules.listPrefix
${filter}
SELECT tenant, id, schedule FROM punctual_schedules
WHERE tenant = ? AND id > ? AND id >= ? AND id < ? || char(1114111) AND ${conditions} ORDER BY id LIMIT ?`;

const nextTenantStatement =
  "-- schedules.nextTenant\nSELECT min(tenant) AS tenant FROM punctual_schedules WHERE tenant > ?";

const listOfTenantStatement = `-- schedules.listOfTenant
${filter}
SELECT tenant, id, schedule FROM punctual_schedules WHERE tenant = ? AND id > ? AND ${conditions} ORDER BY id LIMIT ?`;

export function scheduleStore(steps: Steps): ScheduleStore {
  return {
    put: (puts, guardrails) => steps.write((tx) => puts.map((one) => put(tx, one, guardrails))),
    get: (ref) => steps.read((tx) => getSchedule(tx, ref)),
    list: (filter, page) => steps.read((tx) => list(tx, filter, page)),
    remove: (removals) => steps.write((tx) => removals.map((one) => remove(tx, one))),
    fire: async (request) => {
      // Most looks find nothing due: those take no write lock.
      const idle = request.only === undefined ? await steps.read(nothingDue) : undefined;
      return idle ?? steps.write((tx) => fire(tx, request));
    },
  };
}

function put(tx: Tx, request: SchedulePut, guardrails: Guardrails | undefined): PutAnswer {
  const before = findSchedule(tx, request);
  const plan = planPut(before, request, tx.now);
  if (plan.outcome !== "created" && plan.outcome !== "updated") return plan;
  const { schedule } = plan;
  if (schedule === before) return plan;
  const limits = tx.tenants.guardrails(schedule.tenant, guardrails);
  const hit = putLimit(before, schedule, request, limits, () => countActive(tx, schedule.tenant));
  if (hit !== undefined) return { outcome: "limit", ...hit };
  saveSchedule(tx, schedule);
  for (const event of putEvents(before, plan, tx.now, request.actor)) tx.append(event);
  if (request.cancelPending === true && !schedule.enabled) cancelPending(tx, schedule, "disabled");
  if (schedule.cursor.nextAt !== undefined) tx.tick(schedule.cursor.nextAt);
  return plan;
}

function cancelPending(tx: Tx, schedule: Schedule, what: "disabled" | "removed"): void {
  for (const { id, state } of unfinishedOf(tx, schedule.incarnation)) {
    if (state === "pending") cancelForSchedule(tx, id, "cancelled", `its schedule was ${what}`);
  }
}

function remove(tx: Tx, removal: ScheduleRemoval): RemoveOutcome {
  const schedule = findSchedule(tx, removal);
  if (schedule === undefined) return removeUnreadable(tx, removal);
  if (removal.expected !== undefined && removal.expected !== schedule.revision) return "conflict";
  if (removal.of !== undefined && removal.of !== schedule.incarnation) return "conflict";
  removeSchedule(tx, schedule);
  for (const event of removeEvents(schedule, tx.now, removal.actor)) tx.append(event);
  if (removal.cancelPending === true) cancelPending(tx, schedule, "removed");
  return "removed";
}

/** What cannot be read cannot be compared either: it is removed whatever revision was expected. */
function removeUnreadable(tx: Tx, { tenant, id, actor }: ScheduleRemoval): RemoveOutcome {
  if (!removeSchedule(tx, { tenant, id })) return "absent";
  tx.append({ type: "schedule:removed", tenant, schedule: id, at: tx.now, actor });
  return "removed";
}

function list(
  { connection }: Tx,
  filter: ScheduleFilter,
  page: { readonly limit: number; readonly cursor?: string },
): Page<Schedule> {
  const [tenant = "", id = ""] = page.cursor === undefined ? [] : decodeCursor(page.cursor, 2).map(String);
  const common = [
    filter.task ?? null,
    filter.queue ?? null,
    filter.enabled === undefined ? null : Number(filter.enabled),
    filter.idPrefix ?? null,
  ];
  const limit = page.limit + 1;
  const rows =
    filter.idPrefix !== undefined
      ? listPrefix(connection, filter.idPrefix, common, { tenant, id, only: filter.tenant, limit })
      : filter.tenant === undefined
        ? connection.all<ScheduleRow>(listStatement, ...common, tenant, id, limit)
        : connection.all<ScheduleRow>(listOfTenantStatement, ...common, filter.tenant, id, limit);
  const shown = rows.slice(0, page.limit);
  const items = shown.flatMap((row) => readableSchedule(row) ?? []);
  const last = shown.at(-1);
  if (rows.length <= page.limit || last === undefined) return { items };
  return { items, next: encodeCursor([last.tenant, last.id]) };
}

/** Where a listing by the beginning of ids goes on: behind an id of a tenant, in that tenant only or in all. */
interface PrefixPlace {
  readonly tenant: string;
  readonly id: string;
  readonly only: string | undefined;
  readonly limit: number;
}

function listPrefix(
  connection: Tx["connection"],
  prefix: string,
  common: readonly (string | number | null)[],
  { tenant, id, only, limit }: PrefixPlace,
): ScheduleRow[] {
  const rows: ScheduleRow[] = [];
  let current: string | undefined = only ?? tenant;
  let after = id;
  while (current !== undefined && rows.length < limit) {
    const values = [...common, current, after, prefix, prefix, limit - rows.length];
    rows.push(...connection.all<ScheduleRow>(listPrefixStatement, ...values));
    if (only !== undefined) break;
    current = connection.get<{ tenant: string | null }>(nextTenantStatement, current)?.tenant ?? undefined;
    after = "";
  }
  return rows;
}

function nothingDue(tx: Tx): FireAnswer | undefined {
  checkEpoch(tx.connection);
  const nextDueAt = nextTickAt(tx);
  return nextDueAt !== undefined && nextDueAt <= tx.now ? undefined : { fired: [], nextDueAt };
}

function fire(tx: Tx, request: FireRequest): FireAnswer {
  checkEpoch(tx.connection);
  const found = request.only?.flatMap((ref) => findSchedule(tx, ref) ?? []) ?? dueSchedules(tx, request.limit);
  const due = found.map((schedule): DueSchedule => {
    const { maxPendingJobs } = tx.tenants.guardrails(schedule.tenant, request.guardrails);
    const unfinished = unfinishedFor(tx, schedule, request);
    if (maxPendingJobs === undefined) return { schedule, unfinished };
    return { schedule, unfinished, room: maxPendingJobs - tx.lanes.unfinished(schedule.tenant), maxPendingJobs };
  });
  const steps = request.decide(due, tx.now);
  const fired = steps.flatMap((step): FireResult[] => (apply(tx, step) ? [resultOf(step)] : []));
  return { fired, nextDueAt: nextTickAt(tx) };
}

function unfinishedFor(tx: Tx, schedule: Schedule, { overlap }: FireRequest) {
  return (overlap ?? schedule.definition.overlap) === "allow" ? [] : unfinishedOf(tx, schedule.incarnation);
}

const firedStatement = `-- schedules.firedBefore
SELECT 1 AS found FROM punctual_events WHERE job = ? AND type = 'tick:fired' LIMIT 1`;

/** The job of a trigger is there, or was: retention may have kept nothing of it, the audit log of its tick does. */
function hasTakenEffect(tx: Tx, job: JobId): boolean {
  return isStored(tx, job) || tx.connection.get(firedStatement, jobIdToBytes(job)) !== undefined;
}

function apply(tx: Tx, step: FireStep): boolean {
  if (step.operationJob !== undefined && hasTakenEffect(tx, step.operationJob)) return true;
  if (step.refused !== undefined) throw limitError(step.refused, step.from.tenant);
  if (!isUnmoved(tx, step.from)) return false;
  saveSchedule(tx, step.to);
  for (const id of step.cancel) cancelForSchedule(tx, id, "replaced", "a newer tick of its schedule took its place");
  for (const job of step.insert) insertJob(tx, job, undefined);
  for (const event of step.events) tx.append(event);
  return true;
}

function resultOf({ from, fired, skipped, held, disabledReason }: FireStep): FireResult {
  return { tenant: from.tenant, id: from.id, ticks: fired, skipped, held, disabledReason };
}

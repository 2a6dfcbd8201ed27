// Schedules in SQLite: the contract's ScheduleStore. What a put or a fire does is core's decision; here it is stored.
import { putEvents, removeEvent } from "../../core/audit.ts";
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
import type { DueSchedule, FireStep } from "../../core/firing.ts";
import type { Guardrails } from "../../core/guardrails.ts";
import { type JobId, jobIdToBytes } from "../../core/id.ts";
import { decodeCursor, encodeCursor, type Page } from "../../core/page.ts";
import { planPut, type Schedule, type SchedulePut } from "../../core/schedule.ts";
import { cancelForSchedule } from "./ending.ts";
import { insertJob } from "./insert.ts";
import { isStored, unfinishedOf } from "./job-table.ts";
import { filterOf, whenGiven } from "./listing.ts";
import { checkEpoch } from "./migrations/migrate.ts";
import {
  countEnabled,
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
  const max = guardrails?.maxActiveSchedules;
  if (max !== undefined && schedule.enabled && before?.enabled !== true) {
    const value = countEnabled(tx, schedule.tenant) + 1;
    if (value > max) return { outcome: "limit", limit: "maxActiveSchedules", max, value };
  }
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
  removeSchedule(tx, schedule);
  tx.append(removeEvent(schedule, tx.now, removal.actor));
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
  const rows =
    filter.tenant === undefined
      ? connection.all<ScheduleRow>(listStatement, ...common, tenant, id, page.limit + 1)
      : connection.all<ScheduleRow>(listOfTenantStatement, ...common, filter.tenant, id, page.limit + 1);
  const shown = rows.slice(0, page.limit);
  const items = shown.flatMap((row) => readableSchedule(row) ?? []);
  const last = shown.at(-1);
  if (rows.length <= page.limit || last === undefined) return { items };
  return { items, next: encodeCursor([last.tenant, last.id]) };
}

function nothingDue(tx: Tx): FireAnswer | undefined {
  checkEpoch(tx.connection);
  const nextDueAt = nextTickAt(tx);
  return nextDueAt !== undefined && nextDueAt <= tx.now ? undefined : { fired: [], nextDueAt };
}

function fire(tx: Tx, request: FireRequest): FireAnswer {
  checkEpoch(tx.connection);
  const found = request.only?.flatMap((ref) => findSchedule(tx, ref) ?? []) ?? dueSchedules(tx, request.limit);
  const due = found.map((schedule): DueSchedule => ({ schedule, unfinished: unfinishedFor(tx, schedule) }));
  const steps = request.decide(due, tx.now);
  const fired = steps.flatMap((step): FireResult[] => (apply(tx, step) ? [resultOf(step)] : []));
  return { fired, nextDueAt: nextTickAt(tx) };
}

function unfinishedFor(tx: Tx, schedule: Schedule) {
  return schedule.definition.overlap === "allow" ? [] : unfinishedOf(tx, schedule.incarnation);
}

const firedStatement = `-- schedules.firedBefore
SELECT 1 AS found FROM punctual_events WHERE job = ? AND type = 'tick:fired' LIMIT 1`;

/** The job of a trigger is there, or was: retention may have kept nothing of it, the audit log of its tick does. */
function hasTakenEffect(tx: Tx, job: JobId): boolean {
  return isStored(tx, job) || tx.connection.get(firedStatement, jobIdToBytes(job)) !== undefined;
}

function apply(tx: Tx, step: FireStep): boolean {
  if (step.operationJob !== undefined && hasTakenEffect(tx, step.operationJob)) return true;
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

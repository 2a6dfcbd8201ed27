// Schedules in memory: the contract's ScheduleStore over the world.
import { putEvents, removeEvents } from "../core/audit.ts";
import type { Millis } from "../core/clock.ts";
import type {
  FireAnswer,
  FireRequest,
  FireResult,
  PutAnswer,
  RemoveOutcome,
  ScheduleFilter,
  ScheduleRemoval,
  ScheduleStore,
} from "../core/engine.ts";
import { type Guardrails, limitError } from "../core/guardrails.ts";
import type { JobId } from "../core/id.ts";
import { decodeCursor, encodeCursor, type Page } from "../core/page.ts";
import { putLimit } from "../core/put-limits.ts";
import { planPut } from "../core/saving.ts";
import type { Schedule, SchedulePut } from "../core/schedule.ts";
import type { DueSchedule, FireStep } from "../core/step.ts";
import { cancelForSchedule } from "./ending.ts";
import { insertJob } from "./insert.ts";
import type { Run } from "./run.ts";
import { scheduleKey, type World } from "./world.ts";

export function scheduleStore(run: Run): ScheduleStore {
  return {
    put: (puts, guardrails) => run((world, now) => puts.map((one) => put(world, one, guardrails, now))),
    get: (ref) => run((world) => world.schedules.get(scheduleKey(ref))),
    list: (filter, page) => run((world) => list(world, filter, page)),
    remove: (removals) => run((world, now) => removals.map((one) => remove(world, one, now))),
    fire: (request) => run((world, now) => fire(world, request, now)),
  };
}

function put(world: World, request: SchedulePut, guardrails: Guardrails | undefined, now: Millis): PutAnswer {
  const before = world.schedules.get(scheduleKey(request));
  const plan = planPut(before, request, now);
  if (plan.outcome !== "created" && plan.outcome !== "updated") return plan;
  const { schedule } = plan;
  if (schedule === before) return plan;
  const limits = world.tenants.guardrailsOf(schedule.tenant, guardrails);
  const countActive = () => world.activeSchedules.get(schedule.tenant) ?? 0;
  const hit = putLimit(before, schedule, request, limits, countActive);
  if (hit !== undefined) return { outcome: "limit", ...hit };
  world.saveSchedule(schedule);
  for (const event of putEvents(before, plan, now, request.actor)) world.append(event);
  if (request.cancelPending === true && !schedule.enabled) cancelPending(world, schedule, "disabled", now);
  const { nextAt } = schedule.cursor;
  if (nextAt !== undefined) world.signal({ kind: "tick", dueAt: nextAt }, now);
  return plan;
}

function cancelPending(world: World, schedule: Schedule, what: "disabled" | "removed", now: Millis): void {
  for (const { id, state } of world.unfinishedOf(schedule.incarnation)) {
    if (state === "pending") cancelForSchedule(world, id, "cancelled", `its schedule was ${what}`, now);
  }
}

function remove(world: World, removal: ScheduleRemoval, now: Millis): RemoveOutcome {
  const schedule = world.schedules.get(scheduleKey(removal));
  if (schedule === undefined) return "absent";
  if (removal.expected !== undefined && removal.expected !== schedule.revision) return "conflict";
  if (removal.of !== undefined && removal.of !== schedule.incarnation) return "conflict";
  world.removeSchedule(schedule);
  for (const event of removeEvents(schedule, now, removal.actor)) world.append(event);
  if (removal.cancelPending === true) cancelPending(world, schedule, "removed", now);
  return "removed";
}

function list(
  world: World,
  filter: ScheduleFilter,
  page: { readonly limit: number; readonly cursor?: string },
): Page<Schedule> {
  const after = page.cursor === undefined ? "" : String(decodeCursor(page.cursor, 1)[0]);
  // One more than is asked for tells whether there is another page.
  const found: [string, Schedule][] = [];
  for (const name of world.scheduleNames.beyond(after)) {
    const schedule = world.schedules.get(name);
    if (schedule === undefined || !matches(schedule, filter)) continue;
    found.push([name, schedule]);
    if (found.length > page.limit) break;
  }
  const items = found.slice(0, page.limit);
  const last = items.at(-1);
  return {
    items: items.map(([, schedule]) => schedule),
    ...(found.length > items.length && last !== undefined ? { next: encodeCursor([last[0]]) } : {}),
  };
}

function matches(schedule: Schedule, filter: ScheduleFilter): boolean {
  return (
    (filter.tenant === undefined || schedule.tenant === filter.tenant) &&
    (filter.task === undefined || schedule.definition.task === filter.task) &&
    (filter.queue === undefined || schedule.definition.queue === filter.queue) &&
    (filter.enabled === undefined || schedule.enabled === filter.enabled) &&
    (filter.idPrefix === undefined || schedule.id.startsWith(filter.idPrefix))
  );
}

function fire(world: World, request: FireRequest, now: Millis): FireAnswer {
  const found = request.only?.map((ref) => world.schedules.get(scheduleKey(ref))) ?? takeDue(world, request.limit, now);
  const due = found.flatMap((schedule): DueSchedule[] =>
    schedule === undefined ? [] : [dueSchedule(world, schedule, request)],
  );
  let steps: readonly FireStep[] = [];
  try {
    steps = request.decide(due, now);
  } finally {
    // What was popped and not decided upon is due as before.
    const decided = new Set(steps.map((step) => scheduleKey(step.from)));
    for (const { schedule } of due) if (!decided.has(scheduleKey(schedule))) world.saveSchedule(schedule);
  }
  const fired = steps.flatMap((step): FireResult[] => (apply(world, step, now) ? [resultOf(step)] : []));
  return { fired, nextDueAt: world.dueSchedules.nextAt };
}

function dueSchedule(world: World, schedule: Schedule, request: FireRequest): DueSchedule {
  const { maxPendingJobs } = world.tenants.guardrailsOf(schedule.tenant, request.guardrails);
  const unfinished = unfinishedFor(world, schedule, request);
  if (maxPendingJobs === undefined) return { schedule, unfinished };
  const room = maxPendingJobs - world.tenants.unfinishedJobs(schedule.tenant);
  return { schedule, unfinished, room, maxPendingJobs };
}

function unfinishedFor(world: World, schedule: Schedule, { overlap }: FireRequest) {
  return (overlap ?? schedule.definition.overlap) === "allow" ? [] : world.unfinishedOf(schedule.incarnation);
}

/** The job of a trigger is there, or was: retention may have kept nothing of it, the audit log of its tick does. */
function hasTakenEffect(world: World, job: JobId): boolean {
  return world.jobs.has(job) || world.events.some((event) => event.job === job && event.type === "tick:fired");
}

/** The cursor is the lock: a step made from anything but what is stored now changes nothing (S2). */
function apply(world: World, step: FireStep, now: Millis): boolean {
  const { from, to } = step;
  const stored = world.schedules.get(scheduleKey(from));
  if (stored !== undefined && step.operationJob !== undefined && hasTakenEffect(world, step.operationJob)) {
    world.saveSchedule(stored);
    return true;
  }
  if (step.refused !== undefined) throw limitError(step.refused, from.tenant);
  if (
    stored === undefined ||
    stored.incarnation !== from.incarnation ||
    stored.revision !== from.revision ||
    stored.cursor.after !== from.cursor.after
  ) {
    if (stored !== undefined) world.saveSchedule(stored);
    return false;
  }
  world.saveSchedule(to);
  const reason = "a newer tick of its schedule took its place";
  for (const id of step.cancel) cancelForSchedule(world, id, "replaced", reason, now);
  for (const job of step.insert) insertJob(world, job, undefined, now);
  for (const event of step.events) world.append(event);
  return true;
}

function resultOf({ from, fired, skipped, held, disabledReason }: FireStep): FireResult {
  return { tenant: from.tenant, id: from.id, ticks: fired, skipped, held, disabledReason };
}

function takeDue(world: World, limit: number, now: Millis): Schedule[] {
  const due: Schedule[] = [];
  while (due.length < limit) {
    const key = world.dueSchedules.take(now);
    if (key === undefined) break;
    const schedule = world.schedules.get(key);
    if (schedule !== undefined) due.push(schedule);
  }
  return due;
}

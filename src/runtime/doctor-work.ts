// The doctor's looks at work that is stuck: leases, backlog, missing handlers, late ticks, disabled schedules.
import { defaults } from "../core/defaults.ts";
import type { Engine } from "../core/engine.ts";
import { counted, oneLine, span } from "../core/explain/words.ts";
import { type Finding, fine } from "../core/findings.ts";
import type { Job } from "../core/job.ts";
import { everyQueue, type LaneCounts, type Queue } from "../core/queue.ts";
import type { Schedule } from "../core/schedule.ts";
import type { TenantSummary } from "../core/tenant-record.ts";

/** Work that has waited so long, in ms, is not merely in the line. */
const longMs = 60_000;
/** Rows that a listing of this kind looks at. */
const listedMax = 1_000;
/** Names told in one finding. */
const namedMax = 5;

/** The part of a store that is looked at here. */
export type Examined = Pick<Engine, "jobs" | "queues" | "tenants" | "inspection">;

/** Leases that ended and that nobody has recovered. */
export async function leases({ jobs }: Examined, now: number): Promise<Finding[]> {
  const { items, next } = await jobs.list({ states: ["active"] }, { limit: listedMax });
  const lost = items.filter(({ leaseUntil = now }) => leaseUntil < now - longMs);
  const ofAll = next === undefined ? "" : ` of the newest ${listedMax.toLocaleString("en")}`;
  if (lost.length === 0) {
    return [
      fine(
        "leases",
        `${counted(items.length, "job runs", next === undefined ? "jobs run" : "jobs or more run")}, every lease is extended or soon recovered`,
      ),
    ];
  }
  const queues = [...new Set(lost.map(({ queue }) => queue))];
  const oldest = Math.min(...lost.map(({ leaseUntil = now }) => leaseUntil));
  return [
    {
      check: "leases",
      status: "problem",
      what: `${counted(lost.length, "job")}${ofAll} ${lost.length === 1 ? "is" : "are"} held by leases that ended up to ${span(now - oldest)} ago, in ${listed(queues)}: ${listed(lost.map(({ id }) => id))}`,
      mend: "Their workers are gone and nobody claims from these queues: start a worker for them, or resume them.",
    },
  ];
}

/** Due work that nobody takes, or not fast enough. */
export async function backlog(
  store: Examined,
  lanes: readonly LaneCounts[],
  queues: readonly Queue[],
  now: number,
): Promise<Finding[]> {
  const isPaused = (name: string) =>
    queues.some((queue) => queue.paused && (queue.name === everyQueue || queue.name === name));
  const found: Finding[] = [];
  for (const name of [...new Set(lanes.map(({ queue }) => queue))].filter((each) => !isPaused(each))) {
    const own = lanes.filter(({ queue }) => queue === name);
    const waiting = own.reduce((sum, lane) => sum + lane.waiting, 0);
    const active = own.reduce((sum, lane) => sum + lane.active, 0);
    if (waiting === 0) continue;
    const { items } = await store.jobs.list(
      { queue: name, states: ["pending"], pending: "waiting", dueBefore: now - longMs },
      { limit: 1, sort: "oldest" },
    );
    const [oldest] = items;
    if (oldest === undefined) continue;
    const [tenant] = (await store.tenants.list({ id: oldest.tenant }, { limit: 1 })).items;
    found.push(slowQueue({ name, waiting, active, job: oldest, queues, heldBack: isHeldBack(tenant, now) }, now));
  }
  return found.length === 0
    ? [fine("backlog", `no queue that is not paused has jobs due for longer than ${span(longMs)}`)]
    : found;
}

/** What a queue with jobs that have been due for long is told from. */
interface SlowQueue {
  readonly name: string;
  readonly waiting: number;
  readonly active: number;
  /** The job that is due for the longest. */
  readonly job: Job;
  readonly queues: readonly Queue[];
  /** The job's tenant is at its own limit. */
  readonly heldBack: boolean;
}

function slowQueue({ name, waiting, active, job, queues, heldBack }: SlowQueue, now: number): Finding {
  const what = `queue ${name} has ${counted(waiting, "due job")}, among them one that is due for ${span(now - job.dueAt)}`;
  const limits = queues.find((queue) => queue.name === name);
  const why = `punctual explain ${job.id}`;
  if (limits?.concurrency !== undefined && active >= limits.concurrency) {
    const mend = `All ${limits.concurrency} that its concurrency limit allows are running: wait, or raise the limit.`;
    return { check: "backlog", status: "warn", what, mend };
  }
  if (limits?.rate !== undefined) {
    const rate = `${limits.rate.count} per ${span(limits.rate.periodMs)}`;
    return {
      check: "backlog",
      status: "warn",
      what,
      mend: `Its rate limit is ${rate}: wait, or raise it; ${why} tells.`,
    };
  }
  if (heldBack) {
    const mend = `Its tenant ${job.tenant} is at its own limit: wait, or raise it; ${why} tells.`;
    return { check: "backlog", status: "warn", what, mend };
  }
  if (active > 0) {
    const mend = `${counted(active, "job of it runs", "jobs of it run")}: the workers are busy. Start more, or give them more concurrency.`;
    return { check: "backlog", status: "warn", what, mend };
  }
  const mend = `No job of it runs: no worker with a handler for this queue is there. Start one: punctual serve; ${why} tells more.`;
  return { check: "backlog", status: "problem", what, mend };
}

/** Whether a tenant's own concurrency or rate leaves nothing to be claimed. */
function isHeldBack(tenant: TenantSummary | undefined, now: number): boolean {
  if (tenant === undefined) return false;
  const { concurrency, activeJobs, regainAt } = tenant;
  return (concurrency !== undefined && activeJobs >= concurrency) || (regainAt !== undefined && regainAt > now);
}

/** Tenants whose due jobs wait for the tenant's own limit. */
export async function heldBack({ tenants }: Examined, lanes: readonly LaneCounts[], now: number): Promise<Finding[]> {
  const waiting = new Set(lanes.filter((lane) => lane.waiting > 0).map(({ tenant }) => tenant));
  const { items, next } = await tenants.list({}, { limit: listedMax });
  const held = items.filter((tenant) => waiting.has(tenant.id) && isHeldBack(tenant, now));
  const ofAll = next === undefined ? "" : ` of the first ${listedMax.toLocaleString("en")}`;
  if (held.length === 0)
    return [fine("tenants", `no due job${ofAll === "" ? "" : `${ofAll} tenants`} waits for a limit of its tenant`)];
  const many = held.length !== 1;
  return [
    {
      check: "tenants",
      status: "warn",
      what: `${counted(held.length, "tenant")}${ofAll} ${many ? "have" : "has"} due jobs that wait for ${many ? "their" : "its"} own concurrency or rate: ${listed(held.map(({ id }) => id))}`,
      mend: "That is what the limits are for. To see or to raise them: punctual tenants list, punctual tenants limits ID.",
    },
  ];
}

/** Jobs that workers take and give back, as they have no handler. */
export async function unknownTasks({ jobs }: Examined, now: number): Promise<Finding[]> {
  const { items } = await jobs.list(
    { states: ["pending"], pending: "delayed", dueBefore: now + 2 * defaults.unknownTaskDelayMsMax },
    { limit: listedMax },
  );
  const tasks = [...new Set(items.filter(({ releases }) => releases >= 2).map(({ task }) => task))];
  if (tasks.length === 0) return [fine("handlers", "no job is given back again and again for want of a handler")];
  return [
    {
      check: "handlers",
      status: "problem",
      what: `jobs of ${counted(tasks.length, "task")} are given back again and again, as no worker that takes them has a handler: ${listed(tasks)}`,
      mend: "Deploy the handlers, or keep workers without them away from the queue (worker.queues).",
    },
  ];
}

export async function ticks({ inspection }: Examined, now: number): Promise<Finding[]> {
  const due = await inspection.schedules("due", listedMax);
  const late = due.filter(({ cursor: { nextAt = now } }) => nextAt < now - defaults.tickLateMs);
  const [first] = late;
  if (first === undefined) return [fine("ticks", "no tick is overdue")];
  const count =
    late.length === listedMax
      ? `${listedMax.toLocaleString("en")} or more schedules`
      : counted(late.length, "schedule");
  return [
    {
      check: "ticks",
      status: "problem",
      what: `ticks of ${count} are overdue, the first by ${span(now - (first.cursor.nextAt ?? now))}: ${listed(late.map(nameOf))}`,
      mend: "No process with the role ticker fires them: start one (punctual serve --roles ticker). `punctual explain ID` says what catch-up will do.",
    },
  ];
}

/** Schedules that the scheduler itself has disabled. */
export async function disabled({ inspection }: Examined): Promise<Finding[]> {
  const all = await inspection.schedules("disabled", listedMax);
  const broken = all.filter(({ disabledReason = "" }) =>
    /^it cannot be evaluated|^its row cannot/.test(disabledReason),
  );
  const failing = all.filter(({ disabledReason = "" }) => /jobs in a row have failed$/.test(disabledReason));
  const found: Finding[] = [];
  if (broken.length > 0) {
    const why = oneLine(broken[0]?.disabledReason ?? "");
    const what = `${counted(broken.length, "schedule")} could not be evaluated and ${broken.length === 1 ? "was" : "were"} disabled: ${listed(broken.map(nameOf))} (${why})`;
    const mend = "Save the definition anew, then punctual schedules enable ID.";
    found.push({ check: "schedules", status: "problem", what, mend });
  }
  if (failing.length > 0) {
    const what = `${counted(failing.length, "schedule")} ${failing.length === 1 ? "was" : "were"} disabled after failures in a row: ${listed(failing.map(nameOf))}`;
    const mend = "See why the jobs failed (punctual jobs list --schedule ID), then punctual schedules enable ID.";
    found.push({ check: "schedules", status: "warn", what, mend });
  }
  return found.length === 0 ? [fine("schedules", "none was disabled by an error")] : found;
}

function nameOf({ tenant, id }: Schedule): string {
  return tenant === defaults.tenant ? id : `${id} of ${tenant}`;
}

function listed(names: readonly string[]): string {
  const rest = names.length - namedMax;
  return `${names.slice(0, namedMax).join(", ")}${rest > 0 ? ` and ${rest.toLocaleString("en")} more` : ""}`;
}

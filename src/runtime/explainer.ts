// `scheduler.explain`: gathers what is stored about a job or a schedule, and lets core say what it means.
import { defaults } from "../core/defaults.ts";
import type { Engine } from "../core/engine.ts";
import { InvalidInputError, NotFoundError } from "../core/errors.ts";
import { explainGone, explainJob } from "../core/explain/job.ts";
import { explainRemoved, explainSchedule } from "../core/explain/schedule.ts";
import { checkJobId } from "../core/id.ts";
import { refuseUnknown } from "../core/options.ts";
import { everyQueue } from "../core/queue.ts";
import type { TenantStanding } from "../core/standing.ts";
import { checkId } from "../core/tenant.ts";
import { boundTenant } from "./client-host.ts";
import { type JobView, type ScheduleView, viewJob, viewSchedule } from "./views.ts";

/** Jobs ahead are counted up to here, unfinished jobs and events of a schedule listed up to there. */
const aheadMax = 10_000;
const unfinishedMax = 20;
const eventsMax = 50;

/** What to explain: a job or a schedule. */
export type ExplainRequest =
  | { readonly job: string; readonly tenant?: string }
  | { readonly schedule: string; readonly tenant?: string };

/** Why something will run, did not run or does not tick: for people, and the facts for programs. */
export interface Explanation {
  /** Plain sentences, the state first. */
  readonly sentences: readonly string[];
  readonly facts: JobExplained | ScheduleExplained | { readonly kind: "gone" };
}

/** What the sentences about a job were made from. */
export interface JobExplained {
  readonly kind: "job";
  readonly job: JobView;
  /** Everything, or its queue, is paused. */
  readonly paused: boolean;
  /** Jobs of its queue that run, of all tenants. */
  readonly active: number;
  readonly concurrency?: number;
  /** When the queue's rate limit gives again. */
  readonly regainAt?: Date;
  /** Its tenant's own limits of claims, over all queues, and what is used of them. */
  readonly tenantLimits?: {
    readonly active: number;
    readonly concurrency?: number;
    readonly rate?: { readonly count: number; readonly periodMs: number };
    /** When its rate gives again. */
    readonly regainAt?: Date;
  };
  /** Due jobs of its tenant that come before it, counted up to 10,000. */
  readonly ahead: number;
  /** Other tenants with due jobs in the queue. */
  readonly otherTenants: number;
  /** The job that holds its key. */
  readonly holder?: string;
  /** The job that waits for its key. */
  readonly successor?: string;
}

/** What the sentences about a schedule were made from. */
export interface ScheduleExplained {
  readonly kind: "schedule";
  readonly schedule: ScheduleView;
  readonly paused: boolean;
  /** Ids of unfinished jobs, 20 at most. */
  readonly unfinished: readonly string[];
}

type Store = Pick<Engine, "jobs" | "schedules" | "queues" | "events" | "inspection" | "now">;

/** @param bound the tenant of the handle that asks. @throws InvalidInputError, NotFoundError */
export async function explain(
  store: Store,
  request: ExplainRequest,
  bound: string | undefined,
  zoneData: string | undefined,
): Promise<Explanation> {
  refuseUnknown(request, ["job", "schedule", "tenant"], "");
  if ("job" in request === "schedule" in request) {
    throw new InvalidInputError("job or schedule must be given, and not both", { field: "job" });
  }
  const tenant = boundTenant(bound, request.tenant);
  if ("job" in request) return aboutJob(store, checkJobId(request.job, "job"), tenant);
  return aboutSchedule(store, checkId(request.schedule, "schedule"), tenant ?? defaults.tenant, zoneData);
}

async function aboutJob(store: Store, id: string, tenant: string | undefined): Promise<Explanation> {
  const [standing, { items: events }] = await Promise.all([
    store.inspection.standing(id, { aheadMax }),
    store.events.list({ job: id, ...(tenant === undefined ? {} : { tenant }) }, { limit: eventsMax }),
  ]);
  if (standing === undefined || (tenant !== undefined && standing.job.tenant !== tenant)) {
    const sentences = explainGone(id, events, await store.now());
    if (sentences === undefined) throw new NotFoundError(`there is no job ${id}`);
    return { sentences, facts: { kind: "gone" } };
  }
  const { job, now, queue, allPaused, regainAt, holder, successor, active, ahead, otherTenants } = standing;
  const pause =
    allPaused || queue?.paused === true ? await lastPause(store, allPaused ? everyQueue : job.queue) : undefined;
  return {
    sentences: explainJob({ ...standing, events, pause, aheadMax }),
    facts: {
      kind: "job",
      job: viewJob(job, now),
      paused: allPaused || queue?.paused === true,
      active,
      ...(queue?.concurrency === undefined ? {} : { concurrency: queue.concurrency }),
      ...(regainAt === undefined ? {} : { regainAt: new Date(regainAt) }),
      ...(standing.tenantLimits === undefined ? {} : { tenantLimits: viewLimits(standing.tenantLimits) }),
      ahead,
      otherTenants,
      ...(holder === undefined ? {} : { holder }),
      ...(successor === undefined ? {} : { successor }),
    },
  };
}

function viewLimits({
  active,
  concurrency,
  rate,
  regainAt,
}: TenantStanding): NonNullable<JobExplained["tenantLimits"]> {
  return {
    active,
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(rate === undefined ? {} : { rate }),
    ...(regainAt === undefined ? {} : { regainAt: new Date(regainAt) }),
  };
}

async function lastPause({ events }: Store, queue: string) {
  const { items } = await events.list({ queue, types: ["queue:changed"] }, { limit: eventsMax });
  // The newest changes may be of limits: the pause is the last one that found it running.
  return items.find(({ data }) => isPaused(data?.["after"]) && !isPaused(data?.["before"]));
}

function isPaused(queue: unknown): boolean {
  return typeof queue === "object" && queue !== null && "paused" in queue && queue.paused === true;
}

async function aboutSchedule(
  store: Store,
  id: string,
  tenant: string,
  zoneData: string | undefined,
): Promise<Explanation> {
  const [schedule, { items: events }, now] = await Promise.all([
    store.schedules.get({ tenant, id }),
    store.events.list({ schedule: id, tenant }, { limit: eventsMax }),
    store.now(),
  ]);
  if (schedule === undefined) {
    const sentences = explainRemoved(id, events, now);
    if (sentences === undefined) throw new NotFoundError(`there is no schedule ${id} of tenant ${tenant}`);
    return { sentences, facts: { kind: "gone" } };
  }
  const [{ items: jobs }, queues] = await Promise.all([
    store.jobs.list({ tenant, schedule: id, states: ["pending", "active"] }, { limit: unfinishedMax }),
    store.queues.list(),
  ]);
  const unfinished = jobs.filter((job) => job.schedule?.incarnation === schedule.incarnation);
  const isQueuePaused = (name: string) => queues.some((queue) => queue.name === name && queue.paused);
  const allPaused = isQueuePaused(everyQueue);
  const queuePaused = isQueuePaused(schedule.definition.queue);
  return {
    sentences: explainSchedule({ now, schedule, unfinished, events, allPaused, queuePaused, zoneData }),
    facts: {
      kind: "schedule",
      schedule: viewSchedule(schedule),
      paused: allPaused || queuePaused,
      unfinished: unfinished.map((job) => job.id),
    },
  };
}

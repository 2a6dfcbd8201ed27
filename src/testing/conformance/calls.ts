// Calls that facts make again and again: one thing asked of an engine, its answer unwrapped and asserted.
import assert from "node:assert/strict";
import type {
  Change,
  ChangeAnswer,
  ClaimRequest,
  Engine,
  FireAnswer,
  FireResult,
  InsertedJob,
  JobFilter,
  JobName,
  PutAnswer,
  SettleAnswer,
} from "../../core/engine.ts";
import type { EventFilter, StoredEvent } from "../../core/events.ts";
import { decideFiring } from "../../core/firing.ts";
import type { JobId } from "../../core/id.ts";
import type { ClaimedJob, Job, NewJob } from "../../core/job.ts";
import type { Backfill } from "../../core/operations.ts";
import type { LaneCounts } from "../../core/queue.ts";
import type { Schedule, ScheduleDefinition, SchedulePut, ScheduleRef } from "../../core/schedule.ts";
import type { Settlement } from "../../core/settling.ts";
import {
  backfillDecision,
  claimRequest,
  definition,
  newJob,
  queue,
  schedulePut,
  tenant,
  triggerDecision,
} from "./builders.ts";

type Jobs = Pick<Engine, "jobs">;
type Schedules = Pick<Engine, "schedules">;

/** Inserts one job, which must not be refused. */
export async function insertJob({ jobs }: Jobs, parts: Partial<NewJob> = {}): Promise<InsertedJob> {
  const [answer] = await jobs.insert([{ jobs: [newJob(parts)] }]);
  assert.equal(answer?.outcome, "inserted");
  const job = answer.jobs[0];
  assert.ok(job);
  return job;
}

/** Inserts jobs one by one, so that their order is known. */
export async function insertJobs(engine: Jobs, list: readonly Partial<NewJob>[]): Promise<JobId[]> {
  const ids: JobId[] = [];
  for (const parts of list) ids.push((await insertJob(engine, parts)).id);
  return ids;
}

export async function claim({ jobs }: Jobs, parts: Partial<ClaimRequest> = {}): Promise<readonly ClaimedJob[]> {
  return (await jobs.claim(claimRequest(parts))).jobs;
}

/** Claims the one job there is to claim. */
export async function claimJob(engine: Jobs, parts: Partial<ClaimRequest> = {}): Promise<ClaimedJob> {
  const [job, ...rest] = await claim(engine, parts);
  assert.ok(job, "there is a job to claim");
  assert.equal(rest.length, 0, "there is one job to claim");
  return job;
}

/** Inserts a job and claims it. */
export async function activeJob(engine: Jobs, parts: Partial<NewJob> = {}): Promise<ClaimedJob> {
  const { id } = await insertJob(engine, parts);
  const job = await claimJob(engine, { wants: [{ queue: parts.queue ?? queue, limit: 100 }] });
  assert.equal(job.id, id);
  return job;
}

/** Claims until nothing is left, each claim's jobs apart. */
export async function claimAll(engine: Jobs, parts: Partial<ClaimRequest> = {}): Promise<(readonly ClaimedJob[])[]> {
  const claims: (readonly ClaimedJob[])[] = [];
  for (;;) {
    const jobs = await claim(engine, parts);
    if (jobs.length === 0) return claims;
    claims.push(jobs);
    assert.ok(claims.length < 1_000, "claims come to an end");
  }
}

export async function settleJob({ jobs }: Jobs, settlement: Settlement): Promise<SettleAnswer> {
  const [answer] = await jobs.settle([settlement]);
  assert.ok(answer);
  return answer;
}

export async function extendJob({ jobs }: Jobs, job: ClaimedJob, leaseMs = 30_000): Promise<string | undefined> {
  const { id, attempt, token } = job;
  const [outcome] = await jobs.extend([{ lease: { id, queue: job.queue, attempt, token } }], leaseMs);
  return outcome;
}

/** A job that must be stored. */
export async function storedJob({ jobs }: Jobs, id: JobId): Promise<Job> {
  const job = await jobs.get(id);
  assert.ok(job, "the job is stored");
  return job;
}

export async function changeJob({ jobs }: Jobs, name: JobName, change: Change["change"]): Promise<ChangeAnswer> {
  const [answer] = await jobs.change([{ name, change, actor: "ann" }]);
  assert.ok(answer);
  return answer;
}

/** All jobs that pass a filter, newest first. */
export async function listJobs({ jobs }: Jobs, filter: JobFilter = {}): Promise<readonly Job[]> {
  return (await jobs.list(filter, { limit: 1_000 })).items;
}

export const emptyLane = {
  waiting: 0,
  delayed: 0,
  active: 0,
  completed: 0,
  failed: 0,
  cancelled: 0,
  totals: { completed: 0, failed: 0, cancelled: 0 },
} as const;

/** A lane's counts; a lane that the store does not list is empty. */
export async function laneCounts(
  { jobs }: Jobs,
  lane = { tenant, queue },
): Promise<Omit<LaneCounts, "tenant" | "queue">> {
  const lanes = await jobs.stats(lane);
  assert.ok(lanes.length <= 1);
  if (lanes[0] === undefined) return emptyLane;
  const { tenant: _tenant, queue: _queue, ...counts } = lanes[0];
  return counts;
}

export async function putSchedule({ schedules }: Schedules, parts: Partial<SchedulePut> = {}): Promise<PutAnswer> {
  const [answer] = await schedules.put([schedulePut(parts)]);
  assert.ok(answer);
  return answer;
}

/** Creates schedule "report", or the one that is named, with parts of a definition. */
export async function createSchedule(
  engine: Schedules,
  parts: Partial<ScheduleDefinition> = {},
  ref: Partial<ScheduleRef> = {},
): Promise<Schedule> {
  const answer = await putSchedule(engine, { ...ref, definition: definition(parts), expected: "absent" });
  assert.equal(answer.outcome, "created");
  return answer.schedule;
}

/** A schedule that must be stored. */
export async function storedSchedule({ schedules }: Schedules, id = "report"): Promise<Schedule> {
  const schedule = await schedules.get({ tenant, id });
  assert.ok(schedule, "the schedule is stored");
  return schedule;
}

export async function fire({ schedules }: Schedules, limit = 500): Promise<FireAnswer> {
  return schedules.fire({ limit, decide: decideFiring });
}

/** An operator's trigger of schedule "report". */
export async function trigger(
  { schedules }: Schedules,
  operation: string,
  tick?: number,
): Promise<FireResult | undefined> {
  const only = [{ tenant, id: "report" }];
  const { fired } = await schedules.fire({ limit: 1, only, decide: triggerDecision(operation, tick) });
  return fired[0];
}

/** An operator's backfill of schedule "report", in one step, with the schedule's own overlap policy or another. */
export async function backfill(
  { schedules }: Schedules,
  operation: string,
  ticks: readonly number[],
  parts: Partial<Backfill> = {},
): Promise<FireResult | undefined> {
  const { incarnation, definition: stored } = await storedSchedule({ schedules });
  const overlap = parts.overlap ?? stored.overlap;
  const decide = backfillDecision({ operation, incarnation, ticks, ...parts, overlap });
  const { fired } = await schedules.fire({ limit: 1, only: [{ tenant, id: "report" }], overlap, decide });
  return fired[0];
}

/** A schedule's jobs in the order of their ticks. */
export async function scheduleJobs(engine: Jobs, schedule = "report"): Promise<Job[]> {
  const jobs = await listJobs(engine, { schedule });
  return [...jobs].sort((a, b) => (a.schedule?.tick ?? 0) - (b.schedule?.tick ?? 0));
}

/** The ticks of a schedule that became jobs, in order. */
export async function jobTicks(engine: Jobs, schedule = "report"): Promise<(number | undefined)[]> {
  return (await scheduleJobs(engine, schedule)).map((job) => job.schedule?.tick);
}

/** The events that pass a filter, oldest first. */
export async function listEvents({ events }: Pick<Engine, "events">, filter: EventFilter = {}): Promise<StoredEvent[]> {
  const { items } = await events.list(filter, { limit: 1_000 });
  return [...items].reverse();
}

/** A value as JSON says it: a member that is undefined equals one that is absent. */
export function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

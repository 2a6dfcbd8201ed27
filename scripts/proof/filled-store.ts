// A store with something of everything, of any size: what the proofs of copying and of upgrades begin with.
import { setTimeout as sleep } from "node:timers/promises";
import type { Engine } from "../../src/core/engine.ts";
import { decideFiring } from "../../src/core/firing.ts";
import { type Entropy, mintJobId, mintToken } from "../../src/core/id.ts";
import type { ClaimedJob, NewJob } from "../../src/core/job.ts";
import type { SchedulePut } from "../../src/core/schedule.ts";
import { leaseOf, type Settlement } from "../../src/core/settling.ts";

const batchItems = 500;
const tenants = ["acme", "globex"];
const queues = ["mail", "reports", "billing"];

let drawn = 0;

function entropy(): Entropy {
  drawn++;
  return [Math.imul(drawn, 0x9e3779b1) >>> 0, drawn];
}

/** How much to make. */
export interface Filling {
  readonly jobs: number;
  readonly schedules: number;
}

/**
 * Jobs of two tenants in three queues: waiting, delayed, retrying, ended each way, with keys, successors and metadata;
 * schedules of every kind, some disabled, some with unfinished jobs and a held tick. Everything is paused at the end, and
 * no lease runs. The number of jobs is exact.
 * @param pass lets the store's time pass
 */
export async function fillStore(
  engine: Engine,
  { jobs, schedules }: Filling,
  pass: (ms: number) => Promise<unknown> = sleep,
): Promise<void> {
  await fillSchedules(engine, schedules);
  await fillHistory(engine, Math.min(1_500, Math.floor(jobs / 4)));
  await fillHeld(engine, pass);
  const there = await countJobs(engine);
  await inBatches(
    Math.max(0, jobs - there),
    // Beyond the keys of the history.
    (index) => newJob(1_000_000 + index),
    async (batch) => {
      await engine.jobs.insert(batch.map((job) => ({ jobs: [job] })));
    },
  );
  await engine.queues.put([
    { name: "mail", concurrency: 10 },
    { name: "billing", rate: { count: 100, periodMs: 60_000 } },
    { name: "*", paused: true },
  ]);
  await engine.records.put([{ key: "note", value: '{"by":"the proof"}', expected: "any" }]);
}

/** Jobs that are stored, asked in a way that the first version understands. */
async function countJobs({ jobs }: Engine): Promise<number> {
  let count = 0;
  for (const lane of await jobs.stats({})) {
    count += lane.waiting + lane.delayed + lane.active + lane.completed + lane.failed + lane.cancelled;
  }
  return count;
}

async function inBatches<Item>(
  count: number,
  make: (index: number) => Item,
  send: (batch: readonly Item[]) => Promise<void>,
): Promise<void> {
  for (let from = 0; from < count; from += batchItems) {
    await send(Array.from({ length: Math.min(batchItems, count - from) }, (_, index) => make(from + index)));
  }
}

function newJob(index: number, parts: Partial<NewJob> = {}): NewJob {
  const tenant = tenants[index % 2] ?? "acme";
  return {
    id: mintJobId(tenant, Date.now(), entropy()),
    tenant,
    queue: queues[index % 3] ?? "mail",
    task: "send",
    input: JSON.stringify({ index, text: "\u0000 \ud83d\ude80 ünïcode" }),
    priority: 1 + (index % 10),
    due: { afterMs: index % 4 === 0 ? 86_400_000 + index : 0 },
    ...(index % 7 === 0 ? { metadata: JSON.stringify({ index }) } : {}),
    ...(index % 11 === 0 ? { key: `key-${index}` } : {}),
    ...(index % 13 === 0 ? { idempotency: { key: `once-${index}`, body: String(index) } } : {}),
    ...parts,
  };
}

async function fillSchedules(engine: Engine, count: number): Promise<void> {
  await inBatches(
    count,
    (index) => schedulePut(index),
    async (batch) => {
      await engine.schedules.put(batch);
    },
  );
}

function schedulePut(index: number): SchedulePut {
  const tenant = tenants[index % 2] ?? "acme";
  const rules = [
    { kind: "cron", expression: `${index % 60} 3 * * *`, timezone: "Europe/Paris" },
    { kind: "every", everyMs: 3_600_000 + index * 1_000 },
    { kind: "every-calendar", months: 1, anchor: 0, timezone: "UTC" },
    { kind: "once", at: Date.now() + 86_400_000 + index },
  ] as const;
  return {
    tenant,
    id: `schedule-${index}`,
    incarnation: mintToken(entropy()),
    definition: {
      rule: rules[index % rules.length] ?? rules[0],
      task: "send",
      queue: queues[index % 3] ?? "mail",
      input: "{}",
      priority: 5,
      jitterMs: index % 5 === 0 ? 60_000 : 0,
      overlap: (["allow", "skip", "queue", "replace"] as const)[index % 4] ?? "skip",
      catchUp: { policy: "latest", windowMs: 3_600_000, limit: 1_000 },
      ...(index % 6 === 0 ? { maxTicks: 10 } : {}),
    },
    enabled: index % 9 !== 0,
    ...(index % 9 === 0 ? { disabledReason: "for the proof" } : {}),
    expected: "absent",
  };
}

/** Jobs that were claimed and settled, each way, and some that were cancelled. */
async function fillHistory(engine: Engine, count: number): Promise<void> {
  const outcomes = ["complete", "fail", "retry", "complete", "cancel"] as const;
  await inBatches(
    count,
    (index) => newJob(index, { due: { afterMs: 0 }, key: undefined, attemptsMax: 5 }),
    async (batch) => {
      await engine.jobs.insert(batch.map((job) => ({ jobs: [job] })));
      const claimed = await claim(engine, batch.length);
      await engine.jobs.settle(claimed.map((job, index) => settlementOf(job, outcomes[index % 5] ?? "complete")));
    },
  );
}

async function claim(engine: Engine, limit: number): Promise<readonly ClaimedJob[]> {
  const { jobs } = await engine.jobs.claim({
    claimId: mintToken(entropy()),
    worker: "proof",
    leaseMs: 3_600_000,
    wants: queues.map((queue) => ({ queue, limit })),
    limit,
    starts: limit,
    bytesMax: 64 * 1024 * 1024,
  });
  return jobs;
}

function settlementOf(job: ClaimedJob, outcome: Settlement["outcome"]): Settlement {
  const record = {
    attempt: job.attempt,
    worker: job.worker,
    startedAt: job.claimedAt,
    endedAt: job.claimedAt + 5,
    outcome: outcome === "complete" ? "completed" : outcome === "cancel" ? "cancelled" : "failed",
    ...(outcome === "complete" ? {} : { error: { name: "Error", message: "boom", stack: "Error: boom\n  at here" } }),
  } as const;
  return {
    lease: leaseOf(job),
    outcome,
    ...(outcome === "complete" ? { output: '{"done":true}' } : { reason: "boom" }),
    ...(outcome === "fail" ? { endCause: "attempts" } : {}),
    ...(outcome === "cancel" ? { endCause: "cancelled" } : {}),
    ...(outcome === "retry" ? { due: { afterMs: 86_400_000 } } : {}),
    record,
    log: [{ at: job.claimedAt, attempt: job.attempt, text: "a line" }],
    keep: {},
  };
}

/** A key with both slots, whose current job has a lease that is over; a schedule with a tick that fired just now. */
async function fillHeld(engine: Engine, pass: (ms: number) => Promise<unknown>): Promise<void> {
  const due = { afterMs: 0 } as const;
  const key = "with-successor";
  await engine.jobs.insert([{ jobs: [newJob(0, { due, key, priority: 1 })] }]);
  await engine.jobs.claim({
    claimId: mintToken(entropy()),
    worker: "gone",
    leaseMs: 1,
    wants: [{ queue: "mail", limit: 1 }],
    limit: 1,
    starts: 1,
    bytesMax: 1_000_000,
  });
  await engine.jobs.insert([{ jobs: [newJob(0, { due, key, onConflict: "replace" })] }]);
  const put = schedulePut(1);
  const definition = {
    ...put.definition,
    rule: { kind: "every", everyMs: 1_000, anchor: 0 },
    overlap: "queue",
  } as const;
  await engine.schedules.put([{ ...put, id: "held", definition }]);
  for (const waitMs of [1_100, 1_100]) {
    await pass(waitMs);
    await engine.schedules.fire({ limit: 500, decide: decideFiring });
  }
  // It must not go on ticking while it is copied.
  const never = { kind: "every", everyMs: 86_400_000 } as const;
  await engine.schedules.put([{ ...put, id: "held", definition: { ...definition, rule: never }, expected: "any" }]);
}

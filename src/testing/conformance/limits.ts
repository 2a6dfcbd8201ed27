// Queues: pause, concurrency, rate, and the fair share of a queue among its tenants.
import assert from "node:assert/strict";
import type { ClaimAnswer, Engine } from "../../core/engine.ts";
import type { ClaimedJob } from "../../core/job.ts";
import { everyQueue, type QueueChange } from "../../core/queue.ts";
import { claimRequest, completion, hourMs, leaseMs, minuteMs, newJob, queue, secondMs } from "./builders.ts";
import {
  activeJob,
  claim,
  claimAll,
  claimJob,
  createSchedule,
  extendJob,
  fire,
  insertJob,
  insertJobs,
  scheduleJobs,
  settleJob,
} from "./calls.ts";
import { type Chapter, fact, start } from "./harness.ts";

async function setQueue(engine: Engine, change: Partial<QueueChange>): Promise<void> {
  await engine.queues.put([{ name: queue, ...change }]);
}

function answerOf(engine: Engine): Promise<ClaimAnswer> {
  return engine.jobs.claim(claimRequest());
}

async function insertMany(engine: Engine, tenant: string, count: number): Promise<void> {
  await engine.jobs.insert([{ jobs: Array.from({ length: count }, () => newJob({ tenant })) }]);
}

/** How many jobs each tenant got. */
function shares(jobs: readonly { readonly tenant: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { tenant } of jobs) counts[tenant] = (counts[tenant] ?? 0) + 1;
  return counts;
}

const pause: Chapter["facts"] = [
  fact("J11 a paused queue gives nothing at any replica's next claim", async ({ engine, other }) => {
    await insertJob(engine);
    await setQueue(engine, { paused: true });
    for (const handle of [engine, other]) {
      const answer = await answerOf(handle);
      assert.deepEqual([answer.jobs, answer.paused], [[], [queue]]);
    }
    await setQueue(other, { paused: false });
    const answer = await answerOf(engine);
    assert.deepEqual([answer.jobs.length, answer.paused], [1, []]);
  }),

  fact("J11 pausing one queue leaves the others going", async ({ engine }) => {
    await insertJobs(engine, [{}, { queue: "other" }]);
    await setQueue(engine, { paused: true });
    const wants = [
      { queue, limit: 9 },
      { queue: "other", limit: 9 },
    ];
    const answer = await engine.jobs.claim(claimRequest({ wants }));
    assert.deepEqual([answer.jobs.map((job) => job.queue), answer.paused], [["other"], [queue]]);
  }),

  fact("J11 pausing every queue gives nothing anywhere until it is lifted", async ({ engine, other }) => {
    await insertJobs(engine, [{}, { queue: "other" }]);
    const wants = [
      { queue, limit: 9 },
      { queue: "other", limit: 9 },
    ];
    await engine.queues.put([{ name: everyQueue, paused: true }]);
    const answer = await other.jobs.claim(claimRequest({ wants }));
    assert.deepEqual([answer.jobs, [...answer.paused].sort()], [[], [queue, "other"].sort()]);
    await other.queues.put([{ name: everyQueue, paused: false }]);
    assert.equal((await engine.jobs.claim(claimRequest({ wants }))).jobs.length, 2);
  }),

  fact("J11 lifting the pause of every queue leaves a queue's own pause", async ({ engine }) => {
    await insertJob(engine);
    await engine.queues.put([
      { name: everyQueue, paused: true },
      { name: queue, paused: true },
    ]);
    await engine.queues.put([{ name: everyQueue, paused: false }]);
    assert.deepEqual(await claim(engine), []);
  }),

  fact("J11 running jobs go on in a paused queue", async ({ engine }) => {
    const job = await activeJob(engine);
    await setQueue(engine, { paused: true });
    assert.equal(await extendJob(engine, job), "held");
    assert.equal((await settleJob(engine, completion(job))).state, "completed");
  }),

  fact("J11 a paused queue accepts jobs and loses none", async ({ engine }) => {
    await setQueue(engine, { paused: true });
    const ids = await insertJobs(engine, [{}, {}, {}]);
    await setQueue(engine, { paused: false });
    assert.deepEqual(
      (await claim(engine)).map((job) => job.id),
      ids,
    );
  }),

  fact("J11 ticks go on making jobs in a paused queue", async ({ engine, clock }) => {
    await createSchedule(engine);
    await setQueue(engine, { paused: true });
    clock.advance(minuteMs);
    await fire(engine);
    assert.equal((await scheduleJobs(engine)).length, 1);
  }),

  fact("J11 a paused queue with due jobs does not ask its workers to come back now", async ({ engine }) => {
    await insertJob(engine);
    await setQueue(engine, { paused: true });
    const { nextDueAt } = await answerOf(engine);
    assert.ok(nextDueAt === undefined || nextDueAt > start);
  }),

  fact("J11 pausing keeps a queue's limits, and the list shows both", async ({ engine, other }) => {
    await insertJobs(engine, [{ queue: "b" }]);
    const rate = { count: 5, periodMs: secondMs };
    await engine.queues.put([{ name: "a", concurrency: 3, rate }]);
    const [changed] = await other.queues.put([{ name: "a", paused: true }]);
    assert.deepEqual(changed, { name: "a", paused: true, concurrency: 3, rate });
    const listed = (await engine.queues.list()).map(({ name, paused, concurrency }) => [name, paused, concurrency]);
    assert.deepEqual(listed, [
      ["a", true, 3],
      ["b", false, undefined],
    ]);
  }),
];

const limited: Chapter["facts"] = [
  fact("J12 no more jobs are active at once than the concurrency allows", async ({ engine, other }) => {
    await setQueue(engine, { concurrency: 2 });
    await insertJobs(
      engine,
      Array.from({ length: 5 }, () => ({})),
    );
    const [first, second, ...rest] = await claim(engine);
    assert.ok(first && second && rest.length === 0);
    assert.deepEqual(await claim(other), []);
    await settleJob(engine, completion(first));
    assert.equal((await claim(other)).length, 1);
  }),

  fact("J12 concurrent claimers together keep to the concurrency", async ({ engine, other }) => {
    await setQueue(engine, { concurrency: 3 });
    await insertMany(engine, "acme", 20);
    const handles = [engine, other, engine, other, engine, other];
    const taken = (await Promise.all(handles.map((handle) => claim(handle, { limit: 2 })))).flat();
    assert.equal(taken.length, 3);
  }),

  fact("J12 a lost job's place is its own again", async ({ engine, clock }) => {
    await setQueue(engine, { concurrency: 1 });
    const lost = await activeJob(engine);
    await insertJob(engine);
    clock.advance(leaseMs);
    const jobs = (await claimAll(engine)).flat();
    assert.deepEqual(
      jobs.map((job) => job.id),
      [lost.id],
    );
  }),

  fact("J12 a full queue with due jobs does not ask its workers to come back now", async ({ engine }) => {
    await setQueue(engine, { concurrency: 1 });
    await insertJobs(engine, [{}, {}]);
    await claimJob(engine);
    const { nextDueAt } = await answerOf(engine);
    assert.ok(nextDueAt === undefined || nextDueAt > start);
  }),

  fact("J12 claim names the queues that are limited", async ({ engine }) => {
    await engine.queues.put([
      { name: queue, concurrency: 9 },
      { name: "r", rate: { count: 9, periodMs: 9 } },
    ]);
    const wants = [queue, "r", "free"].map((name) => ({ queue: name, limit: 1 }));
    assert.deepEqual([...(await engine.jobs.claim(claimRequest({ wants }))).limited].sort(), [queue, "r"].sort());
  }),

  fact("J12 a lifted limit holds no longer", async ({ engine }) => {
    await setQueue(engine, { concurrency: 1, rate: { count: 1, periodMs: minuteMs } });
    await insertMany(engine, "acme", 5);
    assert.equal((await claim(engine)).length, 1);
    await setQueue(engine, { concurrency: null, rate: null });
    const answer = await answerOf(engine);
    assert.deepEqual([answer.jobs.length, answer.limited], [4, []]);
  }),

  fact(
    "J12 no window of one period holds more claims than the rate, however many claimers",
    async ({ engine, other, clock }) => {
      const rate = { count: 5, periodMs: 10_000 };
      await setQueue(engine, { rate });
      await insertMany(engine, "acme", 200);
      const times: number[] = [];
      for (let step = 0; step < 120; step++) {
        const taken = await Promise.all(
          [engine, other, other].map((handle) => claim(handle, { limit: 3, leaseMs: hourMs })),
        );
        times.push(...taken.flat().map((job) => job.claimedAt));
        clock.advance(370);
      }
      for (const from of times) {
        const inWindow = times.filter((at) => at >= from && at < from + rate.periodMs);
        assert.ok(inWindow.length <= rate.count, `${inWindow.length} claims in one window`);
      }
      assert.ok(times.length >= 18, `44 s at 5 in 10 s: ${times.length}`);
    },
  ),

  fact("J12 a lost job that is claimed again counts towards the rate", async ({ engine, clock }) => {
    await setQueue(engine, { rate: { count: 2, periodMs: minuteMs } });
    await insertMany(engine, "acme", 5);
    assert.equal((await claim(engine, { leaseMs: secondMs })).length, 2);
    clock.advance(2 * secondMs);
    assert.deepEqual((await claimAll(engine)).flat(), []);
  }),

  fact("J12 a queue's lowered rate waits for all that was started before", async ({ engine, clock }) => {
    await setQueue(engine, { rate: { count: 10, periodMs: 24 * hourMs } });
    await insertMany(engine, "acme", 20);
    for (let turn = 0; turn < 4; turn++) {
      await settleJob(engine, completion(await claimJob(engine, { limit: 1 })));
      clock.advance(3 * hourMs);
    }
    await setQueue(engine, { rate: { count: 2, periodMs: 24 * hourMs } });
    const { jobs, nextDueAt = start } = await answerOf(engine);
    assert.deepEqual(jobs, []);
    assert.ok(nextDueAt > start + 30 * hourMs, "while three of the four count it gives nothing");
    clock.set(nextDueAt);
    assert.equal((await claim(engine)).length, 1);
  }),

  fact("J12 claim answers when the rate allows the next job", async ({ engine, clock }) => {
    await setQueue(engine, { rate: { count: 1, periodMs: 10_000 } });
    await insertMany(engine, "acme", 2);
    assert.equal((await claim(engine)).length, 1);
    const { jobs, nextDueAt } = await answerOf(engine);
    assert.deepEqual(jobs, []);
    assert.ok(nextDueAt !== undefined && nextDueAt >= start + 10_000 && nextDueAt <= start + 11_000);
    clock.advance(nextDueAt - start);
    assert.equal((await claim(engine)).length, 1);
  }),
];

const lanes: Chapter["facts"] = [
  fact("J12 one tenant's 1,000 jobs do not delay another's one", async ({ engine }) => {
    await insertMany(engine, "big", 1_000);
    await insertMany(engine, "small", 1);
    assert.deepEqual(shares(await claim(engine, { limit: 2 })), { big: 1, small: 1 });
  }),

  fact("J12 one tenant's critical jobs do not starve another's low ones", async ({ engine }) => {
    await engine.jobs.insert([{ jobs: Array.from({ length: 100 }, () => newJob({ tenant: "big", priority: 1 })) }]);
    await insertJob(engine, { tenant: "small", priority: 10 });
    assert.equal(shares(await claim(engine, { limit: 4 }))["small"], 1);
  }),

  fact("J12 tenants with due jobs share a queue evenly", async ({ engine, other }) => {
    for (const tenant of ["a", "b", "c"]) await insertMany(engine, tenant, 100);
    const first = await claim(engine, { limit: 30 });
    const second = await claim(other, { limit: 30 });
    assert.deepEqual(shares([...first, ...second]), { a: 20, b: 20, c: 20 });
  }),

  fact("J12 small claims are shared as evenly as large ones", async ({ engine, other }) => {
    for (const tenant of ["a", "b"]) await insertMany(engine, tenant, 50);
    const jobs: ClaimedJob[] = [];
    for (let turn = 0; turn < 10; turn++) jobs.push(...(await claim(turn % 2 === 0 ? engine : other, { limit: 1 })));
    assert.deepEqual(shares(jobs), { a: 5, b: 5 });
  }),

  fact("J12 a lane that was empty saves nothing up", async ({ engine }) => {
    await insertMany(engine, "early", 200);
    await claim(engine, { limit: 100 });
    await insertMany(engine, "late", 100);
    assert.deepEqual(shares(await claim(engine, { limit: 20 })), { early: 10, late: 10 });
  }),

  fact("J12 a tenant that drained long ago is not behind a newcomer's backlog", async ({ engine }) => {
    await insertMany(engine, "old", 200);
    for (const job of await claimAll(engine).then((answers) => answers.flat()))
      await settleJob(engine, completion(job));
    await insertMany(engine, "new", 100);
    await insertMany(engine, "old", 1);
    assert.deepEqual(shares(await claim(engine, { limit: 2 })), { new: 1, old: 1 });
  }),

  fact("J12 a tenant whose jobs are not due takes no share", async ({ engine }) => {
    await insertMany(engine, "a", 20);
    await insertJobs(engine, [{ tenant: "b", due: { afterMs: minuteMs } }]);
    assert.deepEqual(shares(await claim(engine, { limit: 10 })), { a: 10 });
  }),
];

export const limits: Chapter = { title: "limits", facts: [...pause, ...limited, ...lanes] };

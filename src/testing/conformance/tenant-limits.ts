// A tenant's own concurrency and rate: over all queues and workers, never exceeded, and nobody else's trouble.
import assert from "node:assert/strict";
import type { ClaimAnswer, ClaimRequest, Engine } from "../../core/engine.ts";
import type { ClaimedJob } from "../../core/job.ts";
import type { TenantChange } from "../../core/tenant-record.ts";
import {
  claimRequest,
  completion,
  hourMs,
  leaseMs,
  minuteMs,
  newJob,
  queue,
  release,
  secondMs,
  tenant,
} from "./builders.ts";
import { claim, claimAll, claimJob, extendJob, insertJob, insertJobs, settleJob } from "./calls.ts";
import { type Chapter, fact, start } from "./harness.ts";

const both = [
  { queue, limit: 100 },
  { queue: "other", limit: 100 },
];

function answerOf(engine: Engine, parts: Partial<ClaimRequest> = {}): Promise<ClaimAnswer> {
  return engine.jobs.claim(claimRequest(parts));
}

async function limit(engine: Engine, change: Partial<TenantChange>): Promise<void> {
  await engine.tenants.put([{ id: tenant, ...change }]);
}

async function insertMany(
  engine: Engine,
  count: number,
  parts: { tenant?: string; queue?: string } = {},
): Promise<void> {
  await engine.jobs.insert([{ jobs: Array.from({ length: count }, () => newJob(parts)) }]);
}

const ofTenant = (jobs: readonly ClaimedJob[], owner = tenant) => jobs.filter((job) => job.tenant === owner);

const concurrency: Chapter["facts"] = [
  fact(
    "J12 no more jobs of a tenant are active at once than its concurrency, over all queues",
    async ({ engine, other }) => {
      await limit(engine, { concurrency: 3 });
      await insertMany(engine, 5);
      await insertMany(engine, 5, { queue: "other" });
      const [first, ...rest] = await claim(engine, { wants: both });
      assert.ok(first);
      assert.equal(rest.length, 2);
      assert.deepEqual(await claim(other, { wants: both }), []);
      await settleJob(other, completion(first));
      assert.equal((await claim(engine, { wants: [{ queue: "other", limit: 9 }] })).length, 1);
    },
  ),

  fact("J12 concurrent claimers together keep to a tenant's concurrency", async ({ engine, other }) => {
    await limit(engine, { concurrency: 3 });
    await insertMany(engine, 20);
    await insertMany(engine, 20, { queue: "other" });
    const handles = [engine, other, engine, other, engine, other];
    const taken = (await Promise.all(handles.map((handle) => claim(handle, { limit: 2, wants: both })))).flat();
    assert.equal(taken.length, 3);
  }),

  fact("J12 a tenant at its limit hides no other tenant's jobs", async ({ engine, other }) => {
    await engine.tenants.put(Array.from({ length: 30 }, (_, index) => ({ id: `full-${index}`, concurrency: 1 })));
    for (let index = 0; index < 30; index++) await insertMany(engine, 3, { tenant: `full-${index}` });
    assert.equal((await claim(engine)).length, 30);
    await insertMany(engine, 5, { tenant: "free" });
    assert.equal((await claim(other, { limit: 2 })).length, 2);
    assert.equal(ofTenant(await claim(engine), "free").length, 3);
  }),

  fact("J12 a tenant at its concurrency does not ask workers to come back now", async ({ engine }) => {
    await limit(engine, { concurrency: 1 });
    await insertMany(engine, 2);
    await claimJob(engine);
    for (let turn = 0; turn < 2; turn++) {
      const { jobs, nextDueAt } = await answerOf(engine);
      assert.deepEqual(jobs, []);
      assert.ok(nextDueAt === undefined || nextDueAt > start);
    }
    await insertMany(engine, 1, { tenant: "free" });
    const { jobs, nextDueAt } = await answerOf(engine, { limit: 1 });
    assert.deepEqual([jobs.length, nextDueAt === undefined || nextDueAt > start], [1, true]);
  }),

  fact("J12 jobs of a limited tenant are taken only as far as they start at once", async ({ engine, other }) => {
    await limit(engine, { concurrency: 50 });
    await insertMany(engine, 20);
    await insertMany(engine, 20, { tenant: "free" });
    const jobs = await claim(engine, { limit: 20, starts: 4 });
    assert.deepEqual([ofTenant(jobs).length, jobs.length], [2, 20]);
    assert.deepEqual(
      ofTenant(jobs).map((job) => job.started),
      [true, true],
    );
    assert.deepEqual(ofTenant(await claim(other, { limit: 10, starts: 0 })), []);
    const { nextDueAt } = await answerOf(engine, { limit: 10, starts: 0 });
    assert.ok(nextDueAt === undefined || nextDueAt > start, "what cannot start is not asked for");
  }),

  fact("J12 a claim that starts nothing is told that a limited tenant's jobs wait for a slot", async ({ engine }) => {
    await limit(engine, { concurrency: 2 });
    await insertMany(engine, 3);
    await insertMany(engine, 5, { tenant: "free" });
    assert.equal((await answerOf(engine, { limit: 1, starts: 0 })).slotsWanted, true);
    assert.equal(ofTenant(await claim(engine, { limit: 10, starts: 10 })).length, 2);
    await insertMany(engine, 1, { tenant: "free" });
    assert.equal((await answerOf(engine, { limit: 1, starts: 0 })).slotsWanted ?? false, false, "it is at its limit");
  }),

  fact("J12 who was given jobs ahead has its turn again beside a limited tenant", async ({ engine }) => {
    await limit(engine, { concurrency: 50 });
    await insertMany(engine, 100);
    await insertMany(engine, 200, { tenant: "free" });
    await claim(engine, { limit: 60, starts: 2 });
    const turns = ofTenant(await claim(engine, { limit: 10 }), "free").length;
    assert.ok(turns >= 4, `${turns} of 10`);
  }),

  fact("J12 a tenant that was held back by its limit saves nothing up", async ({ engine }) => {
    await limit(engine, { concurrency: 1 });
    await insertMany(engine, 100);
    await insertMany(engine, 300, { tenant: "free" });
    const [held] = ofTenant(await claim(engine, { limit: 2 }));
    assert.ok(held);
    assert.equal(ofTenant(await claim(engine, { limit: 100 }), "free").length, 100);
    await limit(engine, { concurrency: null });
    assert.equal(ofTenant(await claim(engine, { limit: 20 })).length, 10);
  }),

  fact("J12 a lane that fills beside one that is held back enters where the others are", async ({ engine }) => {
    await limit(engine, { concurrency: 1 });
    await insertMany(engine, 100);
    await insertMany(engine, 300, { tenant: "early" });
    await claim(engine, { limit: 101 });
    await insertMany(engine, 100, { tenant: "late" });
    const jobs = await claim(engine, { limit: 20 });
    assert.deepEqual([ofTenant(jobs, "early").length, ofTenant(jobs, "late").length], [10, 10]);
  }),

  fact("J12 a tenant's lost job has its place again", async ({ engine, clock }) => {
    await limit(engine, { concurrency: 1 });
    await insertMany(engine, 2);
    const lost = await claimJob(engine);
    clock.advance(leaseMs);
    const jobs = (await claimAll(engine)).flat();
    assert.deepEqual(
      jobs.map((job) => job.id),
      [lost.id],
    );
  }),

  fact("J12 a released job's place is free", async ({ engine, other }) => {
    await limit(engine, { concurrency: 1 });
    await insertMany(engine, 2);
    const job = await claimJob(engine);
    await settleJob(engine, release(job, { due: { afterMs: minuteMs } }));
    assert.notEqual((await claimJob(other)).id, job.id);
  }),

  fact("J12 a tenant's lifted or tightened limit holds from the next claim on", async ({ engine, other }) => {
    await insertMany(engine, 10);
    const jobs = await claim(engine, { limit: 4 });
    await limit(other, { concurrency: 2 });
    assert.deepEqual(await claim(engine), []);
    assert.equal(await extendJob(engine, jobs[0] as ClaimedJob), "held");
    for (const job of jobs.slice(0, 3)) await settleJob(engine, completion(job));
    assert.equal((await claim(other)).length, 1);
    await limit(engine, { concurrency: null });
    assert.equal((await claim(other)).length, 5);
  }),
];

const rates: Chapter["facts"] = [
  fact(
    "J12 no span of one period holds more of a tenant's starts than its rate, over all queues and claimers",
    async ({ engine, other, clock }) => {
      const rate = { count: 5, periodMs: 10_000 };
      await limit(engine, { rate });
      await insertMany(engine, 100);
      await insertMany(engine, 100, { queue: "other" });
      const times: number[] = [];
      for (let step = 0; step < 120; step++) {
        const handles = [engine, other, other];
        const taken = await Promise.all(
          handles.map((handle) => claim(handle, { limit: 3, leaseMs: hourMs, wants: both })),
        );
        times.push(...taken.flat().map((job) => job.claimedAt));
        clock.advance(370);
      }
      for (const from of times) {
        const inSpan = times.filter((at) => at >= from && at < from + rate.periodMs);
        assert.ok(inSpan.length <= rate.count, `${inSpan.length} starts in one period`);
      }
      assert.ok(times.length >= 18, `44 s at 5 in 10 s: ${times.length}`);
    },
  ),

  fact(
    "J12 claim answers when a tenant's rate gives again, and others are served meanwhile",
    async ({ engine, other, clock }) => {
      await limit(engine, { rate: { count: 1, periodMs: 10_000 } });
      await insertMany(engine, 2);
      assert.equal((await claim(engine)).length, 1);
      const { jobs, nextDueAt } = await answerOf(other);
      assert.deepEqual(jobs, []);
      assert.ok(nextDueAt !== undefined && nextDueAt >= start + 10_000 && nextDueAt <= start + 11_000);
      await insertMany(engine, 2, { tenant: "free" });
      assert.equal(ofTenant(await claim(engine), "free").length, 2);
      const [summary] = (await engine.tenants.list({ id: tenant }, { limit: 1 })).items;
      assert.equal(summary?.regainAt, nextDueAt);
      clock.advance(nextDueAt - start);
      assert.equal((await claim(other)).length, 1);
    },
  ),

  fact("J12 a tenant's lost job spends its rate, and waits for it", async ({ engine, other, clock }) => {
    await limit(engine, { rate: { count: 2, periodMs: minuteMs } });
    await insertMany(engine, 5);
    assert.equal((await claim(engine, { leaseMs: secondMs })).length, 2);
    const free = await insertJob(engine, { tenant: "free" });
    assert.equal((await claimJob(engine, { leaseMs: secondMs })).id, free.id);
    clock.advance(2 * secondMs);
    // One that must wait hides no other's.
    assert.equal((await claimJob(other)).id, free.id);
    const { jobs, nextDueAt } = await answerOf(engine);
    assert.deepEqual(jobs, []);
    assert.ok(nextDueAt !== undefined && nextDueAt > clock.now() && nextDueAt <= start + 32 * secondMs);
    clock.advance(minuteMs + 7 * secondMs);
    const lost = await claim(engine, { worker: "worker-2" });
    assert.deepEqual([lost.length, lost[0]?.recovered], [1, true]);
    await claim(engine);
    await claim(engine);
    assert.deepEqual(ofTenant((await claimAll(engine)).flat()), []);
  }),

  fact("J12 what a tenant's rate has counted is kept when the record changes", async ({ engine, other }) => {
    await limit(engine, { rate: { count: 3, periodMs: minuteMs } });
    await insertMany(engine, 10);
    assert.equal((await claim(engine)).length, 3);
    await limit(other, { weight: 2, rate: { count: 4, periodMs: minuteMs } });
    assert.equal((await claim(engine)).length, 1);
    assert.deepEqual(await claim(other), []);
  }),

  fact(
    "J12 a tenant's lowered rate waits for all that was started before, and hides nobody",
    async ({ engine, clock }) => {
      await limit(engine, { rate: { count: 10, periodMs: 24 * hourMs } });
      await insertMany(engine, 20);
      for (let turn = 0; turn < 4; turn++) {
        await settleJob(engine, completion(await claimJob(engine, { limit: 1 })));
        clock.advance(3 * hourMs);
      }
      // A fifth at 12 h, whose worker dies.
      await claimJob(engine, { limit: 1, leaseMs: secondMs });
      await limit(engine, { rate: { count: 2, periodMs: 24 * hourMs } });
      const [summary] = (await engine.tenants.list({ id: tenant }, { limit: 1 })).items;
      const { regainAt = start } = summary ?? {};
      assert.ok(regainAt > start + 33 * hourMs, "while three of the five count the rate gives nothing");
      clock.set(start + 27 * hourMs);
      await insertMany(engine, 3, { tenant: "free" });
      for (let turn = 0; turn < 3; turn++) {
        const job = await claimJob(engine, { limit: 1, starts: 1 });
        assert.equal(job.tenant, "free");
        await settleJob(engine, completion(job));
      }
      const { jobs, nextDueAt } = await answerOf(engine);
      assert.deepEqual([jobs, nextDueAt], [[], regainAt]);
      clock.set(regainAt);
      assert.equal((await claimJob(engine)).recovered, true);
      assert.deepEqual(await claim(engine), []);
    },
  ),

  fact("J12 a tenant's limits and its queue's hold together", async ({ engine }) => {
    await limit(engine, { concurrency: 5, rate: { count: 4, periodMs: minuteMs } });
    await engine.queues.put([{ name: queue, concurrency: 6 }]);
    await insertJobs(
      engine,
      Array.from({ length: 8 }, () => ({})),
    );
    await insertMany(engine, 8, { tenant: "free" });
    const jobs = await claim(engine);
    assert.deepEqual([ofTenant(jobs).length, jobs.length], [3, 6]);
    for (const job of jobs) await settleJob(engine, completion(job));
    assert.deepEqual(ofTenant(await claim(engine)).length, 1);
  }),

  fact("J12 a copied tenant has spent what it had spent", async ({ engine }) => {
    await limit(engine, { rate: { count: 2, periodMs: minuteMs } });
    await insertMany(engine, 3);
    await claim(engine);
    const { items } = await engine.transfer.read({ limit: 1_000 });
    const record = items.filter(({ kind }) => kind === "tenant");
    await engine.transfer.write({ items: [], remove: [{ kind: "tenant", name: [tenant] }] });
    await engine.transfer.write({ items: record, remove: [] });
    assert.deepEqual(await claim(engine), []);
  }),
];

export const tenantLimits: Chapter = { title: "tenants' limits", facts: [...concurrency, ...rates] };

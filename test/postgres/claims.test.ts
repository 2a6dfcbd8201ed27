// Claims that run beside each other on one PostgreSQL store, the general way: two engines, several claimers each.
import { afterAll, beforeEach, expect, test } from "vitest";
import type { Engine } from "../../src/core/engine.ts";
import type { ClaimedJob } from "../../src/core/job.ts";
import { postgres } from "../../src/engines/postgres/index.ts";
import { claimRequest, completion, hourMs, newJob, queue, secondMs } from "../../src/testing/conformance/builders.ts";
import type { Harness } from "../../src/testing/conformance/harness.ts";
import { sharedPostgres } from "../servers/shared.ts";
import { Databases } from "./harness.ts";

const databases = new Databases({ open: (url, options) => postgres(url, options) }, async () => {
  const url = await sharedPostgres(15);
  return { url, directUrl: url };
});

let harness: Harness;

beforeEach(async () => {
  harness = await databases.open();
  return () => harness.close();
});

afterAll(() => databases.close());

const claimers = 8;
const tenants = Array.from({ length: 30 }, (_, index) => `tenant-${index}`);

/** Eight loops over two engines, each until it finds nothing. */
async function inLoops(work: (engine: Engine, loop: number) => Promise<boolean>): Promise<void> {
  const loops = Array.from({ length: claimers }, async (_, loop) => {
    while (await work(loop % 2 === 0 ? harness.engine : harness.other, loop));
  });
  await Promise.all(loops);
}

async function insertMany(count: number, parts: Parameters<typeof newJob>[0] = {}): Promise<void> {
  await harness.engine.jobs.insert([{ jobs: Array.from({ length: count }, () => newJob(parts)) }]);
}

async function claim(engine: Engine, parts: Parameters<typeof claimRequest>[0]): Promise<readonly ClaimedJob[]> {
  return (await engine.jobs.claim(claimRequest({ leaseMs: hourMs, ...parts }))).jobs;
}

test("J2: concurrent claimers of a queue with many tenants are given every job once, the urgent ones first", async () => {
  for (const tenant of tenants) {
    const jobs = [5, 1, 9].flatMap((priority) => Array.from({ length: 5 }, () => newJob({ tenant, priority })));
    await harness.engine.jobs.insert([{ jobs }]);
  }
  const given: ClaimedJob[] = [];
  await inLoops(async (engine) => {
    const jobs = await claim(engine, { limit: 7 });
    given.push(...jobs);
    for (const tenant of new Set(jobs.map((job) => job.tenant))) {
      const priorities = jobs.filter((job) => job.tenant === tenant).map((job) => job.priority);
      expect(priorities).toEqual([...priorities].sort((a, b) => a - b));
    }
    return jobs.length > 0;
  });
  expect(given.length).toBe(450);
  expect(new Set(given.map(({ id }) => id)).size).toBe(450);
  for (const { active, waiting } of await harness.engine.jobs.stats({ queue }))
    expect([active, waiting]).toEqual([15, 0]);
});

test("J2: jobs that are inserted and completed meanwhile are given once too, and counted", async () => {
  let inserted = 0;
  const given = new Map<string, number>();
  await inLoops(async (engine, loop) => {
    if (loop < 3) {
      if (inserted >= 600) return false;
      inserted += 10;
      const tenant = tenants[inserted % tenants.length] ?? "";
      await engine.jobs.insert([{ jobs: Array.from({ length: 10 }, () => newJob({ tenant })) }]);
      // The janitor folds the counters that claims fold too.
      if (loop === 0) await engine.jobs.purge({ limit: 100 });
      return true;
    }
    const jobs = await claim(engine, { limit: 9 });
    for (const { id } of jobs) given.set(id, (given.get(id) ?? 0) + 1);
    await engine.jobs.settle(jobs.map((job) => completion(job)));
    return inserted < 600 || jobs.length > 0;
  });
  for (;;) {
    const jobs = await claim(harness.other, {});
    if (jobs.length === 0) break;
    for (const { id } of jobs) given.set(id, (given.get(id) ?? 0) + 1);
    await harness.engine.jobs.settle(jobs.map((job) => completion(job)));
  }
  expect([given.size, Math.max(...given.values())]).toEqual([inserted, 1]);
  const lanes = await harness.engine.jobs.stats({ queue });
  expect(lanes.map(({ waiting, active }) => waiting + active)).toEqual(lanes.map(() => 0));
  expect(lanes.reduce((sum, { totals }) => sum + totals.completed, 0)).toBe(inserted);
});

test("J12: a queue's concurrency is never exceeded by concurrent claimers, and is used", async () => {
  await harness.engine.queues.put([{ name: queue, concurrency: 5 }]);
  for (const tenant of tenants) await insertMany(5, { tenant });
  const handles = Array.from({ length: claimers }, (_, index) => (index % 2 === 0 ? harness.engine : harness.other));
  const first = (await Promise.all(handles.map((engine) => claim(engine, { limit: 3 })))).flat();
  expect(first.length).toBe(5);
  await harness.engine.jobs.settle(first.map((job) => completion(job)));
  let active = 0;
  let most = 0;
  let done = first.length;
  await inLoops(async (engine) => {
    const jobs = await claim(engine, { limit: 3 });
    active += jobs.length;
    most = Math.max(most, active);
    await engine.now();
    // Taken off before the call: whoever is given the place may be told first.
    active -= jobs.length;
    done += jobs.length;
    await engine.jobs.settle(jobs.map((job) => completion(job)));
    return done < 150;
  });
  expect(done).toBe(150);
  expect(most).toBeLessThanOrEqual(5);
});

test("J12: tenants' concurrency holds over queues and claimers", async () => {
  const queues = ["a", "b", "c"];
  await harness.engine.tenants.put(tenants.map((id) => ({ id, concurrency: 2 })));
  for (const tenant of tenants) for (const name of queues) await insertMany(2, { tenant, queue: name });
  const active = new Map<string, number>();
  let done = 0;
  await inLoops(async (engine, loop) => {
    const wants = (loop % 3 === 0 ? queues : loop % 3 === 1 ? [...queues].reverse() : ["b"]).map((name) => ({
      queue: name,
      limit: 9,
    }));
    const jobs = await claim(engine, { limit: 9, wants });
    for (const { tenant } of jobs) {
      active.set(tenant, (active.get(tenant) ?? 0) + 1);
      expect(active.get(tenant)).toBeLessThanOrEqual(2);
    }
    await engine.now();
    for (const { tenant } of jobs) active.set(tenant, (active.get(tenant) ?? 0) - 1);
    done += jobs.length;
    await engine.jobs.settle(jobs.map((job) => completion(job)));
    return loop % 3 === 2 ? jobs.length > 0 : done < 180;
  });
  expect(done).toBe(180);
});

test("J12: a rate is never exceeded by concurrent claimers of queues and tenants", async () => {
  await harness.engine.queues.put([{ name: queue, rate: { count: 40, periodMs: secondMs } }]);
  await harness.engine.tenants.put([{ id: "tenant-0", rate: { count: 3, periodMs: secondMs } }]);
  for (const tenant of tenants) await insertMany(20, { tenant });
  for (const round of [1, 2, 3]) {
    const given: ClaimedJob[] = [];
    await inLoops(async (engine) => {
      const jobs = await claim(engine, { limit: 4 });
      given.push(...jobs);
      return jobs.length > 0;
    });
    expect(given.length, `round ${round}`).toBe(40);
    expect(given.filter(({ tenant }) => tenant === "tenant-0").length).toBeLessThanOrEqual(3);
    harness.clock.advance(2 * secondMs);
  }
});

test("J12: rows that another transaction holds neither stop a claim nor take another tenant's share", async () => {
  await insertMany(3, { tenant: "held" });
  await insertMany(20, { tenant: "free" });
  const tx = await harness.beginTx?.();
  if (tx === undefined) throw new Error("the postgres engine joins transactions");
  const held = (await harness.engine.jobs.list({ tenant: "held" }, { limit: 9 })).items;
  await tx.joined.jobs.change(held.map(({ id }) => ({ name: { id }, change: { kind: "cancel" } })));
  const first = await claim(harness.engine, { limit: 10 });
  expect(first.map(({ tenant }) => tenant)).toEqual(Array.from({ length: 10 }, () => "free"));
  await claim(harness.engine, { limit: 10 });
  const { jobs, nextDueAt } = await harness.other.jobs.claim(claimRequest());
  expect(jobs).toEqual([]);
  expect(nextDueAt).toBeGreaterThan(harness.clock.now());
  await tx.rollback();
  expect((await claim(harness.other, {})).map(({ tenant }) => tenant)).toEqual(["held", "held", "held"]);
});

test("J4: a transaction that holds what a lost job's recovery needs stops no claim, and no other's recovery", async () => {
  const { engine, other, clock } = harness;
  await engine.jobs.insert([{ jobs: [newJob({ key: "k" })] }]);
  await engine.jobs.insert([{ jobs: [newJob()] }]);
  const lost = await claim(engine, { leaseMs: secondMs });
  expect(lost.length).toBe(2);
  await engine.jobs.insert([{ jobs: [newJob({ key: "k", onConflict: "replace" })] }]);
  const successor = (await engine.jobs.list({ keyed: true, states: ["pending"] }, { limit: 9 })).items[0];
  const tx = await harness.beginTx?.();
  if (tx === undefined || successor === undefined) throw new Error("a successor waits for the lost job");
  await tx.joined.jobs.change([{ name: { id: successor.id }, change: { kind: "cancel" } }]);
  clock.advance(2 * secondMs);
  await insertMany(2, { tenant: "free" });
  const [recovered, ...beside] = await claim(other, {});
  expect([recovered?.recovered, recovered?.key, beside.length]).toEqual([true, undefined, 0]);
  expect((await claim(engine, {})).map(({ tenant }) => tenant)).toEqual(["free", "free"]);
  await tx.rollback();
  expect((await claim(engine, {})).map(({ id }) => id)).toEqual([successor.id]);
});

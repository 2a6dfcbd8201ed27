// What several share: a server by deployments that see nothing of each other, a cluster's shards by deployments that lie on one
// each, a server's scripts with whoever flushes them, a connection with its user.
import { Cluster, Redis } from "ioredis";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { type RedisServer, startRedis } from "../../scripts/services/redis.ts";
import type { Engine } from "../../src/core/engine.ts";
import type { Signal } from "../../src/core/signal.ts";
import { type Location, type RedisOptions, redis } from "../../src/engines/redis/index.ts";
import { completion, failure, minuteMs, queue, tenant } from "../../src/testing/conformance/builders.ts";
import {
  claim,
  createSchedule,
  fire,
  insertJob,
  insertJobs,
  laneCounts,
  listEvents,
  listJobs,
  storedJob,
} from "../../src/testing/conformance/calls.ts";
import { TestClock } from "../../src/testing/conformance/harness.ts";
import { sharedRedisCluster } from "../servers/shared.ts";
import { until } from "./stores.ts";

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
}, 60_000);

afterAll(() => server.close());

async function openAt(location: Location, options: RedisOptions = {}): Promise<Engine> {
  const engine = redis(location, options);
  await engine.open();
  onTestFinished(() => engine.close());
  return engine;
}

/** One of everything, and a job left to claim. */
async function work(engine: Engine, clock: TestClock): Promise<void> {
  await engine.tenants.put([{ id: tenant, concurrency: 3, rate: { count: 50, periodMs: minuteMs } }]);
  await engine.queues.put([{ name: queue, concurrency: 5, rate: { count: 50, periodMs: minuteMs } }]);
  await engine.records.put([{ key: "leader", value: "a", expected: "any", ttlMs: minuteMs }]);
  await createSchedule(engine);
  await insertJobs(engine, [{}, { key: "k" }, { due: { afterMs: minuteMs } }, { idempotency: { key: "i", body: "" } }]);
  const [first, second] = await claim(engine);
  if (first === undefined || second === undefined) throw new Error("there are jobs");
  await engine.jobs.settle([completion(first), failure(second)]);
  clock.advance(minuteMs);
  await fire(engine);
}

test("two deployments on one server see nothing of each other, and neither do prefixes that begin alike", async () => {
  const clock = new TestClock();
  const names = ["jobs", "jobs:s", "job", "jobs-2"];
  const engines = await Promise.all(names.map((prefix) => openAt(server.url, { clock, prefix })));
  const [first, ...others] = engines as [Engine, ...Engine[]];
  const heard: Signal[] = [];
  for (const other of others) await other.watch?.((signal) => heard.push(signal));
  await work(first, clock);
  expect(await listJobs(first)).toHaveLength(5);
  for (const other of others) {
    expect(await listJobs(other)).toEqual([]);
    expect(await claim(other)).toEqual([]);
    expect((await fire(other)).fired).toEqual([]);
    expect(await listEvents(other)).toEqual([]);
    expect(await other.queues.list()).toEqual([]);
    expect((await other.tenants.list({}, { limit: 10 })).items).toEqual([]);
    expect((await other.schedules.list({}, { limit: 10 })).items).toEqual([]);
    expect((await other.records.list("", { limit: 10 })).items).toEqual([]);
    expect(await other.transfer.counts()).toMatchObject({ job: 0, lane: 0, event: 0 });
    await other.jobs.purge({ completedCountMax: 0, endedCountMax: 0, limit: 100 });
  }
  expect(await listJobs(first)).toHaveLength(5);
  // Their own signals come after all that might have come of the other's.
  for (const other of others) await insertJob(other, { queue: "own" });
  await until(() => heard.filter(({ kind }) => kind === "wake").length >= others.length, "own signals heard");
  expect(heard.filter((signal) => signal.kind !== "wake" || signal.queue !== "own")).toEqual([]);
});

test("all keys of a deployment have one slot, and deployments are spread over a cluster", {
  timeout: 60_000,
}, async () => {
  const { nodes, newDeployment } = await sharedRedisCluster();
  const clock = new TestClock();
  const users = new Cluster([...nodes]);
  onTestFinished(() => users.disconnect());
  const shards = new Set<string>();
  for (let round = 0; round < 12; round++) {
    const prefix = newDeployment();
    const engine = await openAt(users, { clock, prefix });
    await work(engine, clock);
    const slot = await users.cluster("KEYSLOT", `{${prefix}}:`);
    const found: string[] = [];
    for (const node of users.nodes("master")) {
      const keys = await node.keys(`*${prefix}*`);
      if (keys.length > 0) shards.add(`${node.options.host}:${node.options.port}`);
      found.push(...keys);
    }
    expect(found.length).toBeGreaterThan(30);
    expect(found.filter((key) => !key.startsWith(`{${prefix}}:`))).toEqual([]);
    const slots = await Promise.all(found.map((key) => users.cluster("KEYSLOT", key)));
    expect(new Set(slots)).toEqual(new Set([slot]));
  }
  expect(shards.size).toBe(nodes.length);
});

test("scripts that somebody flushes, between calls and amid them, are there again", { timeout: 60_000 }, async () => {
  const clock = new TestClock();
  const engines = await Promise.all([1, 2].map(() => openAt(server.url, { clock, prefix: "flushed" })));
  const [one, other] = engines as [Engine, Engine];
  const admin = new Redis(server.url);
  onTestFinished(() => admin.disconnect());
  let flushes = 0;
  let ends = false;
  const flushing = (async () => {
    while (!ends) {
      await admin.call("SCRIPT", "FLUSH", flushes % 2 === 0 ? "SYNC" : "ASYNC");
      flushes++;
    }
  })();
  const ids: string[] = [];
  for (let round = 0; round < 40; round++) {
    const inserted = await Promise.all([
      insertJobs(one, [{}, { key: `k${round}` }]),
      insertJobs(other, [{ tenant: "globex" }, { due: { afterMs: 1 } }]),
    ]);
    ids.push(...inserted.flat());
    clock.advance(1);
    const claims = await Promise.all([claim(one, { limit: 3 }), claim(other, { limit: 3 })]);
    const settled = await Promise.all(
      claims.map((jobs, at) => engines[at]?.jobs.settle(jobs.map((job) => completion(job, { keep: {} })))),
    );
    expect(settled.flat().every((answer) => answer?.outcome === "settled")).toBe(true);
  }
  ends = true;
  await flushing;
  expect(flushes).toBeGreaterThan(40);
  expect(await laneCounts(one)).toMatchObject({ waiting: 0, active: 0 });
  const lanes = await other.jobs.stats({});
  expect(lanes.reduce((sum, { totals }) => sum + totals.completed, 0)).toBe(ids.length);
});

test("scripts are named in the server's slow log", async () => {
  const engine = await openAt(server.url, { prefix: "slow" });
  await server.command("CONFIG", "SET", "slowlog-log-slower-than", "0");
  await insertJob(engine);
  await insertJob(engine);
  await server.command("CONFIG", "SET", "slowlog-log-slower-than", "10000");
  const log = JSON.stringify(await server.command("SLOWLOG", "GET", "100"));
  expect(log).toMatch(/"eval","-- jobs\.insert/);
  expect(log).toMatch(/"evalsha","[0-9a-f]{40}","2","\{slow\}:","\{slow\}:jobs\.insert"/);
});

test("O1 a user's client that is cut off comes back, and so does its copy, and closing ends the copy alone", async () => {
  const users = new Redis(server.url, { retryStrategy: () => 20 });
  users.on("error", () => {});
  onTestFinished(() => users.disconnect());
  const engine = redis(users, { prefix: "copied" });
  await engine.open();
  await users.set("mine", "1");
  const { id } = await insertJob(engine);
  const connections = async () => {
    const list = String(await server.command("CLIENT", "LIST", "TYPE", "normal"));
    return list.split("\n").filter((line) => line.includes("name=punctual")).length;
  };
  const before = await connections();
  expect(before).toBeGreaterThan(0);
  for (let round = 0; round < 3; round++) {
    await server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await until(
      () =>
        storedJob(engine, id).then(
          () => true,
          () => false,
        ),
      "the copy is back",
    );
    expect(await users.get("mine")).toBe("1");
  }
  expect(await connections()).toBe(before);
  await engine.close();
  await until(async () => (await connections()) === 0, "the copy has ended");
  expect(users.status).toBe("ready");
  expect(await users.get("mine")).toBe("1");
});

// What a deployment still holds when everything has ended and was deleted: names, counters and totals, of a number that follows
// the queues and tenants there ever were, and nothing of any job, schedule or key.
import { Redis } from "ioredis";
import { expect, onTestFinished, test } from "vitest";
import type { Engine } from "../../src/core/engine.ts";
import { redis } from "../../src/engines/redis/index.ts";
import { cancellation, claimRequest, dayMs, hourMs } from "../../src/testing/conformance/builders.ts";
import type { TestClock } from "../../src/testing/conformance/harness.ts";
import { play } from "../fuzz/sequence.ts";
import { sharedRedis } from "../servers/shared.ts";

/** Ends everything there is, and deletes it. */
async function endAll(engine: Engine, clock: TestClock): Promise<void> {
  const schedules = (await engine.schedules.list({}, { limit: 1_000 })).items;
  await engine.schedules.remove(schedules.map(({ tenant, id }) => ({ tenant, id, cancelPending: true })));
  const queues = (await engine.queues.list()).map(({ name }) => name);
  await engine.queues.put([...queues, "*"].map((name) => ({ name, paused: false, concurrency: null, rate: null })));
  const tenants = (await engine.tenants.list({}, { limit: 1_000 })).items;
  await engine.tenants.put(tenants.map(({ id }) => ({ id, concurrency: null, rate: null })));
  for (let round = 0; round < 50; round++) {
    const jobs = (await engine.jobs.list({ states: ["pending", "active"] }, { limit: 1_000 })).items;
    if (jobs.length === 0) break;
    await engine.jobs.change(jobs.map(({ id }) => ({ name: { id }, change: { kind: "cancel" } })));
    // What is still with a worker comes back once its lease has ended.
    clock.advance(dayMs);
    for (;;) {
      const wants = queues.map((queue) => ({ queue, limit: 100 }));
      const claimed = await engine.jobs.claim(claimRequest({ wants }));
      if (claimed.jobs.length === 0) break;
      await engine.jobs.settle(claimed.jobs.map((job) => cancellation(job)));
    }
  }
  expect((await engine.jobs.list({ states: ["pending", "active"] }, { limit: 10 })).items).toEqual([]);
  const records = (await engine.records.list("", { limit: 1_000 })).items;
  await engine.records.remove(records.map(({ key }) => key));
  clock.advance(400 * dayMs);
  while ((await engine.jobs.purge({ completedCountMax: 0, endedCountMax: 0, limit: 1_000 })).more);
  await engine.events.purge({ olderThanMs: hourMs, limit: 100_000 });
}

/** What is left, each kind once, with how many there are of it: keys, and fields of those that have many. */
async function leftOf(server: Redis, prefix: string): Promise<Map<string, number>> {
  const left = new Map<string, number>();
  const count = (kind: string, n = 1) => left.set(kind, (left.get(kind) ?? 0) + n);
  for await (const keys of server.scanStream({ match: `{${prefix}}:*`, count: 1_000 })) {
    for (const key of keys as string[]) {
      const name = key.slice(prefix.length + 3);
      // Of a claim, for its repeat; it goes by itself.
      if ((await server.pttl(key)) > 0) count("goes by itself");
      else if (/^(lanesOf|lanesIn|t|l):/.test(name)) count(name.replace(/:.*/s, ":"));
      else if ((await server.type(key)) === "hash") count(name, await server.hlen(key));
      else if ((await server.type(key)) === "zset") count(name, await server.zcard(key));
      else count(name);
    }
  }
  left.delete("goes by itself");
  return left;
}

const seeds = Array.from({ length: 20 }, (_, index) => 7_000 + index);

test.each(seeds)(
  "J10: after a random day (seed %i) nothing is left but names and totals",
  { timeout: 30_000 },
  async (seed) => {
    const { url, newDeployment } = await sharedRedis();
    const prefix = newDeployment();
    let clock: TestClock | undefined;
    const make = (options: { readonly clock: TestClock }) => {
      clock = options.clock;
      return redis(url, { ...options, prefix });
    };
    // Whether the answers are memory's is test/fuzz's matter.
    await play(seed, { make, sharesAlike: true });
    if (clock === undefined) throw new Error("no engine was made");
    const engine = redis(url, { clock, prefix });
    await engine.open();
    const server = new Redis(url);
    onTestFinished(async () => {
      await engine.close();
      await server.quit();
    });
    await endAll(engine, clock);
    const lanes = (await engine.jobs.stats({})).length;
    const left = await leftOf(server, prefix);
    const bounds: Readonly<Record<string, number>> = {
      // Format, epoch, and the last numbers of jobs, lanes, events and revisions.
      meta: 8,
      lanes,
      "l:": lanes,
      "lanesOf:": lanes,
      "lanesIn:": lanes,
      g: lanes,
      queueNames: lanes + 10,
      tenantNames: lanes + 10,
      "t:": lanes + 10,
      queues: lanes + 10,
      tenants: lanes + 10,
      windows: lanes,
      guarded: lanes + 10,
      // The purge itself is told.
      events: 1,
    };
    const unexpected = [...left].filter(([kind, n]) => n > (bounds[kind] ?? 0));
    expect(unexpected).toEqual([]);
    const findings = await engine.inspection.findings();
    expect(findings.filter(({ status, check }) => status !== "ok" && check !== "settings")).toEqual([]);
  },
);

// A replica that takes over without the last writes: what was written then is lost, and nothing is done twice for it.
import { Redis } from "ioredis";
import { expect, onTestFinished, test } from "vitest";
import { type RedisFailover, startRedisFailover } from "../../scripts/services/redis-failover.ts";
import type { Engine } from "../../src/core/engine.ts";
import { redis } from "../../src/engines/redis/index.ts";
import { completion, minuteMs } from "../../src/testing/conformance/builders.ts";
import {
  claimJob,
  createSchedule,
  fire,
  insertJob,
  listEvents,
  scheduleJobs,
  settleJob,
  storedSchedule,
} from "../../src/testing/conformance/calls.ts";
import { TestClock } from "../../src/testing/conformance/harness.ts";

interface Ground {
  readonly failover: RedisFailover;
  readonly clock: TestClock;
  /** An engine of its own connections, as another process has. */
  open(): Promise<Engine>;
}

async function begin(): Promise<Ground> {
  const failover = await startRedisFailover();
  const clock = new TestClock();
  const ending: (() => unknown)[] = [];
  onTestFinished(async () => {
    for (const end of ending) await end();
    await failover.close();
  });
  return {
    failover,
    clock,
    open: async () => {
      const client = new Redis({ sentinels: [...failover.sentinels], name: failover.masterName });
      client.on("error", () => {});
      const engine = redis(client, { clock });
      ending.push(
        () => engine.close(),
        () => client.disconnect(),
      );
      await engine.open();
      return engine;
    },
  };
}

/** Runs what fails while the connections find the new primary. */
async function again<T>(work: () => Promise<T>): Promise<T> {
  for (let left = 100; ; left--) {
    try {
      return await work();
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** A tick fires, and the failover loses it with its job; who fired, who ran the job, and who only heard of it. */
async function lostTick({ failover, clock, open }: Ground) {
  const ticker = await open();
  const worker = await open();
  const listener = await open();
  await listener.watch?.(() => {});
  await createSchedule(ticker);
  await failover.replicated();
  await failover.cutReplication();
  clock.advance(minuteMs);
  const { fired } = await fire(ticker);
  expect(fired.flatMap(({ ticks }) => ticks)).toHaveLength(1);
  const job = await claimJob(worker, { wants: [{ queue: "mail", limit: 10 }] });
  await failover.failOver();
  return { ticker, worker, listener, job };
}

test("S2 a tick that a failover has forgotten does not fire again where it was fired", async () => {
  const ground = await begin();
  const { ticker } = await lostTick(ground);
  const before = await again(() => storedSchedule(ticker));
  const { fired } = await again(() => fire(ticker));
  expect(fired).toEqual([]);
  const after = await storedSchedule(ticker);
  expect(after.cursor.after).toBeGreaterThan(before.cursor.after);
  expect(await scheduleJobs(ticker)).toEqual([]);
  const [event] = await listEvents(ticker, { types: ["schedule:retimed"] });
  expect(event?.data?.["reason"]).toMatch(/forgotten ticks/);
  ground.clock.advance(minuteMs);
  expect((await fire(ticker)).fired.flatMap(({ ticks }) => ticks)).toHaveLength(1);
});

test("S2 nor where its job was run", async () => {
  const { worker } = await lostTick(await begin());
  expect((await again(() => fire(worker))).fired).toEqual([]);
  expect(await scheduleJobs(worker)).toEqual([]);
});

test("S2 nor where it was heard of", async () => {
  const { listener } = await lostTick(await begin());
  expect((await again(() => fire(listener))).fired).toEqual([]);
  expect(await scheduleJobs(listener)).toEqual([]);
});

test("J3 a worker whose claim a failover has forgotten settles nothing", async () => {
  const ground = await begin();
  const engine = await ground.open();
  const { id } = await insertJob(engine);
  await ground.failover.replicated();
  await ground.failover.cutReplication();
  const job = await claimJob(engine);
  await ground.failover.failOver();
  const next = await again(() => claimJob(engine));
  expect(next.id).toBe(id);
  expect(await settleJob(engine, completion(job))).toEqual({ outcome: "lost" });
  expect(await settleJob(engine, completion(next))).toMatchObject({ outcome: "settled" });
});

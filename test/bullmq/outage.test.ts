// Redis away, restarted or in a cluster: a delivery is no failure of its job while there is nobody to deliver to.
import { Queue, Worker } from "bullmq";
import { Cluster } from "ioredis";
import { expect, onTestFinished, test, vi } from "vitest";
import { startRedis } from "../../scripts/services/redis.ts";
import { bullmqQueue } from "../../src/bullmq/index.ts";
import { memory } from "../../src/engines/memory/index.ts";
import { createScheduler, handle, task } from "../../src/index.ts";
import { sharedRedisCluster } from "../servers/shared.ts";
import { ended, eventually, openEnds, started } from "./stage.ts";

vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });

const sendReport = task<{ account: string }>("send-report", { queue: "reports" });

test("O1 what is enqueued while Redis is not there waits, counts no failure, and is delivered when it is", async () => {
  const redis = await startRedis({ durability: "always" });
  onTestFinished(() => redis.close());
  const { ours, worker } = await openEnds({ onError: () => {} }, redis.url);
  let runs = 0;
  worker(async () => ++runs);
  await redis.stop();
  const scheduler = await started(memory(), [ours.deliver(sendReport)]);
  const { id } = await scheduler.enqueue(sendReport, { account: "a" });
  await eventually(async () => (await scheduler.jobs.get(id))?.state).toBe("active");
  await redis.start();
  expect(await ended(scheduler, id)).toMatchObject({ state: "completed", output: 1, failures: 0 });
});

test("O1 deliveries in flight outlast a restart of Redis by kill -9", async () => {
  const redis = await startRedis({ durability: "always" });
  onTestFinished(() => redis.close());
  const { ours, worker, queue } = await openEnds({ onError: () => {} }, redis.url);
  const scheduler = await started(memory(), [ours.deliver(sendReport)]);
  const ids: string[] = [];
  for (let n = 0; n < 10; n++) ids.push((await scheduler.enqueue(sendReport, { account: `${n}` })).id);
  await eventually(() => queue.getPrioritizedCount()).toBe(10);
  await redis.kill();
  const during = await scheduler.enqueue(sendReport, { account: "during" });
  await redis.start();
  worker(async (job) => job.data.account);
  const views = await Promise.all([...ids, during.id].map((id) => ended(scheduler, id)));
  expect(views.map(({ output }) => output)).toEqual([...ids.map((_, n) => `${n}`), "during"]);
  expect(views.map(({ failures }) => failures)).toEqual(Array(11).fill(0));
});

test("O1 a connection that BullMQ refuses is told as worker:error, and fails no job", async () => {
  const { another, connection } = await openEnds();
  const refused = another({ connection: { ...connection, keyPrefix: "mine:" } });
  const handlers = [refused.deliver(sendReport)];
  const scheduler = createScheduler({ engine: memory(), handlers });
  onTestFinished(() => scheduler.stop({ timeout: 0 }));
  const told: string[] = [];
  scheduler.on("worker:error", ({ where, error }) => told.push(`${where}: ${error}`));
  await scheduler.start();
  const { id } = await scheduler.enqueue(sendReport, { account: "a" });
  await eventually(async () => (await scheduler.jobs.get(id))?.attempts.length).toBe(1);
  expect(await scheduler.jobs.get(id)).toMatchObject({ failures: 0, attempts: [{ outcome: "deferred" }] });
  expect(told[0]).toMatch(/^bullmq: Error: BullMQ: .*use the prefix option instead/);
});

test("A15 both ends work on a Redis Cluster, with a hash tag as BullMQ's prefix", async () => {
  const { nodes, newDeployment } = await sharedRedisCluster();
  const cluster = new Cluster([...nodes]);
  onTestFinished(() => cluster.disconnect());
  const [name, prefix] = [newDeployment(), "{bull}"];
  const ends = bullmqQueue(name, { connection: cluster, prefix });
  const ownEnds = bullmqQueue(`${name}-own`, { connection: cluster, prefix });
  onTestFinished(() => Promise.all([ends.close(), ownEnds.close()]).then(() => {}));
  const own = task<number>("own", { queue: "own" });
  const scheduler = await started(memory(), [ends.deliver(sendReport), ownEnds.deliver(own)]);
  const connection = new Cluster([...nodes], { redisOptions: { maxRetriesPerRequest: null } });
  const worker = new Worker(name, async (job) => job.data.account, { connection, prefix });
  onTestFinished(() => worker.close().then(() => connection.disconnect()));
  let aborted = false;
  await ownEnds.work([
    handle(own, (n, ctx) => {
      if (n === 1) return "one";
      return new Promise((_, reject) => {
        ctx.signal.addEventListener("abort", () => {
          aborted = true;
          reject(ctx.signal.reason);
        });
      });
    }),
  ]);
  const report = await scheduler.enqueue(sendReport, { account: "a1" });
  const one = await scheduler.enqueue(own, 1);
  const endless = await scheduler.enqueue(own, 2);
  expect((await ended(scheduler, report.id)).output).toBe("a1");
  expect((await ended(scheduler, one.id)).output).toBe("one");
  const queue = new Queue(`${name}-own`, { connection: cluster, prefix });
  await eventually(() => queue.getActiveCount()).toBe(1);
  await scheduler.jobs.cancel(endless.id);
  expect((await ended(scheduler, endless.id)).state).toBe("cancelled");
  expect(aborted).toBe(true);
  await queue.close();
});

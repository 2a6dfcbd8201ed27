// Queues' records on Redis beyond the suite: changes that meet, and records that a foreign hand has damaged.
import { expect, test } from "vitest";
import { everyQueue } from "../../src/core/queue.ts";
import type { Signal } from "../../src/core/signal.ts";
import { queue, secondMs } from "../../src/testing/conformance/builders.ts";
import { claim, insertJob, insertJobs, listEvents } from "../../src/testing/conformance/calls.ts";
import { start } from "../../src/testing/conformance/harness.ts";
import { openDeployment } from "./opened.ts";

test("J11: changes that processes make to one queue at once are all kept, and the log tells one after another", async () => {
  const { engine, other } = await openDeployment();
  const changes = [
    { name: queue, paused: true },
    { name: queue, concurrency: 3 },
    { name: queue, rate: { count: 5, periodMs: secondMs } },
  ];
  await Promise.all([
    ...changes.map((change) => engine.queues.put([change])),
    ...changes.map((change) => other.queues.put([change, { name: "beside" }])),
  ]);
  const record = { name: queue, paused: true, concurrency: 3, rate: { count: 5, periodMs: secondMs } };
  expect(await engine.queues.list()).toContainEqual(record);
  const events = await listEvents(engine, { queue });
  expect(events).toHaveLength(6);
  for (const [index, { data }] of events.slice(1).entries()) {
    expect(data?.["before"]).toEqual(events[index]?.data?.["after"]);
  }
});

test("J11: changes of one call are made one after another", async () => {
  const { engine } = await openDeployment();
  const answers = await engine.queues.put([
    { name: queue, concurrency: 3 },
    { name: queue, paused: true },
    { name: queue, concurrency: null },
  ]);
  expect(answers.map(({ paused, concurrency }) => [paused, concurrency])).toEqual([
    [false, 3],
    [true, 3],
    [true, undefined],
  ]);
});

test("J12: what a queue's rate has counted outlives changes of its record", async () => {
  const { engine, other } = await openDeployment();
  const rate = (count: number) => ({ name: queue, rate: { count, periodMs: 10 * secondMs } });
  await engine.queues.put([rate(2)]);
  await insertJobs(engine, [{}, {}, {}, {}]);
  expect(await claim(engine)).toHaveLength(2);
  await other.queues.put([rate(3)]);
  expect(await claim(engine)).toHaveLength(1);
});

test("T6: workers hear that a queue has changed, and of every queue that everything has", async () => {
  const { engine, other } = await openDeployment();
  const heard: Signal[] = [];
  const unwatch = await other.watch?.((signal) => heard.push(signal));
  await engine.queues.put([{ name: queue, paused: false }]);
  await engine.queues.put([{ name: everyQueue, paused: false }]);
  await expect
    .poll(() => heard)
    .toEqual(expect.arrayContaining([{ kind: "wake", queue, dueAt: start }, { kind: "changed" }]));
  await unwatch?.();
});

test("J11: a queue whose record cannot be read stands still until it is set anew, and stops no listing", async () => {
  const { engine, server, key } = await openDeployment();
  await engine.queues.put([{ name: "a", paused: false }]);
  await insertJob(engine, { queue: "with jobs" });
  for (const text of ["nonsense", "[]", '{"name":"b","paused":"no"}', '{"paused":false,"rate":7}']) {
    await server.hset(key("queues"), "b", text);
    expect(await engine.queues.list()).toEqual([
      { name: "a", paused: false },
      { name: "b", paused: true },
      { name: "with jobs", paused: false },
    ]);
  }
  const [mended] = await engine.queues.put([{ name: "b", paused: false }]);
  expect(mended).toEqual({ name: "b", paused: false });
});

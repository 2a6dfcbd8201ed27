// Prefetch: jobs held ready beyond the free slots; what was not started is given back at no charge.
import { describe, expect, test } from "vitest";
import { handle, task } from "../../src/index.ts";
import { Prefetch } from "../../src/runtime/prefetch.ts";
import { gate, type RigOptions, rig, secondMs } from "./rig.ts";

const mail = task<number>("mail");

function many(count: number) {
  return Array.from({ length: count }, (_, n) => ({ task: mail, input: n }));
}

/** A worker of one slot whose handlers have been quick so far; from now on they wait for the gate. */
async function quickThenHeld(options: RigOptions = {}) {
  const held = gate();
  const mode = { held: false };
  const started: number[] = [];
  const handler = handle(mail, (n) => {
    started.push(n);
    return mode.held ? held.promise : undefined;
  });
  const made = rig({ handlers: [handler], worker: { concurrency: 1 }, ...options });
  await made.start("worker");
  await made.scheduler.enqueue(mail, -1);
  await made.clock.settle();
  mode.held = true;
  return { ...made, held, started };
}

describe("size", () => {
  test("J9 nothing is prefetched before a duration is known, nor for slow handlers", () => {
    const prefetch = new Prefetch(5);
    expect(prefetch.size).toBe(0);
    prefetch.learn(26);
    expect(prefetch.size).toBe(0);
  });

  test("J9 about 50 ms of work is held, 400 jobs at most", () => {
    const prefetch = new Prefetch(5);
    prefetch.learn(5);
    expect(prefetch.size).toBe(50);
    const quick = new Prefetch(5);
    quick.learn(0);
    expect(quick.size).toBe(400);
  });

  test("J9 handlers that become slow end the prefetching", () => {
    const prefetch = new Prefetch(1);
    prefetch.learn(1);
    for (let n = 0; n < 20; n++) prefetch.learn(1_000);
    expect(prefetch.size).toBe(0);
  });
});

describe("prefetched jobs", () => {
  test("J9 slow handlers leave what they cannot start to others", async () => {
    const { scheduler, clock, start } = rig({
      handlers: [handle(mail, () => new Promise<void>((resolve) => clock.after(100, resolve)))],
    });
    await start("worker");
    await scheduler.enqueueMany(many(200));
    await clock.advance(1_050);
    expect(await scheduler.stats()).toMatchObject({ active: 5 });
  });

  test("J11 a pause gives prefetched jobs back before another one starts, no failure counted", async () => {
    const { scheduler, clock, started, held } = await quickThenHeld();
    // More than are ever prefetched: the worker has no reason to claim.
    await scheduler.enqueueMany(many(500));
    await clock.settle();
    expect(await scheduler.stats()).toMatchObject({ active: 401, waiting: 99 });
    await scheduler.queues.pause("default");
    await clock.advance(secondMs);
    expect(await scheduler.stats()).toMatchObject({ active: 1, waiting: 499 });
    held.open();
    await clock.advance(secondMs);
    expect(started).toEqual([-1, 0]);
    const { items } = await scheduler.jobs.list({ state: "waiting", limit: 500 });
    expect(items.map(({ failures, attempts }) => failures + attempts.length)).toEqual(items.map(() => 0));
  });

  test("J11 a pause that was pushed gives prefetched jobs back without any wait", async () => {
    const { scheduler, clock } = await quickThenHeld();
    await scheduler.enqueueMany(many(10));
    await clock.settle();
    await scheduler.queues.pause("default");
    await clock.settle();
    expect(await scheduler.stats()).toMatchObject({ active: 1, waiting: 9 });
  });

  test("J11 pausing the whole scheduler stops every queue, and running jobs go on", async () => {
    const { scheduler, clock, held, named } = await quickThenHeld();
    await scheduler.enqueueMany(many(3));
    await clock.settle();
    await scheduler.pause();
    await clock.advance(secondMs);
    held.open();
    await clock.advance(5 * secondMs);
    expect(named("job:completed")).toHaveLength(2);
    expect(await scheduler.stats()).toMatchObject({ paused: true, waiting: 2 });
    await scheduler.resume();
    await clock.settle();
    expect(named("job:completed")).toHaveLength(4);
  });

  test("J12 limited queues are not prefetched from", async () => {
    const { scheduler, clock } = await quickThenHeld();
    await scheduler.queues.limit("default", { rate: { count: 100, per: "1s" } });
    await clock.advance(secondMs);
    await scheduler.enqueueMany(many(10));
    await clock.settle();
    expect(await scheduler.stats()).toMatchObject({ active: 1, waiting: 9 });
  });

  test("J12 a limit set while jobs are prefetched gives them back", async () => {
    const { scheduler, clock } = await quickThenHeld();
    await scheduler.enqueueMany(many(10));
    await clock.settle();
    await scheduler.queues.limit("default", { concurrency: 1 });
    await clock.advance(secondMs);
    expect(await scheduler.stats()).toMatchObject({ active: 1, waiting: 9 });
  });

  test("J12 a queue's concurrency holds over all workers", async () => {
    const first = await quickThenHeld();
    const second = rig({
      clock: first.clock,
      engine: first.faulty.engine,
      handlers: [handle(mail, () => first.held.promise)],
    });
    await second.start("worker");
    await first.scheduler.queues.limit("default", { concurrency: 2 });
    await first.scheduler.enqueueMany(many(10));
    await first.clock.advance(5 * secondMs);
    expect(await first.scheduler.stats()).toMatchObject({ active: 2, waiting: 8 });
  });

  test("J1 jobs do not wait behind a slot that hangs while another worker is idle", async () => {
    const first = await quickThenHeld();
    await first.scheduler.enqueueMany(many(10));
    await first.clock.settle();
    const second = rig({ clock: first.clock, engine: first.faulty.engine, handlers: [handle(mail, () => 0)] });
    await second.start("worker");
    await first.clock.advance(60 * secondMs);
    expect(second.named("job:completed")).toHaveLength(9);
  });
});

// Delivery: Punctual keeps schedules, timers and history, a worker written from BullMQ's own documentation runs the jobs.
import { EventEmitter } from "node:events";
import type { QueueEvents } from "bullmq";
import { describe, expect, test, vi } from "vitest";
import { Endings } from "../../src/bullmq/endings.ts";
import { memory } from "../../src/engines/memory/index.ts";
import { createScheduler, cron, handle, task } from "../../src/index.ts";
import { bullmqJob, ended, eventually, openEnds, started, stores } from "./stage.ts";

vi.setConfig({ testTimeout: 60_000 });

const sendReport = task<{ account: string }>("send-report", { queue: "reports" });

describe.each(stores)("with schedules on %s", (_name, openStore) => {
  test("A15 a worker written as BullMQ's documentation has it runs what a schedule of Punctual makes", async () => {
    const { ours, worker } = await openEnds();
    const scheduler = await started(await openStore(), [ours.deliver(sendReport)]);
    const seen: unknown[] = [];
    worker(async (job) => {
      seen.push({ name: job.name, data: job.data });
      return `sent to ${job.data.account}`;
    });
    const definition = { task: sendReport, input: { account: "a1" }, when: cron("* * * * * *") };
    await scheduler.tenant("acme").schedules.ensure("daily-report", definition);
    await eventually(async () => (await scheduler.stats({ tenant: "acme" })).totals.completed).toBeGreaterThanOrEqual(
      2,
    );
    expect(seen.slice(0, 2)).toEqual(Array(2).fill({ name: "send-report", data: { account: "a1" } }));
    const { items } = await scheduler.tenant("acme").jobs.list({ state: "completed" });
    expect(items[0]).toMatchObject({ output: "sent to a1", task: "send-report", schedule: { id: "daily-report" } });
    const schedule = await scheduler.tenant("acme").schedules.get("daily-report");
    expect(schedule?.lastCompletedAt).toBeInstanceOf(Date);
  });

  test("A4 A15 BullMQ makes the attempts, and what fails there at last fails here once, with its reason and stack", async () => {
    const { ours, worker, queue } = await openEnds();
    const failing = task<null>("failing", { queue: "f", retry: { backoff: { type: "exponential", delay: 30 } } });
    const scheduler = await started(await openStore(), [ours.deliver(failing)]);
    let failed = 0;
    let retrying = 0;
    scheduler.on("job:failed", () => failed++);
    scheduler.on("job:retrying", () => retrying++);
    let calls = 0;
    worker(async () => {
      calls++;
      throw new TypeError(`no luck ${calls}`);
    });
    const { id } = await scheduler.enqueue(failing, null);
    const job = await ended(scheduler, id);
    expect(job).toMatchObject({ state: "failed", reason: "no luck 3", attempt: 1, failures: 1 });
    expect(job.attempts).toHaveLength(1);
    expect(job.attempts[0]?.error).toMatchObject({ name: "TypeError", message: "no luck 3" });
    expect(job.attempts[0]?.error?.stack).toMatch(/^TypeError: no luck 3\n\s+at .*deliver\.test\.ts/);
    expect(job.log.map(({ text }) => text)).toEqual([`BullMQ job punctual-${id} failed after 3 attempts there`]);
    expect([calls, failed, retrying]).toEqual([3, 1, 0]);
    expect((await bullmqJob(queue, id)).attemptsMade).toBe(3);
    // Nor does the job's own word make attempts here of those that BullMQ has made.
    const twice = await scheduler.enqueue(failing, null, { attempts: 2 });
    expect(await ended(scheduler, twice.id)).toMatchObject({ state: "failed", attempt: 1, attemptsMax: 2 });
    expect([calls, failed, retrying]).toEqual([5, 2, 0]);
  });
});

test("A3 priorities are BullMQ's own numbers, and none is 0, which BullMQ would rank before critical", async () => {
  const { ours, worker, queue } = await openEnds();
  const scheduler = await started(memory(), [ours.deliver(sendReport)]);
  const ids: string[] = [];
  for (const priority of ["low", "normal", "high", "critical", undefined] as const) {
    const options = priority === undefined ? {} : { priority };
    ids.push((await scheduler.enqueue(sendReport, { account: String(priority) }, options)).id);
  }
  await eventually(() => queue.getPrioritizedCount()).toBe(5);
  const there = await Promise.all(ids.map((id) => bullmqJob(queue, id)));
  expect(there.map(({ priority }) => priority)).toEqual([10, 5, 2, 1, 5]);
  const order: unknown[] = [];
  worker(async (job) => void order.push(job.data.account));
  await eventually(() => order.length).toBe(5);
  expect([order.slice(0, 2), order[4]]).toEqual([["critical", "high"], "low"]);
});

test("A4 attempts and the curve are the task's, or the job's own", async () => {
  const { ours, queue } = await openEnds();
  const fixed = task<null>("fixed", {
    queue: "q",
    retry: { attempts: 4, backoff: { type: "fixed", delay: "3s", jitter: 0.5 } },
  });
  const other = task<null>("other", { queue: "q" });
  const scheduler = await started(memory(), [
    ours.deliver(fixed),
    ours.deliver("named", { queue: "q" }),
    ours.deliver(other, { retry: { attempts: 7, backoff: { type: "exponential", delay: "5s" } }, name: "renamed" }),
  ]);
  const optionsOf = async (name: string, own: object = {}) => {
    const { id } = await scheduler.enqueue(name, null, { queue: "q", ...own });
    await eventually(() => queue.getJob(`punctual-${id}`)).toBeDefined();
    const { opts, name: title } = await bullmqJob(queue, id);
    return { title, attempts: opts.attempts, backoff: opts.backoff };
  };
  const usual = { type: "exponential", delay: 1_000 };
  expect(await optionsOf("named")).toEqual({ title: "named", attempts: 3, backoff: usual });
  expect(await optionsOf("named", { attempts: 9 })).toEqual({ title: "named", attempts: 9, backoff: usual });
  expect(await optionsOf("fixed")).toEqual({
    title: "fixed",
    attempts: 4,
    backoff: { type: "fixed", delay: 3_000, jitter: 0.5 },
  });
  expect(await optionsOf("other")).toEqual({
    title: "renamed",
    attempts: 7,
    backoff: { type: "exponential", delay: 5_000 },
  });
});

test("A4 a curve that BullMQ does not have is refused when the delivery is written", async () => {
  const { ours } = await openEnds();
  const withBackoff = (backoff: NonNullable<Parameters<typeof task>[1]>["retry"]) => () =>
    ours.deliver(task("t", { retry: backoff ?? {} }));
  expect(withBackoff({ backoff: { type: "linear" } })).toThrow(/BullMQ has exponential and fixed curves/);
  expect(withBackoff({ backoff: () => "1s" })).toThrow(/no function/);
  expect(withBackoff({ attempts: 20 })).toThrow(/no longest wait/);
  expect(withBackoff({ attempts: 13 })).not.toThrow();
});

test("A1 a delayed job waits here and is ready there; a delay of the delivery waits there", async () => {
  const { ours, queue } = await openEnds();
  const later = task<null>("later", { queue: "later" });
  const scheduler = await started(memory(), [ours.deliver(sendReport), ours.deliver(later, { delay: "1h" })]);
  const first = await scheduler.enqueue(sendReport, { account: "a" }, { delay: 300 });
  const waiting = await scheduler.jobs.get(first.id);
  expect([waiting?.state, await queue.getJobCountByTypes("waiting", "prioritized", "delayed")]).toEqual(["delayed", 0]);
  await eventually(() => queue.getPrioritizedCount()).toBe(1);
  expect((await bullmqJob(queue, first.id)).timestamp).toBeGreaterThanOrEqual(waiting?.dueAt.getTime() ?? 0);
  const second = await scheduler.enqueue(later, null);
  await eventually(() => queue.getDelayedCount()).toBe(1);
  expect((await bullmqJob(queue, second.id)).opts.delay).toBe(3_600_000);
});

test("A15 deliveries wait in a window of their own: the worker's slots stay free, and the window bounds what is in flight", async () => {
  const { ours, queue } = await openEnds({ window: 7 });
  const plain = task<number>("plain");
  let ran = 0;
  const scheduler = await started(memory(), [ours.deliver(sendReport), handle(plain, () => void ran++)], {
    worker: { concurrency: 1 },
  });
  await scheduler.enqueueMany(Array.from({ length: 20 }, () => ({ task: sendReport, input: { account: "a" } })));
  await eventually(() => queue.getPrioritizedCount()).toBe(7);
  await scheduler.enqueueMany(Array.from({ length: 10 }, (_, input) => ({ task: plain, input })));
  await eventually(() => ran).toBe(10);
  expect(await scheduler.stats({ queue: "reports" })).toMatchObject({ active: 7, waiting: 13 });
  expect(await queue.getPrioritizedCount()).toBe(7);
});

test("A15 a task that shares its queue with others' slots is refused, naming both", async () => {
  const { ours } = await openEnds();
  const handlers = [ours.deliver(task("one")), handle(task("two"), () => 0)];
  expect(() => createScheduler({ engine: memory(), handlers })).toThrow(
    /tasks "one" and "two" run in different slots, so they cannot share the queue "default"/,
  );
});

test("A15 what is done by hand there is seen here: progress, removal, and a retry of ours is a new job there", async () => {
  const { ours, worker, queue } = await openEnds();
  const once = task<string>("once", { queue: "once", retry: { attempts: 1 } });
  const scheduler = await started(memory(), [ours.deliver(once)]);
  const removed = await scheduler.enqueue(once, "removed");
  await eventually(() => queue.getPrioritizedCount()).toBe(1);
  await queue.remove(`punctual-${removed.id}`);
  expect(await ended(scheduler, removed.id)).toMatchObject({
    state: "failed",
    reason: `job punctual-${removed.id} was removed from BullMQ before its end was seen`,
  });
  let fails = true;
  worker(async (job) => {
    await job.updateProgress(40);
    if (fails) throw new Error("not yet");
    return "done";
  });
  const failed = await scheduler.enqueue(once, "retried");
  expect(await ended(scheduler, failed.id)).toMatchObject({ state: "failed", reason: "not yet", progress: 0.4 });
  fails = false;
  await scheduler.jobs.retry(failed.id);
  await eventually(async () => (await scheduler.jobs.get(failed.id))?.state).toBe("completed");
  expect(await queue.getJob(`punctual-${failed.id}-2`)).toMatchObject({ returnvalue: "done" });
});

test("A15 lost events cost a look: a job whose end none told is seen to have ended all the same", async () => {
  const { worker, queue } = await openEnds();
  const deaf = new Endings(queue, new EventEmitter() as QueueEvents);
  const watched = await Promise.all(["good", "bad", "removed"].map((name) => queue.add(name, null)));
  const watches = watched.map(({ id }) => deaf.watch(id ?? "", () => {}));
  for (const watch of watches) watch.lookSoon();
  await queue.remove(watched[2]?.id ?? "");
  worker(async (job) => {
    if (job.name === "bad") throw new RangeError("bad");
    return "quiet";
  });
  const endings = await Promise.all(watches.map((watch) => watch.ended));
  expect(endings).toMatchObject([
    { kind: "completed", value: "quiet" },
    { kind: "failed", error: { name: "RangeError", message: "bad" }, attempts: 1 },
    { kind: "gone" },
  ]);
});

test("A15 any task without a handler of its own is delivered by deliver() without a task", async () => {
  const { ours, worker } = await openEnds();
  const scheduler = await started(memory(), [ours.deliver(), handle(task("here"), () => "here")]);
  worker(async (job) => `${job.name} there`);
  const here = await scheduler.enqueue("here", null);
  const there = await scheduler.enqueue("anything", null, { queue: "elsewhere" });
  expect((await ended(scheduler, here.id)).output).toBe("here");
  expect((await ended(scheduler, there.id)).output).toBe("anything there");
});

test("A6 BullMQ must keep ended jobs at least twice as long as the lease", async () => {
  const { ours, queue } = await openEnds({ keep: { completed: "10m", failed: "2h" } });
  const handlers = [ours.deliver(sendReport)];
  const scheduler = createScheduler({ engine: memory(), handlers, worker: { lease: "6m" } });
  await expect(scheduler.start()).rejects.toThrow(/keep.completed is 10m, and the worker's lease 6m/);
  await scheduler.stop();
  const fitting = await started(memory(), handlers);
  const { id } = await fitting.enqueue(sendReport, { account: "a" });
  await eventually(() => queue.getPrioritizedCount()).toBe(1);
  const { opts } = await bullmqJob(queue, id);
  expect([opts.removeOnComplete, opts.removeOnFail]).toEqual([{ age: 600 }, { age: 7_200 }]);
});

// An operator's pause and a user's cancellation at Punctual reach BullMQ, and what is BullMQ's own is left alone.
import { expect, onTestFinished, test, vi } from "vitest";
import { Link } from "../../src/bullmq/link.ts";
import { resolveOptions } from "../../src/bullmq/options.ts";
import { followOnce } from "../../src/bullmq/pause.ts";
import { memory } from "../../src/engines/memory/index.ts";
import { handle, task } from "../../src/index.ts";
import { bullmqJob, ended, eventually, openEnds, started } from "./stage.ts";

vi.setConfig({ testTimeout: 60_000 });

const sendReport = task<{ account: string }>("send-report", { queue: "reports" });
const account = { account: "a1" };

test("A1 a pause of the queue reaches what waits at BullMQ, and its end too", async () => {
  const { ours, queue, worker } = await openEnds();
  const scheduler = await started(memory(), [ours.deliver(sendReport)]);
  const { id } = await scheduler.enqueue(sendReport, account);
  await eventually(() => queue.getJobCountByTypes("prioritized")).toBe(1);
  await scheduler.queues.pause("reports");
  await eventually(() => queue.isPaused()).toBe(true);
  let ran = 0;
  worker(async () => ++ran);
  const second = await scheduler.enqueue(sendReport, account);
  await eventually(async () => (await scheduler.stats()).waiting).toBe(1);
  expect(ran).toBe(0);
  await scheduler.queues.resume("reports");
  expect((await ended(scheduler, id)).state).toBe("completed");
  expect((await ended(scheduler, second.id)).state).toBe("completed");
  expect(await queue.isPaused()).toBe(false);
});

test("A1 with several queues BullMQ's is paused when all of them are, or everything is; a pause made at BullMQ stays", async () => {
  const { name, connection, queue } = await openEnds();
  const scheduler = await started(memory(), [handle(task("none"), () => 0)]);
  const link = await Link.open(resolveOptions(name, { connection }), () => {});
  onTestFinished(() => link.close());
  const host = { stats: (filter: object) => scheduler.stats(filter), report: () => {} };
  const follow = async (queues: readonly string[]) => {
    await followOnce({ host, link: async () => link, queues: () => queues });
    return await queue.isPaused();
  };
  const both = ["reports", "others"];
  await scheduler.queues.pause("reports");
  expect([await follow(both), await follow(["reports"]), await follow(both)]).toEqual([false, true, false]);
  await scheduler.queues.pause("others");
  expect(await follow(both)).toBe(true);
  await scheduler.queues.resume("others");
  expect([await follow(both), await follow([])]).toEqual([false, false]);
  await scheduler.pause();
  expect([await follow(both), await follow([])]).toEqual([true, true]);
  await scheduler.resume();
  await scheduler.queues.resume("reports");
  expect(await follow([])).toBe(false);
  await queue.pause();
  await scheduler.pause();
  expect(await follow([])).toBe(true);
  await scheduler.resume();
  expect(await follow([])).toBe(true);
});

test("A1 a pause outlives its deliverer, and the next one ends it", async () => {
  const { ours, another, queue } = await openEnds();
  const first = await started(memory(), [ours.deliver(sendReport)]);
  await first.queues.pause("reports");
  await eventually(() => queue.isPaused()).toBe(true);
  await first.stop();
  await started(memory(), [another().deliver(sendReport)]);
  await eventually(() => queue.isPaused()).toBe(false);
});

test("A1 cancelling takes a waiting job out of BullMQ", async () => {
  const { ours, queue } = await openEnds();
  const scheduler = await started(memory(), [ours.deliver(sendReport)]);
  const { id } = await scheduler.enqueue(sendReport, account);
  await eventually(() => queue.getPrioritizedCount()).toBe(1);
  await scheduler.jobs.cancel(id);
  expect(await ended(scheduler, id)).toMatchObject({ state: "cancelled" });
  expect(await queue.getJob(`punctual-${id}`)).toBeUndefined();
});

test("A1 cancelling while our worker runs it aborts its signal; the job has no further attempt", async () => {
  const { ours, another, queue } = await openEnds();
  const scheduler = await started(memory(), [ours.deliver(sendReport)]);
  let reason: unknown;
  let runs = 0;
  await another().work([
    handle(sendReport, (_input, ctx) => {
      runs++;
      return new Promise((_, reject) => {
        ctx.signal.addEventListener("abort", () => {
          reason = ctx.signal.reason;
          reject(ctx.signal.reason);
        });
      });
    }),
  ]);
  const { id } = await scheduler.enqueue(sendReport, account);
  await eventually(() => runs).toBe(1);
  await scheduler.jobs.cancel(id);
  expect(await ended(scheduler, id)).toMatchObject({ state: "cancelled" });
  expect(reason).toMatchObject({ code: "ATTEMPT_CANCELLED" });
  expect(await bullmqJob(queue, id)).toMatchObject({ attemptsMade: 1 });
  expect(await queue.getJobState(`punctual-${id}`)).toBe("failed");
});

test("A1 cancelling while another's worker runs it: an attempt that succeeds counts, one that fails is the last", async () => {
  const { ours, queue, worker } = await openEnds();
  const retried = task<string>("retried", { queue: "q", retry: { backoff: { type: "fixed", delay: 10 } } });
  const scheduler = await started(memory(), [ours.deliver(retried)]);
  let end: () => void = () => {};
  const gate = new Promise<void>((resolve) => {
    end = resolve;
  });
  let runs = 0;
  worker(
    async (job) => {
      runs++;
      await gate;
      if (job.data === "fails") throw new Error("at last");
      return "done all the same";
    },
    { concurrency: 2 },
  );
  const good = await scheduler.enqueue(retried, "succeeds");
  const bad = await scheduler.enqueue(retried, "fails");
  await eventually(() => runs).toBe(2);
  await scheduler.jobs.cancel(good.id);
  await scheduler.jobs.cancel(bad.id);
  // BullMQ's worker does not hear of it, and has the job in its hands.
  expect(await queue.getActiveCount()).toBe(2);
  end();
  expect(await ended(scheduler, good.id)).toMatchObject({ state: "completed", output: "done all the same" });
  expect(await ended(scheduler, bad.id)).toMatchObject({ state: "cancelled" });
});

test("J8 a timeout of the task bounds the whole delivery, and takes out what BullMQ has not begun", async () => {
  const { ours, queue } = await openEnds();
  const slow = task<null>("slow", { queue: "slow", timeout: 300 });
  const scheduler = await started(memory(), [ours.deliver(slow)]);
  const { id } = await scheduler.enqueue(slow, null);
  expect(await ended(scheduler, id)).toMatchObject({ state: "failed", attempts: [{ outcome: "timed-out" }] });
  await eventually(() => queue.getJob(`punctual-${id}`)).toBeUndefined();
});

test("J9 a deliverer that stops gives its jobs back, and the next one finds them at BullMQ", async () => {
  const { ours, another, queue, worker } = await openEnds();
  const store = memory();
  const first = await started(store, [ours.deliver(sendReport)]);
  const { id } = await first.enqueue(sendReport, account);
  await eventually(() => queue.getPrioritizedCount()).toBe(1);
  await ours.close();
  await eventually(async () => (await first.jobs.get(id))?.attempts.at(-1)?.outcome).toBe("deferred");
  first.handle(another().deliver(sendReport));
  let runs = 0;
  worker(async () => ++runs);
  expect(await ended(first, id)).toMatchObject({ state: "completed", output: 1, failures: 0 });
});

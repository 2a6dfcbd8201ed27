// The working end: our tasks as BullMQ's worker, for jobs that Punctual delivered and for those of any other producer.
import { expect, onTestFinished, test, vi } from "vitest";
import { z } from "zod";
import { memory } from "../../src/engines/memory/index.ts";
import { type Context, createScheduler, handle, PermanentError, RetryAt, task } from "../../src/index.ts";
import { bullmqJob, ended, eventually, openEnds, started } from "./stage.ts";

vi.setConfig({ testTimeout: 60_000 });

test("A15 both ends are ours: context, progress, log and result travel between them", async () => {
  const { ours, another, queue } = await openEnds();
  const resize = task("resize", {
    queue: "pictures",
    schema: z.object({ at: z.string().transform((text) => new Date(text)) }),
  });
  const scheduler = await started(memory(), [ours.deliver(resize)]);
  const seen: Context[] = [];
  await another().work(
    [
      handle(resize, async ({ at }, ctx) => {
        seen.push(ctx);
        ctx.log(`year ${at.getUTCFullYear()}`);
        ctx.progress(0.255);
        const next = await ctx.enqueue("follow-up", { from: ctx.job.id });
        return { next: next.id, attempt: ctx.attempt, failures: ctx.failures };
      }),
    ],
    { scheduler },
  );
  const input = { at: "2026-05-01T00:00:00.000Z" };
  const { id } = await scheduler.enqueue(resize, input, {
    tenant: "acme",
    priority: "high",
    metadata: { tags: [], by: "me" },
    key: "one",
  });
  const job = await ended(scheduler, id);
  expect(job).toMatchObject({ state: "completed", output: { attempt: 1, failures: 0 }, progress: 0.255 });
  const { next } = job.output as { readonly next: string };
  expect(await scheduler.tenant("acme").jobs.get(next)).toMatchObject({ task: "follow-up", input: { from: id } });
  expect(seen[0]?.job).toMatchObject({
    id,
    tenant: "acme",
    queue: "pictures",
    task: "resize",
    input,
    priority: 2,
    key: "one",
  });
  expect(seen[0]?.job.metadata).toEqual({ tags: [], by: "me" });
  expect(seen[0]?.tenant).toBe("acme");
  expect((await queue.getJobLogs(`punctual-${id}`)).logs).toEqual(["year 2026"]);
  expect((await bullmqJob(queue, id)).progress).toBe(25.5);
});

test("A4 the task's own curve holds for our worker, also one that BullMQ does not have, and for jobs of other producers", async () => {
  const { ours, queue } = await openEnds();
  const startedAt = new Map<string, number[]>();
  const flaky = (name: string, retry: NonNullable<Parameters<typeof task>[1]>["retry"]) =>
    handle(task(name, { retry: retry ?? {} }), () => {
      startedAt.set(name, [...(startedAt.get(name) ?? []), performance.now()]);
      throw new Error("again");
    });
  await ours.work(
    [
      flaky("linear", { attempts: 4, backoff: { type: "linear", delay: 60 } }),
      flaky("function", { attempts: 5, backoff: ({ failures }) => (failures === 3 ? false : 40) }),
      flaky("single", { attempts: 3, backoff: { type: "fixed", delay: 10 } }),
    ],
    { concurrency: 3 },
  );
  const jobs = [
    await queue.add("linear", null),
    await queue.add("function", null),
    await queue.add("single", null, { attempts: 2, backoff: 50 }),
  ];
  for (const job of jobs) await eventually(() => job.getState()).toBe("failed");
  const gaps = (name: string) => {
    const times = startedAt.get(name) ?? [];
    return times.slice(1).map((time, index) => time - (times[index] ?? 0));
  };
  expect([gaps("linear").length, gaps("function").length, gaps("single").length]).toEqual([3, 2, 1]);
  for (const [index, gap] of gaps("linear").entries()) expect(gap).toBeGreaterThanOrEqual(60 * (index + 1) - 5);
  // The job's own word goes before the task's.
  expect(gaps("single")[0]).toBeGreaterThanOrEqual(45);
});

test("A15 thrown verdicts are BullMQ's: PermanentError ends the job, RetryAt puts it off and counts no attempt", async () => {
  const { ours, queue } = await openEnds();
  let calls = 0;
  await ours.work([
    handle(task("permanent"), () => {
      throw new PermanentError("never");
    }),
    handle(task("later"), (_input, ctx) => {
      calls++;
      if (ctx.attempt === 1) throw new RetryAt(new Date(Date.now() + 50));
      return [ctx.attempt, ctx.failures];
    }),
    handle(task("strict", { schema: z.object({ n: z.number() }) }), () => "run"),
    handle(
      task("slow", { timeout: 50, retry: { attempts: 1 } }),
      (_input, ctx) =>
        new Promise((resolve) => {
          ctx.signal.addEventListener("abort", () => setTimeout(resolve, 10_000).unref());
        }),
    ),
  ]);
  const permanent = await queue.add("permanent", null, { attempts: 5 });
  const later = await queue.add("later", null);
  const strict = await queue.add("strict", { n: "1" }, { attempts: 5 });
  const slow = await queue.add("slow", null);
  for (const job of [permanent, strict, slow]) await eventually(() => job.getState()).toBe("failed");
  await eventually(() => later.getState()).toBe("completed");
  const read = async (id = "") => await queue.getJob(id);
  expect(await read(permanent.id)).toMatchObject({ attemptsMade: 1, failedReason: "never" });
  expect(await read(strict.id)).toMatchObject({ attemptsMade: 1, failedReason: expect.stringMatching(/^input\.n: /) });
  expect(await read(slow.id)).toMatchObject({ failedReason: "the attempt took longer than 50ms" });
  expect([calls, (await read(later.id))?.returnvalue]).toEqual([2, [2, 0]]);
});

test("A5 five at once by default, and as many as are asked for", async () => {
  const { ours, another, queue } = await openEnds();
  let running = 0;
  let end: () => void = () => {};
  const gate = new Promise<void>((resolve) => {
    end = resolve;
  });
  const wait = handle(task("wait"), async () => {
    running++;
    await gate;
  });
  await ours.work([wait]);
  await queue.addBulk(Array.from({ length: 12 }, () => ({ name: "wait", data: null })));
  await eventually(() => running).toBe(5);
  await another().work([wait], { concurrency: 2 });
  await eventually(() => running).toBe(7);
  expect([await queue.getActiveCount(), await queue.getWaitingCount()]).toEqual([7, 5]);
  end();
});

test("A15 a job of a task that no handler knows waits for a worker that has one", async () => {
  const errors: unknown[] = [];
  const { ours, queue } = await openEnds({ onError: (error) => void errors.push(error) });
  await ours.work([handle(task("known"), () => 0)]);
  const job = await queue.add("new-task", null);
  await eventually(() => job.getState()).toBe("delayed");
  const stored = await queue.getJob(job.id ?? "");
  expect([stored?.attemptsMade, stored?.delay]).toEqual([
    0,
    expect.toSatisfy((ms: number) => ms > 4_000 && ms <= 5_000),
  ]);
  expect(String(errors[0])).toMatch(/no handler for task "new-task"/);
});

test("A15 what only a store of ours can do is refused by name", async () => {
  const { ours, queue } = await openEnds();
  await ours.work([
    handle(task("complete", { retry: { attempts: 1 } }), (_input, ctx) => ctx.complete({})),
    handle(task("enqueue", { retry: { attempts: 1 } }), (_input, ctx) => ctx.enqueue("x", null)),
  ]);
  const complete = await queue.add("complete", null);
  const enqueue = await queue.add("enqueue", null);
  for (const job of [complete, enqueue]) await eventually(() => job.getState()).toBe("failed");
  expect((await queue.getJob(complete.id ?? ""))?.failedReason).toMatch(/BullMQ has no transactions/);
  expect((await queue.getJob(enqueue.id ?? ""))?.failedReason).toMatch(/needs a scheduler/);
  await expect(ours.work([])).rejects.toThrow(/at least one/);
});

test("A15 closing a worker waits for what runs, and after its timeout aborts it and leaves it to another", async () => {
  const { ours, another, queue } = await openEnds();
  let aborted: unknown;
  let runs = 0;
  const stubborn = handle(task("stubborn"), (_input, ctx) => {
    runs++;
    if (runs > 1) return "second";
    return new Promise((_, reject) => {
      ctx.signal.addEventListener("abort", () => {
        aborted = ctx.signal.reason;
        reject(ctx.signal.reason);
      });
    });
  });
  const first = await ours.work([stubborn], { lease: "1s" });
  const job = await queue.add("stubborn", null);
  await eventually(() => runs).toBe(1);
  await first.close({ timeout: 50 });
  expect(aborted).toMatchObject({ code: "ATTEMPT_ABORTED" });
  await another().work([stubborn], { lease: "1s" });
  await eventually(() => job.getState()).toBe("completed");
  expect(runs).toBe(2);
  await first.close();
});

test("A15 a client of the user's serves both ends and stays open", async () => {
  const { Redis } = await import("ioredis");
  const { another, connection } = await openEnds();
  const client = new Redis(connection);
  onTestFinished(() => client.disconnect());
  const ends = another({ connection: client });
  const echo = task<number>("echo", { queue: "echo" });
  const scheduler = createScheduler({ engine: memory(), handlers: [ends.deliver(echo)] });
  await scheduler.start();
  await ends.work([handle(echo, (n) => n)]);
  const { id } = await scheduler.enqueue(echo, 7);
  expect((await ended(scheduler, id)).output).toBe(7);
  await scheduler.stop();
  await ends.close();
  expect(await client.ping()).toBe("PONG");
});

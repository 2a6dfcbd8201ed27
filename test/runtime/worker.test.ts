// The worker role: what it claims, how much at once, and which handler runs.
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { memory } from "../../src/engines/memory/index.ts";
import { type Context, handle, InputRefusedError, task } from "../../src/index.ts";
import { VirtualClock } from "../../src/testing/index.ts";
import { gate, rejection, rig, secondMs } from "./rig.ts";

const mail = task<number>("mail");

function many(count: number) {
  return Array.from({ length: count }, (_, n) => ({ task: mail, input: n }));
}

describe("slots", () => {
  test("A5 five jobs run at once by default, each slot is filled again at once", async () => {
    const gates = Array.from({ length: 12 }, gate);
    const started: number[] = [];
    const { scheduler, clock, start } = rig({
      handlers: [
        handle(mail, (n) => {
          started.push(n);
          return gates[n]?.promise;
        }),
      ],
    });
    await start("worker");
    await scheduler.enqueueMany(many(12));
    await clock.settle();
    expect(started).toEqual([0, 1, 2, 3, 4]);
    gates[3]?.open();
    await clock.settle();
    expect(started).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test("A5 concurrency is an option", async () => {
    const started: number[] = [];
    const { scheduler, clock, start } = rig({
      worker: { concurrency: 2 },
      handlers: [handle(mail, (n) => new Promise(() => started.push(n)))],
    });
    await start("worker");
    await scheduler.enqueueMany(many(9));
    await clock.advance(5 * secondMs);
    expect(started).toEqual([0, 1]);
  });

  test("J5 critical jobs start before low ones, then by due time, then by insertion", async () => {
    const started: string[] = [];
    const named = task<string>("mail");
    const { scheduler, clock, start } = rig({
      worker: { concurrency: 1 },
      handlers: [handle(named, (name) => started.push(name))],
    });
    await scheduler.enqueue(named, "low", { priority: "low" });
    await scheduler.enqueue(named, "later", { delay: "1s" });
    await scheduler.enqueue(named, "normal-1");
    await scheduler.enqueue(named, "normal-2", { priority: 5 });
    await scheduler.enqueue(named, "high", { priority: "high" });
    await scheduler.enqueue(named, "critical", { priority: "critical" });
    await clock.advance(2 * secondMs);
    await start("worker");
    expect(started).toEqual(["critical", "high", "normal-1", "normal-2", "later", "low"]);
  });

  test("T6 a due job starts on an idle worker without any wait", async () => {
    const startedAt: number[] = [];
    const { scheduler, clock, start } = rig({ handlers: [handle(mail, () => startedAt.push(clock.monotonic()))] });
    await start();
    await clock.advance(10_300);
    await scheduler.enqueue(mail, 1);
    await clock.settle();
    expect(startedAt).toEqual([10_300]);
  });

  test("T6 a timer starts at its very instant, whether inside or beyond the horizon", async () => {
    const delays: number[] = [];
    const { scheduler, clock, start } = rig({ handlers: [handle(mail, (_, { delayMs }) => delays.push(delayMs))] });
    await start();
    for (const delay of [1, 500, 999, 1_000, 1_001, 7_777, "1m"]) await scheduler.enqueue(mail, 1, { delay });
    await clock.advance(61 * secondMs);
    expect(delays).toEqual([0, 0, 0, 0, 0, 0, 0]);
  });

  test("T6 without any signal a due job is found within the poll horizon", async () => {
    const startedAt: number[] = [];
    const { scheduler, clock, faulty, start } = rig({
      handlers: [handle(mail, () => startedAt.push(clock.monotonic()))],
    });
    faulty.on("watch", async () => async () => {});
    await start();
    await clock.advance(10_300);
    await scheduler.enqueue(mail, 1);
    await clock.advance(secondMs);
    expect(startedAt).toEqual([11_000]);
  });

  test("S12 an idle worker and ticker ask the store once a second each", async () => {
    const { clock, faulty, start } = rig({ handlers: [handle(mail, () => 0)] });
    await start();
    await clock.advance(60 * secondMs);
    expect(faulty.calls("jobs.claim").length).toBeLessThanOrEqual(62);
    expect(faulty.calls("schedules.fire").length).toBeLessThanOrEqual(62);
  });
});

describe("handlers", () => {
  test("J13 the handler gets the schema's output, the store keeps the input", async () => {
    const schema = z.object({ at: z.string().transform((text) => new Date(text)) });
    const parsed: unknown[] = [];
    const timed = task("timed", { schema });
    const { scheduler, clock, start } = rig({ handlers: [handle(timed, ({ at }) => void parsed.push(at))] });
    await start("worker");
    const { id } = await scheduler.enqueue(timed, { at: "2026-01-01T00:00:00Z" });
    await clock.settle();
    expect(parsed).toEqual([new Date(Date.UTC(2026, 0, 1))]);
    expect((await scheduler.jobs.get(id))?.input).toEqual({ at: "2026-01-01T00:00:00Z" });
  });

  test("J13 an input the schema refuses is refused at enqueue, naming the place; nothing is stored", async () => {
    const counted = task("counted", { schema: z.object({ counts: z.array(z.number()) }) });
    const { scheduler } = rig();
    const error = await rejection(scheduler.enqueue(counted, { counts: [1, "2" as unknown as number] }));
    expect(error).toBeInstanceOf(InputRefusedError);
    expect(error).toMatchObject({ code: "INPUT_REFUSED", field: "input.counts.1" });
    expect((await scheduler.jobs.list()).items).toEqual([]);
  });

  test("J13 the schema of a task named by text is found through its handler", async () => {
    const counted = task("counted", { schema: z.object({ n: z.number() }) });
    const { scheduler } = rig({ handlers: [handle(counted, () => 0)] });
    expect(await rejection(scheduler.enqueue("counted", { n: "1" }))).toBeInstanceOf(InputRefusedError);
  });

  test("J13 a stored input that no longer fits the worker's schema fails its job without its handler", async () => {
    const clock = new VirtualClock();
    const engine = memory({ clock });
    const strict = task("mail", { schema: z.object({ to: z.string() }) });
    let calls = 0;
    const old = rig({ clock, engine });
    const { id } = await old.scheduler.enqueue("mail", { address: "a@b.c" });
    const fresh = rig({ clock, engine, handlers: [handle(strict, () => calls++)] });
    await fresh.start("worker");
    await clock.advance(10 * secondMs);
    expect(calls).toBe(0);
    expect(await old.scheduler.jobs.get(id)).toMatchObject({ state: "failed", endCause: "input", attempt: 1 });
  });

  test("J13 an unknown task is released with growing delay and reported, not failed", async () => {
    const { scheduler, clock, start, named } = rig({ handlers: [handle(mail, () => 0)] });
    await start("worker");
    const { id } = await scheduler.enqueue("unheard-of", null);
    const waits: number[] = [];
    for (let round = 0; round < 9; round++) {
      await clock.settle();
      const job = await scheduler.jobs.get(id);
      expect(job).toMatchObject({ state: "delayed", failures: 0, attempts: [] });
      waits.push(((job?.dueAt.getTime() ?? 0) - clock.now()) / 1_000);
      await clock.advance((waits.at(-1) ?? 0) * 1_000);
    }
    expect(waits).toEqual([5, 10, 20, 40, 80, 160, 300, 300, 300]);
    expect(named("job:unknown-task").length).toBeGreaterThanOrEqual(9);
    expect(named("job:failed")).toEqual([]);
  });

  test("J13 an unknown task runs once its handler is there", async () => {
    const { scheduler, clock, start } = rig({ handlers: [handle(mail, () => 0)] });
    await start("worker");
    const { id } = await scheduler.enqueue("unheard-of", null);
    await clock.settle();
    scheduler.handle(handle(task("unheard-of"), () => "heard"));
    await clock.advance(5 * secondMs);
    expect(await scheduler.jobs.get(id)).toMatchObject({ state: "completed", output: "heard", failures: 0 });
  });

  test("D2 the default handler takes jobs of any task name, in any queue, set before or after start", async () => {
    const ran: string[] = [];
    const { scheduler, clock, start } = rig({ handlers: [handle(mail, () => ran.push("own"))] });
    await start("worker");
    scheduler.handle(handle.default((_, { job }) => ran.push(`default ${job.task} ${job.queue}`)));
    await scheduler.enqueue("a", null);
    await scheduler.enqueue("b", null, { queue: "elsewhere" });
    await scheduler.enqueue(mail, 1);
    await clock.settle();
    expect(ran.sort()).toEqual(["default a default", "default b elsewhere", "own"]);
  });

  test("D2 the last handler of a task wins, the default one too", async () => {
    const ran: string[] = [];
    const { scheduler, clock, start } = rig({
      handlers: [handle(mail, () => ran.push("mail 1")), handle.default(() => ran.push("default 1"))],
    });
    await start("worker");
    scheduler.handle(
      handle(mail, () => ran.push("mail 2")),
      handle.default(() => ran.push("default 2")),
    );
    await scheduler.enqueue(mail, 1);
    await scheduler.enqueue("other", null);
    await clock.settle();
    expect(ran.sort()).toEqual(["default 2", "mail 2"]);
  });

  test("J13 a worker leaves queues alone that are none of its tasks'", async () => {
    const { scheduler, clock, start } = rig({ handlers: [handle(mail, () => 0)] });
    await start("worker");
    const { id } = await scheduler.enqueue(mail, 1, { queue: "other" });
    await clock.advance(5 * secondMs);
    expect((await scheduler.jobs.get(id))?.state).toBe("waiting");
  });

  test("J13 worker.queues names the only queues a worker looks at", async () => {
    const { scheduler, clock, start } = rig({ handlers: [handle(mail, () => 0)], worker: { queues: ["other"] } });
    await start("worker");
    const other = await scheduler.enqueue(mail, 1, { queue: "other" });
    const usual = await scheduler.enqueue(mail, 1);
    await clock.advance(5 * secondMs);
    expect((await scheduler.jobs.get(other.id))?.state).toBe("completed");
    expect((await scheduler.jobs.get(usual.id))?.state).toBe("waiting");
  });

  test("J10 a task with retention 0 keeps no completed job, and its totals still count", async () => {
    const brief = task("brief", { retention: { completed: 0 } });
    const { scheduler, clock, start, named } = rig({ handlers: [handle(brief, () => 0)] });
    await start("worker");
    const { id } = await scheduler.enqueue(brief, null);
    await clock.settle();
    expect(await scheduler.jobs.get(id)).toBeUndefined();
    expect(named("job:completed")).toHaveLength(1);
    expect(await scheduler.stats()).toMatchObject({ completed: 0, totals: { completed: 1 } });
  });

  test("J10 the janitor removes completed jobs a day old", async () => {
    const { scheduler, clock, start, stop } = rig({ handlers: [handle(mail, () => 0)] });
    await start("worker");
    const { id } = await scheduler.enqueue(mail, 1);
    await clock.settle();
    await stop();
    await clock.advance(24 * 3_600_000 - 300_000);
    await start("janitor");
    await clock.advance(120_000);
    expect((await scheduler.jobs.get(id))?.state).toBe("completed");
    await clock.advance(300_000);
    expect(await scheduler.jobs.get(id)).toBeUndefined();
  });
});

describe("context", () => {
  test("D6 the handler sees its job, instants, delay and tenant", async () => {
    const seen: Context[] = [];
    const { scheduler, clock, start } = rig({ handlers: [handle(mail, (_, context) => void seen.push(context))] });
    const { id } = await scheduler.enqueue(mail, 1, { tenant: "acme", delay: "1s", metadata: { by: "test" } });
    await clock.advance(4 * secondMs);
    await start("worker");
    const [context] = seen;
    expect(context).toMatchObject({ attempt: 1, failures: 0, tenant: "acme", delayMs: 3_000 });
    expect(context?.scheduledAt).toEqual(new Date(clock.now() - 3_000));
    expect(context?.startedAt).toEqual(new Date(clock.now()));
    expect(context?.job).toMatchObject({ id, input: 1, state: "active", metadata: { by: "test" } });
    expect([context?.schedule, context?.tick]).toEqual([undefined, undefined]);
  });

  test("D6 ctx.enqueue makes jobs of the same tenant, and of no other", async () => {
    const refused: unknown[] = [];
    const { scheduler, clock, start } = rig({
      handlers: [
        handle(mail, async (_, { enqueue }) => {
          await enqueue("next", null, { delay: "1h" });
          const options = { tenant: "other" } as object;
          refused.push(await rejection(enqueue("next", null, options)));
        }),
      ],
    });
    await start("worker");
    await scheduler.enqueue(mail, 1, { tenant: "acme" });
    await clock.settle();
    expect((await scheduler.jobs.list({ task: "next" })).items.map(({ tenant }) => tenant)).toEqual(["acme"]);
    expect(refused).toMatchObject([{ code: "INVALID_INPUT", field: "tenant" }]);
  });

  test("J1 ctx.complete on an engine without transactions is a typed error", async () => {
    const errors: unknown[] = [];
    const { scheduler, clock, start } = rig({
      handlers: [handle(mail, async (_, { complete }) => void errors.push(await rejection(complete({}))))],
    });
    await start("worker");
    const { id } = await scheduler.enqueue(mail, 1);
    await clock.settle();
    expect(errors).toMatchObject([{ code: "TRANSACTIONS_UNSUPPORTED" }]);
    expect((await scheduler.jobs.get(id))?.state).toBe("completed");
  });

  test("J7 log lines and progress travel with the settlement; progress outside 0 to 1 is refused", async () => {
    const { scheduler, clock, start } = rig({
      handlers: [
        handle(mail, (_, context) => {
          context.log("one");
          context.log("x".repeat(10_000));
          context.progress(0.5);
          for (const bad of [-0.1, 1.1, Number.NaN]) expect(() => context.progress(bad)).toThrow("progress");
        }),
      ],
    });
    await start("worker");
    const { id } = await scheduler.enqueue(mail, 1);
    await clock.settle();
    const job = await scheduler.jobs.get(id);
    expect(job).toMatchObject({ state: "completed", progress: 0.5 });
    expect(job?.log.map(({ text }) => text.length)).toEqual([3, 2_048]);
  });
});

// Who runs jobs: nobody but the test in manual mode, the enqueue itself in inline mode.
import { describe, expect, it } from "vitest";
import { memory } from "../../src/engines/memory/index.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { createScheduler, every, handle, NoHandlerError, scheduleSource, task } from "../../src/index.ts";
import { testScheduler, testSchedulerOn } from "../../src/testing/index.ts";

const greet = task<{ name: string }>("greet");
const later = task<{ name: string }>("later");
const loop = task("loop");

describe("manual mode", () => {
  const handlers = [
    handle(greet, async ({ name }, ctx) => {
      await ctx.enqueue(later, { name });
      return `hello ${name}`;
    }),
    handle(later, ({ name }) => `later, ${name}`),
    handle(loop, (_, ctx) => ctx.enqueue(loop, {})),
  ];

  it("runs nothing by itself, and one job after another when it is told to", async () => {
    await using t = await testScheduler({ mode: "manual", handlers });
    await t.enqueue(greet, { name: "Ada" });
    await t.enqueue(greet, { name: "Bob" });
    await t.clock.advance("1m");
    await t.expectEnqueued(greet, { state: "waiting", count: 2 });
    expect(await t.runNext()).toMatchObject({ task: "greet", state: "completed", output: "hello Ada" });
    await t.expectEnqueued(greet, { state: "waiting", count: 1 });
    expect((await t.drain()).map(({ output }) => output)).toEqual(["hello Bob", "later, Ada", "later, Bob"]);
    expect(await t.runNext()).toBeUndefined();
  });

  it("fires ticks as time moves, and leaves their jobs to the test", async () => {
    await using t = await testScheduler({ mode: "manual", handlers });
    await t.schedules.create("s", { task: later, input: { name: "tick" }, when: every("10s") });
    await t.clock.advance("10s");
    await t.expectTick("s", { count: 1 });
    expect(await t.drain()).toMatchObject([{ schedule: { id: "s" }, output: "later, tick" }]);
  });

  it("says so when draining would never end", async () => {
    await using t = await testScheduler({ mode: "manual", handlers });
    await t.enqueue(loop, {});
    await expect(t.drain({ max: 20 })).rejects.toThrow(/drain ran 20 jobs and more are due.*loop, loop/);
  });

  it("runs one job by its id, before its time, out of turn and again after it has failed", async () => {
    let fails = true;
    const flaky = task("flaky", { retry: { attempts: 1 } });
    await using t = await testScheduler({
      mode: "manual",
      handlers: [
        ...handlers,
        handle(flaky, () => {
          if (fails) throw new Error("no");
        }),
      ],
    });
    await t.enqueue(later, { name: "first" });
    const { id } = await t.enqueue(later, { name: "second" }, { delay: "1h", priority: "low" });
    expect(await t.run(id)).toMatchObject({ state: "completed", output: "later, second" });
    expect(await t.jobsOf(later, { state: "waiting" })).toMatchObject([{ input: { name: "first" }, attempt: 0 }]);
    await expect(t.run(id)).rejects.toMatchObject({ code: "STATE_CONFLICT" });
    await expect(t.run("0195b1d8-0000-7000-8000-000000000000")).rejects.toMatchObject({ code: "NOT_FOUND" });

    const failing = await t.enqueue(flaky, {});
    expect(await t.run(failing.id)).toMatchObject({ state: "failed", reason: "no" });
    fails = false;
    expect(await t.run(failing.id)).toMatchObject({ state: "completed" });

    await t.queues.pause("default");
    const paused = await t.enqueue(later, { name: "paused" });
    expect(await t.runNext()).toBeUndefined();
    expect(await t.run(paused.id)).toMatchObject({ output: "later, paused" });
    const unheard = await t.enqueue("unheard-of", {});
    await expect(t.run(unheard.id)).rejects.toMatchObject({ code: "NO_HANDLER" });
  });

  it("moves the clock on while the handler that it runs sleeps", async () => {
    const sleepy = task("sleepy");
    await using t = await testScheduler({
      mode: "manual",
      handlers: [handle(sleepy, () => t.clock.sleep("5s").then(() => t.clock.monotonic()))],
    });
    await t.enqueue(sleepy, {});
    expect(await t.runNext()).toMatchObject({ state: "completed", output: 5_000 });
  });

  it("is what running by hand needs", async () => {
    await using t = await testScheduler({ handlers });
    await expect(t.runNext()).rejects.toThrow(/runNext needs testScheduler\(\{ mode: "manual" \}\)/);
    await expect(t.drain()).rejects.toThrow(/mode auto/);
    await expect(t.run("x")).rejects.toMatchObject({ code: "INVALID_INPUT" });
  });

  it("needs handlers to run anything", async () => {
    await using t = await testScheduler({ mode: "manual" });
    await t.enqueue(greet, { name: "Ada" });
    await expect(t.runNext()).rejects.toMatchObject({ code: "NO_HANDLER", message: /runNext needs a worker/ });
    await expect(t.drain()).rejects.toThrow(/drain needs a worker, and there is none: testScheduler got no handlers/);
  });

  it("works over SQLite too", async () => {
    await using t = await testSchedulerOn((clock) => sqlite(":memory:", { clock }), { mode: "manual", handlers });
    await t.enqueue(greet, { name: "Ada" });
    expect((await t.drain()).map(({ output }) => output)).toEqual(["hello Ada", "later, Ada"]);
  });
});

describe("inline mode", () => {
  const refused = new Error("refused");
  const refuse = task("refuse", { retry: { attempts: 2, backoff: { type: "fixed", delay: "10s" } } });
  const ran: string[] = [];
  const handlers = [
    handle(greet, async ({ name }, ctx) => {
      ran.push(name);
      if (name !== "last") await ctx.enqueue(greet, { name: "last" });
      return `hello ${name}`;
    }),
    handle(refuse, () => {
      throw refused;
    }),
  ];

  it("has run what is due before the enqueue resolves, and what that enqueued", async () => {
    await using t = await testScheduler({ mode: "inline", handlers });
    await t.enqueue(greet, { name: "first" });
    expect(ran).toEqual(["first", "last"]);
    await t.expectCompleted(greet, { count: 2 });
    await t.tenant("acme").enqueue(greet, { name: "last" });
    await t.expectCompleted(greet, { tenant: "acme" });
    await t.scheduler.jobs.enqueueMany([{ task: greet, input: { name: "last" } }]);
    await t.timers.put(greet, { name: "last" }, { key: "k" });
    await t.expectCompleted(greet, { count: 5 });
  });

  it("leaves what is due later to the clock", async () => {
    await using t = await testScheduler({ mode: "inline", handlers });
    await t.enqueue(greet, { name: "last" }, { delay: "10s" });
    await t.expectEnqueued(greet, { state: "delayed" });
    await t.clock.advance("10s");
    await t.expectCompleted(greet);
  });

  it("rejects with the handler's own error; the job is retried by its policy as the clock moves", async () => {
    await using t = await testScheduler({ mode: "inline", handlers });
    await expect(t.enqueue(refuse, {})).rejects.toBe(refused);
    await t.expectEnqueued(refuse, { state: "delayed", dueIn: "10s", reason: "refused" });
    await t.clock.advance("10s");
    await t.expectFailed(refuse, { attempt: 2 });
  });

  it("rejects with a timeout's own error, whatever the handler makes of it", async () => {
    const slow = task<boolean>("slow", { timeout: "1m", retry: { attempts: 1 } });
    const sleeps = handle(slow, (heeds, ctx) => t.clock.sleep("2m", ...(heeds ? [ctx.signal] : [])));
    await using t = await testScheduler({ mode: "inline", handlers: [sleeps] });
    await expect(t.enqueue(slow, true)).rejects.toMatchObject({ code: "ATTEMPT_TIMEOUT" });
    await expect(t.enqueue(slow, false)).rejects.toMatchObject({ code: "ATTEMPT_TIMEOUT", message: /longer than 1m/ });
  });

  it("refuses a task that has no handler", async () => {
    await using t = await testScheduler({ mode: "inline", handlers });
    await expect(t.enqueue("unheard-of", {})).rejects.toBeInstanceOf(NoHandlerError);
  });
});

describe("a test without handlers", () => {
  it("looks at what was enqueued", async () => {
    await using t = await testScheduler();
    await t.enqueue(greet, { name: "Ada" }, { delay: "5s" });
    await t.clock.advance("10s");
    await t.expectEnqueued(greet, { state: "waiting" });
  });
});

describe("the options of testScheduler", () => {
  it("are refused when they are wrong", async () => {
    const wrong = (options: object) => testScheduler(options as never);
    await expect(wrong({ mode: "magic" })).rejects.toThrow(/mode must be auto, inline or manual/);
    await expect(wrong({ clock: {} })).rejects.toThrow(/clock is not an option/);
    await expect(wrong({ seed: 0.5 })).rejects.toThrow(/seed must be a whole number/);
    await expect(wrong({ timezone: "Mars/Olympus" })).rejects.toMatchObject({ code: "INVALID_TIME_ZONE" });
    await expect(wrong({ handlers: [1] })).rejects.toThrow(/handlers\[0\]/);
    await expect(wrong({ worker: 5 })).rejects.toThrow(/worker must be an object/);
    await expect(wrong({ startAt: "yesterday" })).rejects.toThrow(/startAt must be/);
    await expect(testSchedulerOn(memory() as never)).rejects.toThrow(/engine must be a function of the clock/);
    expect(() => createScheduler({ mode: "auto" } as never)).toThrow(/mode is not an option/);
  });
});

describe("sources", () => {
  it("are loaded before the test goes on, and again as the clock moves", async () => {
    const rows = [{ id: 1, name: "Ada" }];
    const source = scheduleSource<{ id: number; name: string }>({
      name: "greetings",
      load: () => rows,
      toSchedule: ({ name }) => ({ task: greet, input: { name }, when: every("10s") }),
    });
    const greeted: string[] = [];
    await using t = await testScheduler({
      handlers: [handle(greet, ({ name }) => greeted.push(name))],
      sources: [source],
    });
    await t.clock.advance("10s");
    expect(greeted).toEqual(["Ada"]);
    rows[0] = { id: 1, name: "Bob" };
    await t.clock.advance("2m");
    expect(greeted.at(-1)).toBe("Bob");
    expect((await t.schedules.list()).items.map(({ id }) => id)).toEqual(["greetings/1"]);
  });
});

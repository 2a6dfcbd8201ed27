// Failures on demand: handlers that fail or dawdle, workers that die, stores that go away or mumble.
import { describe, expect, it } from "vitest";
import { handle, hasCode, task } from "../../src/index.ts";
import { testScheduler } from "../../src/testing/index.ts";

const work = task<{ n?: number }>("work", { retry: { attempts: 3, backoff: { type: "fixed", delay: "10s" } } });

describe("failures on demand", () => {
  it("make attempts fail before their handler is called", async () => {
    let calls = 0;
    await using t = await testScheduler({ handlers: [handle(work, () => ++calls)] });
    t.fail(work, { times: 2 });
    await t.enqueue(work, {});
    await t.settle();
    await t.expectEnqueued(work, { state: "delayed", reason: "the test made it fail" });
    await t.clock.advance("20s");
    await t.expectCompleted(work, { attempt: 3, output: 1 });
  });

  it("may befall one job only, later, with an error of the test's own", async () => {
    await using t = await testScheduler({ handlers: [handle(work, () => "done")] });
    const first = await t.enqueue(work, { n: 1 }, { delay: "1s" });
    await t.enqueue(work, { n: 2 }, { delay: "1s" });
    t.fail(first.id, { error: new RangeError("just so") });
    t.fail("work", { after: 2, times: 1 });
    await t.clock.advance("1s");
    await t.expectEnqueued(work, { input: { n: 1 }, state: "delayed", reason: "just so" });
    await t.expectCompleted(work, { input: { n: 2 } });
    await t.clock.advance("30s");
    await t.expectCompleted(work, { input: { n: 1 }, attempt: 3 });
    expect(() => t.fail(work, { times: -1 })).toThrow(/times must be a whole number/);
  });

  it("befall nothing that nobody handles", async () => {
    await using t = await testScheduler({ handlers: [handle(work, () => "done")] });
    expect(() => t.fail("wrok")).toThrow(
      /^target wrok is no job's id, and no handler takes such a task; there are work$/,
    );
    expect(() => t.slow(task("wrok"), "1h")).toThrow(/target wrok/);
    t.fail("0195b1d8-0000-7000-8000-000000000000");
    t.scheduler.handle(handle(task("wrok"), () => "done"));
    t.fail("wrok");
    await using all = await testScheduler({ handlers: [handle.default(() => "done")] });
    all.fail("whatever");
  });

  it("make handlers slow, into their timeouts", async () => {
    const quick = task("quick", { timeout: "10s", retry: { attempts: 2, backoff: { type: "fixed", delay: "1s" } } });
    let calls = 0;
    await using t = await testScheduler({ handlers: [handle(quick, () => ++calls)] });
    t.slow(quick, "1h");
    await t.enqueue(quick, {});
    await t.clock.advance("12s");
    const job = await t.expectCompleted(quick, { attempt: 2 });
    expect(job.attempts[0]?.outcome).toBe("timed-out");
    expect(calls).toBe(1);
  });

  it("a worker that dies leaves its jobs to be run again when their leases end", async () => {
    const begun: number[] = [];
    const ended: number[] = [];
    await using t = await testScheduler({
      worker: { concurrency: 2 },
      handlers: [
        handle(work, async ({ n = 0 }) => {
          begun.push(n);
          await t.clock.sleep("10s");
          ended.push(n);
          return t.clock.monotonic();
        }),
      ],
    });
    for (const n of [1, 2]) await t.enqueue(work, { n });
    await t.clock.advance("5s");
    expect(begun).toEqual([1, 2]);
    t.crash();
    await t.enqueue(work, { n: 3 });
    await t.clock.advance("15s");
    expect(begun, "another worker takes what is free").toEqual([1, 2, 3]);
    expect(ended, "the dead do not go on").toEqual([3]);
    await t.expectEnqueued(work, { state: "active", count: 2 });
    await t.clock.advance("1m");
    await t.expectCompleted(work, { count: 3 });
    const [first] = await t.jobsOf(work, { input: { n: 1 } });
    expect(first?.attempts.map(({ outcome }) => outcome)).toEqual(["lost", "completed"]);
    expect(ended.toSorted()).toEqual([1, 2, 3]);
  });

  it("a store that is down refuses every call, and work goes on when it is back", async () => {
    await using t = await testScheduler({ handlers: [handle(work, () => t.clock.monotonic())] });
    await t.enqueue(work, { n: 1 }, { delay: "10s" });
    t.storeDown("30s");
    const refusal = await t.enqueue(work, { n: 2 }).catch((error: unknown) => error);
    expect(hasCode(refusal, "NOT_WRITTEN")).toBe(true);
    await t.clock.advance("29s");
    await t.expectEnqueued(work, { state: "waiting", count: 1 });
    await t.clock.advance("1m");
    const { output } = await t.expectCompleted(work);
    expect(output).toBeGreaterThanOrEqual(30_000);
  });

  it("answers that are lost do not make work be done twice", async () => {
    let calls = 0;
    await using t = await testScheduler({ handlers: [handle(work, () => ++calls)] });
    t.dropAnswers("5s");
    const refused = t.enqueue(work, {}).catch((error: unknown) => error);
    await t.clock.advance("10s");
    const refusal = await refused;
    expect(hasCode(refusal, "OUTCOME_UNKNOWN")).toBe(true);
    await t.clock.advance("1m");
    await t.expectCompleted(work, { count: 1 });
    expect(calls).toBe(1);
  });

  it("a process that is down for a while catches up, and gives back what it was doing", async () => {
    const ran: number[] = [];
    await using t = await testScheduler({
      handlers: [
        handle(work, async ({ n = 0 }, ctx) => {
          await t.clock.sleep("10s", ctx.signal);
          ran.push(n);
        }),
      ],
    });
    await t.enqueue(work, { n: 1 });
    await t.enqueue(work, { n: 2 }, { delay: "30s" });
    await t.clock.advance("5s");
    await t.restart({ downFor: "1m" });
    expect(ran).toEqual([]);
    await t.clock.advance("10s");
    expect(ran.toSorted()).toEqual([1, 2]);
    const [first] = await t.jobsOf(work, { input: { n: 1 } });
    expect(first?.attempts.map(({ outcome }) => outcome)).toEqual(["released", "completed"]);
  });

  it("end with the test: stopping takes no time and waits for nobody", async () => {
    const t = await testScheduler({ handlers: [handle(work, () => new Promise(() => {}))], ioWait: 1 });
    await t.enqueue(work, {});
    await t.settle();
    t.storeDown("1d");
    await t.stop();
    await t.stop();
    await expect(t.enqueue(work, {})).rejects.toMatchObject({ code: "STOPPED" });
  });
});

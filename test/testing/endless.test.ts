// Handlers that make work for ever at one instant: the test is told, and its runner's own timers go on running.
import { describe, expect, it } from "vitest";
import { handle, RetryAt, task } from "../../src/index.ts";
import { testScheduler, VirtualClock } from "../../src/testing/index.ts";

const chain = task<number>("chain");
const again = handle(chain, (n, ctx) => ctx.enqueue(chain, n + 1));

describe("a handler that enqueues its own task without a delay", () => {
  const told =
    /^50 jobs ran at 2026-01-01T00:00:.*\.000Z and more are due: does a handler enqueue its own task without a delay\? The last were of chain, chain, chain, chain, chain\. Raise testScheduler\(\{ jobsPerInstantMax \}\) if so many are right\.$/;

  it("ends settle and advance with what is wrong", async () => {
    await using t = await testScheduler({ handlers: [again], jobsPerInstantMax: 50 });
    await t.enqueue(chain, 1, { delay: "5s" });
    await expect(t.clock.advance("1m")).rejects.toThrow(told);
    await expect(t.settle(), "as long as it is so").rejects.toThrow(told);
    expect((await t.jobsOf(chain)).length).toBeLessThan(100);
  });

  it("ends an inline enqueue with the same", async () => {
    await using t = await testScheduler({ mode: "inline", handlers: [again], jobsPerInstantMax: 50 });
    await expect(t.enqueue(chain, 1)).rejects.toThrow(told);
  });

  it("is bounded by 10,000 unless the test says otherwise", async () => {
    let ran = 0;
    const counted = handle(chain, (n, ctx) => {
      ran++;
      return ctx.enqueue(chain, n + 1);
    });
    await using t = await testScheduler({ handlers: [counted] });
    await t.enqueue(chain, 1);
    await expect(t.settle()).rejects.toThrow(/^10000 jobs ran at/);
    expect(ran).toBe(10_000);
  }, 60_000);

  it("goes on after a restart", async () => {
    let endless = true;
    const ends = handle(chain, async (n, ctx) => {
      if (endless) await ctx.enqueue(chain, n + 1);
    });
    await using t = await testScheduler({ handlers: [ends], jobsPerInstantMax: 20 });
    await t.enqueue(chain, 1);
    await expect(t.settle()).rejects.toThrow(/20 jobs ran/);
    endless = false;
    await t.restart();
    await t.clock.advance("1m");
    expect(await t.jobsOf(chain, { state: ["waiting", "active"] })).toEqual([]);
  });

  it("may do so when time passes between, and many jobs may be due at once", async () => {
    const slowly = handle(chain, async (n, ctx) => {
      if (n < 200) await ctx.enqueue(chain, n + 1, { delay: 1 });
    });
    await using t = await testScheduler({ handlers: [slowly], jobsPerInstantMax: 50 });
    await t.enqueue(chain, 1);
    await t.clock.advance("1s");
    await t.expectCompleted(chain, { count: 200 });
    await t.enqueueMany(Array.from({ length: 50 }, () => ({ task: chain, input: 200 })));
    await t.settle();
    await t.expectCompleted(chain, { count: 250 });
  });

  it("is told apart by drain, which has a bound of its own", async () => {
    await using t = await testScheduler({ mode: "manual", handlers: [again], jobsPerInstantMax: 5 });
    await t.enqueue(chain, 1);
    await expect(t.drain({ max: 20 })).rejects.toThrow(/drain ran 20 jobs/);
  });
});

it("a job that is retried for ever at one instant is told too", async () => {
  const retried = handle(chain, () => {
    throw new RetryAt(t.clock.date());
  });
  await using t = await testScheduler({ handlers: [retried], jobsPerInstantMax: 50 });
  await t.enqueue(chain, 1);
  await expect(t.clock.advance("1s")).rejects.toThrow(/50 jobs ran at/);
});

it("real timers run while the clock settles what goes on and on", async () => {
  const clock = new VirtualClock();
  let fired = false;
  setTimeout(() => {
    fired = true;
  }, 1);
  const goOn = () => {
    if (!fired) clock.soon(goOn);
  };
  clock.soon(goOn);
  await clock.settle();
  expect(fired).toBe(true);
});

it("the bound on jobs is a whole number", async () => {
  await expect(testScheduler({ jobsPerInstantMax: 0 })).rejects.toThrow(/jobsPerInstantMax must be a whole number/);
  await expect(testScheduler({ jobsPerInstantMax: "5" as never })).rejects.toMatchObject({
    field: "jobsPerInstantMax",
  });
});

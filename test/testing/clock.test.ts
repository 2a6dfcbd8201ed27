// The kit's clock: durations and local times, handlers that sleep, time out and wait for something real.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { handle, task } from "../../src/index.ts";
import { testScheduler } from "../../src/testing/index.ts";

const work = task<{ n?: number }>("work", { retry: { attempts: 3, backoff: { type: "exponential", delay: "10s" } } });

describe("the clock of a test", () => {
  it("reads local times in the test's zone: a skipped one is the instant of the change, a repeated one the first", async () => {
    await using t = await testScheduler({ startAt: "2026-03-28T09:00", timezone: "Europe/Paris" });
    expect(t.clock.date().toISOString()).toBe("2026-03-28T08:00:00.000Z");
    expect(t.clock.date("2026-03-29T02:30").toISOString()).toBe("2026-03-29T01:00:00.000Z");
    expect(t.clock.date("2026-10-25T02:30").toISOString()).toBe("2026-10-25T00:30:00.000Z");
    expect(t.clock.date("2026-10-25").toISOString()).toBe("2026-10-24T22:00:00.000Z");
    expect(t.clock.date("2026-10-25T02:30:00+01:00").toISOString()).toBe("2026-10-25T01:30:00.000Z");
    expect(String(t.clock)).toBe("2026-03-28T08:00:00.000Z (2026-03-28T09:00 Europe/Paris), 0ms after the start");
  });

  it("refuses what is no time, a day that does not exist, and the past", async () => {
    await using t = await testScheduler({ startAt: "2026-03-28T09:00" });
    expect(() => t.clock.date("2026-02-30")).toThrow(/at must be a real date/);
    expect(() => t.clock.date("tomorrow")).toThrow(
      /^at must be a valid Date, a local time such as "2026-11-21T09:00" or a text with a zone such as "2026-11-21T09:00:00Z", got "tomorrow"/,
    );
    expect(() => t.clock.date("2026-13-01T00:00Z")).toThrow(
      expect.objectContaining({ mend: expect.not.stringContaining("stored") }),
    );
    await expect(t.clock.advanceTo("2026-03-28T08:59")).rejects.toThrow(/has passed/);
    await expect(t.clock.advance("soon")).rejects.toMatchObject({ code: "INVALID_INPUT" });
  });

  it("runs everything due on the way, in order, at its own instant", async () => {
    const ran: string[] = [];
    await using t = await testScheduler({
      handlers: [handle(work, ({ n }, ctx) => ran.push(`${n} at ${ctx.startedAt.toISOString().slice(11, 19)}`))],
    });
    await t.enqueue(work, { n: 2 }, { delay: "20s" });
    await t.enqueue(work, { n: 1 }, { delay: "10s" });
    await t.enqueue(work, { n: 0 });
    await t.clock.advance("15s");
    expect(ran).toEqual(["0 at 00:00:00", "1 at 00:00:10"]);
    await t.clock.advanceTo("2026-01-01T00:00:20Z");
    expect(ran.at(-1)).toBe("2 at 00:00:20");
  });

  it("brings retries on, with their backoff", async () => {
    const at: number[] = [];
    await using t = await testScheduler({
      handlers: [
        handle(work, (_, ctx) => {
          at.push(t.clock.monotonic());
          if (ctx.failures < 2) throw new Error("not yet");
        }),
      ],
    });
    await t.enqueue(work, {});
    await t.clock.advance("40s");
    expect(at).toEqual([0, 10_000, 30_000]);
    await t.expectCompleted(work, { attempt: 3 });
  });

  it("lets handlers sleep, and times them out", async () => {
    const patient = task("patient", { timeout: "1m", retry: { attempts: 1 } });
    await using t = await testScheduler({
      handlers: [
        handle(work, async (_, ctx) => {
          await t.clock.sleep("20s", ctx.signal);
          return "slept";
        }),
        handle(patient, async (_, ctx) => {
          await t.clock.sleep("1h", ctx.signal);
        }),
      ],
    });
    await t.enqueue(work, {});
    await t.enqueue(patient, {});
    await t.clock.advance("19s");
    await t.expectEnqueued(work, { state: "active" });
    await t.clock.advance("1s");
    await t.expectCompleted(work, { output: "slept" });
    await t.clock.advance("40s");
    await t.expectFailed(patient, { reason: /longer than 1m/ });
  });

  it("ends a sleep with the reason of the signal that aborts it", async () => {
    const charge = task("charge", { timeout: "1m", retry: { attempts: 1 } });
    const charged: number[] = [];
    await using t = await testScheduler({
      handlers: [
        handle(charge, async (_, ctx) => {
          await t.clock.sleep("2m", ctx.signal);
          charged.push(t.clock.monotonic());
        }),
        handle(work, (_, ctx) => t.clock.sleep("1h", ctx.signal)),
      ],
    });
    await t.enqueue(charge, {});
    await t.clock.advance("10m");
    await t.expectFailed(charge, { reason: "longer than 1m" });
    expect(charged).toEqual([]);

    await t.enqueue(work, {});
    await t.settle();
    await t.restart();
    const [released] = await t.jobsOf(work);
    expect(released?.attempts.map(({ outcome }) => outcome)).toEqual(["released"]);

    const [gone, going, awake] = [AbortSignal.abort(new Error("gone")), new AbortController(), new AbortController()];
    await expect(t.clock.sleep("1s", gone)).rejects.toThrow("gone");
    const sleeping = t.clock.sleep("1s", going.signal);
    going.abort();
    await expect(sleeping).rejects.toBe(going.signal.reason);
    const slept = t.clock.sleep("1s", awake.signal);
    await t.clock.advance("1s");
    awake.abort();
    await slept;
  });

  it("waits for handlers that wait for something real, and moves on without one that hangs", async () => {
    const hang = task("hang", { timeout: "30s", retry: { attempts: 1 } });
    await using t = await testScheduler({
      ioWait: "2s",
      handlers: [
        handle(work, async () => {
          for (let reads = 0; reads < 20; reads++) await readFile(fileURLToPath(import.meta.url));
          return t.clock.monotonic();
        }),
      ],
    });
    await t.enqueue(work, {}, { delay: "5s" });
    await t.clock.advance("10s");
    await t.expectCompleted(work, { output: 5_000 });

    await using impatient = await testScheduler({ ioWait: 20, handlers: [handle(hang, () => new Promise(() => {}))] });
    await impatient.enqueue(hang, {});
    await impatient.clock.advance("31s");
    await impatient.expectFailed(hang);
  });

  it("moves whatever the runner's fake timers do, and they do not move with it", async () => {
    vi.useFakeTimers();
    onTestFinished(() => {
      vi.useRealTimers();
    });
    let theirs = 0;
    setTimeout(() => theirs++, 1_000);
    await using t = await testScheduler({ handlers: [handle(work, () => t.clock.sleep("1h"))] });
    await t.enqueue(work, {});
    await t.clock.advance("1h");
    await t.expectCompleted(work);
    expect(theirs).toBe(0);
  });

  it.each(["advance", "settle", "stop", "restart"] as const)("is not for handlers to move: %s", async (verb) => {
    const byHandler = async () => {
      if (verb === "advance") await t.clock.advance("1s");
      else await t[verb]();
    };
    await using t = await testScheduler({ handlers: [handle(work, byHandler)] });
    await t.enqueue(work, {});
    await t.settle();
    const [job] = await t.jobsOf(work);
    expect(job?.reason).toBe(`${verb} is for the test: a handler waits with clock.sleep`);
  });

  it("does not move once the test's scheduler has been stopped", async () => {
    const t = await testScheduler();
    await t.restart({ downFor: "1h" });
    await t.clock.advance("1s");
    await t.stop();
    await expect(t.clock.advance("1s")).rejects.toMatchObject({ code: "STOPPED" });
    await expect(t.clock.advanceTo("2027-01-01")).rejects.toMatchObject({ code: "STOPPED" });
    await expect(t.settle()).rejects.toThrow(/this test's scheduler has been stopped/);
    await t.expectNotEnqueued(work);
  });

  it("can be jumped as a machine's wall clock, which changes nothing", async () => {
    await using t = await testScheduler({ handlers: [handle(work, () => t.clock.monotonic())] });
    await t.enqueue(work, {}, { delay: "10s" });
    t.clock.jumpWall("-3h");
    expect(t.clock.wall() - t.clock.now()).toBe(-3 * 3_600_000);
    await t.clock.advance("11s");
    await t.expectCompleted(work, { output: 10_000 });
  });

  it("gives the same ids, order and pauses in every run, others with another seed", async () => {
    const run = async (seed?: number) => {
      const jitter = task("jitter", { retry: { attempts: 2, backoff: { type: "fixed", delay: "10s", jitter: 0.5 } } });
      const throws = handle(jitter, () => {
        throw new Error("no");
      });
      await using t = await testScheduler({ handlers: [throws], ...(seed === undefined ? {} : { seed }) });
      for (let n = 0; n < 5; n++) await t.enqueue(jitter, {});
      await t.clock.advance("20s");
      return await t.jobsOf(jitter);
    };
    const first = await run();
    expect(await run()).toEqual(first);
    expect((await run(2)).map(({ id }) => id)).not.toEqual(first.map(({ id }) => id));
  });
});

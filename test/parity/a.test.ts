import { describe, expect, test } from "vitest";
import { cron, type Handler, handle, nextTicks, task } from "../../src/index.ts";
import { VirtualClock } from "../../src/testing/index.ts";
import { openOn, type Place, places } from "./stores.ts";

const secondMs = 1_000;
const minuteMs = 60_000;
const dayMs = 86_400_000;
const begin = Date.UTC(2026, 0, 1);
const mail = task<unknown>("mail");

describe.each(places)("on %s", (_name, makePlace) => {
  const open = (handlers: readonly Handler[] = [], place?: Place, clock = new VirtualClock()) =>
    openOn(place ?? makePlace(clock), clock, handlers);

  test("A3 critical, high, normal and low are 1, 2, 5 and 10, and start in that order", async () => {
    const started: unknown[] = [];
    const { scheduler, clock, start, stop } = open([handle(mail, (input) => void started.push(input))]);
    const priorities = ["low", "normal", "critical", "high"] as const;
    const ids: string[] = [];
    for (const priority of priorities) ids.push((await scheduler.enqueue(mail, priority, { priority })).id);
    const stored = await Promise.all(ids.map((id) => scheduler.jobs.get(id)));
    expect(stored.map((job) => job?.priority)).toEqual([10, 5, 1, 2]);
    await start("worker");
    await clock.settle();
    expect(started).toEqual(["critical", "high", "normal", "low"]);
    await stop();
  });

  test("A4 three attempts, 1 s and 2 s apart; a fixed delay too", async () => {
    const startedAt = new Map<string, number[]>();
    const fails = (name: string, options = {}) =>
      handle(task(name, options), () => {
        startedAt.set(name, [...(startedAt.get(name) ?? []), clock.monotonic() / secondMs]);
        throw new Error("boom");
      });
    const clock = new VirtualClock();
    const fixed = { retry: { attempts: 4, backoff: { type: "fixed", delay: "3s" } } };
    const { scheduler, start, stop, named } = open([fails("usual"), fails("fixed", fixed)], undefined, clock);
    await start("worker");
    await scheduler.enqueue("usual", null);
    await scheduler.enqueue("fixed", null);
    await clock.advance(minuteMs);
    expect(startedAt.get("usual")).toEqual([0, 1, 3]);
    expect(startedAt.get("fixed")).toEqual([0, 3, 6, 9]);
    expect(named("job:failed")).toHaveLength(2);
    await stop();
  });

  test("A5 five at once by default", async () => {
    let running = 0;
    const { scheduler, clock, start, stop } = open([
      handle(mail, () => {
        running++;
        return new Promise<void>(() => {});
      }),
    ]);
    await scheduler.enqueueMany(Array.from({ length: 20 }, (_, input) => ({ task: mail, input })));
    await start("worker");
    await clock.advance(3 * secondMs);
    expect(running).toBe(5);
    expect(await scheduler.stats()).toMatchObject({ active: 5, waiting: 15 });
    await stop();
  });

  test("A6 the last 100 completed and 1,000 failed are kept, nothing completed is older than a day", async () => {
    const failing = task("failing", { retry: { attempts: 1 } });
    const { scheduler, clock, start, stop } = open([
      handle(mail, () => 0),
      handle(failing, () => {
        throw new Error("boom");
      }),
    ]);
    await scheduler.enqueueMany(Array.from({ length: 150 }, () => ({ task: mail, input: null })));
    await scheduler.enqueueMany(Array.from({ length: 1_020 }, () => ({ task: failing, input: null })));
    await start("worker", "janitor");
    await clock.advance(3 * minuteMs);
    const kept = await scheduler.stats();
    expect(kept).toMatchObject({ completed: 100, failed: 1_000, totals: { completed: 150, failed: 1_020 } });
    await stop();
    await clock.advance(dayMs);
    await start("janitor");
    await clock.advance(3 * minuteMs);
    expect(await scheduler.stats()).toMatchObject({ completed: 0, failed: 1_000 });
    await stop();
  });

  test("A7 stats count waiting, active, completed, failed and delayed; prioritized jobs are waiting too", async () => {
    const failing = task("failing", { retry: { attempts: 1 } });
    const { scheduler, clock, start, stop } = open([
      handle(mail, (input) => (input === "long" ? new Promise<void>(() => {}) : 0)),
      handle(failing, () => {
        throw new Error("boom");
      }),
    ]);
    await start("worker");
    await scheduler.enqueue(mail, "short");
    await scheduler.enqueue(failing, null);
    await scheduler.enqueue(mail, "long");
    await clock.settle();
    await scheduler.pause();
    for (const priority of ["critical", "low"] as const) await scheduler.enqueue(mail, 1, { priority });
    await scheduler.enqueue(mail, 1, { delay: "1h", priority: "critical" });
    const counts = { waiting: 2, active: 1, completed: 1, failed: 1, delayed: 1 };
    expect(await scheduler.stats()).toMatchObject({ ...counts, paused: true });
    await stop();
  });

  test("A8 schedules are stored per user, enabled and disabled, and know their last and next run", async () => {
    const ran: string[] = [];
    const handler = handle(mail, (_, { tenant }) => void ran.push(tenant));
    const { scheduler, clock, start, stop, place } = open([handler]);
    // Two users with the same expression: both run.
    for (const user of ["user-1", "user-2"]) {
      await scheduler.tenant(user).schedules.create("report", { task: mail, when: cron("*/5 * * * *") });
    }
    await start();
    await clock.advance(5 * minuteMs + 10);
    expect(ran.sort()).toEqual(["user-1", "user-2"]);
    const first = scheduler.tenant("user-1").schedules;
    expect(await first.get("report")).toMatchObject({
      enabled: true,
      lastTick: new Date(begin + 5 * minuteMs),
      lastFiredAt: new Date(begin + 5 * minuteMs),
      nextAt: new Date(begin + 10 * minuteMs),
    });
    expect((await first.disable("report")).nextAt).toBeUndefined();
    await clock.advance(5 * minuteMs);
    expect(ran.sort()).toEqual(["user-1", "user-2", "user-2"]);
    await stop();
    // What was disabled stays so, what was removed stays away, in the next process too.
    const next = open([handler], place, clock);
    await next.scheduler.schedules.remove("report", { tenant: "user-2" });
    await next.start();
    await clock.advance(15 * minuteMs);
    expect(ran).toHaveLength(3);
    expect((await next.scheduler.schedules.list()).items.map(({ tenant, enabled }) => [tenant, enabled])).toEqual([
      ["user-1", false],
    ]);
    await next.stop();
  });
});

describe("anywhere", () => {
  test.each([
    ["* * * * *", ["2026-01-01T00:01Z", "2026-01-01T00:02Z", "2026-01-01T00:03Z"]],
    ["0 * * * *", ["2026-01-01T01:00Z", "2026-01-01T02:00Z", "2026-01-01T03:00Z"]],
    ["0 0 * * *", ["2026-01-02T00:00Z", "2026-01-03T00:00Z", "2026-01-04T00:00Z"]],
    ["0 0 * * 0", ["2026-01-04T00:00Z", "2026-01-11T00:00Z", "2026-01-18T00:00Z"]],
    ["0 9 * * 1-5", ["2026-01-01T09:00Z", "2026-01-02T09:00Z", "2026-01-05T09:00Z"]],
    ["*/15 * * * *", ["2026-01-01T00:15Z", "2026-01-01T00:30Z", "2026-01-01T00:45Z"]],
  ])("A12 %s ticks as its description says", (expression, expected) => {
    const ticks = nextTicks(cron(expression), { after: new Date(begin), count: 3 });
    expect(ticks.map((tick) => tick.toISOString().replace(":00.000Z", "Z"))).toEqual(expected);
  });
});

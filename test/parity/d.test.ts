// Acceptance: what users of system D (weedbox) have there, here. One fact per line of PARITY.md that the foundation
// keeps, on a file and in memory.
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { createScheduler, cron, every, type Handler, handle, NoHandlerError, once, task } from "../../src/index.ts";
import { VirtualClock } from "../../src/testing/index.ts";
import { rejection, rigOn } from "../runtime/rig.ts";
import { openOn, type Place, places } from "./stores.ts";

const secondMs = 1_000;
const minuteMs = 60_000;
const hourMs = 3_600_000;
const begin = Date.UTC(2026, 0, 1);
const mail = task<unknown>("mail");

describe.each(places)("on %s", (_name, makePlace) => {
  const open = (handlers: readonly Handler[] = [], place?: Place, clock = new VirtualClock()) =>
    openOn(place ?? makePlace(clock), clock, handlers);

  test("D2 a handler for every task name is set before or after start, the last wins, none is a clear error", async () => {
    const bare = open();
    expect(await rejection(bare.scheduler.start())).toBeInstanceOf(NoHandlerError);
    const ran: string[] = [];
    const every = (name: string) => handle.default((_, { job }) => void ran.push(`${name} ${job.task}`));
    const { scheduler, clock, start, stop } = open([every("first")]);
    await start();
    await scheduler.enqueue("a", null);
    await clock.settle();
    scheduler.handle(every("second"));
    await scheduler.enqueue("b", null, { queue: "elsewhere" });
    await clock.advance(secondMs);
    expect(ran).toEqual(["first a", "second b"]);
    await stop();
  });

  test("D3 ensure keeps the next tick over restarts; submit refuses what exists; get, list and remove", async () => {
    const clock = new VirtualClock();
    const ticks: number[] = [];
    const handler = handle(mail, (_, { tick }) => void ticks.push(((tick?.at.getTime() ?? 0) - begin) / minuteMs));
    const where = makePlace(clock);
    for (let boot = 0; boot < 12; boot++) {
      const { scheduler, start, stop } = open([handler], where, clock);
      await scheduler.schedules.ensure("s", { task: mail, when: every("1m") });
      await start();
      await clock.advance(20 * secondMs);
      await stop();
    }
    expect(ticks).toEqual([1, 2, 3, 4]);
    const { scheduler, stop } = open([], where, clock);
    const again = scheduler.schedules.create("s", { task: mail, when: every("1m") });
    expect(await rejection(again)).toMatchObject({ code: "ALREADY_EXISTS" });
    expect((await scheduler.schedules.list()).items.map(({ id }) => id)).toEqual(["s"]);
    expect([await scheduler.schedules.remove("s"), await scheduler.schedules.get("s")]).toEqual([true, undefined]);
    await stop();
  });

  test("D4 calls before start are kept and applied in order", async () => {
    const inputs: unknown[] = [];
    const { scheduler, clock, start, stop } = open([handle(mail, (input) => void inputs.push(input))]);
    const calls = [
      scheduler.schedules.ensure("s", { task: mail, input: "old", when: every("1m") }),
      scheduler.schedules.ensure("s", { task: mail, input: "new", when: every("1m") }),
      scheduler.enqueue(mail, "first"),
      scheduler.enqueue(mail, "second"),
    ];
    await Promise.all(calls);
    await start();
    await clock.advance(61 * secondMs);
    expect(inputs).toEqual(["first", "second", "new"]);
    await stop();
  });

  test("D5 interval, interval from a start, cron and once, where the past is now", async () => {
    const ticks = new Map<string, number[]>();
    const { scheduler, clock, start, stop } = open([
      handle(mail, (_, { schedule, tick }) => {
        const id = schedule?.id ?? "";
        ticks.set(id, [...(ticks.get(id) ?? []), ((tick?.at.getTime() ?? 0) - begin) / secondMs]);
      }),
    ]);
    const anchor = new Date(begin + 25 * secondMs);
    const rules = {
      interval: every("20s"),
      anchored: every("20s", { anchor }),
      cron: cron("*/30 * * * * *"),
      past: once(new Date(begin - 500)),
    };
    for (const [id, when] of Object.entries(rules)) await scheduler.schedules.create(id, { task: mail, when });
    await start();
    await clock.advance(minuteMs);
    expect(Object.fromEntries(ticks)).toEqual({
      interval: [20, 40, 60],
      anchored: [25, 45],
      cron: [30, 60],
      past: [-0.5],
    });
    await stop();
  });

  test("D6 the handler sees id, metadata copy, scheduled and started instants, delay and last completion", async () => {
    const seen: unknown[] = [];
    const { scheduler, clock, start, stop } = open([
      handle(mail, async (_, { job, schedule, tick, scheduledAt, startedAt, delayMs }) => {
        const last = await schedule?.lastCompletedAt();
        seen.push([schedule?.id, structuredClone(schedule?.metadata), tick?.at, scheduledAt, startedAt, delayMs, last]);
        (schedule?.metadata as { team: string }).team = `changed by ${job.id}`;
      }),
    ]);
    await scheduler.schedules.create("s", { task: mail, when: every("1m"), metadata: { team: "ops" } });
    await start("ticker");
    await clock.advance(minuteMs + 1_500);
    await stop();
    await start();
    await clock.advance(minuteMs - 1_500);
    const [first, second] = [1, 2].map((minute) => new Date(begin + minute * minuteMs));
    const startedAt = new Date(begin + minuteMs + 1_500);
    expect(seen).toEqual([
      ["s", { team: "ops" }, first, first, startedAt, 1_500, undefined],
      ["s", { team: "ops" }, second, second, second, 0, startedAt],
    ]);
    await stop();
  });

  test("D7 execution history is filtered by time and status, paged, and removed by retention", async () => {
    const brief = task<number>("brief", { retry: { attempts: 1 }, retention: { completed: "1h", failed: "1h" } });
    const { scheduler, clock, start, stop } = open([
      handle(brief, (n) => {
        if (n % 2 === 1) throw new Error("odd");
      }),
    ]);
    await start("worker");
    for (let n = 0; n < 6; n++) {
      await scheduler.enqueue(brief, n);
      await clock.advance(minuteMs);
    }
    const inputs = async (query: object) => (await scheduler.jobs.list(query)).items.map(({ input }) => input);
    expect(await inputs({ state: "failed" })).toEqual([5, 3, 1]);
    expect(await inputs({ state: ["completed", "failed"], limit: 4 })).toEqual([5, 4, 3, 2]);
    const { next = "" } = await scheduler.jobs.list({ limit: 4 });
    expect(await inputs({ limit: 4, cursor: next })).toEqual([1, 0]);
    const from = new Date(begin + 2 * minuteMs);
    expect(await inputs({ dueFrom: from, dueBefore: new Date(begin + 4 * minuteMs) })).toEqual([3, 2]);
    const [last] = (await scheduler.jobs.list({ state: "failed", limit: 1 })).items;
    expect(last?.attempts).toMatchObject([{ outcome: "failed", startedAt: last?.dueAt, error: { message: "odd" } }]);
    await stop();
    await clock.advance(2 * hourMs);
    await start("janitor");
    await clock.advance(2 * minuteMs);
    expect(await inputs({})).toEqual([]);
    await stop();
  });

  test("D9 a graceful stop waits for what runs, and start/stop cycles work", async () => {
    const clock = new VirtualClock();
    const done: unknown[] = [];
    const slow = handle(mail, async (input) => {
      await new Promise<void>((resolve) => clock.after(5_000, resolve));
      done.push(input);
    });
    const { scheduler, start } = open([slow], undefined, clock);
    for (let cycle = 1; cycle <= 3; cycle++) {
      await start();
      await scheduler.enqueue(mail, cycle);
      await clock.advance(secondMs);
      const stopped = scheduler.stop({ timeout: "30s" });
      await clock.advance(10 * secondMs);
      await stopped;
      expect(done).toHaveLength(cycle);
    }
  });

  test("D14 a handler that throws never stops the schedule, and a failing once is retried", async () => {
    const attempts: number[] = [];
    const flaky = handle(mail, (input, { attempt }) => {
      if (input === "once") attempts.push(attempt);
      throw new Error("boom");
    });
    const { scheduler, clock, start, stop, named } = open([flaky]);
    await scheduler.schedules.create("every", { task: mail, input: "every", when: every("10s"), overlap: "allow" });
    await scheduler.schedules.create("once", { task: mail, input: "once", when: once(new Date(begin + 5_000)) });
    await start();
    await clock.advance(100 * secondMs);
    expect(named("tick:fired").filter(({ id }) => id === "every")).toHaveLength(10);
    expect(attempts).toEqual([1, 2, 3]);
    await stop();
  });
});

describe("anywhere", () => {
  test("D1 one API whatever the engine: the same program does the same on each", async () => {
    const runs = await Promise.all(
      places.map(async ([, make]) => {
        const clock = new VirtualClock();
        const log: string[] = [];
        const handler = handle(mail, (input, { tick }) => void log.push(`${input} ${tick?.at.toISOString() ?? "-"}`));
        const scheduler = createScheduler({ engine: make(clock).engine(), clock, handlers: [handler] });
        await scheduler.schedules.ensure("s", { task: mail, input: "tick", when: every("20s"), jitter: "5s" });
        await scheduler.timers.put(mail, "timer", { key: "k", delay: "30s" });
        await scheduler.enqueue(mail, "now");
        await scheduler.start();
        await clock.advance(minuteMs);
        const stats = await scheduler.stats();
        const stopped = scheduler.stop({ timeout: 0 });
        await clock.advance(0);
        await stopped;
        return { log, stats };
      }),
    );
    expect(runs[0]?.log).toHaveLength(5 - (runs[0]?.stats.delayed ?? 0));
    expect(runs[1]).toEqual(runs[0]);
  });

  test("D9 stop leaves the user's own connection open", async () => {
    const clock = new VirtualClock();
    const db = new DatabaseSync(":memory:");
    db.exec("CREATE TABLE accounts (id TEXT)");
    const { scheduler, start, stop } = rigOn(sqlite(db, { clock }), clock, { handlers: [handle(mail, () => 0)] });
    await start();
    await scheduler.enqueue(mail, 1);
    await clock.settle();
    await stop();
    db.exec("INSERT INTO accounts VALUES ('a1')");
    expect(db.prepare("SELECT count(*) AS count FROM accounts").get()).toEqual({ count: 1 });
    db.close();
  });
});

// The clock of users' own tests, "punctual/testing".
import { setImmediate as immediately } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { memory } from "../../src/engines/memory/index.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { every, handle, once, task } from "../../src/index.ts";
import { sleep } from "../../src/runtime/clock.ts";
import { VirtualClock } from "../../src/testing/index.ts";
import { dayMs, hourMs, minuteMs, rig, rigOn, secondMs } from "./rig.ts";

const mail = task<number>("mail");

describe("virtual clock", () => {
  test("S11 timers run at their instants, in order, also those set on the way", async () => {
    const clock = new VirtualClock(new Date("2026-05-05T00:00:00Z"));
    const ran: [string, number][] = [];
    const set = (name: string, ms: number, then = () => {}) =>
      clock.after(ms, () => {
        ran.push([name, clock.monotonic()]);
        then();
      });
    set("late", 300);
    set("early", 100, () => void set("set on the way", 50));
    set("same instant", 300);
    set("too late", 301);
    const cancel = set("cancelled", 200);
    cancel();
    await clock.advance(300);
    expect(ran).toEqual([
      ["early", 100],
      ["set on the way", 150],
      ["late", 300],
      ["same instant", 300],
    ]);
    expect(clock.now()).toBe(Date.UTC(2026, 4, 5, 0, 0, 0, 300));
  });

  test("S2 a jump moves the wall clock alone", async () => {
    const clock = new VirtualClock(0);
    clock.jumpWall(hourMs);
    await clock.advance(5);
    expect([clock.wall(), clock.now(), clock.monotonic()]).toEqual([hourMs + 5, 5, 5]);
  });

  test("S11 time stands still until it is moved, and what needs none settles", async () => {
    const clock = new VirtualClock(7);
    const ran: string[] = [];
    clock.after(1, () => ran.push("after"));
    clock.soon(() => clock.soon(() => ran.push("soon")));
    await clock.settle();
    expect([ran, clock.now()]).toEqual([["soon"], 7]);
  });

  test.each([-1, Number.NaN])("S11 time does not move by %d", async (ms) => {
    const clock = new VirtualClock(0);
    await clock.advance(10);
    await clock.advance(ms).catch(() => {});
    expect(clock.monotonic()).toBe(10);
  });

  test("S11 time is moved by durations as text, and by nothing else", async () => {
    const clock = new VirtualClock(0);
    await clock.advance("1d");
    await clock.advance("1h30m");
    expect(clock.now()).toBe(dayMs + 1.5 * hourMs);
    await expect(clock.advance("soon")).rejects.toMatchObject({ code: "INVALID_INPUT", field: "by" });
  });

  test("S11 what a timer began comes to rest before the next one of the same instant", async () => {
    const clock = new VirtualClock(0);
    const ran: string[] = [];
    for (const name of ["a", "b"]) {
      const work = async () => {
        ran.push(`${name} begins`);
        for (let n = 0; n < 20; n++) await Promise.resolve();
        await new Promise<void>((resolve) => process.nextTick(resolve));
        for (let n = 0; n < 20; n++) await immediately();
        await new Promise<void>((resolve) => clock.soon(resolve));
        ran.push(`${name} ends at ${clock.monotonic()}`);
      };
      clock.after(10, () => void work());
    }
    clock.after(10, () => clock.after(0, () => ran.push("set at that instant")));
    await clock.advance(11);
    expect(ran).toEqual(["a begins", "a ends at 10", "b begins", "b ends at 10", "set at that instant"]);
  });

  test("S11 time that is moved while it is being moved moves on after that", async () => {
    const clock = new VirtualClock(0);
    const ran: number[] = [];
    clock.after(10, () => void clock.advance(100).then(() => ran.push(clock.monotonic())));
    clock.after(50, () => ran.push(clock.monotonic()));
    await Promise.all([clock.advance(20), clock.advance(20)]);
    expect([ran, clock.monotonic()]).toEqual([[], 40]);
    await clock.advance(0);
    expect([ran, clock.monotonic()]).toEqual([[50, 140], 140]);
  });

  test("S11 a handler that moves time has it moved after the test's own", async () => {
    const clock = new VirtualClock();
    const { scheduler, start, named } = rig({
      clock,
      handlers: [handle(mail, () => clock.advance("1m"))],
    });
    await start();
    await scheduler.enqueue(mail, 1, { delay: "10s" });
    await clock.advance("20s");
    expect(named("job:completed")).toEqual([]);
    await clock.advance(0);
    expect([named("job:completed").length, clock.monotonic()]).toEqual([1, 80 * secondMs]);
  });

  test("S11 code that goes on for ever by setImmediate does not keep time from moving", async () => {
    const clock = new VirtualClock(0);
    let goesOn = true;
    const again = () => void (goesOn && setImmediate(again));
    again();
    await clock.advance(10);
    goesOn = false;
    expect(clock.monotonic()).toBe(10);
  });

  test("S11 a timer that throws ends that move alone", async () => {
    const clock = new VirtualClock(0);
    clock.after(5, () => {
      throw new Error("mine");
    });
    await expect(clock.advance(10)).rejects.toThrow("mine");
    await clock.advance(10);
    expect(clock.monotonic()).toBe(15);
  });
});

describe("time in which nothing is due", () => {
  test("S12 costs a handful of turns a day, however many days have passed", async () => {
    const clock = new VirtualClock();
    const { scheduler, faulty, start } = rig({ clock, handlers: [handle(mail, () => 0)] });
    await scheduler.schedules.create("yearly", { task: mail, input: 0, when: every("365d") });
    await start();
    const turnsOf = async (days: number) => {
      const before = clock.instants;
      await clock.advance(days * dayMs);
      return clock.instants - before;
    };
    expect(await turnsOf(300)).toBeLessThan(300 * 30);
    expect(await turnsOf(1_000)).toBeLessThan(1_000 * 30);
    expect(faulty.calls("jobs.claim").length).toBeLessThan(1_400);
    expect(await scheduler.stats()).toMatchObject({ totals: { completed: 3 } });
  });

  test("T6 what comes up between, however far off, is begun at its instant: also by a timer or by another scheduler", async () => {
    const clock = new VirtualClock();
    const engine = memory({ clock });
    const startedAt: number[] = [];
    const [one, other] = [
      rig({ clock, engine, handlers: [handle(mail, () => startedAt.push(clock.monotonic()))] }),
      rig({ clock, engine, handlers: [handle(task("other", { queue: "other" }), () => 0)] }),
    ];
    await one.start();
    await other.start();
    clock.after(10 * minuteMs, () => void other.scheduler.enqueue(mail, 1, { delay: "5h" }));
    const schedule = async () => {
      await other.scheduler.schedules.create("s", {
        task: mail,
        input: 2,
        when: once(new Date(clock.now() + 9 * hourMs)),
      });
    };
    clock.after(20 * minuteMs, () => void schedule());
    await clock.advance("1d");
    expect(startedAt).toEqual([10 * minuteMs + 5 * hourMs, 20 * minuteMs + 9 * hourMs]);
    const { id } = await other.scheduler.enqueue(mail, 3, { delay: "3d" });
    await other.scheduler.jobs.reschedule(id, new Date(clock.now() + 2 * dayMs));
    await clock.advance("3d");
    expect(startedAt.at(-1)).toBe(3 * dayMs);
  });

  test("S2 of two tickers on one clock one fires each tick, at its instant", async () => {
    const clock = new VirtualClock();
    const engine = memory({ clock });
    const pair = [1, 2].map(() => rig({ clock, engine, handlers: [handle(mail, () => 0)] }));
    await pair[0]?.scheduler.schedules.create("s", { task: mail, input: 0, when: every("7h") });
    for (const { start } of pair) await start();
    await clock.advance("70h");
    const fired = pair.flatMap(({ named }) => named("tick:fired"));
    expect(fired.map(({ latenessMs }) => latenessMs)).toEqual(Array.from({ length: 10 }, () => 0));
  });

  test("J3 a handler that takes longer than its lease keeps it", async () => {
    const clock = new VirtualClock();
    const { scheduler, start, named } = rig({
      clock,
      handlers: [handle(mail, (_, { signal }) => sleep(clock, 3 * hourMs, signal))],
    });
    await start();
    await clock.advance("2d");
    await scheduler.enqueue(mail, 1);
    await clock.advance("4h");
    expect([named("job:completed").length, named("job:lease-lost").length]).toEqual([1, 0]);
  });

  test("J4 beside a job that has crashed its workers others wait for a third of the lease, not for a day", async () => {
    const clock = new VirtualClock();
    const engine = memory({ clock });
    const startedAt: number[] = [];
    const suspect = task("suspect");
    const { scheduler, start } = rig({
      clock,
      engine,
      handlers: [
        handle(suspect, (_, { signal }) => sleep(clock, 5 * hourMs, signal)),
        handle(mail, () => startedAt.push(clock.monotonic())),
      ],
    });
    await scheduler.enqueue(suspect, {});
    for (const worker of ["first", "second"]) {
      // One that takes it, starts it and is never heard of again.
      const lease = { claimId: worker, worker, leaseMs: 1_000, wants: [{ queue: "default", limit: 1 }] };
      await engine.jobs.claim({ ...lease, limit: 1, starts: 1, bytesMax: 1_000 });
      await clock.advance(1_000);
    }
    await start();
    await scheduler.enqueue(mail, 1);
    await clock.advance("1h");
    expect(startedAt).toEqual([12_000]);
  });

  test("J1 sqlite in memory on the same clock polls, and begins what is due within a second", async () => {
    const clock = new VirtualClock();
    const startedAt: number[] = [];
    const { scheduler, start, stop } = rigOn(sqlite(":memory:", { clock }), clock, {
      handlers: [handle(mail, () => startedAt.push(clock.monotonic()))],
    });
    await start();
    await scheduler.enqueue(mail, 1, { delay: "10m" });
    await scheduler.schedules.create("s", { task: mail, input: 2, when: every("30m") });
    await clock.advance("1h");
    expect(startedAt).toEqual([10, 30, 60].map((minutes) => minutes * minuteMs));
    await stop();
  });
});

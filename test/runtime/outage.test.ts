// O1: the store goes away and comes back.
import { describe, expect, test } from "vitest";
import { every, handle, NotWrittenError, task } from "../../src/index.ts";
import { lostAnswer, notWritten } from "./faulty.ts";
import { minuteMs, rejection, rig, secondMs, unhandledRejections } from "./rig.ts";

const mail = task<number>("mail");

function gaps(instants: readonly number[]): number[] {
  return instants.slice(1).map((at, index) => at - (instants[index] ?? 0));
}

describe("outage", () => {
  test.each(["jobs.claim", "schedules.fire"] as const)(
    "O1 %s backs off from 1 s doubling to 30 s, jittered, and resumes",
    async (method) => {
      const { faulty, clock, start } = rig({ handlers: [handle(mail, () => 0)] });
      await start("worker", "ticker");
      await clock.advance(500);
      faulty.on(method, notWritten);
      const before = faulty.calls(method).length;
      await clock.advance(5 * minuteMs);
      const waits = gaps(faulty.calls(method).slice(before));
      const expected = [1, 2, 4, 8, 16, 30, 30, 30].map((seconds) => seconds * secondMs);
      for (const [index, most] of expected.entries()) {
        expect(waits[index], `wait ${index}`).toBeLessThanOrEqual(most);
        expect(waits[index], `wait ${index}`).toBeGreaterThanOrEqual(0.75 * most - 1);
      }
      faulty.off(method);
      await clock.advance(31 * secondMs);
      const resumed = faulty.calls(method).length;
      await clock.advance(10 * secondMs);
      expect(faulty.calls(method).length - resumed).toBeGreaterThanOrEqual(9);
    },
  );

  test("O1 back-offs differ between replicas", async () => {
    const waits = new Set<number>();
    for (let replica = 0; replica < 5; replica++) {
      const { faulty, clock, start } = rig({ handlers: [handle(mail, () => 0)] });
      faulty.on("jobs.claim", notWritten);
      await start("worker");
      await clock.advance(minuteMs);
      waits.add(gaps(faulty.calls("jobs.claim"))[4] ?? 0);
    }
    expect(waits.size).toBeGreaterThan(1);
  });

  test("O1 a loop that backs off is not woken by signals", async () => {
    const { scheduler, faulty, clock, start } = rig({ handlers: [handle(mail, () => 0)] });
    await start("worker");
    faulty.on("jobs.claim", notWritten);
    await clock.advance(20 * secondMs);
    const calls = faulty.calls("jobs.claim").length;
    for (let n = 0; n < 50; n++) await scheduler.enqueue(mail, n);
    await clock.settle();
    expect(faulty.calls("jobs.claim")).toHaveLength(calls);
  });

  test("O1 a store that is away for five minutes: no rejection unhandled, no job lost, none done twice", async () => {
    const unhandled = unhandledRejections();
    const ran: number[] = [];
    const { scheduler, faulty, clock, start, named } = rig({
      handlers: [
        handle(mail, async (n) => {
          await new Promise<void>((resolve) => clock.after(200, resolve));
          ran.push(n);
        }),
      ],
    });
    await start();
    await scheduler.enqueueMany(Array.from({ length: 30 }, (_, n) => ({ task: mail, input: n })));
    await clock.advance(300);
    faulty.away();
    await clock.advance(20 * secondMs);
    faulty.away(lostAnswer);
    await clock.advance(4 * minuteMs);
    faulty.back();
    await clock.advance(2 * minuteMs);
    expect(await scheduler.stats()).toMatchObject({ waiting: 0, delayed: 0, active: 0, totals: { completed: 30 } });
    expect(new Set(ran).size).toBe(30);
    expect(named("job:failed")).toEqual([]);
    expect(named("worker:error").length).toBeGreaterThan(0);
    expect(unhandled).toEqual([]);
  });

  test("O1 the errors of an outage say what was tried", async () => {
    const { faulty, clock, start, named } = rig({ handlers: [handle(mail, () => 0)] });
    await start();
    faulty.away();
    await clock.advance(2 * minuteMs);
    const places = new Set(named("worker:error").map(({ where }) => where));
    expect([...places].sort()).toEqual(["claim", "fire", "purge"]);
    expect(named("worker:error")[0]?.["error"]).toBeInstanceOf(NotWrittenError);
  });

  test("O1 an outage is in the audit log once the store is back", async () => {
    const { faulty, clock, start } = rig({ handlers: [handle(mail, () => 0)] });
    await start();
    faulty.away();
    await clock.advance(10 * secondMs);
    faulty.back();
    await clock.advance(60 * secondMs);
    const { items } = await faulty.engine.events.list({ types: ["worker:error"] }, { limit: 10 });
    expect(items.length).toBeGreaterThan(0);
  });

  test("O1 a producer's call fails with NotWrittenError and may be made again", async () => {
    const { scheduler, faulty } = rig();
    await scheduler.stats();
    faulty.on("jobs.insert", notWritten, 1);
    expect(await rejection(scheduler.enqueue(mail, 1))).toBeInstanceOf(NotWrittenError);
    await scheduler.enqueue(mail, 1);
    expect((await scheduler.jobs.list()).items).toHaveLength(1);
  });

  test("O1 ticks that passed while the store was away are caught up, none twice", async () => {
    const ticks: number[] = [];
    const { scheduler, faulty, clock, start } = rig({
      handlers: [handle(mail, (_, { tick }) => void ticks.push(((tick?.at.getTime() ?? 0) % minuteMs) / secondMs))],
    });
    await scheduler.schedules.create("s", {
      task: mail,
      input: 1,
      when: every("5s"),
      overlap: "allow",
      catchUp: "all",
    });
    await start();
    await clock.advance(11 * secondMs);
    faulty.away();
    await clock.advance(22 * secondMs);
    faulty.back();
    await clock.advance(24 * secondMs);
    expect(ticks.sort((a, b) => a - b)).toEqual([5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55]);
  });
});

describe("listeners", () => {
  test("O1 a listener that throws harms nobody and is reported", async () => {
    const unhandled = unhandledRejections();
    const { scheduler, clock, start, named } = rig({ handlers: [handle(mail, () => 0)] });
    for (const name of ["job:scheduled", "job:started", "job:completed"] as const) {
      scheduler.on(name, () => {
        throw new Error(`no ${name}`);
      });
    }
    await start("worker");
    const { id } = await scheduler.enqueue(mail, 1);
    await clock.settle();
    expect((await scheduler.jobs.get(id))?.state).toBe("completed");
    expect(named("worker:error").map(({ where }) => where)).toEqual(["listener", "listener", "listener"]);
    expect(unhandled).toEqual([]);
  });

  test("O1 a listener of worker:error that throws itself ends there", async () => {
    const { scheduler, faulty, clock, start } = rig({ handlers: [handle(mail, () => 0)] });
    let calls = 0;
    scheduler.on("worker:error", () => {
      calls++;
      throw new Error("again");
    });
    faulty.on("jobs.claim", notWritten, 1);
    await start("worker");
    await clock.advance(5 * secondMs);
    expect(calls).toBeGreaterThan(0);
    expect(calls).toBeLessThan(5);
  });

  test("O1 a listener that rejects harms nobody and is reported", async () => {
    const unhandled = unhandledRejections();
    const { scheduler, clock, start, named } = rig({ handlers: [handle(mail, () => 0)] });
    scheduler.on("job:completed", () => Promise.reject(new Error("no")) as unknown as undefined);
    await start("worker");
    await scheduler.enqueue(mail, 1);
    await clock.settle();
    expect(unhandled).toEqual([]);
    expect(named("worker:error").map(({ where }) => where)).toEqual(["listener"]);
  });

  test("O1 a listener is removed by what `on` answered", async () => {
    const { scheduler } = rig();
    const heard: string[] = [];
    const remove = scheduler.on("job:scheduled", ({ id }) => heard.push(id));
    const { id } = await scheduler.enqueue(mail, 1);
    remove();
    await scheduler.enqueue(mail, 2);
    expect(heard).toEqual([id]);
  });
});

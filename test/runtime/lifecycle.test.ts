// Opening, starting, stopping and starting again.
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { memory } from "../../src/engines/memory/index.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import {
  createScheduler,
  every,
  handle,
  NoHandlerError,
  NotWrittenError,
  StoppedError,
  task,
} from "../../src/index.ts";
import { VirtualClock } from "../../src/testing/index.ts";
import { answersAfter, hangs, notWritten } from "./faulty.ts";
import { gate, rejection, rig, rigOn, secondMs } from "./rig.ts";

const mail = task<{ n: number }>("mail");

describe("opening", () => {
  test("D4 the first call opens the engine, and the next ones find it open", async () => {
    const { scheduler, faulty } = rig();
    expect(faulty.calls("open")).toHaveLength(0);
    await Promise.all([scheduler.enqueue(mail, { n: 1 }), scheduler.enqueue(mail, { n: 2 }), scheduler.stats()]);
    expect(faulty.calls("open")).toHaveLength(1);
  });

  test("O1 an open that failed is tried again by the next call", async () => {
    const { scheduler, faulty } = rig();
    faulty.on("open", notWritten, 1);
    expect(await rejection(scheduler.enqueue(mail, { n: 1 }))).toBeInstanceOf(NotWrittenError);
    expect((await scheduler.enqueue(mail, { n: 1 })).outcome).toBe("created");
    expect(faulty.calls("open")).toHaveLength(2);
  });

  test("O1 a start that failed is tried again by the next start", async () => {
    const { scheduler, faulty, start, clock, named } = rig({ handlers: [handle(mail, () => 0)] });
    for (const method of ["open", "now", "watch"] as const) {
      faulty.on(method, notWritten, 1);
      await expect(scheduler.start(), method).rejects.toThrow(NotWrittenError);
    }
    await start();
    await scheduler.enqueue(mail, { n: 1 });
    await clock.advance(secondMs);
    expect(named("job:completed")).toHaveLength(1);
  });

  test("O1 an engine that opened but whose clock could not be read is not opened twice over", async () => {
    const { scheduler, faulty, stop } = rig();
    faulty.on("now", notWritten, 1);
    await rejection(scheduler.enqueue(mail, { n: 1 }));
    await scheduler.enqueue(mail, { n: 1 });
    expect(faulty.calls("open").length - faulty.calls("close").length).toBe(1);
    await stop();
    expect(faulty.calls("open").length - faulty.calls("close").length).toBe(0);
  });

  test("J9 an engine that opened is closed by stop though its clock could not be read", async () => {
    const { scheduler, faulty, stop } = rig();
    faulty.on("now", notWritten);
    await rejection(scheduler.enqueue(mail, { n: 1 }));
    await stop();
    expect(faulty.calls("open").length - faulty.calls("close").length).toBe(0);
  });

  test("D2 a worker with nothing to run is a NoHandlerError, a ticker needs no handler", async () => {
    const { scheduler, stop } = rig();
    expect(await rejection(scheduler.start())).toBeInstanceOf(NoHandlerError);
    await scheduler.start({ roles: ["ticker", "janitor"] });
    await stop();
  });

  test("D1 a second start changes nothing, even while the first is under way", async () => {
    const { scheduler, faulty, clock, stop } = rig({ handlers: [handle(mail, () => 0)] });
    await Promise.all([scheduler.start(), scheduler.start()]);
    await scheduler.start();
    expect(faulty.calls("watch")).toHaveLength(1);
    await stop();
    const calls = faulty.calls("jobs.claim").length;
    await clock.advance(5 * secondMs);
    expect(faulty.calls("jobs.claim")).toHaveLength(calls);
  });
});

describe("stopping", () => {
  test("J9 a stopped scheduler claims and fires nothing", async () => {
    const { scheduler, faulty, clock, start, stop } = rig({ handlers: [handle(mail, () => 0)] });
    await start();
    await stop();
    const calls = [faulty.calls("jobs.claim").length, faulty.calls("schedules.fire").length];
    await clock.advance(10 * secondMs);
    expect([faulty.calls("jobs.claim").length, faulty.calls("schedules.fire").length]).toEqual(calls);
    expect(faulty.calls("close")).toHaveLength(1);
    await scheduler.stop();
  });

  test("J9 a stopped scheduler leaves no timer behind, not even after an outage", async () => {
    const clock = new VirtualClock();
    const { after } = clock;
    let timers = 0;
    clock.after = (ms, callback) => {
      timers++;
      let over = false;
      const end = () => {
        if (!over) timers--;
        over = true;
      };
      const cancel = after(ms, () => {
        end();
        callback();
      });
      return () => {
        end();
        cancel();
      };
    };
    const made = rig({ clock, handlers: [handle(mail, () => 0)] });
    await made.start();
    await made.scheduler.enqueue(mail, { n: 1 });
    made.faulty.away();
    await clock.advance(20 * secondMs);
    await made.stop(10 * secondMs);
    await clock.advance(60 * secondMs);
    expect(timers).toBe(0);
  });

  test("J9 a stop while a start is under way stops what the start began", async () => {
    const { scheduler, faulty, clock } = rig({ handlers: [handle(mail, () => 0)] });
    const opening = gate();
    faulty.on("open", answersAfter(opening.promise), 1);
    const started = scheduler.start().catch(() => "refused");
    await clock.settle();
    const stopped = scheduler.stop({ timeout: 0 });
    await clock.settle();
    opening.open();
    await clock.settle();
    await Promise.all([started, stopped, scheduler.stop({ timeout: 0 })]);
    const calls = faulty.calls("jobs.claim").length;
    await clock.advance(5 * secondMs);
    expect(faulty.calls("jobs.claim")).toHaveLength(calls);
  });

  test("J9 a stop while a start is under way leaves no watcher behind", async () => {
    const { scheduler, faulty, clock } = rig({ handlers: [handle(mail, () => 0)] });
    const watching = gate();
    let watchers = 0;
    faulty.on("watch", async () => {
      watchers++;
      await watching.promise;
      return async () => void watchers--;
    });
    const started = rejection(scheduler.start());
    await clock.settle();
    const stopped = scheduler.stop({ timeout: secondMs });
    watching.open();
    await clock.advance(secondMs);
    await Promise.all([started, stopped]);
    expect(watchers).toBe(0);
  });

  test("J9 what was being enqueued is answered before the engine is closed", async () => {
    const { scheduler, faulty, clock } = rig();
    const late = gate();
    faulty.on("jobs.insert", answersAfter(late.promise), 1);
    const enqueued = scheduler.enqueue(mail, { n: 1 });
    await clock.settle();
    const stopped = scheduler.stop({ timeout: "10s" });
    await clock.advance(5 * secondMs);
    expect(faulty.calls("close")).toEqual([]);
    late.open();
    await clock.settle();
    expect((await enqueued).outcome).toBe("created");
    await stopped;
    expect(faulty.calls("close")).toHaveLength(1);
  });

  test("D9 a scheduler that was stopped starts again, and runs what came meanwhile", async () => {
    const { scheduler, clock, start, stop, named } = rig({ handlers: [handle(mail, () => 0)] });
    for (let cycle = 1; cycle <= 3; cycle++) {
      await start();
      await scheduler.enqueue(mail, { n: cycle });
      await clock.advance(secondMs);
      expect(named("job:completed")).toHaveLength(cycle);
      await stop();
    }
  });

  test("D9 a call after stop is refused with StoppedError until the scheduler starts again", async () => {
    const { scheduler, faulty, start, stop } = rig();
    await scheduler.enqueue(mail, { n: 1 });
    await stop();
    expect(await rejection(scheduler.enqueue(mail, { n: 2 }))).toBeInstanceOf(StoppedError);
    expect(await rejection(scheduler.stats())).toBeInstanceOf(StoppedError);
    expect([faulty.calls("open").length, faulty.calls("close").length]).toEqual([1, 1]);
    await start("janitor");
    await scheduler.enqueue(mail, { n: 2 });
    await stop();
    expect([faulty.calls("open").length, faulty.calls("close").length]).toEqual([2, 2]);
  });

  test("D9 an engine is not opened again before it is closed", async () => {
    const { scheduler, faulty, clock, stop } = rig();
    await scheduler.enqueue(mail, { n: 1 });
    const closing = gate();
    faulty.on("close", answersAfter(closing.promise), 1);
    const stopped = scheduler.stop({ timeout: "10s" });
    await clock.settle();
    const refused = rejection(scheduler.enqueue(mail, { n: 2 }));
    const started = scheduler.start({ roles: ["janitor"] });
    await clock.settle();
    expect(faulty.calls("open")).toHaveLength(1);
    closing.open();
    await clock.settle();
    await Promise.all([stopped, started]);
    expect(await refused).toBeInstanceOf(StoppedError);
    expect(faulty.calls("open")).toHaveLength(2);
    await stop();
  });

  test("D9 the user's own connection stays open", async () => {
    const db = new DatabaseSync(":memory:");
    const clock = new VirtualClock();
    const { scheduler, stop } = rigOn(sqlite(db, { clock }), clock);
    await scheduler.enqueue(mail, { n: 1 });
    await stop();
    expect(db.prepare("SELECT 1 AS one").get()).toEqual({ one: 1 });
    db.close();
  });

  test("J9 `await using` stops the scheduler", async () => {
    const clock = new VirtualClock();
    let closed = 0;
    const engine = { ...memory({ clock }), close: async () => void closed++ };
    {
      await using scheduler = createScheduler({ engine, clock });
      await scheduler.enqueue(mail, { n: 1 });
    }
    expect(closed).toBe(1);
  });

  test.each(["open", "close", "now", "watch", "jobs.claim", "jobs.insert", "schedules.fire"] as const)(
    "O2 a %s that never answers does not hang stop",
    async (method) => {
      const { scheduler, faulty, clock } = rig({ handlers: [handle(mail, () => 0)] });
      faulty.on(method, hangs);
      scheduler.start().catch(() => {});
      await clock.settle();
      if (method === "jobs.insert") scheduler.enqueue(mail, { n: 1 }).catch(() => {});
      await clock.settle();
      let stopped = false;
      const stop = scheduler.stop({ timeout: secondMs }).then(() => {
        stopped = true;
      });
      await clock.advance(60 * secondMs);
      expect(stopped).toBe(true);
      await stop;
    },
  );

  test("O2 a settle that never answers does not hang stop", async () => {
    const { scheduler, faulty, clock, start } = rig({ handlers: [handle(mail, () => 0)] });
    faulty.on("jobs.settle", hangs);
    await start();
    await scheduler.enqueue(mail, { n: 1 });
    await clock.settle();
    let stopped = false;
    scheduler.stop({ timeout: secondMs }).then(
      () => {
        stopped = true;
      },
      () => {},
    );
    await clock.advance(60 * secondMs);
    expect(stopped).toBe(true);
  });
});

describe("roles", () => {
  test("D1 a process with the ticker role alone fires and runs nothing", async () => {
    const { scheduler, clock, named, start } = rig({ handlers: [handle(mail, () => 0)] });
    await scheduler.schedules.create("tick", { task: mail, input: { n: 1 }, when: every("1m") });
    await start("ticker");
    await clock.advance(61 * secondMs);
    expect(named("tick:fired")).toHaveLength(1);
    expect(named("job:started")).toHaveLength(0);
  });
});

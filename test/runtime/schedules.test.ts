// `scheduler.schedules` as users call it.
import { describe, expect, test } from "vitest";
import { cron, every, handle, task } from "../../src/index.ts";
import { gate, hourMs, minuteMs, rejection, rig, secondMs } from "./rig.ts";

const report = task<{ account: string }>("report", { queue: "reports" });
const input = { account: "a1" };
const begin = Date.UTC(2026, 0, 1);
const define = { task: report, input, when: every("1m") };

describe("create, ensure, update", () => {
  test("S1 create shows the schedule, and refuses an id that is taken", async () => {
    const { schedules } = rig().scheduler;
    const view = await schedules.create("daily", {
      ...define,
      name: "Daily report",
      metadata: { by: "ops" },
      priority: "high",
      attempts: 7,
      jitter: "30s",
      overlap: "queue",
      catchUp: { policy: "all", window: "2h", limit: 9 },
      maxTicks: 100,
      pauseOnFailure: 4,
    });
    expect(view).toMatchObject({
      id: "daily",
      tenant: "default",
      task: "report",
      queue: "reports",
      input,
      name: "Daily report",
      metadata: { by: "ops" },
      priority: 2,
      attempts: 7,
      jitterMs: 30_000,
      overlap: "queue",
      catchUp: { policy: "all", windowMs: 7_200_000, limit: 9 },
      maxTicks: 100,
      pauseOnFailure: 4,
      enabled: true,
      revision: 1,
      nextAt: new Date(begin + minuteMs),
      ticksFired: 0,
    });
    expect(await schedules.get("daily")).toEqual(view);
    expect(await rejection(schedules.create("daily", define))).toMatchObject({ code: "ALREADY_EXISTS", field: "id" });
  });

  test("S6 ensure creates, then changes nothing; a new input keeps the next tick, a new rule moves it", async () => {
    const { scheduler, clock, named } = rig();
    const { schedules } = scheduler;
    const ensure = async (options: object) => {
      const { outcome, schedule } = await schedules.ensure("s", { ...define, ...options });
      return [outcome, schedule.revision, ((schedule.nextAt?.getTime() ?? 0) - begin) / secondMs];
    };
    expect(await ensure({})).toEqual(["created", 1, 60]);
    await clock.advance(40 * secondMs);
    expect(await ensure({})).toEqual(["unchanged", 1, 60]);
    expect(await ensure({ input: { account: "a2" } })).toEqual(["updated", 2, 60]);
    expect(await ensure({ input: { account: "a2" }, when: every("2m") })).toEqual(["updated", 3, 160]);
    expect(named("schedule:created")).toHaveLength(1);
    expect(named("schedule:updated")).toHaveLength(2);
  });

  test("S6 the order of keys in an input or in options is no change", async () => {
    const { schedules } = rig().scheduler;
    const when = cron("0 9 * * *", { timezone: "Europe/Paris", onGap: "skip" });
    await schedules.ensure("s", { task: "t", input: { a: 1, b: 2 }, when });
    const again = { when: { ...when, timezone: "Europe/Paris" }, input: { b: 2, a: 1 }, task: "t" };
    expect((await schedules.ensure("s", again)).outcome).toBe("unchanged");
  });

  test("S6 ensure leaves a schedule disabled that an operator disabled", async () => {
    const { schedules } = rig().scheduler;
    await schedules.ensure("s", define);
    await schedules.disable("s");
    expect((await schedules.ensure("s", define)).outcome).toBe("unchanged");
    expect((await schedules.get("s"))?.enabled).toBe(false);
  });

  test("S6 ensureMany answers for each, in order, beyond one batch too", async () => {
    const { scheduler } = rig();
    const items = Array.from({ length: 1_201 }, (_, n) => ({ id: `s-${n}`, ...define }));
    await scheduler.schedules.create("s-7", define);
    const results = await scheduler.schedules.ensureMany(items);
    expect(results.map(({ schedule }) => schedule.id)).toEqual(items.map(({ id }) => id));
    expect(results.map(({ outcome }) => outcome).filter((outcome) => outcome !== "created")).toEqual(["unchanged"]);
  });

  test("S6 update changes what it names, keeps the rest, and refuses a stale revision", async () => {
    const { schedules } = rig().scheduler;
    const { revision } = await schedules.create("s", {
      ...define,
      name: "one",
      jitter: "5s",
      endAt: new Date(begin + hourMs),
    });
    const updated = await schedules.update("s", { name: "two" }, { revision });
    expect(updated).toMatchObject({ name: "two", jitterMs: 5_000, revision: 2, endAt: new Date(begin + hourMs) });
    const stale = schedules.update("s", { name: "three" }, { revision });
    expect(await rejection(stale)).toMatchObject({ code: "REVISION_CONFLICT", details: { given: 1, stored: 2 } });
    expect((await schedules.update("s", { when: every("5m") })).nextAt).toEqual(new Date(begin + 5 * minuteMs));
  });

  test("S6 an update may not put the end before the start it keeps", async () => {
    const { schedules } = rig().scheduler;
    await schedules.create("s", { ...define, startAt: new Date(begin + 2 * hourMs) });
    expect(await rejection(schedules.update("s", { endAt: new Date(begin + hourMs) }))).toMatchObject({
      field: "endAt",
    });
  });

  test("S6 concurrent updates without a revision are both kept", async () => {
    const { schedules } = rig().scheduler;
    await schedules.create("s", define);
    await Promise.all([
      schedules.update("s", { name: "n" }),
      schedules.update("s", { jitter: "3s" }),
      schedules.disable("s"),
    ]);
    expect(await schedules.get("s")).toMatchObject({ name: "n", jitterMs: 3_000, enabled: false, revision: 4 });
  });

  test("S6 every replica fires an update's new input", async () => {
    const inputs: unknown[] = [];
    const { scheduler, clock, start } = rig({ handlers: [handle(report, (one) => void inputs.push(one.account))] });
    await scheduler.schedules.create("s", define);
    await start();
    await clock.advance(90 * secondMs);
    const other = rig({ clock, engine: rig({ clock }).faulty.engine });
    await other.stop();
    await scheduler.schedules.update("s", { input: { account: "a2" } });
    await clock.advance(minuteMs);
    expect(inputs).toEqual(["a1", "a2"]);
  });

  test("S1 listing filters by task, queue, state and prefix, and pages by id", async () => {
    const { schedules } = rig().scheduler;
    for (const id of ["a-1", "a-2", "b-1"]) await schedules.create(id, define);
    await schedules.create("c-1", { task: "other", when: every("1h"), tenant: "acme" });
    await schedules.disable("a-2");
    const ids = async (query: object) => (await schedules.list(query)).items.map(({ id }) => id);
    expect(await ids({ idPrefix: "a-" })).toEqual(["a-1", "a-2"]);
    expect(await ids({ enabled: false })).toEqual(["a-2"]);
    expect(await ids({ task: "other" })).toEqual(["c-1"]);
    expect(await ids({ queue: "reports", tenant: "acme" })).toEqual([]);
    const first = await schedules.list({ limit: 2, tenant: "default" });
    expect(await ids({ limit: 2, tenant: "default", cursor: first.next ?? "" })).toEqual(["b-1"]);
  });
});

describe("operators", () => {
  test("S10 a trigger makes a job now, the next tick stays, and events tell", async () => {
    const seen: unknown[] = [];
    const { scheduler, clock, start, named } = rig({
      handlers: [handle(report, (_, { tick, schedule }) => void seen.push([tick?.at, schedule?.id]))],
    });
    await scheduler.schedules.create("s", define);
    await start();
    await clock.advance(10 * secondMs);
    const triggered = await scheduler.schedules.trigger("s");
    await clock.settle();
    expect(triggered).toMatchObject({ outcome: "fired", dueAt: new Date(begin + 10_000) });
    expect(seen).toEqual([[new Date(begin + 10_000), "s"]]);
    expect(named("tick:fired")).toHaveLength(1);
    expect(await scheduler.schedules.get("s")).toMatchObject({ ticksFired: 0, nextAt: new Date(begin + minuteMs) });
    const tick = new Date(begin - hourMs);
    await scheduler.schedules.trigger("s", { tick });
    await clock.settle();
    expect(seen[1]).toEqual([tick, "s"]);
  });

  test.each([
    ["skip", "skipped"],
    ["queue", "held"],
    ["allow", "fired"],
  ] as const)("S5 a trigger passes through overlap %s: %s", async (overlap, outcome) => {
    const held = gate();
    const { scheduler, clock, start, named } = rig({ handlers: [handle(report, () => held.promise)] });
    await scheduler.schedules.create("s", { ...define, overlap });
    await start();
    await scheduler.schedules.trigger("s");
    await clock.settle();
    expect((await scheduler.schedules.trigger("s")).outcome).toBe(outcome);
    held.open();
    await clock.settle();
    expect(named("job:completed")).toHaveLength(outcome === "skipped" ? 1 : 2);
  });

  test("S5 replace cancels what runs, and its newest tick follows", async () => {
    const outcomes: string[] = [];
    const { scheduler, clock, start, named } = rig({
      handlers: [
        handle(report, async (_, { signal, tick }) => {
          await new Promise<void>((resolve) => {
            clock.after(90_000, resolve);
            signal.addEventListener("abort", () => resolve());
          });
          outcomes.push(`${((tick?.at.getTime() ?? 0) - begin) / minuteMs} ${signal.aborted ? "stopped" : "done"}`);
          signal.throwIfAborted();
        }),
      ],
    });
    await scheduler.schedules.create("s", { ...define, overlap: "replace", maxTicks: 3 });
    await start();
    await clock.advance(10 * minuteMs);
    expect(outcomes).toEqual(["1 stopped", "2 stopped", "3 done"]);
    expect(named("job:cancelled")).toHaveLength(2);
  });

  test("S7 disable and remove with cancelPending take their jobs that have not started along", async () => {
    const { scheduler, clock, start, stop } = rig();
    await scheduler.schedules.create("s", { ...define, overlap: "allow", jitter: "59s" });
    await scheduler.schedules.create("t", { ...define, overlap: "allow", jitter: "59s" });
    await start("ticker");
    await clock.advance(61 * secondMs);
    await scheduler.schedules.disable("s", { cancelPending: true });
    await scheduler.schedules.remove("t", { cancelPending: true });
    const { items } = await scheduler.jobs.list();
    expect(items.map(({ state }) => state)).toEqual(["cancelled", "cancelled"]);
    await stop();
  });

  test("S9 pauseOnFailure disables after so many failures in a row, and enabling gives a new chance", async () => {
    const once = task("once", { retry: { attempts: 1 } });
    const { scheduler, clock, start, named } = rig({
      handlers: [
        handle(once, () => {
          throw new Error("boom");
        }),
      ],
    });
    await scheduler.schedules.create("s", { task: once, when: every("1m"), pauseOnFailure: 3 });
    await start();
    await clock.advance(10 * minuteMs);
    expect(named("tick:fired")).toHaveLength(3);
    expect(named("schedule:paused")).toMatchObject([{ id: "s", tenant: "default" }]);
    expect((await scheduler.schedules.get("s"))?.disabledReason).toContain("3 jobs in a row");
    await scheduler.schedules.enable("s");
    await clock.advance(minuteMs);
    expect(await scheduler.schedules.get("s")).toMatchObject({ enabled: true, failuresInRow: 1 });
  });

  test("S1 startAt, endAt and maxTicks bound the ticks, the end inclusive", async () => {
    const { scheduler, clock, start, named } = rig();
    const bounds = { startAt: new Date(begin + 2 * minuteMs), endAt: new Date(begin + 5 * minuteMs) };
    await scheduler.schedules.create("s", { ...define, overlap: "allow", when: cron("* * * * *"), ...bounds });
    await scheduler.schedules.create("t", { ...define, overlap: "allow", maxTicks: 2 });
    await start("ticker");
    await clock.advance(10 * minuteMs);
    const minutes = (id: string) =>
      named("tick:fired")
        .filter((event) => event["id"] === id)
        .map(({ tick }) => ((tick as Date).getTime() - begin) / minuteMs);
    expect([minutes("s"), minutes("t")]).toEqual([
      [2, 3, 4, 5],
      [1, 2],
    ]);
    expect((await scheduler.schedules.get("s"))?.nextAt).toBeUndefined();
  });

  test("D6 a schedule's handler sees id, a copy of the metadata, tick and last completion", async () => {
    const lastCompleted: (Date | undefined)[] = [];
    const metadatas: unknown[] = [];
    const { scheduler, clock, start } = rig({
      handlers: [
        handle(report, async (_, { schedule }) => {
          lastCompleted.push(await schedule?.lastCompletedAt());
          metadatas.push(structuredClone(schedule?.metadata));
          (schedule?.metadata as { team: string }).team = "changed";
        }),
      ],
    });
    await scheduler.schedules.create("s", { ...define, metadata: { team: "ops" } });
    await start();
    await clock.advance(3 * minuteMs);
    expect(lastCompleted).toEqual([undefined, new Date(begin + minuteMs), new Date(begin + 2 * minuteMs)]);
    expect(metadatas).toEqual(Array(3).fill({ team: "ops" }));
  });
});

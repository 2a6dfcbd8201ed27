// S2, S4: ticks through the public API, over replicas, wall clocks, downtime and restarts.
import { describe, expect, test } from "vitest";
import { memory } from "../../src/engines/memory/index.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { cron, every, handle, once, task } from "../../src/index.ts";
import { dayMs, gate, hourMs, minuteMs, PollingClock, type Rig, rig, rigOn, secondMs } from "./rig.ts";

const report = task("report");
const begin = Date.UTC(2026, 0, 1);

/** Ticks as their handlers saw them, in ms after the beginning. */
function recorder() {
  const ticks: number[] = [];
  const missed: number[] = [];
  const handler = handle(report, (_, { tick }) => {
    ticks.push((tick?.at.getTime() ?? 0) - begin);
    missed.push(tick?.missed ?? -1);
  });
  return { ticks, missed, handler };
}

function fires(...rigs: readonly Rig[]): number[] {
  return rigs.flatMap(({ named }) => named("tick:fired").map(({ tick }) => (tick as Date).getTime() - begin));
}

describe("one fire per tick", () => {
  test.each(["memory", "sqlite"] as const)(
    "S2 two replicas with skewed wall clocks fire each tick once, on time (%s)",
    async (name) => {
      const clock = new PollingClock();
      const engine = name === "memory" ? memory({ clock }) : sqlite(":memory:", { clock });
      // A replica's own wall clock is off by an hour either way; monotonic time and the store's are shared.
      const skewed = (ms: number) =>
        Object.assign(Object.create(clock) as PollingClock, { wall: () => clock.now() + ms });
      const one = recorder();
      const two = recorder();
      const early = rigOn(engine, skewed(hourMs), { handlers: [one.handler] });
      const late = rigOn(engine, skewed(-hourMs), { handlers: [two.handler] });
      await early.scheduler.schedules.create("s", { task: report, when: every("1s"), overlap: "allow" });
      await Promise.all([early.scheduler.start(), late.scheduler.start()]);
      await clock.advance(60 * secondMs);
      const all = [...one.ticks, ...two.ticks].sort((a, b) => a - b);
      expect(all).toEqual(Array.from({ length: 60 }, (_, n) => (n + 1) * secondMs));
      const lateness = [early, late].flatMap(({ named }) =>
        named("tick:fired").map(({ latenessMs }) => Number(latenessMs)),
      );
      expect(Math.max(...lateness)).toBe(0);
      await Promise.all([early.scheduler.stop({ timeout: 0 }), late.scheduler.stop({ timeout: 0 })]);
    },
  );

  test("S2 of two tickers the one that fired last goes first, the other gives it a head start", async () => {
    const clock = new PollingClock();
    const engine = memory({ clock });
    const pair = [rig({ clock, engine }), rig({ clock, engine })];
    await pair[0]?.scheduler.schedules.create("s", { task: report, when: every("5s"), overlap: "allow" });
    await Promise.all(pair.map(({ start }) => start("ticker")));
    await clock.advance(minuteMs);
    const ticks = Array.from({ length: 10 }, (_, n) => 15_000 + n * 5_000);
    const callers = ticks.map((at) => pair.filter(({ faulty }) => faulty.calls("schedules.fire").includes(at)).length);
    expect(callers).toEqual(ticks.map(() => 1));
    expect(new Set(pair.map(({ named }) => named("tick:fired").length))).toEqual(new Set([12, 0]));
  });

  test.each([hourMs, -hourMs])("S2 a wall clock that jumps by %d ms fires nothing early, late or twice", async (ms) => {
    const { clock, scheduler, start, named } = rig({ handlers: [recorder().handler] });
    await scheduler.schedules.create("s", { task: report, when: every("10s"), overlap: "allow" });
    const { id } = await scheduler.enqueue(report, null, { delay: "35s" });
    await start();
    await clock.advance(15 * secondMs);
    clock.jumpWall(ms);
    await clock.advance(45 * secondMs);
    expect(named("tick:fired").map(({ tick, latenessMs }) => [(tick as Date).getTime() - begin, latenessMs])).toEqual(
      [10, 20, 30, 40, 50, 60].map((seconds) => [seconds * secondMs, 0]),
    );
    const started = named("job:started").find((event) => event["id"] === id);
    expect(started).toMatchObject({ delayMs: 0 });
  });

  test("S2 a schedule created while the ticker sleeps fires at its first tick", async () => {
    const { clock, scheduler, start, named } = rig({ handlers: [recorder().handler] });
    await start();
    await clock.advance(10_400);
    await scheduler.schedules.create("s", { task: report, when: every("1s") });
    await clock.advance(secondMs);
    expect(named("tick:fired").map(({ latenessMs }) => latenessMs)).toEqual([0]);
  });

  test("D14 a handler that throws or hangs never stops its schedule", async () => {
    const held = gate();
    let calls = 0;
    const flaky = task("report", { retry: { attempts: 1 } });
    const { clock, scheduler, start, named } = rig({
      handlers: [
        handle(flaky, () => {
          if (++calls === 3) return held.promise;
          throw new Error("boom");
        }),
      ],
    });
    await scheduler.schedules.create("s", { task: flaky, when: every("10s"), overlap: "allow" });
    await start();
    await clock.advance(100 * secondMs);
    expect(named("tick:fired")).toHaveLength(10);
    expect(named("job:failed")).toHaveLength(9);
    held.open();
  });

  test("S2 a busy worker does not delay the ticker, overlap skip records what it passes over", async () => {
    const held = gate();
    const { clock, scheduler, start, named } = rig({ handlers: [handle(report, () => held.promise)] });
    await scheduler.schedules.create("s", { task: report, when: every("10s") });
    await start();
    await clock.advance(45 * secondMs);
    expect(named("tick:fired")).toHaveLength(1);
    expect(named("tick:skipped").map(({ reason, count }) => [reason, count])).toEqual(Array(3).fill(["overlap", 1]));
    held.open();
    await clock.advance(10 * secondMs);
    expect(named("job:started").length).toBe(2);
  });
});

describe("downtime", () => {
  /** Runs a schedule of a tick a minute, with the process away from 5:30 to 10:30. */
  async function downFor5Minutes(catchUp: "skip" | "latest" | "all" | { policy: "all"; limit: number }) {
    const { ticks, missed, handler } = recorder();
    const made = rig({ handlers: [handler] });
    await made.scheduler.schedules.create("s", { task: report, when: every("1m"), overlap: "allow", catchUp });
    await made.start();
    await made.clock.advance(5.5 * minuteMs);
    await made.stop();
    await made.clock.advance(5 * minuteMs);
    await made.start();
    await made.clock.advance(2 * minuteMs);
    return { ...made, minutes: ticks.map((ms) => ms / minuteMs), missed };
  }

  test("S4 latest catches up with the newest tick missed, and says how many were", async () => {
    const { minutes, missed, named } = await downFor5Minutes("latest");
    expect(minutes).toEqual([1, 2, 3, 4, 5, 10, 11, 12]);
    expect(missed).toEqual([0, 0, 0, 0, 0, 4, 0, 0]);
    expect(named("tick:skipped")).toMatchObject([
      { reason: "late", count: 4, from: new Date(begin + 6 * minuteMs), to: new Date(begin + 9 * minuteMs) },
    ]);
  });

  test("S4 all catches up with every tick missed, in order", async () => {
    expect((await downFor5Minutes("all")).minutes).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  });

  test("S4 skip catches up with none", async () => {
    const { minutes, missed } = await downFor5Minutes("skip");
    expect(minutes).toEqual([1, 2, 3, 4, 5, 11, 12]);
    expect(missed.slice(5)).toEqual([5, 0]);
  });

  test("S4 a limit keeps the newest", async () => {
    const { minutes, named } = await downFor5Minutes({ policy: "all", limit: 2 });
    expect(minutes).toEqual([1, 2, 3, 4, 5, 9, 10, 11, 12]);
    expect(named("tick:skipped")).toMatchObject([{ reason: "limit", count: 3 }]);
  });

  test("S4 a tick noticed an hour late is older than the window and is skipped", async () => {
    const { ticks, handler } = recorder();
    const { clock, scheduler, start } = rig({ handlers: [handler] });
    await scheduler.schedules.create("s", { task: report, when: cron("0 12 * * *") });
    await clock.advance(13 * hourMs + secondMs);
    await start();
    await clock.advance(secondMs);
    expect(ticks).toEqual([]);
  });

  test("S4 a once fires however late, and only once", async () => {
    const { ticks, handler } = recorder();
    const { clock, scheduler, start } = rig({ handlers: [handler] });
    await scheduler.schedules.create("s", { task: report, when: once(new Date(begin + minuteMs)) });
    await clock.advance(30 * dayMs);
    await start();
    await clock.advance(10 * secondMs);
    expect(ticks).toEqual([minuteMs]);
  });

  test("S4 a once in the past fires now, unless catch-up is skip", async () => {
    const { ticks, handler } = recorder();
    const { clock, scheduler, start } = rig({ handlers: [handler] });
    await start();
    const when = once(new Date(begin - dayMs));
    await scheduler.schedules.create("s", { task: report, when });
    await scheduler.schedules.create("t", { task: report, when, catchUp: "skip" });
    await clock.advance(10 * secondMs);
    expect(ticks).toEqual([-dayMs]);
  });

  test("S4 time spent disabled is never caught up", async () => {
    const { ticks, handler } = recorder();
    const { clock, scheduler, start } = rig({ handlers: [handler] });
    await scheduler.schedules.create("s", { task: report, when: every("1m"), catchUp: "all" });
    await start();
    await clock.advance(90 * secondMs);
    await scheduler.schedules.disable("s");
    await clock.advance(4 * minuteMs);
    await scheduler.schedules.enable("s");
    await clock.advance(minuteMs);
    expect(ticks.map((ms) => ms / minuteMs)).toEqual([1, 6]);
  });
});

describe("restarts", () => {
  test("D3 an ensure at every boot keeps the next tick, so frequent restarts do not starve it", async () => {
    const clock = new PollingClock();
    const engine = memory({ clock });
    const { ticks, handler } = recorder();
    const outcomes: string[] = [];
    for (let boot = 0; boot < 10; boot++) {
      const { scheduler, start, stop } = rig({ clock, engine, handlers: [handler] });
      const { outcome } = await scheduler.schedules.ensure("s", { task: report, when: every("1m") });
      outcomes.push(outcome);
      await start();
      await clock.advance(20 * secondMs);
      await stop();
    }
    expect(outcomes).toEqual(["created", ...Array(9).fill("unchanged")]);
    expect(ticks).toEqual([minuteMs, 2 * minuteMs, 3 * minuteMs]);
  });

  test("S6 an ensure of a rule whose ticks are over stays a no-op at every boot", async () => {
    const { clock, scheduler, start } = rig({ handlers: [recorder().handler] });
    const ensure = async () => {
      const when = { kind: "union", rules: [once(new Date(begin + 1_000)), once(new Date(begin + 2_000))] } as const;
      return await scheduler.schedules.ensure("s", { task: report, when });
    };
    await ensure();
    await start();
    await clock.advance(minuteMs);
    expect((await ensure()).outcome).toBe("unchanged");
  });

  test("S7 a disabled and a removed schedule fire nothing on any replica", async () => {
    const clock = new PollingClock();
    const engine = memory({ clock });
    const one = rig({ clock, engine, handlers: [recorder().handler] });
    const two = rig({ clock, engine, handlers: [recorder().handler] });
    for (const id of ["kept", "off", "gone"]) {
      await one.scheduler.schedules.create(id, { task: report, when: every("10s"), overlap: "allow" });
    }
    await Promise.all([one.start(), two.start()]);
    await clock.advance(15 * secondMs);
    await two.scheduler.schedules.disable("off", { reason: "maintenance" });
    expect(await two.scheduler.schedules.remove("gone")).toBe(true);
    await clock.advance(20 * secondMs);
    const ids = [one, two].flatMap(({ named }) => named("tick:fired").map(({ id }) => id)).sort();
    expect(ids).toEqual(["gone", "kept", "kept", "kept", "off"]);
    expect(fires(one, two)).toHaveLength(5);
    expect(await one.scheduler.schedules.get("off")).toMatchObject({ enabled: false, disabledReason: "maintenance" });
    expect(await one.scheduler.schedules.remove("gone")).toBe(false);
  });

  test("S8 a schedule that cannot be evaluated is disabled with its reason; its neighbours fire", async () => {
    const clock = new PollingClock();
    const { scheduler, faulty, start, named } = rig({ clock, handlers: [recorder().handler] });
    await scheduler.schedules.create("good", { task: report, when: every("10s"), overlap: "allow" });
    await scheduler.schedules.create("bad", { task: report, when: cron("*/10 * * * * *"), overlap: "allow" });
    const bad = await faulty.engine.schedules.get({ tenant: "default", id: "bad" });
    const rule = bad?.definition.rule as unknown as { expression: string };
    // As a newer version, or a hand in the database, might have left it.
    if (bad !== undefined) Object.assign(bad.definition, { rule: { ...rule, expression: "never heard of" } });
    await start();
    await clock.advance(35 * secondMs);
    expect(named("tick:fired").map(({ id }) => id)).toEqual(["good", "good", "good"]);
    expect(named("schedule:disabled")).toMatchObject([{ id: "bad" }]);
    const view = await scheduler.schedules.get("bad");
    expect([view?.enabled, view?.disabledReason]).toEqual([false, expect.stringContaining("cannot be evaluated")]);
  });
});

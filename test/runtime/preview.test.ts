// S3, S10: what preview shows is what then happens, tick for tick.
import { describe, expect, test } from "vitest";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { cron, every, everyCalendar, except, type Rule, task, union } from "../../src/index.ts";
import { VirtualClock } from "../../src/testing/index.ts";
import { dayMs, hourMs, minuteMs, type Rig, rig, rigOn } from "./rig.ts";

const report = task("report");

/** Wakes the ticker every `stepMs` for so long, without a timer in between: weeks pass in a moment. */
async function live({ clock, start, stop }: Rig, forMs: number, stepMs: number): Promise<void> {
  for (let passed = 0; passed < forMs; passed += stepMs) {
    await clock.advance(stepMs);
    await start("ticker");
    await stop();
  }
}

function fired(made: Rig, id: string): { readonly tick: unknown; readonly dueAt: unknown }[] {
  return made.named("tick:fired").flatMap(({ id: of, tick, dueAt }) => (of === id ? [{ tick, dueAt }] : []));
}

const rules: Readonly<Record<string, Rule>> = {
  "at-0230": cron("30 2 * * *", { timezone: "Europe/Paris" }),
  "at-0230-skip": cron("30 2 * * *", { timezone: "Europe/Paris", onGap: "skip", onOverlap: "both" }),
  hourly: cron("0 * * * *", { timezone: "America/New_York" }),
  "half-hourly": cron("*/30 * * * *", { timezone: "Australia/Lord_Howe" }),
  weekdays: cron("0 9 * * 1-5", { timezone: "Europe/Paris" }),
  "every-7h": every("7h", { anchor: "2026-01-01T00:30:00Z" }),
  calendar: everyCalendar({ days: 1 }, { anchor: "2026-03-01T02:30:00+01:00", timezone: "Europe/Paris" }),
  both: union(cron("0 6 * * *"), cron("0 9 * * *", { timezone: "Europe/Paris" })),
  "but-sundays": except(cron("0 12 * * *"), [cron("0 12 * * 0"), "2026-03-25"]),
};

describe("preview", () => {
  test.each([
    ["spring", Date.UTC(2026, 2, 15), 28],
    ["autumn", Date.UTC(2026, 9, 15), 24],
  ])("S10 preview equals what then fires over the %s clock changes", async (_, from, days) => {
    const made = rig({ clock: new VirtualClock(from) });
    const { schedules } = made.scheduler;
    const previews = new Map<string, { tick: Date; dueAt: Date }[]>();
    for (const [id, when] of Object.entries(rules)) {
      const options = { task: report, when, overlap: "allow" as const, jitter: "20m" };
      const before = await schedules.previewOf(id, options, 2_000);
      await schedules.create(id, options);
      expect(await schedules.preview(id, { count: 2_000 })).toEqual(before);
      previews.set(
        id,
        before.map(({ tick, dueAt }) => ({ tick, dueAt })),
      );
    }
    await live(made, days * dayMs, 30 * minuteMs);
    const until = from + days * dayMs;
    for (const id of Object.keys(rules)) {
      const expected = previews.get(id)?.filter(({ tick }) => tick.getTime() <= until) ?? [];
      expect(expected.length, id).toBeGreaterThan(10);
      expect(fired(made, id), id).toEqual(expected);
    }
  });

  test("S10 preview notes what a clock change does", async () => {
    const clock = new VirtualClock(Date.UTC(2026, 2, 27, 12));
    const { scheduler } = rig({ clock });
    await scheduler.schedules.create("s", { task: report, when: rules["at-0230"] as Rule });
    const ticks = await scheduler.schedules.preview("s", { count: 3 });
    expect(ticks.map(({ tick, note }) => [tick.toISOString(), note !== undefined])).toEqual([
      ["2026-03-28T01:30:00.000Z", false],
      ["2026-03-29T01:00:00.000Z", true],
      ["2026-03-30T00:30:00.000Z", false],
    ]);
  });

  test("S10 preview ends with the schedule", async () => {
    const { scheduler } = rig();
    const options = { task: report, when: every("1m"), endAt: "2026-01-01T00:05:00Z" };
    await scheduler.schedules.create("s", options);
    await scheduler.schedules.create("t", { ...options, maxTicks: 2 });
    const count = async (id: string) => (await scheduler.schedules.preview(id, { count: 100 })).length;
    expect([await count("s"), await count("t")]).toEqual([5, 2]);
    expect(await scheduler.schedules.preview("s")).toHaveLength(5);
  });

  test("S10 preview of a disabled schedule shows what it would do if it were enabled now", async () => {
    const { scheduler, clock } = rig();
    await scheduler.schedules.create("s", { task: report, when: every("1h") });
    await scheduler.schedules.disable("s");
    await clock.advance(2.5 * hourMs);
    const [first] = await scheduler.schedules.preview("s", { count: 1 });
    const { nextAt } = await scheduler.schedules.enable("s");
    expect(first?.tick).toEqual(nextAt);
  });

  test("S10 preview fires nothing and moves nothing", async () => {
    const { scheduler } = rig();
    const before = await scheduler.schedules.create("s", { task: report, when: every("1m") });
    await scheduler.schedules.preview("s", { count: 10_000 });
    expect(await scheduler.schedules.get("s")).toEqual(before);
    expect((await scheduler.jobs.list()).items).toEqual([]);
  });
});

describe("jitter", () => {
  test("S3 jobs are inserted at the tick and due at tick plus one steady offset", async () => {
    const { scheduler, clock, start, named } = rig();
    await scheduler.schedules.create("s", { task: report, when: every("1m"), jitter: "30s", overlap: "allow" });
    await start("ticker");
    await clock.advance(5 * minuteMs);
    const offsets = named("tick:fired").map(({ tick, dueAt }) => (dueAt as Date).getTime() - (tick as Date).getTime());
    expect(named("tick:fired").map(({ latenessMs }) => latenessMs)).toEqual([0, 0, 0, 0, 0]);
    expect(new Set(offsets).size).toBe(1);
    expect(offsets[0]).toBeGreaterThanOrEqual(0);
    expect(offsets[0]).toBeLessThan(30_000);
    expect((await scheduler.jobs.list()).items[0]?.schedule?.tick).toEqual(named("tick:fired")[4]?.["tick"]);
  });

  test("S3 a jitter longer than the interval never reaches the next tick", async () => {
    const { scheduler } = rig();
    for (const id of ["a", "b", "c", "d"]) {
      await scheduler.schedules.create(id, { task: report, when: every("10s"), jitter: "1h" });
      const ticks = await scheduler.schedules.preview(id, { count: 20 });
      for (const { tick, dueAt } of ticks) expect(dueAt.getTime() - tick.getTime()).toBeLessThan(10_000);
    }
  });

  test("S3 the offset of a schedule is the same on another engine, in another process", async () => {
    const clock = new VirtualClock();
    const options = { task: report, when: every("1m"), jitter: "30s" };
    const here = await rig({ clock }).scheduler.schedules.previewOf("s-1", options);
    const there = await rigOn(sqlite(":memory:", { clock }), clock).scheduler.schedules.previewOf("s-1", options);
    expect(here).toEqual(there);
    const elsewhere = await rig({ clock }).scheduler.tenant("acme").schedules.previewOf("s-1", options);
    expect(elsewhere[0]?.dueAt).not.toEqual(here[0]?.dueAt);
  });
});

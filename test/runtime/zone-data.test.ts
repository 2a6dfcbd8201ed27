// S13: time zone data that changes under stored schedules, with replicas of different versions over one store.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Zone } from "../../src/core/cron/zone.ts";
import { memory } from "../../src/engines/memory/index.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { cron, type Engine, every, examine, task, union } from "../../src/index.ts";
import { VirtualClock } from "../../src/testing/index.ts";
import { keepingOffset, withRules } from "./other-zone-rules.ts";
import { dayMs, hourMs, minuteMs, type Rig, rig, secondMs } from "./rig.ts";

const report = task("report");
const paris = "Europe/Paris";
const old = "2026a";
const young = "2026c";

/** Clocks go back on October 25, 2026, at 01:00 UTC; in these zones they stay where they were. */
const change = Date.UTC(2026, 9, 25, 1);
const stays = keepingOffset(paris, change, 2 * hourMs);
const begin = change - 3 * hourMs;

/** Time of a deployment: each process polls, as it knows nothing of the others. */
class Clock extends VirtualClock {
  override readonly patient = false;
}

function enginesOn(name: "memory" | "sqlite", clock: VirtualClock): () => Engine {
  if (name === "memory") {
    const engine = memory({ clock });
    return () => engine;
  }
  const folder = mkdtempSync(join(tmpdir(), "punctual-zone-data-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return () => sqlite(join(folder, "jobs.db"), { clock }) as unknown as Engine;
}

interface World {
  readonly clock: VirtualClock;
  readonly replica: (zoneData: string, zone?: Zone) => Rig;
}

function world(name: "memory" | "sqlite", clock: VirtualClock = new Clock(begin)): World {
  const engine = enginesOn(name, clock);
  return {
    clock,
    replica: (zoneData, zone) =>
      rig({ clock, zoneData, engine: zone === undefined ? engine() : withRules(engine(), [zone], zoneData) }),
  };
}

/** The ticks of a schedule that a replica fired: day and time in UTC. */
function fired({ named }: Rig, schedule = "s"): string[] {
  return named("tick:fired")
    .filter(({ id }) => id === schedule)
    .map(({ tick }) => (tick as Date).toISOString().slice(8, 16));
}

/** 01:30, 02:30, 03:30 and 04:30 in Paris. Where clocks go back, 03:30 is 02:30 UTC; where they stay, 01:30 UTC. */
const nightly = { task: report, when: cron("30 1-4 * * *", { timezone: paris }), overlap: "allow" } as const;

describe.each(["memory", "sqlite"] as const)("a rolling deploy on %s", (name) => {
  test.each([
    ["later", stays, undefined, ["25T01:30", "25T02:30", "25T03:30"]],
    ["sooner", undefined, stays, ["25T02:30", "25T01:30", "25T02:30"]],
  ] as const)(
    "S13 newer rules make a tick come %s: it is retimed before it is due, and fires once, where they have it",
    async (_, oldZone, youngZone, [before, ...after]) => {
      const { clock, replica } = world(name);
      const older = replica(old, oldZone);
      await older.scheduler.schedules.create("s", nightly);
      await older.start("ticker", "janitor");
      await clock.advance(2 * hourMs + 45 * minuteMs);
      const newer = replica(young, youngZone);
      await newer.start("ticker", "janitor");
      await clock.advance(4 * hourMs);
      // From the moment newer rules have placed its tick, the older replica leaves the schedule alone.
      expect([fired(older), fired(newer)]).toEqual([["24T23:30", "25T00:30"], after]);
      const moved = { before: new Date(`2026-10-${before}:00Z`), after: new Date(`2026-10-${after[0]}:00Z`) };
      expect(newer.named("schedule:retimed")).toEqual([{ id: "s", tenant: "default", ...moved }]);
      const { items } = await newer.scheduler.events.list({ type: "schedule:retimed" });
      expect(items.map(({ schedule, data }) => [schedule, data])).toEqual([
        ["s", { ...moved, zoneDataBefore: old, zoneDataAfter: young }],
      ]);
      await Promise.all([older.stop(), newer.stop()]);
    },
  );

  test("S13 a newer replica that comes after a tick has fired by older rules does not fire that wall time again", async () => {
    const { clock, replica } = world(name);
    const older = replica(old, stays);
    await older.scheduler.schedules.create("s", nightly);
    await older.scheduler.schedules.create("wild", { ...nightly, when: cron("*/30 * * * *", { timezone: paris }) });
    await older.start("ticker");
    await clock.advance(3 * hourMs + 45 * minuteMs);
    const newer = replica(young);
    await newer.start("ticker", "janitor");
    await clock.advance(3 * hourMs);
    // 03:30 was done at 01:30 UTC, by the older rules.
    expect(fired(older)).toEqual(["24T23:30", "25T00:30", "25T01:30"]);
    expect(fired(newer)).toEqual(["25T03:30"]);
    // A rule of real instants pauses for nothing.
    const wild = [older, newer].flatMap((each) => fired(each, "wild"));
    expect([wild.length, new Set(wild).size]).toEqual([13, 13]);
    await Promise.all([older.stop(), newer.stop()]);
  });

  test("S4 S13 a tick that newer rules place before what was done is told as skipped, and the next one comes", async () => {
    const { clock, replica } = world(name);
    const older = replica(old);
    const when = union(cron("30 3 * * *", { timezone: paris }), cron("15 4 * * *", { timezone: paris }));
    await older.scheduler.schedules.create("s", { ...nightly, when });
    await older.start("ticker");
    await clock.advance(4 * hourMs + 50 * minuteMs);
    expect(fired(older)).toEqual(["25T02:30"]);
    // By the newer rules it is 04:50 there, not 03:50: 04:15 is over, and came before 03:30 was done.
    const newer = replica(young, stays);
    await newer.start("ticker", "janitor");
    await clock.advance(dayMs - hourMs);
    const lost = {
      from: new Date("2026-10-25T02:15:00Z"),
      to: new Date("2026-10-25T02:15:00Z"),
      count: 1,
      reason: "late",
    };
    expect([...older.named("tick:skipped"), ...newer.named("tick:skipped")]).toEqual([
      { id: "s", tenant: "default", ...lost },
    ]);
    const { items } = await newer.scheduler.schedules.history("s", { order: "oldest" });
    expect(items.map(({ outcome, tick }) => [outcome, tick.toISOString().slice(8, 16)])).toEqual([
      ["fired", "25T02:30"],
      ["skipped", "25T02:15"],
      ["fired", "26T01:30"],
    ]);
    await Promise.all([older.stop(), newer.stop()]);
  });

  test("S13 a deploy that is taken back: the older replica waits ten minutes, then goes on by its own rules, nothing twice", async () => {
    const { clock, replica } = world(name);
    const older = replica(old, stays);
    await older.scheduler.schedules.create("s", nightly);
    await older.start("ticker");
    await clock.advance(2 * hourMs + 45 * minuteMs);
    const newer = replica(young);
    await newer.start("ticker", "janitor");
    await clock.advance(minuteMs);
    await newer.stop();
    await clock.advance(change + 99 * minuteMs - clock.now());
    expect(fired(older)).toEqual(["24T23:30", "25T00:30"]);
    await clock.advance(2 * minuteMs);
    expect(fired(older)).toEqual(["24T23:30", "25T00:30", "25T02:30"]);
    const again = replica(young);
    await again.start("ticker", "janitor");
    await clock.advance(3 * hourMs);
    expect(fired(again)).toEqual([]);
    await Promise.all([older.stop(), again.stop()]);
  });
});

describe("a ticker among schedules that it must leave alone", () => {
  test("S13 it does not spin, and fires others behind more of them than one look takes", async () => {
    const { clock, replica } = world("memory");
    const after = replica(young, stays);
    await after.scheduler.schedules.ensureMany(Array.from({ length: 1_200 }, (_, n) => ({ id: `s-${n}`, ...nightly })));
    const before = replica(old);
    await before.scheduler.schedules.create("utc", {
      ...nightly,
      when: every("1h", { anchor: "2026-10-24T23:30:30Z" }),
    });
    await before.start("ticker");
    await clock.advance(90 * minuteMs + 30 * secondMs + 300);
    expect(before.named("tick:fired").map(({ id }) => id)).toEqual(["utc"]);
    const [lateness] = before.named("tick:fired").map(({ latenessMs }) => latenessMs);
    expect(lateness).toBeLessThanOrEqual(250);
    const looked = before.faulty.calls("schedules.fire").length;
    await clock.advance(minuteMs);
    expect(before.faulty.calls("schedules.fire").length - looked).toBeLessThanOrEqual(4 * 60 + 2);
    await Promise.all([before.stop(), after.stop()]);
  });
});

describe("the janitor's look", () => {
  test("S13 one of many replicas looks at all schedules, in batches, when a version is new; others read a mark", async () => {
    const { clock, replica } = world("memory");
    const first = replica(old, stays);
    await first.scheduler.schedules.ensureMany(Array.from({ length: 1_200 }, (_, n) => ({ id: `s-${n}`, ...nightly })));
    const replicas = [1, 2, 3].map(() => replica(young));
    for (const each of replicas) await each.start("janitor");
    await clock.advance(10 * minuteMs);
    const lists = replicas.map(({ faulty }) => faulty.calls("schedules.list").length);
    expect(lists.sort()).toEqual([0, 0, 3]);
    // The next tick is the same by both rules: nothing is told.
    expect(replicas.flatMap(({ named }) => named("schedule:retimed"))).toEqual([]);
    const stored = await first.faulty.engine.schedules.get({ tenant: "default", id: "s-1199" });
    expect(stored?.cursor.zoneRules).toMatch(/^2026c:/);
    await Promise.all([first, ...replicas].map(({ stop }) => stop()));
  });

  test("S13 it looks daily while versions are mixed or new, and no more once one has been alone for days", async () => {
    const { clock, replica } = world("memory", new VirtualClock(begin));
    const only = replica(young);
    await only.scheduler.schedules.create("s", nightly);
    await only.start("janitor");
    await clock.advance(30 * dayMs);
    expect(only.faulty.calls("schedules.list").length).toBeLessThanOrEqual(5);
    const other = replica(old);
    await other.start("janitor");
    await clock.advance(10 * dayMs);
    expect(only.faulty.calls("schedules.list").length).toBeGreaterThan(8);
    await Promise.all([only.stop(), other.stop()]);
  });

  test("S13 a look that dies with its process is begun anew by another", async () => {
    const { clock, replica } = world("memory");
    const first = replica(young);
    await first.scheduler.schedules.ensureMany(Array.from({ length: 600 }, (_, n) => ({ id: `s-${n}`, ...nightly })));
    first.faulty.on("schedules.list", () => new Promise(() => {}));
    await first.start("janitor");
    const second = replica(young);
    await second.start("janitor");
    await clock.advance(2 * hourMs);
    expect(second.faulty.calls("schedules.list").length).toBeGreaterThanOrEqual(2);
    await second.stop();
  });
});

describe("a schedule that cannot be evaluated", () => {
  test("S8 S13 it holds up neither the janitor's look nor the ticks of others, and is disabled when it is due", async () => {
    const { clock, replica } = world("memory");
    const older = replica(old, stays);
    await older.scheduler.schedules.create("s", nightly);
    await older.scheduler.schedules.create("bad", nightly);
    await older.faulty.engine.schedules.fire({
      limit: 1,
      only: [{ tenant: "default", id: "bad" }],
      decide: (due) =>
        due.map(({ schedule }) => {
          const strange = { kind: "union", rules: [nightly.when, { kind: "tide" }] } as never;
          const to = { ...schedule, definition: { ...schedule.definition, rule: strange } };
          return { from: schedule, to, insert: [], cancel: [], fired: [], skipped: [], events: [] };
        }),
    });
    const newer = replica(young);
    await newer.start("ticker", "janitor");
    await clock.advance(2 * hourMs);
    expect(newer.named("worker:error")).toEqual([]);
    expect(fired(newer)).toEqual(["24T23:30"]);
    expect(newer.named("schedule:disabled").map(({ id }) => id)).toEqual(["bad"]);
    await Promise.all([older.stop(), newer.stop()]);
  });
});

describe("what is stored", () => {
  test("S13 stores of earlier versions go on: a fingerprint without a version, or of a union's first zone only", async () => {
    const { clock, replica } = world("memory");
    const { scheduler, faulty, start, stop, named } = replica(young);
    const both = union(cron("0 9 * * *", { timezone: paris }), cron("0 9 * * *", { timezone: "Asia/Tokyo" }));
    await scheduler.schedules.create("s", nightly);
    await scheduler.schedules.create("u", { ...nightly, when: both });
    await faulty.engine.schedules.fire({
      limit: 2,
      only: ["s", "u"].map((id) => ({ tenant: "default", id })),
      decide: (due) =>
        due.map(({ schedule }) => {
          const zoneRules = schedule.cursor.zoneRules.replace(/^.*:/, "");
          const { wall: _, ...cursor } = schedule.cursor;
          const to = {
            ...schedule,
            cursor: { ...cursor, zoneRules: schedule.id === "s" ? zoneRules : "0123456789abcdef" },
          };
          return { from: schedule, to, insert: [], cancel: [], fired: [], skipped: [], events: [] };
        }),
    });
    await start("ticker", "janitor");
    await clock.advance(10 * hourMs);
    expect(named("tick:fired").map(({ id }) => id)).toEqual(["s", "u", "s", "s", "s", "u"]);
    expect(named("schedule:retimed")).toEqual([]);
    const stored = await faulty.engine.schedules.get({ tenant: "default", id: "u" });
    expect(stored?.cursor.zoneRules).toMatch(/^2026c:[0-9a-f]{16}$/);
    await stop();
  });

  test("S13 an input changed through a replica with older rules leaves the tick where newer ones have placed it", async () => {
    const { clock, replica } = world("memory");
    const after = replica(young);
    const before = replica(old, stays);
    await clock.advance(2 * hourMs + 45 * minuteMs);
    await after.scheduler.schedules.create("s", nightly);
    const changed = await before.scheduler.schedules.update("s", { input: 2 });
    expect(changed.nextAt).toEqual(new Date("2026-10-25T02:30:00Z"));
    const moved = await before.scheduler.schedules.update("s", { when: cron("31 3 * * *", { timezone: paris }) });
    expect(moved.nextAt).toEqual(new Date("2026-10-25T01:31:00Z"));
    await Promise.all([after.stop(), before.stop()]);
  });

  test("S13 explain and doctor say which data placed a tick, and who fires it", async () => {
    const { clock, replica } = world("memory");
    const newer = replica(young, stays);
    await newer.start("janitor");
    await newer.scheduler.schedules.create("s", nightly);
    const older = replica(old);
    const explain = async () => (await older.scheduler.explain({ schedule: "s" })).sentences;
    const waits =
      "Its next tick was placed by time zone data 2026c, newer than the 2026a of this process: processes that have it fire it, this one only once it is 10m late.";
    expect(await explain()).toContain(waits);
    await clock.advance(95 * minuteMs);
    expect(await explain()).toContain(waits);
    const { engine } = older.faulty;
    const about = async (zoneData: string) =>
      (await examine(engine, { zoneData })).filter(({ check }) => check === "time zones");
    expect(await about(old)).toEqual([
      expect.objectContaining({ status: "warn", what: expect.stringContaining("2026c"), mend: expect.any(String) }),
    ]);
    expect(await about(young)).toEqual([expect.objectContaining({ status: "ok" })]);
    await Promise.all([newer.stop(), older.stop()]);
  });
});

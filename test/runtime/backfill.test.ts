// S10: an operator's backfill, planned before it is made, and what it answers.
import { describe, expect, test } from "vitest";
import { cron, every, type OverlapPolicy, task } from "../../src/index.ts";
import { type Fault, lostAnswer } from "./faulty.ts";
import { dayMs, hourMs, minuteMs, type Rig, rejection, rig, secondMs } from "./rig.ts";

const report = task("report");

/** A rig whose clock stands at midnight, with a schedule that ticked every minute of the day before. */
async function withSchedule(options: { readonly overlap?: OverlapPolicy } = {}, rigged: Rig = rig()) {
  const now = rigged.clock.now();
  await rigged.scheduler.schedules.create("s", {
    task: report,
    when: every("1m", { anchor: new Date(now - dayMs) }),
    ...options,
  });
  const ago = (ms: number) => new Date(now - ms);
  return { ...rigged, ago, schedules: rigged.scheduler.schedules };
}

describe("backfill", () => {
  test("S10 makes the ticks of a range, both ends included, and tells them", async () => {
    const { schedules, scheduler, ago } = await withSchedule({ overlap: "allow" });
    const result = await schedules.backfill("s", { from: ago(3 * minuteMs), to: ago(minuteMs), priority: "low" });
    expect(result).toMatchObject({
      dryRun: false,
      fired: { count: 3, first: ago(3 * minuteMs), last: ago(minuteMs) },
      held: { count: 0 },
      skipped: { count: 0 },
    });
    const jobs = (await scheduler.jobs.list({ sort: "oldest" })).items;
    expect(jobs.map((job) => [job.id, job.schedule?.tick, job.priority])).toEqual(
      result.ticks.map(({ tick, job }) => [job, tick, 10]),
    );
    expect((await schedules.get("s"))?.ticksFired).toBe(0);
  });

  test.each(["allow", "skip", "queue", "replace"] as const)(
    "S10 with overlap %s a dry run answers the same, and changes nothing",
    async (overlap) => {
      const { schedules, scheduler, ago } = await withSchedule({ overlap: "skip" });
      await schedules.trigger("s");
      const range = { from: ago(8 * hourMs), to: ago(0), overlap, rate: { count: 3, per: "1s" } };
      const before = [
        await scheduler.jobs.list({ limit: 1_000 }),
        await scheduler.events.list(),
        await schedules.get("s"),
      ];
      const dry = await schedules.backfill("s", { ...range, dryRun: true });
      const after = [
        await scheduler.jobs.list({ limit: 1_000 }),
        await scheduler.events.list(),
        await schedules.get("s"),
      ];
      expect(after).toEqual(before);
      const made = await schedules.backfill("s", range);
      const ticks = made.ticks.map(({ tick, dueAt }) => ({ tick, dueAt }));
      expect(dry).toEqual({ ...made, dryRun: true, ticks });
      expect(made.fired.count + made.held.count + made.skipped.count).toBe(481);
      expect(made.fired.count).toBe({ allow: 481, skip: 0, queue: 0, replace: 1 }[overlap]);
    },
  );

  test("S10 makes many ticks in steps, each once, though answers are lost", async () => {
    const { schedules, scheduler, ago, faulty, clock } = await withSchedule();
    let calls = 0;
    const everySecondLost: Fault = async (call) => (calls++ % 2 === 0 ? lostAnswer(call) : call());
    faulty.on("schedules.fire", everySecondLost, 100);
    const backfill = schedules.backfill("s", { from: ago(8 * hourMs), to: ago(0), overlap: "allow" });
    await clock.advance(10 * secondMs);
    expect((await backfill).fired.count).toBe(481);
    expect(calls).toBe(8);
    const { waiting, delayed } = await scheduler.stats();
    expect(waiting + delayed).toBe(481);
  });

  test("S10 a rate spreads the due times, over all steps of the backfill", async () => {
    const { schedules, ago, clock } = await withSchedule({ overlap: "allow" });
    const from = ago(8 * hourMs);
    const { ticks } = await schedules.backfill("s", { from, to: ago(0), rate: { count: 4, per: "1s" } });
    expect(ticks.map(({ dueAt }) => dueAt.getTime() - clock.now())).toEqual(ticks.map((_, index) => index * 250));
  });

  test("S10 history tells a backfill from ticks, and by whom it was", async () => {
    const { schedules, ago } = await withSchedule();
    await schedules.backfill("s", { from: ago(3 * minuteMs), to: ago(minuteMs), actor: "ann" });
    const { items } = await schedules.history("s", { order: "oldest" });
    expect(items).toMatchObject([
      {
        outcome: "skipped",
        tick: ago(2 * minuteMs),
        through: ago(minuteMs),
        count: 2,
        reason: "overlap",
        backfill: true,
        actor: "ann",
      },
      { outcome: "fired", tick: ago(3 * minuteMs), latenessMs: 3 * minuteMs, backfill: true, actor: "ann" },
    ]);
  });

  test("S10 a schedule that has ended, or is disabled, can be backfilled", async () => {
    const { schedules, ago } = await withSchedule({ overlap: "allow" });
    await schedules.update("s", { endAt: ago(-minuteMs), maxTicks: 1 });
    await schedules.disable("s");
    const result = await schedules.backfill("s", { from: ago(3 * minuteMs), to: ago(minuteMs) });
    expect(result.fired.count).toBe(3);
    expect(await schedules.get("s")).toMatchObject({ enabled: false, ticksFired: 0 });
  });

  test("S10 a range without a tick makes nothing", async () => {
    const { scheduler, clock } = rig();
    const now = clock.now();
    await scheduler.schedules.create("s", { task: report, when: cron("0 0 1 1 *") });
    const result = await scheduler.schedules.backfill("s", {
      from: new Date(now - hourMs),
      to: new Date(now - minuteMs),
    });
    expect(result).toEqual({
      dryRun: false,
      fired: { count: 0 },
      held: { count: 0 },
      skipped: { count: 0 },
      ticks: [],
    });
  });

  test("N2 a backfill beyond maxPendingJobs is refused whole", async () => {
    const rigged = rig({ guardrails: { maxPendingJobs: 250 } });
    const { schedules, scheduler, ago } = await withSchedule({ overlap: "allow" }, rigged);
    const error = await rejection(schedules.backfill("s", { from: ago(8 * hourMs), to: ago(0) }));
    const details = { limit: "maxPendingJobs", max: 250, value: 481, tenant: "default" };
    expect(error).toMatchObject({ code: "LIMIT_EXCEEDED", field: "maxPendingJobs", details });
    expect((await scheduler.jobs.list()).items).toEqual([]);
    expect((await schedules.backfill("s", { from: ago(249 * minuteMs), to: ago(0) })).fired.count).toBe(250);
    expect(await rejection(schedules.trigger("s"))).toMatchObject({ code: "LIMIT_EXCEEDED" });
    expect((await schedules.history("s", { limit: 1_000 })).items).toHaveLength(250);
  });

  test("N2 a backfill that meets the limit midway says what it has made, and can be gone on with", async () => {
    const rigged = rig({ guardrails: { maxPendingJobs: 481 } });
    const { schedules, scheduler, ago, faulty } = await withSchedule({ overlap: "allow" }, rigged);
    const other = await scheduler.schedules.create("other", { task: report, when: every("1h"), overlap: "allow" });
    let fires = 0;
    // The first fire reads, the second makes 200 jobs; then another job takes room.
    faulty.on("schedules.fire", async (call) => {
      if (++fires === 3) await scheduler.schedules.trigger(other.id);
      return await call();
    });
    const error = await rejection(schedules.backfill("s", { from: ago(8 * hourMs), to: ago(0) }));
    const madeThrough = ago(8 * hourMs - 399 * minuteMs).toISOString();
    expect(error).toMatchObject({
      code: "LIMIT_EXCEEDED",
      mend: expect.stringContaining(`400 jobs were made, for the ticks up to ${madeThrough}`),
      details: { limit: "maxPendingJobs", max: 481, value: 482, tenant: "default", made: 400, madeThrough },
    });
    expect(await scheduler.stats()).toMatchObject({ waiting: 401 });
    await scheduler.tenants.limit("default", { guardrails: { maxPendingJobs: "unlimited" } });
    const from = new Date(Date.parse(madeThrough) + 1);
    expect((await schedules.backfill("s", { from, to: ago(0) })).fired.count).toBe(81);
  });

  test("J15 a backfill whose outcome stays unknown says how to find out", async () => {
    const { schedules, ago, faulty, clock } = await withSchedule({ overlap: "allow" });
    let fires = 0;
    faulty.on("schedules.fire", (call) => (++fires < 3 ? call() : lostAnswer(call)));
    const lost = rejection(schedules.backfill("s", { from: ago(8 * hourMs), to: ago(0) }));
    await clock.advance(5 * secondMs);
    expect(await lost).toMatchObject({
      code: "OUTCOME_UNKNOWN",
      mend: expect.stringContaining("schedules.history"),
      details: { made: 200 },
    });
    const trigger = rejection(schedules.trigger("s"));
    await clock.advance(5 * secondMs);
    expect(await trigger).toMatchObject({ mend: expect.stringContaining("schedules.history") });
  });

  test("J15 a backfill whose answer was lost finds its jobs, though they have taken the tenant's room", async () => {
    const rigged = rig({ guardrails: { maxPendingJobs: 11 } });
    const { schedules, scheduler, ago, faulty, clock } = await withSchedule({ overlap: "allow" }, rigged);
    let fires = 0;
    faulty.on("schedules.fire", (call) => (++fires === 2 ? lostAnswer(call) : call()));
    const made = schedules.backfill("s", { from: ago(10 * minuteMs), to: ago(0) });
    await clock.advance(5 * secondMs);
    expect((await made).fired.count).toBe(11);
    expect((await scheduler.jobs.list()).items).toHaveLength(11);
  });

  test("N2 a rate is held against the tenant's own maxHorizon", async () => {
    const { schedules, scheduler, ago } = await withSchedule({ overlap: "allow" }, rig());
    const wish = { from: ago(10 * minuteMs), to: ago(0), rate: { count: 1, per: "10m" } } as const;
    await scheduler.tenants.limit("default", { guardrails: { maxHorizon: "1h" } });
    for (const dryRun of [true, false]) {
      const error = await rejection(schedules.backfill("s", { ...wish, dryRun }));
      expect(error).toMatchObject({ details: { limit: "maxHorizonMs", max: hourMs, value: 100 * minuteMs } });
    }
    await scheduler.tenants.limit("default", { guardrails: { maxHorizon: "2h" } });
    expect((await schedules.backfill("s", wish)).fired.count).toBe(11);
  });

  test("N2 a rate that reaches beyond maxHorizon is refused", async () => {
    const { schedules, ago } = await withSchedule({ overlap: "allow" }, rig({ guardrails: { maxHorizon: "1h" } }));
    const range = { from: ago(10 * minuteMs), to: ago(0) };
    const error = await rejection(schedules.backfill("s", { ...range, rate: { count: 1, per: "10m" } }));
    expect(error).toMatchObject({ code: "LIMIT_EXCEEDED", field: "maxHorizonMs" });
    expect((await schedules.backfill("s", { ...range, rate: { count: 1, per: "6m" } })).fired.count).toBe(11);
  });

  test("N1 another tenant's schedule cannot be backfilled", async () => {
    const { scheduler, ago } = await withSchedule();
    const { schedules } = scheduler.tenant("acme");
    const error = await rejection(schedules.backfill("s", { from: ago(hourMs), to: ago(0) }));
    expect(error).toMatchObject({ code: "NOT_FOUND" });
  });

  test.each([
    ["to", { to: "2020-01-01T00:00:00Z" }],
    ["to", { to: "2200-01-01T00:00:00Z" }],
    ["to", { from: "2025-01-01T00:00:00Z" }],
    ["from", { from: "yesterday" }],
    ["overlap", { overlap: "buffer" }],
    ["rate.count", { rate: { count: 0, per: "1s" } }],
    ["rate.per", { rate: { count: 1, per: 0 } }],
    ["rate.many", { rate: { count: 1, per: "1s", many: true } }],
    ["priority", { priority: 11 }],
    ["dryRun", { dryRun: "yes" }],
    ["till", { till: 1 }],
  ])("S10 names %s when it is not as it should be", async (field, wrong) => {
    const { scheduler, clock } = rig();
    const anchor = new Date("2024-01-01T00:00:00Z");
    await scheduler.schedules.create("s", { task: report, when: every("1m", { anchor }) });
    const options = { from: new Date(clock.now() - hourMs), to: new Date(clock.now()), ...wrong };
    const error = await rejection(scheduler.schedules.backfill("s", options as never));
    expect(error).toMatchObject({ code: "INVALID_INPUT", field });
    expect((await scheduler.jobs.list()).items).toEqual([]);
  });
});

// Acceptance: what users of system C (redis-distro-scheduler) have there in ticks and limits, here: C1, C3, C4, C6. On
// a file and in memory.
import { describe, expect, test } from "vitest";
import {
  cron,
  DEFAULT_TENANT_GUARDRAILS,
  ensureMinimumInterval,
  every,
  LimitExceededError,
  standardGuardrails,
  task,
} from "../../src/index.ts";
import { VirtualClock } from "../../src/testing/index.ts";
import { chiSquared, chiSquaredCritical } from "../core/spread.ts";
import { rejection, rigOn } from "../runtime/rig.ts";
import { places } from "./stores.ts";

const secondMs = 1_000;
const minuteMs = 60_000;
const hourMs = 3_600_000;
const report = task("report");

describe.each(places)("on %s", (_name, makePlace) => {
  test.each([
    ["±5 s", 5 * secondMs],
    ["±3 h", 3 * hourMs],
  ])("C1 two pods with wall clocks %s apart, jitter 0: one run per tick", async (_, skewMs) => {
    const clock = new VirtualClock();
    const place = makePlace(clock);
    // A pod's own wall clock is wrong; time passes alike for both, and the store has a clock of its own.
    const pods = [skewMs, -skewMs].map((ms) =>
      rigOn(
        place.engine(),
        Object.assign(Object.create(clock) as VirtualClock, { wall: () => clock.now() + ms, patient: false }),
      ),
    );
    await pods[0]?.scheduler.schedules.create("s", { task: report, when: every("1s"), overlap: "allow", jitter: 0 });
    for (const pod of pods) await pod.scheduler.start({ roles: ["ticker"] });
    await clock.advance(30 * secondMs);
    const ticks = pods.flatMap(({ named }) => named("tick:fired").map(({ tick }) => Number(tick as Date)));
    expect(ticks.sort((a, b) => a - b)).toEqual(
      Array.from({ length: 30 }, (_, n) => clock.now() + (n - 29) * secondMs),
    );
    const { items } = await (pods[0]?.scheduler.jobs.list({ schedule: "s", limit: 100 }) ?? { items: [] });
    expect(new Set(items.map(({ schedule }) => Number(schedule?.tick))).size).toBe(30);
    expect(items).toHaveLength(30);
    for (const pod of pods) {
      const stopped = pod.scheduler.stop({ timeout: 0 });
      await clock.advance(0);
      await stopped;
    }
  });

  test("C3 jitter is one steady offset below 30 s per schedule, spread evenly over ids s-1 to s-1000", async () => {
    const clock = new VirtualClock();
    const { scheduler } = rigOn(makePlace(clock).engine(), clock);
    const ids = Array.from({ length: 1_000 }, (_, n) => `s-${n + 1}`);
    const when = cron("0 * * * *");
    await scheduler.schedules.ensureMany(ids.map((id) => ({ id, task: report, when, jitter: "30s" })));
    const offsets: number[] = [];
    for (const id of ids) {
      const own = (await scheduler.schedules.preview(id, { count: 3 })).map(({ tick, dueAt }) => +dueAt - +tick);
      expect(new Set(own).size).toBe(1);
      offsets.push(own[0] ?? -1);
    }
    expect(Math.min(...offsets)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...offsets)).toBeLessThan(30 * secondMs);
    expect(chiSquared(offsets, 30 * secondMs, 30)).toBeLessThan(chiSquaredCritical[29]);
    await scheduler.stop({ timeout: 0 });
  });

  test("C4 20 active schedules for a customer, five minutes apart at least in the whole cycle, at any time of day", async () => {
    const clock = new VirtualClock();
    const { scheduler } = rigOn(makePlace(clock).engine(), clock, { guardrails: standardGuardrails });
    const customer = scheduler.tenant("customer-7");
    const create = (id: string, expression: string) =>
      customer.schedules.create(id, { task: report, when: cron(expression, { timezone: "America/New_York" }) });
    for (const hour of [0, 6, 6, 6, 6]) {
      await clock.advance(hour * hourMs + 30 * secondMs);
      expect(await rejection(create("near", "0,1 0 * * *"))).toMatchObject({
        code: "LIMIT_EXCEEDED",
        details: { limit: "minIntervalMs", max: 5 * minuteMs, value: minuteMs },
      });
      expect(() => ensureMinimumInterval("0,1 0 * * *", "America/New_York", 5)).toThrow(LimitExceededError);
    }
    const { MAX_ACTIVE_SCHEDULES_PER_CUSTOMER: most, MIN_INTERVAL_MINUTES: minutes } = DEFAULT_TENANT_GUARDRAILS;
    for (let n = 0; n < most; n++) await create(`s-${n}`, `*/${minutes} * * * *`);
    expect(await rejection(create("one-more", "0 0 * * *"))).toMatchObject({
      code: "LIMIT_EXCEEDED",
      details: { limit: "maxActiveSchedules", max: 20, value: 21 },
    });
    await scheduler.stop({ timeout: 0 });
  });

  test.each([
    // Clocks go forward at 07:00 UTC (02:00 is 03:00), and back at 06:00 UTC (02:00 is 01:00).
    ["forward", Date.UTC(2026, 2, 8, 5), ["07:00"]],
    ["back", Date.UTC(2026, 10, 1, 4), ["07:30"]],
  ])("C6 clocks go %s in New York: no hour of silence, and 02:30 once", async (_, begin, nightly) => {
    const clock = new VirtualClock(begin);
    const { scheduler, named } = rigOn(makePlace(clock).engine(), clock);
    const timezone = "America/New_York";
    const overlap = "allow";
    await scheduler.schedules.create("often", { task: report, when: cron("*/10 * * * *", { timezone }), overlap });
    await scheduler.schedules.create("night", { task: report, when: cron("30 2 * * *", { timezone }), overlap });
    await scheduler.start({ roles: ["ticker"] });
    await clock.advance(5 * hourMs);
    const of = (id: string) =>
      named("tick:fired")
        .filter((event) => event["id"] === id)
        .map(({ tick }) => tick as Date);
    expect(of("often").map(Number)).toEqual(Array.from({ length: 30 }, (_, n) => begin + (n + 1) * 10 * minuteMs));
    expect(of("night").map((tick) => tick.toISOString().slice(11, 16))).toEqual(nightly);
    const stopped = scheduler.stop({ timeout: 0 });
    await clock.advance(0);
    await stopped;
  });
});

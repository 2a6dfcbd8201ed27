// N2: the smallest gap between two ticks of a rule, over its whole cycle and whatever the time of day.
import { describe, expect, test } from "vitest";
import { smallestRuleGapMs } from "../../src/core/smallest-gap.ts";
import { seedOf, type TickContext } from "../../src/core/tick.ts";
import {
  cron,
  DEFAULT_TENANT_GUARDRAILS,
  ensureMinimumInterval,
  every,
  everyCalendar,
  except,
  LimitExceededError,
  once,
  type Rule,
  standardGuardrails,
  union,
} from "../../src/index.ts";

const minuteMs = 60_000;
const dayMs = 86_400_000;
const context: TickContext = { seed: seedOf("default", "s"), ruleSetAt: Date.UTC(2026, 4, 5, 6, 7, 8, 9) };
const gap = (rule: Rule, others: Partial<TickContext> = {}) => smallestRuleGapMs(rule, { ...context, ...others });

describe("of a cron rule", () => {
  test.each([
    ["over midnight", "59,0 23,0 * * *", 1],
    ["over midnight, once a day on either side", "0 0,12 * * *", 720],
    ["over a month's end", "0 0 1,31 * *", 1_440],
    ["over the end of February", "0 0 1,28 * *", 1_440],
    ["over the year's end", "0 12 1,31 1,12 *", 1_440],
    ["from Sunday to Monday", "0 0 * * 0,1", 1_440],
    ["from Saturday to Sunday, which is 0", "30 8 * * 6,0", 1_440],
    ["over midnight, from a late tick to an early one", "1 0 * * *", 1_440],
    ["of a leap day", "0 0 29 2 *", 1_461 * 1_440],
    ["of either day field", "0 0 13 * 5", 1_440],
    ["of the last and the first day", "59 23 L * *", 28 * 1_440],
    ["of a step that does not divide the hour", "*/7 * * * *", 4],
    ["of a step that does not divide the day", "0 */5 * * *", 240],
  ])("N2 it counts %s: %s", (_, expression, minutes) => {
    expect(gap(cron(expression)) / minuteMs).toBe(minutes);
  });

  test("N2 seconds count, and two ticks that only midnight parts", () => {
    expect(gap(cron("59,0 59,0 23,0 * * *"))).toBe(1_000);
    expect(gap(cron("*/25 * * * * *"))).toBe(10_000);
  });

  test("N2 clock changes do not count: neither a time moved by a gap nor a second pass of an overlap", () => {
    const timezone = "Europe/Paris";
    expect(gap(cron("30 2,3 * * *", { timezone }))).toBe(60 * minuteMs);
    expect(gap(cron("5 2,3 * * *", { timezone }))).toBe(gap(cron("5 2,3 * * *")));
    expect(gap(cron("0,50 2 * * *", { timezone, onOverlap: "both" }))).toBe(50 * minuteMs);
  });
});

describe("of other rules", () => {
  test("N2 periods, calendar units and single ticks", () => {
    expect(gap(every("90s"))).toBe(90_000);
    expect(gap(everyCalendar({ months: 1 }, { anchor: "2026-01-31T00:00:00Z" }))).toBe(28 * dayMs);
    expect(gap(once("2026-01-01T00:00:00Z"))).toBe(Number.POSITIVE_INFINITY);
    expect(gap(except(cron("*/10 * * * *"), ["2026-12-25"]))).toBe(10 * minuteMs);
  });

  test("N2 a union's rules are compared over their whole year, the rare one too", () => {
    expect(gap(union(cron("* * * * *"), cron("20 0 0 1 7 *")))).toBe(20_000);
    expect(gap(union(cron("0 0 29 2 *"), cron("3 0 1 3 *")))).toBe(dayMs + 3 * minuteMs);
    expect(gap(union(cron("59 23 * * *"), cron("0 0 L 12 *")))).toBe(minuteMs);
    expect(gap(union(cron("0 9 * * *"), cron("0 9 * * 1")))).toBe(dayMs);
    expect(gap(union(once("2030-01-01T00:00:00Z"), once("2030-01-01T00:05:00Z")))).toBe(5 * minuteMs);
  });

  test("N2 in one zone a union counts wall time; in two the weeks between their clock changes count", () => {
    const paris = (expression: string) => cron(expression, { timezone: "Europe/Paris" });
    // On March 29 both run at 03:00 and 03:05; on every other day they are 35 minutes apart.
    expect(gap(union(paris("30 2 * * *"), paris("5 3 * * *")))).toBe(35 * minuteMs);
    // 09:00 in New York is 15:00 in Paris, but 14:00 while only New York has changed its clocks.
    const newYork = cron("0 9 * * *", { timezone: "America/New_York" });
    expect(gap(union(newYork, paris("10 14 * * *")))).toBe(10 * minuteMs);
  });

  test("N2 it does not depend on when it is asked, not even with a rule that counts from when it is set", () => {
    const rule = union(every("7m"), cron("*/11 * * * *"));
    const asked = [0, 1, 61_000, 5 * dayMs].map((ms) => gap(rule, { ruleSetAt: context.ruleSetAt + ms }));
    expect(new Set(asked).size).toBe(1);
  });

  test("N2 a union of 99 rules is compared in a bounded number of looks", () => {
    const rules = Array.from({ length: 99 }, (_, n) => cron(`${n % 60} ${n % 24} * * *`));
    expect(gap(union(...rules))).toBeGreaterThan(0);
  });
});

describe("ensureMinimumInterval", () => {
  test("N2 it refuses what ever comes nearer, naming limit and value, and accepts the rest", () => {
    expect(() => ensureMinimumInterval("*/5 * * * *", "Europe/Paris", 5)).not.toThrow();
    expect(() => ensureMinimumInterval("@daily", undefined, 1_440)).not.toThrow();
    for (const expression of ["0,1 0 * * *", "*/7 * * * *", "58,0 23,0 * * *"]) {
      expect(() => ensureMinimumInterval(expression, "America/New_York", 5)).toThrow(LimitExceededError);
    }
    const thrown = (() => {
      try {
        ensureMinimumInterval("0,1 0 * * *", undefined, 5);
      } catch (error) {
        return error as LimitExceededError;
      }
      return undefined;
    })();
    expect(thrown?.details).toEqual({ limit: "minIntervalMs", max: 300_000, value: 60_000, expression: "0,1 0 * * *" });
    expect(thrown?.message).toBe('minIntervalMs is 5m, the smallest gap of "0,1 0 * * *" is 1m');
  });

  test("N2 what it cannot read is refused as such", () => {
    expect(() => ensureMinimumInterval("@every 5m", undefined, 5)).toThrow("cron");
    expect(() => ensureMinimumInterval("@daily", "Paris", 5)).toThrow("time zone");
    expect(() => ensureMinimumInterval("@daily", undefined, Number.NaN)).toThrow("minutes");
  });

  test("N2 the presets of either name are the same", () => {
    expect(DEFAULT_TENANT_GUARDRAILS).toEqual({ MAX_ACTIVE_SCHEDULES_PER_CUSTOMER: 20, MIN_INTERVAL_MINUTES: 5 });
    expect(standardGuardrails).toEqual({ maxActiveSchedules: 20, minInterval: "5m" });
  });
});

// S1: rules other than cron, through `nextTicks`; cron has test/core/cron.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cron, every, everyCalendar, except, nextTicks, once, type Rule, union } from "../../src/index.ts";

const begin = "2024-01-01T00:00:00Z";

function texts(rule: Rule, after: Date | string, count: number): string[] {
  return nextTicks(rule, { after, count }).map((tick) => tick.toISOString().replace(":00.000Z", "Z"));
}

describe("everyCalendar", () => {
  test("S1 January 31 plus months is the last day of the shorter ones, and 31 again after", () => {
    const rule = everyCalendar({ months: 1 }, { anchor: "2024-01-31T09:00:00Z" });
    expect(texts(rule, begin, 5)).toEqual([
      "2024-01-31T09:00Z",
      "2024-02-29T09:00Z",
      "2024-03-31T09:00Z",
      "2024-04-30T09:00Z",
      "2024-05-31T09:00Z",
    ]);
    expect(texts(rule, "2025-02-01T00:00:00Z", 2)).toEqual(["2025-02-28T09:00Z", "2025-03-31T09:00Z"]);
  });

  test("S1 February 29 plus years is the 28th but in leap years", () => {
    const rule = everyCalendar({ years: 1 }, { anchor: "2024-02-29T00:00:00Z" });
    expect(texts(rule, begin, 5).map((text) => text.slice(0, 10))).toEqual([
      "2024-02-29",
      "2025-02-28",
      "2026-02-28",
      "2027-02-28",
      "2028-02-29",
    ]);
  });

  test("S1 the wall time stays over clock changes; one that is skipped ticks at the change, one that comes twice the first time", () => {
    const daily = (anchor: string) => everyCalendar({ days: 1 }, { anchor, timezone: "Europe/Paris" });
    expect(texts(daily("2024-03-29T09:00:00+01:00"), "2024-03-29T12:00:00Z", 3)).toEqual([
      "2024-03-30T08:00Z",
      "2024-03-31T07:00Z",
      "2024-04-01T07:00Z",
    ]);
    expect(texts(daily("2024-03-29T02:30:00+01:00"), "2024-03-30T00:00:00Z", 3)).toEqual([
      "2024-03-30T01:30Z",
      "2024-03-31T01:00Z",
      "2024-04-01T00:30Z",
    ]);
    expect(texts(daily("2024-10-25T02:30:00+02:00"), "2024-10-26T12:00:00Z", 2)).toEqual([
      "2024-10-27T00:30Z",
      "2024-10-28T01:30Z",
    ]);
  });

  test("S1 the anchor is the first tick, nothing comes before it", () => {
    const rule = everyCalendar({ weeks: 2 }, { anchor: "2030-05-05T05:05:00Z" });
    expect(texts(rule, begin, 2)).toEqual(["2030-05-05T05:05Z", "2030-05-19T05:05Z"]);
  });

  test("S1 ticks found from anywhere are the ticks counted from the anchor, none left out", () => {
    const units = fc.record(
      {
        years: fc.integer({ min: 1, max: 3 }),
        months: fc.integer({ min: 1, max: 14 }),
        weeks: fc.integer({ min: 1, max: 5 }),
        days: fc.integer({ min: 1, max: 40 }),
      },
      { requiredKeys: [] },
    );
    const zones = fc.constantFrom("UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata");
    const anchors = fc.date({ min: new Date("2020-01-01"), max: new Date("2024-12-31"), noInvalidDate: true });
    fc.assert(
      fc.property(units, zones, anchors, fc.nat({ max: 10 ** 12 }), (some, timezone, anchor, laterMs) => {
        const rule = everyCalendar(Object.keys(some).length === 0 ? { days: 1 } : some, { anchor, timezone });
        const all = nextTicks(rule, { after: new Date(anchor.getTime() - 1), count: 300 }).map(Number);
        expect(all[0]).toBe(anchor.getTime());
        for (const [index, at] of all.entries()) expect(at).toBeGreaterThan(all[index - 1] ?? 0);
        const from = anchor.getTime() + (laterMs % ((all.at(-2) ?? 0) - anchor.getTime()));
        const [found] = nextTicks(rule, { after: new Date(from) });
        expect(found?.getTime()).toBe(all.find((at) => at > from));
      }),
      { numRuns: 200 },
    );
  });
});

describe("every", () => {
  test("S1 ticks are anchor + k periods, k from 0, over clock changes too", () => {
    const rule = every("7h", { anchor: "2024-03-30T00:00:00+01:00" });
    expect(texts(rule, begin, 2)).toEqual(["2024-03-29T23:00Z", "2024-03-30T06:00Z"]);
    const ticks = nextTicks(rule, { after: "2024-03-30T00:00:00Z", count: 20 }).map(Number);
    for (const [index, at] of ticks.entries()) if (index > 0) expect(at - (ticks[index - 1] ?? 0)).toBe(7 * 3_600_000);
  });

  test("S1 without an anchor the first tick is one period later", () => {
    expect(texts(every("15m"), begin, 2)).toEqual(["2024-01-01T00:15Z", "2024-01-01T00:30Z"]);
  });

  test("S1 ticks are strictly after, found from anywhere", () => {
    const periods = fc.integer({ min: 1_000, max: 10 ** 9 });
    const instants = fc.integer({ min: 10 ** 11, max: 4 * 10 ** 12 });
    fc.assert(
      fc.property(periods, instants, instants, (everyMs, anchor, after) => {
        const [tick] = nextTicks(every(everyMs, { anchor: new Date(anchor) }), { after: new Date(after) });
        const at = tick?.getTime() ?? Number.NaN;
        expect(at).toBeGreaterThan(after);
        expect((at - anchor) % everyMs).toBe(0);
        expect(at === anchor || at - everyMs <= after).toBe(true);
      }),
    );
  });
});

describe("once, union, except", () => {
  test("S1 once ticks once", () => {
    const rule = once("2024-05-05T05:05:00Z");
    expect(texts(rule, begin, 5)).toEqual(["2024-05-05T05:05Z"]);
    expect(texts(rule, "2024-05-05T05:05:00Z", 5)).toEqual([]);
  });

  test("S1 a union ticks whenever one of its rules does, each instant once", () => {
    const rule = union(cron("0 6 * * *"), cron("0 */12 * * *"), once("2024-01-01T07:30:00Z"), cron("0 6 1 * *"));
    expect(texts(rule, begin, 5)).toEqual([
      "2024-01-01T06:00Z",
      "2024-01-01T07:30Z",
      "2024-01-01T12:00Z",
      "2024-01-02T00:00Z",
      "2024-01-02T06:00Z",
    ]);
  });

  test("S1 two whole days are left out of a rule of seconds, and it goes on after them", () => {
    const rule = except(every("1s", { anchor: "2026-12-24T00:00:00Z" }), ["2026-12-25", "2026-12-26"]);
    const [last, next] = nextTicks(rule, { after: "2026-12-24T23:59:58Z", count: 2 });
    expect([last, next]).toEqual([new Date("2026-12-24T23:59:59Z"), new Date("2026-12-27T00:00:00Z")]);
  });

  test("S1 exclusions that leave nothing are refused, not taken for a rule at its end", () => {
    const seconds = every("1s", { anchor: "2026-01-01T00:00:00Z" });
    const rule = except(seconds, [seconds]);
    expect(() => nextTicks(rule, { after: "2026-01-01T00:00:00Z" })).toThrow("exclusions take away");
  });

  test("S1 a calendar rule ends with the time that a Date can hold", () => {
    const rule = everyCalendar({ years: 40_000 }, { anchor: "2020-01-01T00:00:00Z" });
    expect(nextTicks(rule, { after: "2026-01-01T00:00:00Z", count: 12 }).length).toBeLessThan(12);
  });

  test("S1 except leaves out local days, instants and the ticks of other rules", () => {
    const noon = cron("0 23 * * *", { timezone: "America/New_York" });
    const rule = except(noon, [
      "2024-01-02",
      new Date("2024-01-05T04:00:00Z"),
      cron("0 23 6 * *", { timezone: "America/New_York" }),
    ]);
    // 23:00 in New York is 04:00 of the next day in UTC: days are those of the rule's own zone.
    expect(texts(rule, begin, 5)).toEqual([
      "2024-01-01T04:00Z",
      "2024-01-02T04:00Z",
      "2024-01-04T04:00Z",
      "2024-01-06T04:00Z",
      "2024-01-08T04:00Z",
    ]);
  });

  test("S1 rules nest", () => {
    const weekdays = except(every("1d", { anchor: begin }), [cron("0 0 * * 0,6")]);
    expect(texts(union(weekdays, once("2024-01-06T12:00:00Z")), "2024-01-04T12:00:00Z", 3)).toEqual([
      "2024-01-05T00:00Z",
      "2024-01-06T12:00Z",
      "2024-01-08T00:00Z",
    ]);
  });

  test("S1 rules are frozen plain data: their JSON is the same rule", () => {
    const rules = [
      cron("0 9 * * 1-5", { timezone: "europe/paris", onGap: "skip" }),
      every("15m", { anchor: begin }),
      everyCalendar({ months: 1, days: 2 }, { anchor: begin, timezone: "Asia/Tokyo" }),
      once(begin),
      except(union(cron("@daily"), every("1h", { anchor: begin })), ["2024-02-02", new Date(begin), cron("0 9 * * *")]),
    ];
    for (const rule of rules) {
      const copy = JSON.parse(JSON.stringify(rule)) as Rule;
      expect(copy).toEqual(rule);
      expect(Object.isFrozen(rule)).toBe(true);
      expect(texts(copy, begin, 50)).toEqual(texts(rule, begin, 50));
    }
  });
});

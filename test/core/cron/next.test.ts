/** CRON.md 3 to 7 and previews: each rule as facts about named days. */

import { describe, expect, it } from "vitest";
import { parseCron } from "../../../src/core/cron/grammar.ts";
import { cronNote, type DstOptions, nextCron, smallestGapMs } from "../../../src/core/cron/next.ts";
import { getZone } from "../../../src/core/cron/zone.ts";
import { iso, ticksAfter } from "./ticks.ts";

const NEW_YORK = "America/New_York";
/**
 * New York skips 02:00-03:00 on 2026-03-08 at 07:00Z and repeats 01:00-02:00 on 2026-11-01, the second pass from
 * 06:00Z.
 */
const GAP_EVE = "2026-03-08T05:30:00Z";
const OVERLAP_EVE = "2026-11-01T04:30:00Z";

function facts(expression: string, zone: string, after: string, ticks: readonly string[], options?: DstOptions): void {
  expect(ticksAfter(expression, zone, after, ticks.length, options)).toEqual(ticks.map(iso));
}

function note(expression: string, zone: string, tick: string, options?: DstOptions): string | undefined {
  return cronNote(parseCron(expression), getZone(zone), Date.parse(tick), options)?.text;
}

describe("CRON4 wild rules follow the wall clock", () => {
  it("CRON4 nothing runs for what a gap skips", () => {
    facts("*/30 * * * *", NEW_YORK, GAP_EVE, [
      "2026-03-08T06:00Z",
      "2026-03-08T06:30Z",
      "2026-03-08T07:00Z",
      "2026-03-08T07:30Z",
    ]);
    facts("*/20 2 * * *", NEW_YORK, GAP_EVE, ["2026-03-09T06:00Z", "2026-03-09T06:20Z"]);
    facts("30 * * * *", NEW_YORK, GAP_EVE, ["2026-03-08T06:30Z", "2026-03-08T07:30Z"]);
  });

  it("CRON4 both passes of an overlap run", () => {
    facts("*/30 1 * * *", NEW_YORK, OVERLAP_EVE, [
      "2026-11-01T05:00Z",
      "2026-11-01T05:30Z",
      "2026-11-01T06:00Z",
      "2026-11-01T06:30Z",
      "2026-11-02T06:00Z",
    ]);
  });

  it("CRON4 Lord Howe repeats half an hour", () => {
    facts("*/15 1 * * *", "Australia/Lord_Howe", "2026-04-04T14:20:00Z", [
      "2026-04-04T14:30Z",
      "2026-04-04T14:45Z",
      "2026-04-04T15:00Z",
      "2026-04-04T15:15Z",
      "2026-04-05T14:30Z",
    ]);
  });

  it("CRON4 a wall time which a gap skips every year never comes", () => {
    expect(ticksAfter("* 2 * 3 SUN#2", NEW_YORK, "2026-01-01T00:00:00Z", 1)).toEqual([]);
  });
});

describe("CRON5 fixed rules run once for each nominal time", () => {
  it("CRON5 a time in a gap runs at the instant of the transition", () => {
    facts("30 2 * * *", NEW_YORK, GAP_EVE, ["2026-03-08T07:00Z", "2026-03-09T06:30Z"]);
  });

  it("CRON5 several times in one gap coalesce, with one at its end too", () => {
    facts("0,20,40 2 * * *", NEW_YORK, GAP_EVE, ["2026-03-08T07:00Z", "2026-03-09T06:00Z"]);
    facts("30 2,3 * * *", NEW_YORK, GAP_EVE, ["2026-03-08T07:00Z", "2026-03-08T07:30Z", "2026-03-09T06:30Z"]);
    facts("0 2,3 * * *", NEW_YORK, GAP_EVE, ["2026-03-08T07:00Z", "2026-03-09T06:00Z", "2026-03-09T07:00Z"]);
  });

  it("CRON5 an overlap runs in its first pass only", () => {
    facts("30 1 * * *", NEW_YORK, OVERLAP_EVE, ["2026-11-01T05:30Z", "2026-11-02T06:30Z"]);
    facts("30 1 * * *", NEW_YORK, "2026-11-01T05:30:00Z", ["2026-11-02T06:30Z"]);
    facts("30 1 * * *", NEW_YORK, "2026-11-01T06:10:00Z", ["2026-11-02T06:30Z"]);
    facts("0-59 1-2 * * *", NEW_YORK, "2026-11-01T05:59:00Z", ["2026-11-01T07:00Z"]);
  });

  it("CRON5 a gap just under three hours runs after it, one of three hours is dropped", () => {
    facts("30 0 * * *", "Antarctica/Troll", "2026-03-28T12:00:00Z", ["2026-03-29T00:30Z"]);
    facts("30 2 * * *", "Antarctica/Troll", "2026-03-28T12:00:00Z", ["2026-03-29T01:00Z", "2026-03-30T00:30Z"]);
    // Casey went from 02:00 to 05:00 on 2009-10-18, at 18:00Z the day before.
    facts("30 3 * * *", "Antarctica/Casey", "2009-10-17T00:00:00Z", ["2009-10-18T16:30Z"]);
  });

  it("CRON5 Apia had no 2011-12-30: its times are dropped", () => {
    facts("0 12 * * *", "Pacific/Apia", "2011-12-29T12:00:00Z", [
      "2011-12-29T22:00Z",
      "2011-12-30T22:00Z",
      "2011-12-31T22:00Z",
    ]);
    facts("0 0 30 12 *", "Pacific/Apia", "2011-01-01T00:00:00Z", ["2012-12-29T10:00Z"]);
    facts("0 12 * * *", "Pacific/Kwajalein", "1993-08-20T00:00:00Z", ["1993-08-21T00:00Z", "1993-08-22T00:00Z"]);
  });

  it("CRON5 a gap across midnight runs after it, under the next date", () => {
    facts("50 23 * * *", "Asia/Pyongyang", "2018-05-04T14:32:00Z", ["2018-05-04T15:00Z", "2018-05-05T14:50Z"]);
    facts("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", ["2018-11-04T03:00Z", "2018-11-05T02:00Z"]);
  });

  it("CRON5 Lord Howe's half hour moves 02:10 to 02:30", () => {
    facts("10 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", ["2026-10-03T15:30Z", "2026-10-04T15:10Z"]);
  });

  it("CRON5 an overlap of seven hours runs in its first pass only", () => {
    facts("35 23 * * *", "Antarctica/Vostok", "1994-01-31T01:49:34Z", ["1994-01-31T16:35Z", "1994-02-01T23:35Z"]);
  });

  it("CRON5 a change of local mean time by seconds moves only what it skips", () => {
    // New York set its clocks back by 3 min 58 s at noon of 1883-11-18: 12:00 came twice, and runs once.
    facts("0 12 18 11 *", NEW_YORK, "1883-11-18T00:00:00Z", ["1883-11-18T16:56:02Z", "1884-11-18T17:00Z"]);
  });
});

describe("CRON5 a schedule's overrides", () => {
  it("CRON5 onGap skip drops a fixed rule's skipped time", () => {
    facts("30 2 * * *", NEW_YORK, GAP_EVE, ["2026-03-09T06:30Z"], { onGap: "skip" });
  });

  it("CRON5 onGap run-after makes a wild rule run once at the transition", () => {
    facts("*/20 2 * * *", NEW_YORK, GAP_EVE, ["2026-03-08T07:00Z", "2026-03-09T06:00Z"], { onGap: "run-after" });
  });

  it("CRON5 onGap run-after still drops gaps of three hours or more", () => {
    facts("0 12 * * *", "Pacific/Apia", "2011-12-29T22:00:00Z", ["2011-12-30T22:00Z"], { onGap: "run-after" });
  });

  it("CRON5 onOverlap chooses the first pass, both, or the last, for both kinds of rule", () => {
    facts("30 1 * * *", NEW_YORK, OVERLAP_EVE, ["2026-11-01T05:30Z", "2026-11-01T06:30Z", "2026-11-02T06:30Z"], {
      onOverlap: "both",
    });
    facts("30 1 * * *", NEW_YORK, OVERLAP_EVE, ["2026-11-01T06:30Z", "2026-11-02T06:30Z"], { onOverlap: "last" });
    facts("*/30 * * * *", NEW_YORK, "2026-11-01T05:00:00Z", ["2026-11-01T05:30Z", "2026-11-01T07:00Z"], {
      onOverlap: "first",
    });
    facts(
      "*/30 * * * *",
      NEW_YORK,
      "2026-11-01T04:00:00Z",
      ["2026-11-01T04:30Z", "2026-11-01T06:00Z", "2026-11-01T06:30Z"],
      { onOverlap: "last" },
    );
    facts("30 1 * * *", NEW_YORK, "2026-11-01T05:45:00Z", ["2026-11-01T06:30Z"], { onOverlap: "last" });
  });
});

describe("CRON6 next", () => {
  it("CRON6 a tick is strictly after, to the millisecond", () => {
    facts("0 0 * * *", "UTC", "2026-01-01T00:00:00.000Z", ["2026-01-02T00:00Z"]);
    facts("0 0 * * *", "UTC", "2025-12-31T23:59:59.999Z", ["2026-01-01T00:00Z"]);
    facts("* * * * * *", "UTC", "2026-01-01T00:00:00.001Z", ["2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z"]);
    expect(nextCron(parseCron("* * * * * *"), getZone("UTC"), 0.5)).toBe(1000);
  });

  it("CRON6 instants before 1970 and at the ends of time are answered", () => {
    facts("0 0 * * *", "UTC", "1969-12-30T12:00:00Z", ["1969-12-31T00:00Z", "1970-01-01T00:00Z"]);
    const fields = parseCron("0 0 1 1 *");
    for (const id of ["UTC", NEW_YORK]) {
      expect(nextCron(fields, getZone(id), 8.64e15)).toBeUndefined();
      expect(nextCron(fields, getZone(id), 8.64e15 - 1000)).toBeUndefined();
      expect(nextCron(fields, getZone(id), Number.NaN)).toBeUndefined();
      expect(nextCron(fields, getZone(id), Number.POSITIVE_INFINITY)).toBeUndefined();
      expect(nextCron(parseCron("* * * * *"), getZone(id), Number.NEGATIVE_INFINITY)).toBeGreaterThanOrEqual(-8.64e15);
    }
  });
});

describe("CRON7 rare dates", () => {
  it("CRON7 Feb 29 comes in leap years only: after 2096 comes 2104", () => {
    facts("0 0 29 2 *", "UTC", "2092-01-01T00:00:00Z", ["2092-02-29T00:00Z", "2096-02-29T00:00Z", "2104-02-29T00:00Z"]);
    facts("0 0 29 2 *", NEW_YORK, "2096-03-01T00:00:00Z", ["2104-02-29T05:00Z"]);
    facts("0 0 29 2 *", "UTC", "1996-03-01T00:00:00Z", ["2000-02-29T00:00Z"]);
  });

  it("CRON7 Feb 29 on a given weekday is found across 2100, 40 years on", () => {
    facts("0 0 */28 2 1#5", "UTC", "2072-03-01T00:00:00Z", ["2112-02-29T00:00Z"]);
    facts("0 0 */28 2 1#5", "Europe/Berlin", "2072-03-01T00:00:00Z", ["2112-02-28T23:00Z"]);
  });

  it("CRON7 the 31st comes only in months that have one", () => {
    facts("0 0 31 * *", "UTC", "2026-01-31T00:00:00Z", [
      "2026-03-31T00:00Z",
      "2026-05-31T00:00Z",
      "2026-07-31T00:00Z",
      "2026-08-31T00:00Z",
    ]);
  });

  it("CRON8 the rules of a zone hold after 2100", () => {
    facts("30 2 * * *", NEW_YORK, "2110-03-08T12:00:00Z", ["2110-03-09T07:00Z", "2110-03-10T06:30Z"]);
  });
});

describe("S10 notes for previews", () => {
  it("S10 a moved tick says which wall time does not exist", () => {
    expect(note("30 2 * * *", NEW_YORK, "2026-03-08T07:00Z")).toBe("moved: wall time 02:30 does not exist that day");
    expect(note("5 30 2 * * *", NEW_YORK, "2026-03-08T07:00Z")).toBe(
      "moved: wall time 02:30:05 does not exist that day",
    );
    expect(note("0,30 2 * * *", NEW_YORK, "2026-03-08T07:00Z")).toBe(
      "moved: wall time 02:00 and later ones before 03:00 do not exist that day",
    );
    expect(note("0 2,3 * * *", NEW_YORK, "2026-03-08T07:00Z")).toBe(
      "also for: wall time 02:00 does not exist that day",
    );
  });

  it("S10 a tick in an overlap says which of two it is", () => {
    expect(note("30 1 * * *", NEW_YORK, "2026-11-01T05:30Z")).toBe("first of two 01:30");
    expect(note("30 1 * * *", NEW_YORK, "2026-11-01T06:30Z", { onOverlap: "both" })).toBe("second of two 01:30");
  });

  it("S10 other ticks have no note", () => {
    expect(note("30 3 * * *", NEW_YORK, "2026-03-08T07:30Z")).toBeUndefined();
    expect(note("0 3 * * *", NEW_YORK, "2026-03-08T07:00Z")).toBeUndefined();
    expect(note("*/30 * * * *", NEW_YORK, "2026-03-08T07:00Z")).toBeUndefined();
    expect(note("0 2 * * *", NEW_YORK, "2026-11-01T07:00Z")).toBeUndefined();
    expect(note("30 2 * * *", "UTC", "2026-03-08T02:30Z")).toBeUndefined();
  });
});

describe("N2 the smallest gap", () => {
  const GAPS: readonly [expression: string, seconds: number][] = [
    ["* * * * * *", 1],
    ["* * * * *", 60],
    ["0,1 0 * * *", 60],
    ["0 0 * * *", 86_400],
    ["59 23 31 12 *", 365 * 86_400],
    ["0 0 29 2 *", 1461 * 86_400],
    ["0,59 0,23 * * *", 60],
    ["*/7 * * * *", 4 * 60],
    ["*/5 9-17 * * 1-5", 300],
    ["58,1 * * * * *", 3],
    ["30 0 1,31 * *", 86_400],
    ["0 0 31 * *", 31 * 86_400],
    ["0 0 * * 1,3", 2 * 86_400],
    ["0 0 L,1 * *", 86_400],
    ["@monthly", 28 * 86_400],
    ["@yearly", 365 * 86_400],
    ["0 0 29 2,3 *", 29 * 86_400],
  ];
  for (const [expression, seconds] of GAPS) {
    it(`N2 ${expression} has a smallest gap of ${seconds} s`, () => {
      expect(smallestGapMs(parseCron(expression))).toBe(seconds * 1000);
    });
  }
});

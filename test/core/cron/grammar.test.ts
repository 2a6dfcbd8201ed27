/** CRON.md 1 to 3 and the never-coming dates of 7: what an expression means, and what is refused. */

import { describe, expect, it } from "vitest";
import { EXPRESSION_LENGTH_MAX, parseCron } from "../../../src/core/cron/grammar.ts";
import { InvalidCronError } from "../../../src/core/errors.ts";
import { ticksAfter } from "./ticks.ts";

const SAME: readonly [expression: string, same: string][] = [
  ["@yearly", "0 0 1 1 *"],
  ["@Annually", "0 0 1 1 *"],
  ["@MONTHLY", "0 0 1 * *"],
  ["@weekly", "0 0 * * 0"],
  ["@daily", "0 0 * * *"],
  ["@midnight", "0 0 * * *"],
  [" @hourly\t", "0 * * * *"],
  ["  0\t 0  * * *  ", "0 0 * * *"],
  ["0 9 * * *", "0 0 9 * * *"],
  ["10/20 * * * *", "10-59/20 * * * *"],
  ["0 0 * * 1/2", "0 0 * * 1,3,5"],
  ["0 0 * * FRI-SUN", "0 0 * * 5,6,7"],
  ["0 0 * * fri-7", "0 0 * * 5,6,0"],
  ["0 0 ? * MON", "0 0 * * 1"],
  ["0 0 13 * ?", "0 0 13 * *"],
  ["0 0 * * FRIL", "0 0 * * 5L"],
  ["0 0 * * 7#2", "0 0 * * sun#2"],
  ["0 0 l * *", "0 0 L * *"],
  ["05 09 01 01 *", "5 9 1 1 *"],
];

describe("CRON1 grammar", () => {
  for (const [expression, same] of SAME) {
    it(`CRON1 ${JSON.stringify(expression)} means ${JSON.stringify(same)}`, () => {
      expect(parseCron(expression)).toEqual(parseCron(same));
    });
  }

  it("CRON1 compiled fields are frozen plain data which JSON carries unchanged", () => {
    const fields = parseCron("*/5 9-17 L,15W * 5L,1#2");
    expect(Object.isFrozen(fields)).toBe(true);
    expect(Object.isFrozen(fields.nthWeekdays)).toBe(true);
    expect(JSON.parse(JSON.stringify(fields))).toEqual(fields);
    expect(JSON.stringify(fields).length).toBeLessThan(1024);
  });

  it("CRON1 L is the month's last day, L-2 two days before it", () => {
    expect(ticksAfter("0 0 L * *", "UTC", "2024-01-01T00:00Z", 3)).toEqual(
      ["2024-01-31", "2024-02-29", "2024-03-31"].map(midnight),
    );
    expect(ticksAfter("0 0 L-2 2 *", "UTC", "2024-01-01T00:00Z", 2)).toEqual(
      ["2024-02-27", "2025-02-26"].map(midnight),
    );
    expect(ticksAfter("0 0 L-30 * *", "UTC", "2024-01-01T00:00Z", 2)).toEqual(
      ["2024-03-01", "2024-05-01"].map(midnight),
    );
  });

  it("CRON1 LW is the month's last Monday to Friday", () => {
    expect(ticksAfter("0 0 LW * *", "UTC", "2024-03-01T00:00Z", 4)).toEqual(
      ["2024-03-29", "2024-04-30", "2024-05-31", "2024-06-28"].map(midnight),
    );
  });

  it("CRON1 nW is the Monday to Friday nearest to the nth and stays in its month", () => {
    // 2024-06-15 is a Saturday, 2024-09-15 a Sunday; 2024-06-01 a Saturday; 2024-06-30 and 2024-03-31 Sundays.
    expect(ticksAfter("0 0 15W 6,9 *", "UTC", "2024-06-01T00:00Z", 2)).toEqual(
      ["2024-06-14", "2024-09-16"].map(midnight),
    );
    expect(ticksAfter("0 0 1W 6 *", "UTC", "2024-05-01T00:00Z", 1)).toEqual(["2024-06-03"].map(midnight));
    expect(ticksAfter("0 0 30W 6 *", "UTC", "2024-05-01T00:00Z", 1)).toEqual(["2024-06-28"].map(midnight));
    expect(ticksAfter("0 0 31W 3,4 *", "UTC", "2024-03-01T00:00Z", 2)).toEqual(
      ["2024-03-29", "2025-03-31"].map(midnight),
    );
  });

  it("CRON1 nL is the month's last such weekday and n#k its kth", () => {
    expect(ticksAfter("0 0 * 5 5L", "UTC", "2024-01-01T00:00Z", 1)).toEqual(["2024-05-31"].map(midnight));
    expect(ticksAfter("0 0 * * 5L", "UTC", "2024-01-01T00:00Z", 2)).toEqual(["2024-01-26", "2024-02-23"].map(midnight));
    expect(ticksAfter("0 0 * * MON#1,3#2", "UTC", "2024-01-01T00:00Z", 3)).toEqual(
      ["2024-01-10", "2024-02-05", "2024-02-14"].map(midnight),
    );
    expect(ticksAfter("0 0 * * 4#5", "UTC", "2024-01-01T00:00Z", 3)).toEqual(
      ["2024-02-29", "2024-05-30", "2024-08-29"].map(midnight),
    );
  });

  it("CRON1 H is one value of its field, the same for the same seed and spread over seeds", () => {
    expect(parseCron("H H H H H", "acme s-1")).toEqual(parseCron("h H H H H", "acme s-1"));
    const minutes = new Set(Array.from({ length: 600 }, (_, i) => parseCron("H * * * *", `s-${i}`)).map(minuteOf));
    expect(minutes.size).toBe(60);
    expect(parseCron("H 0 * * *")).toEqual(parseCron("H 0 * * *", ""));
  });

  it("CRON1 H fields of one rule differ from each other", () => {
    const pairs = Array.from({ length: 400 }, (_, i) => parseCron("H H(0-59) * * * *", `s-${i}`));
    const equal = pairs.filter((f) => f.secondsLow === f.minutesLow && f.secondsHigh === f.minutesHigh).length;
    expect(equal).toBeLessThan(30);
  });

  it("CRON1 H/n keeps the step and hashes where it begins, H(a-b) stays in its range", () => {
    for (let i = 0; i < 200; i++) {
      const ticks = ticksAfterSeed("H/15 * * * *", `s-${i}`);
      expect(ticks.map((minute) => minute - (ticks[0] ?? 0))).toEqual([0, 15, 30, 45]);
      const [minute = -1, ...rest] = ticksAfterSeed("H(10-19) * * * *", `s-${i}`);
      expect(rest).toEqual([]);
      expect(minute >= 10 && minute <= 19).toBe(true);
      expect(ticksAfterSeed("H(0-29)/10 * * * *", `s-${i}`)).toHaveLength(3);
    }
  });

  it("CRON1 H in day-of-month keeps to dates which every month has", () => {
    for (let i = 0; i < 300; i++) expect(parseCron("0 0 H * *", `s-${i}`).monthDays).toBeLessThan(2 ** 28);
  });
});

const REFUSED: readonly [expression: string, field: string, mend: RegExp][] = [
  ["*/90 * * * *", "minute", /1 to 60/],
  ["0 */25 * * *", "hour", /1 to 24/],
  ["0 0 */32 * *", "day-of-month", /1 to 31/],
  ["0 0 * */13 *", "month", /1 to 12/],
  ["0 0 * * */8", "day-of-week", /1 to 7/],
  ["0 0 * * H/8", "day-of-week", /1 to 7/],
  ["5/0 * * * *", "minute", /1 to 60/],
  ["50-10 * * * *", "minute", /50-59,0-10/],
  ["0 22-6 * * *", "hour", /22-23,0-6/],
  ["0 0 * * 5-0", "day-of-week", /5-7/],
  ["0 0 * * fri-mon", "day-of-week", /fri-6,0-mon/],
  ["0 0 * NOV-FEB *", "month", /NOV-12,1-FEB/],
  ["1,,2 * * * *", "minute", /comma/],
  ["1, * * * *", "minute", /comma/],
  ["-5 * * * *", "minute", /0 to 59/],
  ["60 * * * *", "minute", /0 to 59/],
  ["0 24 * * *", "hour", /0 to 23/],
  ["0 0 0 * *", "day-of-month", /1 to 31/],
  ["0 0 * 0 *", "month", /1 to 12/],
  ["60 0 0 * * *", "second", /0 to 59/],
  ["0 0 * * MONDAY", "day-of-week", /"MON"/],
  ["0 0 * january *", "month", /"JAN"/],
  ["0 0 * MON *", "month", /day-of-week/],
  ["0 ? * * *", "hour", /0 to 23/],
  ["0 0 * * L", "day-of-week", /5L/],
  ["0 0 * * 1#6", "day-of-week", /1 to 5/],
  ["0 0 * * 1#0", "day-of-week", /1 to 5/],
  ["0 0 L-31 * *", "day-of-month", /1 to 30/],
  ["0 0 32W * *", "day-of-month", /1 to 31/],
  ["0 0 * L *", "month", /1 to 12/],
  ["H(50-10) * * * *", "minute", /50-59,0-10/],
  ["H(5 * * * *", "minute", /H\(0-29\)/],
  ["HH * * * *", "minute", /"H"/],
  ["0 0 * * *\n", "expression", /one line/],
  ["0 0 * *\r\n*", "expression", /one line/],
  ["", "expression", /five fields/],
  [" \t ", "expression", /five fields/],
  ["0 0 * *", "expression", /minute hour/],
  ["0 0 0 1 1 * 2030", "expression", /year/],
  ["@every 5m", "expression", /interval/],
  ["@reboot", "expression", /at start/],
  ["@toString", "expression", /@hourly/],
  ["0\u00a00 * * *", "expression", /minute hour/],
  ["0 0 * * 1\u2003", "day-of-week", /0 to 7/],
];

describe("CRON1 refusals", () => {
  for (const [expression, field, mend] of REFUSED) {
    it(`CRON1 ${JSON.stringify(expression)} is refused, naming ${field} and a correction`, () => {
      const error = refusalOf(expression);
      expect(error.field).toBe(field);
      expect(error.mend).toMatch(mend);
      expect(error.message).toMatch(/^[ -~]+$/);
    });
  }

  it("CRON1 the error carries the offending text and the whole expression", () => {
    expect(refusalOf("0 9-5 * * *").details).toEqual({ expression: "0 9-5 * * *", text: "9-5" });
  });

  it("CRON1 an expression of 1,000 characters is read and one of 1,001 refused", () => {
    const long = `${"5,".repeat(495)}5 * * * *`;
    expect(parseCron(long.padEnd(EXPRESSION_LENGTH_MAX))).toEqual(parseCron("5 * * * *"));
    expect(refusalOf(long.padEnd(EXPRESSION_LENGTH_MAX + 1)).field).toBe("expression");
  });

  it("CRON1 what is not text is refused", () => {
    for (const value of [undefined, null, 5, {}, ["0 0 * * *"]])
      expect(() => parseCron(value as unknown as string)).toThrow(InvalidCronError);
  });

  for (const expression of [
    "0 0 30 2 *",
    "0 0 31 2,4,6,9,11 *",
    "0 0 30,31 2 *",
    "0 0 31W 4 *",
    "0 0 L-29 2 *",
    "0 0 L-30 4 *",
    "0 0 15W * */6",
    "0 0 LW * */6",
    "0 0 */30 2 0#5",
    "* * * 30 2 *",
  ]) {
    it(`CRON7 ${expression} never comes and is refused`, () => {
      expect(refusalOf(expression).message).toMatch(/no such date/);
    });
  }

  for (const expression of ["0 0 29 2 *", "0 0 30 2 1", "0 0 L-28 2 *", "0 0 * 2 1#5", "0 0 29W 2 *", "0 0 31 2,3 *"]) {
    it(`CRON7 ${expression} does come and is accepted`, () => {
      expect(parseCron(expression).everyDay).toBe(false);
    });
  }
});

describe("CRON2 days", () => {
  it("CRON2 two restricted day fields match either", () => {
    expect(ticksAfter("0 0 13 * 5", "UTC", "2026-02-01T00:00Z", 4)).toEqual(
      ["2026-02-06", "2026-02-13", "2026-02-20", "2026-02-27"].map(midnight),
    );
    expect(parseCron("0 0 13 * 0-6").dayRule).toBe("either");
  });

  it("CRON2 a field that starts with a star makes both match, a step included", () => {
    expect(ticksAfter("0 0 */2 * 1", "UTC", "2026-02-01T00:00Z", 3)).toEqual(
      ["2026-02-09", "2026-02-23", "2026-03-09"].map(midnight),
    );
    expect(ticksAfter("0 0 1-7 * */7", "UTC", "2026-02-01T00:00Z", 2)).toEqual(
      ["2026-03-01", "2026-04-05"].map(midnight),
    );
    expect(parseCron("0 0 *,5 * 1").dayRule).toBe("both");
    expect(parseCron("0 0 5,* * 1").dayRule).toBe("either");
  });

  it("CRON2 a question mark counts as a star", () => {
    expect(parseCron("0 0 ? * 1").dayRule).toBe("both");
  });
});

describe("CRON3 wild or fixed", () => {
  for (const expression of ["* 1 * * *", "0 * * * *", "*/15 2 * * *", "30 2,* * * *", "*/30 0 2 * * *"]) {
    it(`CRON3 ${expression} is wild`, () => {
      expect(parseCron(expression).wild).toBe(true);
    });
  }

  for (const expression of [
    "0 2 * * *",
    "0-59 0-23 * * *",
    "0-59/5 2 * * *",
    "0/5 2 * * *",
    "H H * * *",
    "0 30 2 * * *",
  ]) {
    it(`CRON3 ${expression} is fixed: its seconds, minutes and hours hold no star`, () => {
      expect(parseCron(expression).wild).toBe(false);
    });
  }
});

function midnight(date: string): string {
  return `${date}T00:00:00.000Z`;
}

function refusalOf(expression: string): InvalidCronError {
  try {
    parseCron(expression);
  } catch (error) {
    if (error instanceof InvalidCronError) return error;
    throw error;
  }
  throw new Error(`${expression} is accepted`);
}

function minuteOf(fields: { minutesLow: number; minutesHigh: number }): string {
  return `${fields.minutesLow} ${fields.minutesHigh}`;
}

/** The minutes a rule's first field holds. */
function ticksAfterSeed(expression: string, seed: string): number[] {
  const { minutesLow, minutesHigh } = parseCron(expression, seed);
  return Array.from({ length: 60 }, (_, i) => i).filter(
    (i) => ((i < 30 ? minutesLow >> i : minutesHigh >> (i - 30)) & 1) === 1,
  );
}

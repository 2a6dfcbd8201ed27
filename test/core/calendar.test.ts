// S1: excluded days and calendars: what may be written, what it excludes, and in which zone.
import { describe, expect, test } from "vitest";
import { calendar, cron, every, everyCalendar, except, nextTicks, type Rule, union } from "../../src/index.ts";

const begin = "2026-01-01T00:00:00Z";

function texts(rule: Rule, after: Date | string, count: number): string[] {
  return nextTicks(rule, { after, count }).map((tick) => tick.toISOString().replace(":00.000Z", "Z"));
}

function refusal(make: () => unknown): { readonly message: string; readonly field: string; readonly code: string } {
  try {
    make();
  } catch (error) {
    return error as { message: string; field: string; code: string };
  }
  throw new Error("it was not refused");
}

function ics(...events: readonly string[]): string {
  const lines = events.map((event) => `BEGIN:VEVENT\r\n${event.trim().split(/\n\s*/).join("\r\n")}\r\nEND:VEVENT`);
  return `BEGIN:VCALENDAR\r\nVERSION:2.0\r\n${lines.join("\r\n")}\r\nEND:VCALENDAR\r\n`;
}

describe("except", () => {
  test("S1 an interval excludes both its ends and what lies between, a yearly day its date in every year", () => {
    const rule = except(cron("0 9 * * *"), ["2026-12-24/2026-12-27", "--12-29", "--02-29"]);
    expect(texts(rule, "2026-12-23T00:00:00Z", 3).map((text) => text.slice(0, 10))).toEqual([
      "2026-12-23",
      "2026-12-28",
      "2026-12-30",
    ]);
    expect(texts(rule, "2031-12-28T12:00:00Z", 1)).toEqual(["2031-12-30T09:00Z"]);
    expect(texts(rule, "2028-02-28T12:00:00Z", 1)).toEqual(["2028-03-01T09:00Z"]);
  });

  test("S1 an hourly rule with a day excluded loses the 23 or 25 hours of a day on which clocks change", () => {
    const hourly = cron("0 * * * *", { timezone: "Europe/Paris" });
    const lost = (day: string, from: string, count: number) => {
      const all = nextTicks(hourly, { after: from, count });
      const left = new Set(nextTicks(except(hourly, [day]), { after: from, count }).map(Number));
      return all.filter((tick) => !left.has(Number(tick))).map((tick) => tick.toISOString());
    };
    const spring = lost("2026-03-29", "2026-03-28T12:00:00Z", 48);
    expect([spring.length, spring[0], spring.at(-1)]).toEqual([
      23,
      "2026-03-28T23:00:00.000Z",
      "2026-03-29T21:00:00.000Z",
    ]);
    const autumn = lost("2026-10-25", "2026-10-24T12:00:00Z", 48);
    expect([autumn.length, autumn[0], autumn.at(-1)]).toEqual([
      25,
      "2026-10-24T22:00:00.000Z",
      "2026-10-25T22:00:00.000Z",
    ]);
  });

  test("S1 an excluded day that begins in a gap, or ends in an overlap, is left out whole", () => {
    // Beirut goes forward at midnight: March 29 begins at 01:00. Santiago goes back at midnight: April 4 has 25 hours.
    const beirut = except(every("30m", { anchor: begin }), ["2026-03-29"], { timezone: "Asia/Beirut" });
    expect(texts(beirut, "2026-03-28T21:00:00Z", 2)).toEqual(["2026-03-28T21:30Z", "2026-03-29T21:00Z"]);
    const santiago = except(every("30m", { anchor: begin }), ["2026-04-04"], { timezone: "America/Santiago" });
    expect(texts(santiago, "2026-04-04T02:00:00Z", 2)).toEqual(["2026-04-04T02:30Z", "2026-04-05T04:00Z"]);
  });

  test("S1 days are those of the stated zone, not of the rule's", () => {
    const noon = cron("0 12 * * *", { timezone: "Pacific/Auckland" });
    const auckland = except(noon, ["2026-06-02"]);
    const newYork = except(noon, ["2026-06-02"], { timezone: "America/New_York" });
    expect(texts(auckland, "2026-05-31T12:00:00Z", 3)).toEqual([
      "2026-06-01T00:00Z",
      "2026-06-03T00:00Z",
      "2026-06-04T00:00Z",
    ]);
    expect(texts(newYork, "2026-05-31T12:00:00Z", 3)).toEqual([
      "2026-06-01T00:00Z",
      "2026-06-02T00:00Z",
      "2026-06-04T00:00Z",
    ]);
  });

  test("S1 days of a rule in several zones need a zone of their own; within a union each rule has its own", () => {
    const both = union(
      cron("0 9 * * *", { timezone: "Asia/Tokyo" }),
      cron("0 9 * * *", { timezone: "America/New_York" }),
    );
    expect(refusal(() => except(both, ["2026-05-05"]))).toMatchObject({ code: "INVALID_INPUT", field: "timezone" });
    expect(except(both, ["2026-05-05"], { timezone: "Asia/Tokyo" }).timezone).toBe("Asia/Tokyo");
    const apart = union(...both.rules.map((rule) => except(rule, ["2026-05-05"])));
    expect(texts(apart, "2026-05-04T00:00:00Z", 3)).toEqual([
      "2026-05-04T13:00Z",
      "2026-05-06T00:00Z",
      "2026-05-06T13:00Z",
    ]);
  });

  test("S1 what is no day, no real day or ends before it begins is refused with its place", () => {
    const bad = ["2026-02-30", "2026-1-1", "--02-30", "--13-01", "12-25", "2026-01-02/2026-01-01", "2026-01-01/", ""];
    for (const day of bad) {
      const error = refusal(() => except(cron("@daily"), ["2026-01-01", day]));
      expect([error.code, error.field]).toEqual(["INVALID_INPUT", "excluded[1]"]);
    }
  });

  test("S1 4,000 excluded days cost next to nothing, and one more than 5,000 is refused", () => {
    const day = (n: number) => new Date(Date.UTC(2026, 0, 1 + 2 * n)).toISOString().slice(0, 10);
    const few = except(cron("0 9 * * *"), [day(0)]);
    const many = except(
      cron("0 9 * * *"),
      Array.from({ length: 4_000 }, (_, n) => day(n)),
    );
    const cost = (rule: Rule) => {
      const from = process.cpuUsage();
      expect(nextTicks(rule, { after: begin, count: 3_000 })).toHaveLength(3_000);
      return process.cpuUsage(from).user;
    };
    cost(few);
    // A scan of the list for every tick would cost a hundred times as much.
    expect(cost(many)).toBeLessThan(20 * Math.max(cost(few), 2_000));
    expect(
      refusal(() =>
        except(
          cron("@daily"),
          Array.from({ length: 5_001 }, (_, n) => day(n)),
        ),
      ).field,
    ).toBe("excluded");
  });
});

describe("rules as data", () => {
  test("S1 a rule from JSON may leave out what it has none of", () => {
    const when = { kind: "except", rule: { kind: "cron", expression: "@daily" }, days: ["--01-02"] } as unknown as Rule;
    expect(texts(when, begin, 2)).toEqual(["2026-01-03T00:00Z", "2026-01-04T00:00Z"]);
  });

  test("S1 rules nested too deep, too many or in a circle are refused", () => {
    let deep: unknown = { kind: "cron", expression: "@daily" };
    for (let depth = 0; depth < 5_000; depth++) deep = { kind: "union", rules: [deep] };
    const circle: { kind: string; rules: unknown[] } = { kind: "union", rules: [] };
    circle.rules.push(circle);
    for (const rule of [deep, circle]) {
      expect(refusal(() => nextTicks(rule as Rule, { after: begin })).message).toContain("rules deep");
    }
    let nested: Rule = cron("@daily");
    for (let depth = 1; depth < 8; depth++) nested = union(nested);
    expect(texts(nested, begin, 1)).toEqual(["2026-01-02T00:00Z"]);
    expect(refusal(() => union(nested)).message).toContain("rules deep");
    expect(refusal(() => union(...Array.from({ length: 100 }, () => cron("@daily")))).message).toContain("at most 100");
  });

  test("S1 no kind is taken from what every object has", () => {
    expect(refusal(() => nextTicks({ kind: "constructor" } as unknown as Rule, { after: begin })).field).toBe(
      "rule.kind",
    );
  });
});

describe("calendar", () => {
  test("S1 days, intervals, yearly days and objects with a date become sorted, joined, frozen days", () => {
    const days = calendar([
      { date: "2026-05-01", localName: "Tag der Arbeit", countryCode: "DE", fixed: true, types: ["Public"] } as never,
      "2026-12-25",
      "2026-12-26/2026-12-28",
      "--12-31",
      "2026-12-24",
      { date: "2026-01-06 00:00:00", name: "Heilige Drei Könige", type: "public", rule: "01-06" } as never,
    ]);
    expect(days).toEqual(["--12-31", "2026-01-06", "2026-05-01", "2026-12-24/2026-12-28"]);
    expect(Object.isFrozen(days)).toBe(true);
    expect(texts(except(everyCalendar({ days: 1 }, { anchor: begin }), days), "2026-12-23T00:00:00Z", 3)).toEqual([
      "2026-12-29T00:00Z",
      "2026-12-30T00:00Z",
      "2027-01-01T00:00Z",
    ]);
  });

  test("S1 holidays of several days, as date-holidays gives them, whatever the host's zone and clock changes", () => {
    // Three days over a change of clocks: 71 hours.
    const start = new Date("2026-03-28T00:00:00+01:00");
    const end = new Date("2026-03-31T00:00:00+02:00");
    const holiday = { date: "2026-03-28 00:00:00", start, end, type: "public" };
    expect(calendar([holiday])).toEqual(["2026-03-28/2026-03-30"]);
    expect(calendar(JSON.parse(JSON.stringify([holiday])))).toEqual(["2026-03-28/2026-03-30"]);
    // Calendars of the moon, at midnight of another zone.
    expect(calendar([{ date: "2026-09-12 00:00:00 -0600" }, { date: "2026-09-13T00:00:00Z" }])).toEqual([
      "2026-09-12/2026-09-13",
    ]);
  });

  test("S1 holidays of a part of a day are refused by entry and member, or left out", () => {
    const afternoon = {
      date: "2026-12-24 14:00:00",
      start: new Date("2026-12-24T13:00:00Z"),
      end: new Date("2026-12-24T23:00:00Z"),
    };
    const morning = { date: "2026-12-31 00:00:00", start: "2026-12-30T23:00:00Z", end: "2026-12-31T13:00:00Z" };
    const cases: readonly (readonly [{ date: string }, string])[] = [
      [afternoon, "data[1].date"],
      [{ date: "2026-12-24T14:00" }, "data[1].date"],
      [{ date: "2026-12-24 at noon" }, "data[1].date"],
      [morning, "data[1].end"],
    ];
    for (const [entry, field] of cases) {
      const error = refusal(() => calendar(["2026-12-25", entry]));
      expect([error.field, error.message]).toEqual([field, expect.stringContaining("whole days")]);
      expect(calendar(["2026-12-25", entry], { timed: "ignore" })).toEqual(["2026-12-25"]);
    }
    // Chosen by type before: what is not wanted is no matter.
    expect(
      calendar(
        [
          { ...afternoon, type: "bank" },
          { date: "2026-12-25", type: "public" },
        ],
        { types: ["public"] },
      ),
    ).toEqual(["2026-12-25"]);
    expect(refusal(() => calendar([], { timed: "some" as "ignore" })).field).toBe("timed");
  });

  test("S1 types choose among holidays, in any case; those without a type are taken", () => {
    const data = [
      { date: "2026-01-01", type: "public" },
      { date: "2026-01-02", types: ["Bank"] },
      { date: "2026-01-03", types: ["Observance", "Public"] },
      { date: "2026-01-05" },
    ];
    expect(calendar(data, { types: ["PUBLIC"] })).toEqual(["2026-01-01", "2026-01-03", "2026-01-05"]);
    expect(refusal(() => calendar(data, { types: [] })).field).toBe("types");
    expect(calendar(data, { types: ["bank", "school"] })).toEqual(["2026-01-02", "2026-01-05"]);
  });

  test("S1 types that none of the data's are, as a misspelt one, are refused with those there are", () => {
    const data = [
      { date: "2026-01-01", type: "public" },
      { date: "2026-01-02", types: ["Bank"] },
      { date: "2026-01-05" },
    ];
    expect(refusal(() => calendar(data, { types: ["publik"] }))).toMatchObject({
      field: "types",
      message: "types must name one of the data's types, which are bank, public; got publik",
    });
    expect(calendar([{ date: "2026-01-05" }, "2026-01-06"], { types: ["public"] })).toEqual(["2026-01-05/2026-01-06"]);
  });

  test("S1 bad data is refused with the entry and its member", () => {
    const cases: readonly (readonly [unknown, string])[] = [
      [["2026-01-01", "tomorrow"], "data[1]"],
      [[{ name: "Christmas" }], "data[0]"],
      [[{ date: "25.12.2026" }], "data[0].date"],
      [[{ date: "2026-02-30" }], "data[0].date"],
      [[{ date: "2026-12-250" }], "data[0].date"],
      [[{ date: "2026-01-01", start: "soon", end: begin }], "data[0].start"],
      [[{ date: "2026-01-01", start: begin, end: "2025-01-01T00:00:00Z" }], "data[0].end"],
      ["2026-12-25", "data"],
      [{ days: [] }, "data"],
      [undefined, "data"],
    ];
    for (const [data, field] of cases) expect(refusal(() => calendar(data as never)).field).toBe(field);
  });

  test("S1 all-day events of an iCalendar text: lines unfolded, DTEND exclusive, one day without it, cancelled left out", () => {
    const text = ics(
      `UID:1\nDTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:20261227\nSUMMARY:Weih\n nachten`,
      "UID:2\nDTSTART;VALUE=DATE:20260501\nSUMMARY:Tag der Arbeit",
      'UID:3\nDTSTART;X-NOTE="a:b;c";VALUE=DATE:20260703\nDURATION:P1W',
      "UID:4\nDTSTART;VALUE=DATE:20260801\nSTATUS:CANCELLED",
      "UID:5\nDTSTART;VALUE=DATE:20260101\nRRULE:FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=1",
      "UID:6\nDTSTART;VALUE=DATE:20260901\nBEGIN:VALARM\nTRIGGER:-PT15M\nDTSTART:20260101T000000Z\nEND:VALARM",
    ).replace("UID:2\r\nDTSTART", "UID:2\r\nDTST\r\n ART");
    expect(calendar(text)).toEqual([
      "--01-01",
      "2026-05-01",
      "2026-07-03/2026-07-09",
      "2026-09-01",
      "2026-12-25/2026-12-26",
    ]);
  });

  test("S1 what an iCalendar text asks beyond whole days is refused by event and property", () => {
    const start = "DTSTART;VALUE=DATE:20260501";
    const cases: readonly (readonly [string, string])[] = [
      [`${start}\nRRULE:FREQ=WEEKLY`, "RRULE"],
      [`${start}\nRRULE:FREQ=YEARLY;COUNT=3`, "RRULE"],
      [`${start}\nRRULE:FREQ=YEARLY;BYMONTH=5;BYDAY=1MO`, "RRULE"],
      [`${start}\nRDATE;VALUE=DATE:20260601`, "RDATE"],
      [`${start}\nRRULE:FREQ=YEARLY\nEXDATE;VALUE=DATE:20280501`, "EXDATE"],
      [`${start}\nDURATION:PT1H`, "DURATION"],
      ["DTSTART;VALUE=DATE:20260532", "DTSTART"],
      ["SUMMARY:no start", "DTSTART"],
      ["DTSTART;TZID=Europe/Paris:20260501T090000", "DTSTART"],
      [`${start}\nDTEND;VALUE=DATE:20260401`, "DTEND"],
    ];
    for (const [event, property] of cases) {
      const error = refusal(() => calendar(ics(start, `UID:x\n${event}`)));
      expect([error.code, error.field]).toEqual(["INVALID_INPUT", `data.events[1].${property}`]);
    }
    expect(calendar(ics("DTSTART:20260501T090000Z", start), { timed: "ignore" })).toEqual(["2026-05-01"]);
    expect(refusal(() => calendar("BEGIN:VCALENDAR\nBEGIN:VEVENT\n")).message).toContain("END:VEVENT");
  });
});

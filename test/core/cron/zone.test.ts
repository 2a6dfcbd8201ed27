/** CRON.md 8 and the zones of 6: ids, spellings, transitions, wall times. */

import { describe, expect, it } from "vitest";
import { getZone, type Segment, wallToInstants, type Zone, zoneRulesVersion } from "../../../src/core/cron/zone.ts";
import { canonicalZoneId } from "../../../src/core/cron/zone-id.ts";
import { InvalidTimeZoneError } from "../../../src/core/errors.ts";
import { clockOf } from "./naive.ts";
import { randomFrom, ZONE_IDS } from "./random.ts";

const HOUR_MS = 3_600_000;

/** A zone's transitions in [from, until) as "instant before after", offsets in minutes. */
function transitions(zone: Zone, from: string, until: string): string[] {
  const found: string[] = [];
  for (
    let segment: Segment | undefined = zone.segmentAt(Date.parse(from));
    segment !== undefined;
    segment = zone.following(segment)
  ) {
    if (segment.end >= Date.parse(until)) break;
    if (segment.after !== segment.offset)
      found.push(`${new Date(segment.end).toISOString()} ${segment.offset / 60_000} ${segment.after / 60_000}`);
  }
  return found;
}

describe("CRON6 zone ids", () => {
  it("CRON6 ids are accepted in any case and stored in canonical spelling, links under their own name", () => {
    for (const id of [
      ...ZONE_IDS,
      "America/Port-au-Prince",
      "America/Port_of_Spain",
      "Africa/Dar_es_Salaam",
      "Antarctica/DumontDUrville",
    ]) {
      expect(canonicalZoneId(id.toLowerCase())).toBe(id);
      expect(canonicalZoneId(id.toUpperCase())).toBe(id);
    }
    for (const id of [
      "Asia/Calcutta",
      "US/Eastern",
      "Etc/GMT+5",
      "GB-Eire",
      "EST5EDT",
      "W-SU",
      "Australia/NSW",
      "America/Knox_IN",
      "NZ-CHAT",
      "GMT0",
      "Etc/UCT",
    ]) {
      expect(getZone(id.toLowerCase()).id).toBe(id);
    }
  });

  it("CRON6 a zone is one object, shared by every spelling", () => {
    expect(getZone("europe/LONDON")).toBe(getZone("Europe/London"));
  });

  for (const id of [
    "",
    " ",
    "Europe",
    "Europe/",
    "Europe/Nowhere",
    "London",
    "Europe//London",
    "Europe/London ",
    "+05:30",
    "-03",
    "+0530",
    "Z",
    "UTC+1",
    "GMT+1",
    "GMT+05:30",
    "PST",
    "IST",
    "BST",
    "CST",
    "AEST",
    "ACT",
    "SystemV/PST8PDT",
    "Etc/Unknown",
    "Factory",
    "localtime",
    "posix/UTC",
    "right/UTC",
    "W. Europe Standard Time",
    "Pacific Standard Time",
    "Europe/L\u043endon",
    "Europe/London\n",
    "Europe/London\0",
    "../Europe/London",
    "constructor",
    "__proto__",
    "Etc/GMT+25",
    "a".repeat(5000),
    "A/".repeat(3000),
  ]) {
    it(`CRON1 the zone ${JSON.stringify(id.slice(0, 30))} is refused`, () => {
      expect(() => getZone(id)).toThrow(InvalidTimeZoneError);
    });
  }

  it("CRON1 a zone which is not text is refused", () => {
    for (const id of [undefined, null, 5, {}, ["UTC"]])
      expect(() => getZone(id as unknown as string)).toThrow(InvalidTimeZoneError);
  });
});

describe("CRON8 transitions", () => {
  it("CRON8 New York changes twice a year, at the instants of its rules", () => {
    expect(transitions(getZone("America/New_York"), "2026-01-01T00:00Z", "2027-01-01T00:00Z")).toEqual([
      "2026-03-08T07:00:00.000Z -300 -240",
      "2026-11-01T06:00:00.000Z -240 -300",
    ]);
  });

  it("CRON8 a zone's rules go on after 2100", () => {
    expect(transitions(getZone("Australia/Lord_Howe"), "2150-01-01T00:00Z", "2151-01-01T00:00Z")).toEqual([
      "2150-04-04T15:00:00.000Z 660 630",
      "2150-10-03T15:30:00.000Z 630 660",
    ]);
    expect(transitions(getZone("America/New_York"), "2101-01-01T00:00Z", "2102-01-01T00:00Z")).toHaveLength(2);
  });

  it("CRON8 Troll has two hours of summer, Dublin a winter of its own, Casablanca a break in Ramadan, Casey three", () => {
    expect(transitions(getZone("Antarctica/Troll"), "2026-01-01T00:00Z", "2026-06-01T00:00Z")).toEqual([
      "2026-03-29T01:00:00.000Z 0 120",
    ]);
    expect(transitions(getZone("Europe/Dublin"), "2026-01-01T00:00Z", "2026-06-01T00:00Z")).toEqual([
      "2026-03-29T01:00:00.000Z 0 60",
    ]);
    expect(transitions(getZone("Africa/Casablanca"), "2020-01-01T00:00Z", "2020-12-31T00:00Z")).toEqual([
      "2020-04-19T02:00:00.000Z 60 0",
      "2020-05-31T02:00:00.000Z 0 60",
    ]);
    expect(transitions(getZone("Antarctica/Casey"), "2009-10-01T00:00Z", "2010-12-31T00:00Z")[0]).toBe(
      "2009-10-17T18:00:00.000Z 480 660",
    );
  });

  it("CRON8 spells of a week are found", () => {
    expect(transitions(getZone("America/Noronha"), "2000-10-01T00:00Z", "2000-12-01T00:00Z")).toEqual([
      "2000-10-08T02:00:00.000Z -120 -60",
      "2000-10-15T01:00:00.000Z -60 -120",
    ]);
  });

  it("CRON8 local mean time counts its seconds", () => {
    expect(getZone("America/New_York").offsetAt(Date.UTC(1850, 0, 1))).toBe(-(4 * 3600 + 56 * 60 + 2) * 1000);
    expect(getZone("America/New_York").offsetAt(-8.64e15)).toBe(-(4 * 3600 + 56 * 60 + 2) * 1000);
  });

  it("CRON8 offsets are those Intl shows, over every zone from 1800 to 2200", () => {
    const random = randomFrom(8);
    for (const id of ZONE_IDS.filter(() => random.chance(0.15))) {
      const zone = getZone(id);
      const clock = clockOf(id);
      for (let i = 0; i < 60; i++) {
        const instant =
          Date.UTC(random.int(1801, 2199), random.int(0, 11), random.int(1, 28)) + random.int(0, 86_399) * 1000;
        expect({ id, instant, offset: zone.offsetAt(instant) }).toEqual({
          id,
          instant,
          offset: clock(instant).wallMs - instant,
        });
      }
    }
  });

  it("CRON8 the answer does not depend on what was asked before", () => {
    const zone = getZone("Europe/Prague");
    const ask = (): string[] => transitions(zone, "2030-01-01T00:00Z", "2032-01-01T00:00Z");
    const before = ask();
    for (const far of [-8.64e15, 8.6e15, Date.UTC(1890, 0, 1), Date.UTC(5000, 0, 1)]) zone.segmentAt(far);
    expect(ask()).toEqual(before);
    expect(before).toHaveLength(4);
  });
});

describe("CRON4 C5 wall times", () => {
  const at = (id: string, wall: string) => wallToInstants(getZone(id), Date.parse(`${wall}Z`));

  it("CRON5 a wall time in a gap is no instant, but has the transition and the gap's length", () => {
    expect(at("America/New_York", "2026-03-08T02:30")).toEqual({
      kind: "none",
      transition: Date.parse("2026-03-08T07:00Z"),
      gapMs: HOUR_MS,
    });
    expect(at("Australia/Lord_Howe", "2026-10-04T02:10")).toEqual({
      kind: "none",
      transition: Date.parse("2026-10-03T15:30Z"),
      gapMs: HOUR_MS / 2,
    });
    expect(at("Pacific/Apia", "2011-12-30T12:00")).toEqual({
      kind: "none",
      transition: Date.parse("2011-12-30T10:00Z"),
      gapMs: 24 * HOUR_MS,
    });
    expect(at("Pacific/Kwajalein", "1993-08-21T12:00")).toMatchObject({ kind: "none", gapMs: 24 * HOUR_MS });
  });

  it("CRON4 a wall time in an overlap is two instants", () => {
    expect(at("America/New_York", "2026-11-01T01:30")).toEqual({
      kind: "two",
      first: Date.parse("2026-11-01T05:30Z"),
      second: Date.parse("2026-11-01T06:30Z"),
    });
    expect(at("Australia/Lord_Howe", "2150-04-05T01:45")).toMatchObject({ kind: "two" });
    expect(at("Antarctica/Vostok", "1994-01-31T23:35")).toMatchObject({
      kind: "two",
      first: Date.parse("1994-01-31T16:35Z"),
    });
  });

  it("CRON4 the edges of gaps and overlaps are one instant", () => {
    expect(at("America/New_York", "2026-03-08T03:00")).toEqual({
      kind: "one",
      instant: Date.parse("2026-03-08T07:00Z"),
    });
    expect(at("America/New_York", "2026-03-08T01:59:59")).toEqual({
      kind: "one",
      instant: Date.parse("2026-03-08T06:59:59Z"),
    });
    expect(at("America/New_York", "2026-11-01T02:00")).toEqual({
      kind: "one",
      instant: Date.parse("2026-11-01T07:00Z"),
    });
    expect(at("America/New_York", "2026-11-01T00:59:59")).toEqual({
      kind: "one",
      instant: Date.parse("2026-11-01T04:59:59Z"),
    });
    expect(at("UTC", "2026-11-01T02:00")).toEqual({ kind: "one", instant: Date.parse("2026-11-01T02:00Z") });
  });

  it("CRON8 every instant is among the instants of its own wall time", () => {
    const random = randomFrom(88);
    for (let i = 0; i < 3000; i++) {
      const zone = getZone(random.pick(ZONE_IDS));
      const instant =
        Date.UTC(random.int(1970, 2050), random.int(0, 11), random.int(1, 28)) + random.int(0, 86_399) * 1000;
      const found = wallToInstants(zone, instant + zone.offsetAt(instant));
      expect(found.kind).not.toBe("none");
      expect(Object.values(found)).toContain(instant);
    }
  });
});

describe("S13 the version of the rules", () => {
  it("S13 the version is the same on every call and differs between zones", () => {
    expect(zoneRulesVersion()).toBe(zoneRulesVersion());
    expect(zoneRulesVersion()).toMatch(/^[0-9a-f]{16}$/);
    expect(zoneRulesVersion(getZone("Europe/London"))).toBe(zoneRulesVersion(getZone("Europe/London")));
    expect(zoneRulesVersion(getZone("Europe/London"))).not.toBe(zoneRulesVersion(getZone("Europe/Berlin")));
    expect(zoneRulesVersion(getZone("Asia/Calcutta"))).toBe(zoneRulesVersion(getZone("Asia/Kolkata")));
  });

  it("S13 the version does not depend on what was asked before", () => {
    const zone = getZone("Europe/Vienna");
    zone.segmentAt(Date.UTC(2900, 0, 1));
    const late = zoneRulesVersion(zone);
    expect(late).toBe(zoneRulesVersion(getZone("Europe/Berlin")));
  });
});

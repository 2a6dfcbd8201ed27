// S13: what is stored of the time zone rules behind a next tick, and whose they are.
import { describe, expect, test } from "vitest";
import { withZones, Zone } from "../../src/core/cron/zone.ts";
import { isNewer, placedBy, wallAt, zoneDataIn, zoneRulesOf } from "../../src/core/zone-rules.ts";
import { cron, every, everyCalendar, except, type Rule, union } from "../../src/index.ts";

const paris = cron("0 9 * * *", { timezone: "Europe/Paris" });
const tokyo = cron("0 9 * * *", { timezone: "Asia/Tokyo" });
const context = { seed: "", ruleSetAt: 0 };

/** A zone without clock changes. */
const still = (id: string, hours: number) => new Zone(id, () => hours * 3_600_000);

describe("what is stored", () => {
  test("S13 a fingerprint with the version before it; nothing where no zone matters", () => {
    expect(zoneRulesOf(paris, "2026c")).toMatch(/^2026c:[0-9a-f]{16}$/);
    expect(zoneDataIn(zoneRulesOf(paris, "2026c"))).toBe("2026c");
    expect(zoneDataIn(zoneRulesOf(paris, undefined))).toBeUndefined();
    for (const rule of [every("1h"), cron("@daily"), union(cron("@daily"), every("1h"))]) {
      expect(zoneRulesOf(rule, "2026c")).toBe("");
    }
  });

  test("S13 it covers every zone of a rule: of unions, of exclusions, and of excluded days", () => {
    const rules: readonly Rule[] = [
      union(paris, tokyo),
      union(every("1h"), union(paris, tokyo)),
      except(paris, [tokyo]),
      except(paris, ["2026-12-25"], { timezone: "Asia/Tokyo" }),
    ];
    for (const rule of rules) {
      const before = zoneRulesOf(rule, "2026c");
      for (const other of [still("Europe/Paris", 1), still("Asia/Tokyo", 8)]) {
        expect(withZones([other], () => zoneRulesOf(rule, "2026c"))).not.toBe(before);
      }
      expect(withZones([still("Asia/Seoul", 8)], () => zoneRulesOf(rule, "2026c"))).toBe(before);
    }
    expect(zoneRulesOf(union(paris, tokyo), undefined)).toBe(zoneRulesOf(union(tokyo, paris), undefined));
  });
});

describe("whose rules they are", () => {
  const theirs = (version: string | undefined) =>
    withZones([still("Europe/Paris", 1)], () => zoneRulesOf(paris, version));

  test("S13 equal rules are our own, whatever the versions say", () => {
    for (const version of ["2020a", "2026c", "2030z", undefined]) {
      expect(placedBy(zoneRulesOf(paris, version), paris, "2026c")).toBe("own");
    }
  });

  test("S13 other rules are newer by their version, and other where there is no order", () => {
    expect(placedBy(theirs("2026d"), paris, "2026c")).toBe("newer");
    for (const version of ["2026c", "2026b", "2025z", undefined, "next"]) {
      expect(placedBy(theirs(version), paris, "2026c")).toBe("other");
    }
    expect(placedBy(theirs("2026d"), paris, undefined)).toBe("other");
  });

  test("S13 versions are ordered by year and letter", () => {
    expect([isNewer("2026b", "2026a"), isNewer("2026a", "2025z"), isNewer("2026a", "2026a")]).toEqual([
      true,
      true,
      false,
    ]);
    expect([isNewer("10000a", "2026a"), isNewer(undefined, "2026a"), isNewer("2026a", "")]).toEqual([
      false,
      false,
      false,
    ]);
  });
});

describe("wall times", () => {
  const at = Date.UTC(2026, 6, 1, 7);

  test("S13 rules that follow a wall clock remember what it showed; wild ones and elapsed time do not", () => {
    const wall = Date.UTC(2026, 6, 1, 9);
    expect(wallAt(paris, at, context)).toBe(wall);
    expect(
      wallAt(everyCalendar({ days: 1 }, { anchor: "2026-01-01T00:00:00Z", timezone: "Europe/Paris" }), at, context),
    ).toBe(wall);
    expect(wallAt(except(union(paris, cron("5 9 1 * *", { timezone: "Europe/Paris" })), [tokyo]), at, context)).toBe(
      wall,
    );
    const others = [
      cron("*/5 * * * *", { timezone: "Europe/Paris" }),
      cron("30 2 * * *", { timezone: "Europe/Paris", onOverlap: "both" }),
      union(paris, tokyo),
      union(paris, every("1h")),
      every("1h"),
      cron("@daily"),
    ];
    for (const rule of others) expect(wallAt(rule, at, context)).toBeUndefined();
  });
});

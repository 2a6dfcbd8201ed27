// S3: how jitter spreads, for ids that resemble one another, measured against the uniform distribution.
import { describe, expect, test } from "vitest";
import { jitterOffsetMs, seedOf } from "../../src/core/tick.ts";
import { chiSquared, chiSquaredCritical, longestRun } from "./spread.ts";

const jitterMs = 30_000;
const offset = (tenant: string, id: string, gapMs = Number.POSITIVE_INFINITY) =>
  jitterOffsetMs(seedOf(tenant, id), jitterMs, gapMs);
const numbered = (make: (n: number) => number) => Array.from({ length: 1_000 }, (_, n) => make(n + 1));

describe("the spread of offsets in [0, 30 s)", () => {
  test.each([
    ["ids s-1 to s-1000", (n: number) => offset("default", `s-${n}`)],
    ["tenants t-1 to t-1000 with one id each", (n: number) => offset(`t-${n}`, "report")],
    ["ids with leading zeros", (n: number) => offset("default", `job-${String(n).padStart(6, "0")}`)],
    ["ids of one letter more each", (n: number) => offset("acme", "a".repeat(n % 128) + n)],
  ])("S3 %s: uniform by chi-squared over 30 bins of a second (1 %% level)", (_, make) => {
    const offsets = numbered(make);
    expect(Math.min(...offsets)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...offsets)).toBeLessThan(jitterMs);
    expect(chiSquared(offsets, jitterMs, 30)).toBeLessThan(chiSquaredCritical[29]);
  });

  test("S3 neighbours do not follow one another: their differences are uniform too, and none repeats", () => {
    const offsets = numbered((n) => offset("default", `s-${n}`));
    const differences = offsets.map((each, n) => (each - (offsets[(n + 999) % 1_000] ?? 0) + jitterMs) % jitterMs);
    expect(chiSquared(differences, jitterMs, 30)).toBeLessThan(chiSquaredCritical[29]);
    expect(longestRun(offsets)).toBeLessThan(10);
    expect(new Set(offsets).size).toBeGreaterThan(960);
  });

  test("S3 one offset per schedule, cut in proportion where the next tick is nearer than the jitter", () => {
    for (let n = 1; n <= 1_000; n++) {
      const whole = offset("default", `s-${n}`);
      expect(offset("default", `s-${n}`)).toBe(whole);
      expect(offset("default", `s-${n}`, 60_000)).toBe(whole);
      expect(offset("default", `s-${n}`, 1_000)).toBeLessThan(1_000);
    }
    const short = numbered((n) => offset("default", `s-${n}`, 1_000));
    expect(chiSquared(short, 1_000, 30)).toBeLessThan(chiSquaredCritical[29]);
  });
});

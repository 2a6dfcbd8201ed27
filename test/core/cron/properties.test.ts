/** What holds for every rule, zone and instant, with fast-check and against a naive evaluator. */

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseCron } from "../../../src/core/cron/grammar.ts";
import { type DstOptions, nextCron, smallestGapMs } from "../../../src/core/cron/next.ts";
import { getZone } from "../../../src/core/cron/zone.ts";
import { InvalidCronError } from "../../../src/core/errors.ts";
import { matches, naiveTicks } from "./naive.ts";
import { randomExpression, randomFrom, randomInstant, ZONE_IDS } from "./random.ts";

const run = promisify(execFile);
const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const options: fc.Arbitrary<DstOptions> = fc.record(
  { onGap: fc.constantFrom("run-after", "skip"), onOverlap: fc.constantFrom("first", "both", "last") },
  { requiredKeys: [] },
);

/** A parsed random rule, a zone and an instant, from one seed. */
function arrange(seed: number) {
  const random = randomFrom(seed);
  const zone = getZone(random.pick(ZONE_IDS));
  const after = randomInstant(random, zone);
  for (;;) {
    const expression = randomExpression(random);
    try {
      return { expression, fields: parseCron(expression), zone, after };
    } catch (error) {
      if (!(error instanceof InvalidCronError)) throw error;
    }
  }
}

/** Expressions the naive evaluator reads: five fields without letters. */
function arrangeNaive(seed: number) {
  for (let next = seed; ; next += 1_000_003) {
    const found = arrange(next);
    const readable = /^[-0-9*,/ ]+$/.test(found.expression) && !/(^|[ ,])\d+\//.test(found.expression);
    if (readable && found.expression.split(" ").length === 5) return found;
  }
}

describe("CRON6 next is strictly after, strictly increasing", () => {
  it("CRON6 every tick is later than what it was asked for, whatever the overrides", () => {
    fc.assert(
      fc.property(seeds, options, (seed, overrides) => {
        const { fields, zone, after } = arrange(seed);
        let last = after;
        for (let step = 0; step < 20; step++) {
          const tick = nextCron(fields, zone, last, overrides);
          if (tick === undefined) return;
          expect(tick).toBeGreaterThan(last);
          last = tick;
        }
      }),
      { numRuns: 1500 },
    );
  });

  it("CRON6 asking from any instant between two ticks gives the later one", () => {
    fc.assert(
      fc.property(seeds, options, fc.double({ min: 0, max: 1, noNaN: true }), (seed, overrides, part) => {
        const { fields, zone, after } = arrange(seed);
        const tick = nextCron(fields, zone, after, overrides);
        if (tick === undefined) return;
        const between = Math.floor(after + (tick - 1 - after) * part);
        expect(nextCron(fields, zone, between, overrides)).toBe(tick);
        expect(nextCron(fields, zone, tick - 1, overrides)).toBe(tick);
      }),
      { numRuns: 1500 },
    );
  });

  it("CRON6 what was asked before changes no answer", () => {
    const { fields, zone, after } = arrange(7);
    const tick = nextCron(fields, zone, after);
    for (const far of [Date.UTC(1850, 0, 1), Date.UTC(2900, 0, 1), Date.UTC(2024, 5, 1), -8.64e15, 8.6e15])
      nextCron(fields, zone, far);
    expect(nextCron(fields, zone, after)).toBe(tick);
  });
});

describe("CRON4 C5 ticks are those of a naive walk through time", () => {
  it("CRON4 a wild rule's ticks match its fields, and no matching minute is left out", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const { expression, fields, zone, after } = arrangeNaive(seed);
        if (!fields.wild) return;
        const tick = nextCron(fields, zone, after);
        if (tick === undefined) return;
        expect(matches(expression, tick + zone.offsetAt(tick))).toBe(true);
        const until = Math.min(tick, after + 30 * 3_600_000);
        for (let minute = (Math.floor(after / 60_000) + 1) * 60_000; minute < until; minute += 60_000) {
          expect(matches(expression, minute + zone.offsetAt(minute))).toBe(false);
        }
      }),
      { numRuns: 800 },
    );
  });

  it("CRON5 both kinds of rule give the naive evaluator's ticks for a day and a half around a transition", {
    timeout: 60_000,
  }, () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const { expression, fields, zone, after } = arrangeNaive(seed);
        const until = after + 36 * 3_600_000;
        const ticks: number[] = [];
        for (
          let tick = nextCron(fields, zone, after);
          tick !== undefined && tick <= until;
          tick = nextCron(fields, zone, tick)
        )
          ticks.push(tick);
        expect({ expression, zone: zone.id, after, ticks }).toEqual({
          expression,
          zone: zone.id,
          after,
          ticks: naiveTicks(expression, zone.id, after, until),
        });
      }),
      { numRuns: 250 },
    );
  });
});

describe("N2 the smallest gap", () => {
  it("N2 no two ticks in UTC are nearer than the smallest gap", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const { fields, after } = arrange(seed);
        const gap = smallestGapMs(fields);
        let last = nextCron(fields, getZone("UTC"), after);
        for (let step = 0; step < 50 && last !== undefined; step++) {
          const tick = nextCron(fields, getZone("UTC"), last);
          if (tick === undefined) return;
          expect(tick - last).toBeGreaterThanOrEqual(gap);
          last = tick;
        }
      }),
      { numRuns: 600 },
    );
  });

  it("N2 the smallest gap is a gap which occurs", { timeout: 60_000 }, () => {
    // Rules of at most a few ticks a day, so that the whole 400-year cycle can be walked.
    for (const expression of [
      "0 0 29 2 *",
      "0,1 0 1 1 *",
      "30 23 31 12 *",
      "0 0 29 2 1#5",
      "5 4 LW 2,3 *",
      "0 0,12 L * *",
      "59 23,0 15W * *",
      "0 6 1 * 0",
    ]) {
      const fields = parseCron(expression);
      const utc = getZone("UTC");
      let smallest = Number.POSITIVE_INFINITY;
      let last = nextCron(fields, utc, Date.UTC(2000, 0, 1)) ?? 0;
      while (last < Date.UTC(2410, 0, 1)) {
        const tick = nextCron(fields, utc, last) ?? 0;
        smallest = Math.min(smallest, tick - last);
        last = tick;
      }
      expect({ expression, gap: smallestGapMs(fields) }).toEqual({ expression, gap: smallest });
    }
  });
});

describe("CRON6 the host's zone", () => {
  it("CRON6 ticks are the same on hosts in New York, Apia, Kolkata and Lord Howe", { timeout: 60_000 }, async () => {
    const child = new URL("./host-zone.ts", import.meta.url).pathname;
    const outputs = await Promise.all(
      ["UTC", "America/New_York", "Pacific/Apia", "Asia/Kolkata", "Australia/Lord_Howe"].map(async (TZ) => {
        const { stdout } = await run(process.execPath, [child], { env: { ...process.env, TZ } });
        return stdout.split("\n");
      }),
    );
    const [first, ...others] = outputs;
    expect(first?.length).toBeGreaterThan(300);
    expect(new Set(outputs.map((lines) => lines[0])).size).toBe(outputs.length);
    for (const other of others) expect(other.slice(1)).toEqual(first?.slice(1));
  });
});

describe("CRON1 whatever text comes in", () => {
  it("CRON1 any text is parsed or refused with InvalidCronError naming a field and a correction", () => {
    const alphabet = fc.constantFrom(..."0123456789*,-/#?LWHlwh@ \t()MONdecFri$.+é１\u200b\n");
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: alphabet, maxLength: 60 }), fc.string({ unit: "binary", maxLength: 40 })),
        (text) => {
          try {
            const fields = parseCron(text, "s-1");
            expect(nextCron(fields, getZone("UTC"), 0)).toBeGreaterThan(0);
          } catch (error) {
            expect(error).toBeInstanceOf(InvalidCronError);
            expect((error as InvalidCronError).mend).toBeTruthy();
            expect((error as InvalidCronError).message).toMatch(/^[ -~]+$/);
          }
        },
      ),
      { numRuns: 5000 },
    );
  });
});

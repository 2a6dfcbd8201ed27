// Policies as pure decisions: retry curves, jitter, transitions, fair lanes, rates.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { allows, isFinished, type JobState, type Transition, transitions } from "../../src/core/job.ts";
import { type LaneShare, type RateWindow, rateAllowance, shareLanes, spendRate } from "../../src/core/queue.ts";
import { type ResolvedBackoff, resolveRetry, retryDelayMs } from "../../src/core/retry.ts";
import { jitterOffsetMs, seedOf } from "../../src/core/tick.ts";

function curve(parts: Partial<ResolvedBackoff>): ResolvedBackoff {
  return { type: "exponential", delayMs: 1_000, maxMs: 3_600_000, jitter: 0, ...parts };
}

describe("retry curves", () => {
  test("J6 the default is three attempts, exponential from 1 s, capped at an hour", () => {
    const { attempts, backoff } = resolveRetry();
    expect([attempts, backoff]).toEqual([3, curve({})]);
    const waits = [1, 2, 3, 4, 12, 13, 100, 5_000].map((n) => retryDelayMs(curve({}), n, 0.5) / 1_000);
    expect(waits).toEqual([1, 2, 4, 8, 2_048, 3_600, 3_600, 3_600]);
  });

  test("J6 linear grows by its delay, fixed stays", () => {
    const waits = (type: "linear" | "fixed") =>
      [1, 2, 3, 5_000].map((n) => retryDelayMs(curve({ type }), n, 0.5) / 1_000);
    expect([waits("linear"), waits("fixed")]).toEqual([
      [1, 2, 3, 3_600],
      [1, 1, 1, 1],
    ]);
  });

  test("J6 jitter multiplies within ± its share, and the cap comes after it", () => {
    const random = fc.double({ min: 0, max: 0.999_999, noNaN: true });
    const jitter = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(random, jitter, fc.integer({ min: 1, max: 60 }), (drawn, share, failures) => {
        const base = Math.min(1_000 * 2 ** (failures - 1), Number.MAX_VALUE);
        const wait = retryDelayMs(curve({ jitter: share }), failures, drawn);
        expect(wait).toBeGreaterThanOrEqual(Math.min(3_600_000, base * (1 - share)) - 1);
        expect(wait).toBeLessThanOrEqual(Math.min(3_600_000, base * (1 + share)) + 1);
        expect(Number.isInteger(wait)).toBe(true);
      }),
    );
    expect(retryDelayMs(curve({ jitter: 0.5, maxMs: 1_000 }), 1, 0.9)).toBe(1_000);
    expect(retryDelayMs(curve({ jitter: 0.5, maxMs: 1_000 }), 1, 0)).toBe(500);
  });
});

describe("jitter", () => {
  /** Pearson's chi-squared of offsets over equal cells. */
  function chiSquared(ids: readonly string[], spanMs: number, cells: number): number {
    const counts = Array.from({ length: cells }, () => 0);
    for (const id of ids) {
      const cell = Math.floor(
        (jitterOffsetMs(seedOf("default", id), spanMs, Number.POSITIVE_INFINITY) * cells) / spanMs,
      );
      counts[cell] = (counts[cell] ?? 0) + 1;
    }
    const expected = ids.length / cells;
    return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  }

  test.each([1_000, 30_000, 3_600_000])("S3 offsets of s-1 to s-1000 are uniform over %d ms", (spanMs) => {
    const ids = Array.from({ length: 1_000 }, (_, n) => `s-${n + 1}`);
    // 49 degrees of freedom: 85.4 is passed by chance once in a thousand.
    expect(chiSquared(ids, spanMs, 50)).toBeLessThan(85.4);
  });

  test("S3 sequential ids are not neighbours, and offsets do not come in order", () => {
    const offsets = Array.from({ length: 200 }, (_, n) =>
      jitterOffsetMs(seedOf("default", `s-${n}`), 30_000, Number.POSITIVE_INFINITY),
    );
    const steps = offsets.slice(1).map((at, index) => Math.abs(at - (offsets[index] ?? 0)));
    expect(steps.filter((step) => step < 100).length).toBeLessThan(10);
    const rising = offsets.slice(1).filter((at, index) => at > (offsets[index] ?? 0)).length;
    expect(Math.abs(rising - 100)).toBeLessThan(30);
  });

  test("S3 an offset is in [0, min(jitter, gap)), and 0 disables", () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.integer({ min: 1, max: 10 ** 9 }),
        fc.integer({ min: 1, max: 10 ** 9 }),
        (seed, jitterMs, gapMs) => {
          const offset = jitterOffsetMs(seed, jitterMs, gapMs);
          expect(offset).toBeGreaterThanOrEqual(0);
          expect(offset).toBeLessThan(Math.min(jitterMs, gapMs));
          expect(jitterOffsetMs(seed, 0, gapMs)).toBe(0);
        },
      ),
    );
  });
});

describe("transitions", () => {
  const states: readonly JobState[] = ["pending", "active", "completed", "failed", "cancelled"];

  test("J1 the table of legal transitions is exactly this", () => {
    const legal: Readonly<Record<Transition, readonly [from: readonly JobState[], to: JobState]>> = {
      insert: [[], "pending"],
      claim: [["pending", "active"], "active"],
      complete: [["active"], "completed"],
      fail: [["active"], "failed"],
      retry: [["active"], "pending"],
      release: [["active"], "pending"],
      cancel: [["pending", "active"], "cancelled"],
      supersede: [["active"], "failed"],
      revive: [["failed", "cancelled"], "pending"],
    };
    for (const [name, [from, to]] of Object.entries(legal) as [Transition, (typeof legal)[Transition]][]) {
      expect(states.filter((state) => allows(name, state))).toEqual(from);
      expect(transitions[name].to).toBe(to);
    }
    expect(Object.keys(transitions).sort()).toEqual(Object.keys(legal).sort());
  });

  test("J1 nothing leaves a completed job, and only an operator's revive the other ends", () => {
    const leaving = (state: JobState) =>
      (Object.keys(transitions) as Transition[]).filter((name) => allows(name, state));
    expect(states.filter(isFinished)).toEqual(["completed", "failed", "cancelled"]);
    expect([leaving("completed"), leaving("failed"), leaving("cancelled")]).toEqual([[], ["revive"], ["revive"]]);
  });
});

describe("lanes", () => {
  const lanes = fc.array(
    fc.record({
      ready: fc.nat({ max: 50 }),
      pass: fc.integer({ min: 0, max: 20 }),
      weight: fc.integer({ min: 1, max: 4 }),
    }),
    { minLength: 1, maxLength: 8 },
  );

  test("J12 shares take no more than is ready, and all of the limit while something is", () => {
    fc.assert(
      fc.property(lanes, fc.integer({ min: 1, max: 100 }), (shares, limit) => {
        const named = shares.map((lane, index): LaneShare => ({ ...lane, tenant: `t${index}` }));
        const takes = shareLanes(named, limit);
        const total = takes.reduce((sum, { take }) => sum + take, 0);
        expect(total).toBe(
          Math.min(
            limit,
            named.reduce((sum, { ready }) => sum + ready, 0),
          ),
        );
        for (const { tenant, take, pass } of takes) {
          const lane = named.find((one) => one.tenant === tenant);
          expect(take).toBeLessThanOrEqual(lane?.ready ?? 0);
          expect(pass).toBeCloseTo((lane?.pass ?? 0) + take / (lane?.weight ?? 1));
        }
      }),
    );
  });

  test("J12 a lane with a million jobs cannot starve another: its one job is served within a round", () => {
    const shares: LaneShare[] = [
      { tenant: "big", ready: 1_000_000, pass: 5, weight: 1 },
      ...Array.from({ length: 9 }, (_, n) => ({ tenant: `small-${n}`, ready: 1, pass: 5, weight: 1 })),
    ];
    const takes = new Map(shareLanes(shares, 10).map(({ tenant, take }) => [tenant, take]));
    expect([...takes.values()]).toEqual(Array(10).fill(1));
  });

  test("J12 over many claims service follows the weights", () => {
    const state = new Map<string, LaneShare>([
      ["heavy", { tenant: "heavy", ready: 10_000, pass: 0, weight: 3 }],
      ["light", { tenant: "light", ready: 10_000, pass: 0, weight: 1 }],
    ]);
    const served = new Map<string, number>();
    for (let claim = 0; claim < 400; claim++) {
      for (const { tenant, take, pass } of shareLanes([...state.values()], 7)) {
        served.set(tenant, (served.get(tenant) ?? 0) + take);
        const lane = state.get(tenant);
        if (lane !== undefined) state.set(tenant, { ...lane, pass, ready: lane.ready - take });
      }
    }
    expect((served.get("heavy") ?? 0) / (served.get("light") ?? 1)).toBeCloseTo(3, 1);
  });
});

describe("rates", () => {
  test("J12 no span of one period ever holds more claims than the rate, and the whole rate is used", () => {
    const calls = fc.array(
      fc.record({ waitMs: fc.integer({ min: 0, max: 400 }), wanted: fc.integer({ min: 1, max: 20 }) }),
      {
        minLength: 1,
        maxLength: 120,
      },
    );
    fc.assert(
      fc.property(
        calls,
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 1_000 }),
        (steps, count, periodMs) => {
          const rate = { count, periodMs };
          const claims: number[] = [];
          let window: RateWindow = [];
          let now = 1_000_003;
          for (const { waitMs, wanted } of steps) {
            now += waitMs;
            const allowance = rateAllowance(rate, window, now);
            const taken = Math.min(allowance.allowed, wanted);
            window = taken === 0 ? allowance.window : spendRate(rate, allowance.window, taken, now);
            claims.push(...Array<number>(taken).fill(now));
            if (allowance.regainAt !== undefined) {
              expect(allowance.regainAt).toBeGreaterThan(now);
              expect(rateAllowance(rate, allowance.window, allowance.regainAt).allowed).toBeGreaterThan(0);
            }
          }
          for (const [index, at] of claims.entries()) {
            expect((claims[index + count] ?? Number.POSITIVE_INFINITY) - at).toBeGreaterThanOrEqual(periodMs);
          }
          expect(rateAllowance(rate, window, now + 2 * periodMs + 10).allowed).toBe(count);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("J12 a clock that goes back gives nothing away", () => {
    const rate = { count: 2, periodMs: 1_000 };
    const spent = spendRate(rate, [], 2, 10_000);
    expect(rateAllowance(rate, spent, 9_000).allowed).toBe(0);
    const more = spendRate(rate, spent, 0, 9_500);
    expect(rateAllowance(rate, more, 10_500).allowed).toBe(0);
  });
});

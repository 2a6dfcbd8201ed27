// The fair share among a queue's lanes: how long one waits at most, what each gets in the long run, and what passes
// that only grow do to either.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type LaneShare, shareLanes } from "../../src/core/queue.ts";

/** Lanes as an engine keeps them, from claim to claim. */
class Lanes {
  readonly lanes: { tenant: string; ready: number; pass: number; weight: number }[];

  constructor(weights: readonly number[], pass = 0) {
    this.lanes = weights.map((weight, index) => ({ tenant: `t-${index}`, ready: 0, pass, weight }));
  }

  get open(): LaneShare[] {
    return this.lanes.filter(({ ready }) => ready > 0);
  }

  /** A lane that was empty re-enters at the lowest pass of the open ones, with none open at the greatest there is. */
  fill(index: number, count: number): void {
    const lane = this.lanes[index];
    if (lane === undefined || count === 0) return;
    const passes = this.open.map(({ pass }) => pass);
    const entering = passes.length > 0 ? Math.min(...passes) : Math.max(...this.lanes.map(({ pass }) => pass));
    if (lane.ready === 0) lane.pass = Math.max(lane.pass, entering);
    lane.ready += count;
  }

  /** How many jobs each lane is given. */
  claim(limit: number): number[] {
    const takes = shareLanes(this.open, limit);
    return this.lanes.map((lane) => {
      const { take = 0, pass = lane.pass } = takes.find(({ tenant }) => tenant === lane.tenant) ?? {};
      lane.pass = pass;
      lane.ready -= take;
      return take;
    });
  }
}

const weights = (most: number) => fc.array(fc.integer({ min: 1, max: most }), { minLength: 2, maxLength: 8 });
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** What is checked of a lane while it has jobs: how many others got since its last, and who was there meanwhile. */
interface Wait {
  given: number;
  readonly beside: Set<number>;
}

/** Plays arrivals and claims of one job, and answers the longest wait beyond the bound. */
function excessOf(lanes: Lanes, steps: readonly (readonly [lane: number, arrivals: number])[]): number {
  const waits = lanes.lanes.map((): Wait => ({ given: 0, beside: new Set() }));
  let excess = Number.NEGATIVE_INFINITY;
  for (const [lane, arrivals] of steps) {
    lanes.fill(lane % lanes.lanes.length, arrivals);
    const open = lanes.lanes.flatMap(({ ready }, index) => (ready > 0 ? [index] : []));
    const given = lanes.claim(1).indexOf(1);
    for (const [index, wait] of waits.entries()) {
      if (!open.includes(index)) {
        waits[index] = { given: 0, beside: new Set() };
        continue;
      }
      for (const one of open) wait.beside.add(one);
      wait.given++;
      if (given !== index) continue;
      const total = sum([...wait.beside].map((one) => lanes.lanes[one]?.weight ?? 0));
      const bound = Math.floor(total / (lanes.lanes[index]?.weight ?? 1)) + wait.beside.size - 1;
      excess = Math.max(excess, wait.given - bound);
      waits[index] = { given: 0, beside: new Set() };
    }
  }
  return excess;
}

describe("the bound", () => {
  // Many steps bring nothing, so that lanes run empty and re-enter.
  const steps = fc.array(fc.tuple(fc.nat(7), fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 4 }))), {
    minLength: 20,
    maxLength: 400,
  });

  test("J12 a lane of weight w among n of total W has one job in every W/w + n - 1, whoever comes and goes", () => {
    fc.assert(
      fc.property(weights(12), steps, (chosen, played) => {
        expect(excessOf(new Lanes(chosen), played)).toBeLessThanOrEqual(0);
      }),
      { numRuns: 500 },
    );
  });

  test("J12 the bound holds beside backlogs that never end", () => {
    const backlogs = fc.array(fc.nat(7), { minLength: 1, maxLength: 7 });
    fc.assert(
      fc.property(weights(1_000), backlogs, steps, (chosen, big, played) => {
        const lanes = new Lanes(chosen);
        for (const index of big) lanes.fill(index % chosen.length, 1_000_000);
        expect(excessOf(lanes, played)).toBeLessThanOrEqual(0);
      }),
      { numRuns: 500 },
    );
  });

  test("J12 one large claim gives as many claims of one do", () => {
    fc.assert(
      fc.property(
        weights(12),
        fc.array(fc.nat(30), { minLength: 8, maxLength: 8 }),
        fc.nat(60),
        (chosen, ready, limit) => {
          const [once, often] = [new Lanes(chosen), new Lanes(chosen)];
          for (const lanes of [once, often]) for (const [index, count] of ready.entries()) lanes.fill(index, count);
          const one = once.claim(limit);
          const many = Array.from({ length: limit }, () => often.claim(1));
          expect(one).toEqual(chosen.map((_, index) => sum(many.map((given) => given[index] ?? 0))));
        },
      ),
    );
  });
});

describe("shares", () => {
  /** How far each lane's jobs are from its share after so many claims, in jobs. */
  function errors(lanes: Lanes, claims: number, limit: number): number[] {
    const given = lanes.lanes.map(() => 0);
    for (let claim = 0; claim < claims; claim++) {
      for (const [index, take] of lanes.claim(limit).entries()) given[index] = (given[index] ?? 0) + take;
    }
    const total = sum(lanes.lanes.map(({ weight }) => weight));
    return lanes.lanes.map(({ weight }, index) => Math.abs((given[index] ?? 0) - (claims * limit * weight) / total));
  }

  function backlogs(chosen: readonly number[], pass = 0): Lanes {
    const lanes = new Lanes(chosen, pass);
    for (const index of chosen.keys()) lanes.fill(index, 10_000_000);
    return lanes;
  }

  test("J12 lanes that wait all the time are within n jobs of their weight's share, however long it goes on", () => {
    fc.assert(
      fc.property(
        weights(20),
        fc.integer({ min: 1, max: 400 }),
        fc.integer({ min: 1, max: 9 }),
        (chosen, claims, limit) => {
          expect(Math.max(...errors(backlogs(chosen), claims, limit))).toBeLessThan(chosen.length);
        },
      ),
    );
  });

  test("J12 after a billion claims the shares are as exact, to a ten thousandth", () => {
    fc.assert(
      fc.property(weights(1_000), (chosen) => {
        const claims = 10_000;
        const worst = Math.max(...errors(backlogs(chosen, 1e9), claims, 1));
        expect(worst).toBeLessThan(chosen.length + claims / 10_000);
      }),
      { numRuns: 20 },
    );
  });

  /** What a lane gets that is empty after each of its jobs and has the next before the next claim, beside backlogs. */
  function gotByBlinking(chosen: readonly number[], blinking: number, claims: number): number {
    const lanes = backlogs(chosen);
    const lane = lanes.lanes[blinking];
    if (lane !== undefined) lane.ready = 0;
    let got = 0;
    for (let claim = 0; claim < claims; claim++) {
      if (lane?.ready === 0) lanes.fill(blinking, 1);
      got += lanes.claim(1)[blinking] ?? 0;
    }
    return got;
  }

  test("J12 among equals a lane that empties and fills at each claim gets its share, no more and no less", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 8 }), fc.nat(7), fc.integer({ min: 1, max: 9 }), (count, index, weight) => {
        const got = gotByBlinking(new Array<number>(count).fill(weight), index % count, 1_000);
        expect(Math.abs(got - 1_000 / count)).toBeLessThanOrEqual(1);
      }),
    );
  });

  test("J12 by emptying and filling at each claim a lane of any weight gains nothing", () => {
    fc.assert(
      fc.property(weights(10), fc.nat(7), (chosen, index) => {
        const blinking = index % chosen.length;
        const share = (1_000 * (chosen[blinking] ?? 0)) / sum(chosen);
        expect(gotByBlinking(chosen, blinking, 1_000)).toBeLessThan(share + chosen.length);
      }),
    );
  });

  test("J12 a lane that was away has saved nothing up", () => {
    const lanes = new Lanes([1, 1]);
    lanes.fill(0, 1_000);
    for (let claim = 0; claim < 500; claim++) lanes.claim(1);
    lanes.fill(1, 1_000);
    expect(lanes.claim(100)).toEqual([50, 50]);
  });
});

// A hundred seeded worlds, each with crashes, pauses, outages, lost answers, clocks that are off and a store that may go
// back in time. What fails prints its seed and the end of its trace; scripts/proof/simulation.ts replays it.
import { describe, expect, test } from "vitest";
import { troublesMissing } from "./coverage.ts";
import { describeFailure, type Failure, simulate } from "./simulate.ts";
import { sqliteStore } from "./sqlite-store.ts";
import { type MakeStore, memoryStore } from "./store.ts";

const counts = new Map<string, number>();

async function run(from: number, to: number, makeStore: MakeStore, store: "memory" | "sqlite"): Promise<void> {
  let failure: Failure | undefined;
  for (let seed = from; seed <= to && failure === undefined; seed++) {
    const outcome = await simulate(seed, makeStore);
    for (const [what, times] of outcome.counts) counts.set(what, (counts.get(what) ?? 0) + times);
    failure = outcome.failure;
  }
  expect(failure === undefined ? "every promise kept" : describeFailure(failure, store)).toBe("every promise kept");
}

describe("memory", () => {
  test("J1 J2 J3 J4 J15 S2 T2 T3 seeds 1-25 keep every promise", () => run(1, 25, memoryStore, "memory"));
  test("J1 J2 J3 J4 J15 S2 T2 T3 seeds 26-50 keep every promise", () => run(26, 50, memoryStore, "memory"));
  test("J1 J2 J3 J4 J15 S2 T2 T3 seeds 51-75 keep every promise", () => run(51, 75, memoryStore, "memory"));
  test("J1 J2 J3 J4 J15 S2 T2 T3 seeds 76-100 keep every promise", () => run(76, 100, memoryStore, "memory"));

  test("the hundred worlds went through every trouble there is", () => {
    expect(troublesMissing(counts)).toEqual([]);
  });

  test("the same seed gives the same run, to the last line", async () => {
    const first = await simulate(7);
    await simulate(8);
    const again = await simulate(7);
    expect(again.trace.join("\n")).toBe(first.trace.join("\n"));
    expect(first.trace.length).toBeGreaterThan(100);
  });
});

describe("sqlite", () => {
  test("J1 J2 J3 J4 J15 S2 T2 T3 seeds 1-10 keep every promise", () => run(1, 10, sqliteStore, "sqlite"));
});

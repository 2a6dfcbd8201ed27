// Two hundred random sequences of calls, on SQLite and on the memory engine side by side; scripts/proof/fuzz.ts plays
// thousands. Engines with servers have the same test in their own folders.
import { describe, expect, test } from "vitest";
import type { Engine } from "../../src/core/engine.ts";
import { memory } from "../../src/engines/memory/index.ts";
import { expectSame } from "./expect-same.ts";
import { fuzz } from "./fuzz.ts";
import { play } from "./sequence.ts";
import type { Subject } from "./side-by-side.ts";
import { sqliteStores } from "./stores.ts";

describe("sqlite", () => {
  const same = (from: number, to: number) => () => expectSame("sqlite", sqliteStores(), from, to);
  test("J1 J2 J3 J5 J15 S2 T2 T3 sequences 1-50 have memory's answers", same(1, 50), 60_000);
  test("J1 J2 J3 J5 J15 S2 T2 T3 sequences 51-100 have memory's answers", same(51, 100), 60_000);
  test("J1 J2 J3 J5 J15 S2 T2 T3 sequences 101-150 have memory's answers", same(101, 150), 60_000);
  test("J1 J2 J3 J5 J15 S2 T2 T3 sequences 151-200 have memory's answers", same(151, 200), 60_000);
});

describe("the fuzz itself", () => {
  test("the same seed makes the same sequence", async () => {
    const subject = sqliteStores();
    const [first, , again] = [await play(7, subject), await play(8, subject), await play(7, subject)];
    expect(again.calls).toEqual(first.calls);
    expect(first.calls.length).toBeGreaterThan(20);
  });

  test("an engine that extends leases which are over is found out, in a few calls", async () => {
    const failure = await firstFailure((options) => withoutFence(memory(options)));
    const calls = failure.split("\n").filter((line) => line.startsWith('  {"op"'));
    expect(calls.length, failure).toBeLessThanOrEqual(5);
    expect(failure).toContain('"lost" in memory, "held" in the other');
  });

  test("an engine whose listing leaves a job out is found out", async () => {
    const failure = await firstFailure((options) => withShortLists(memory(options)));
    expect(failure).toContain("nothing in the other");
  });
});

async function firstFailure(make: Subject["make"]): Promise<string> {
  for (let seed = 1; seed <= 100; seed++) {
    const { failure } = await fuzz(seed, "a faulty engine", { make, sharesAlike: true });
    if (failure !== undefined) return failure;
  }
  throw new Error("a hundred sequences have shown nothing");
}

function withoutFence(engine: Engine): Engine {
  const { jobs } = engine;
  const extend: typeof jobs.extend = async (extensions, leaseMs) => {
    const outcomes = await jobs.extend(extensions, leaseMs);
    return outcomes.map((outcome) => (outcome === "lost" ? "held" : outcome));
  };
  return { ...engine, jobs: { ...jobs, extend } };
}

/** Whoever asks for small pages misses the last job. */
function withShortLists(engine: Engine): Engine {
  const { jobs } = engine;
  const list: typeof jobs.list = async (filter, page) => {
    const found = await jobs.list(filter, page);
    return found.next === undefined && page.limit < 10 ? { items: found.items.slice(0, 1) } : found;
  };
  return { ...engine, jobs: { ...jobs, list } };
}

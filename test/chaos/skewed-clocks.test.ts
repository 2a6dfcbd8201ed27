// Two ticker processes whose wall clocks are wrong, on one SQLite file.
import { describe, expect, test } from "vitest";
import { SkewedPair, type SkewedTicker, until } from "../../scripts/proof/skewed-pair.ts";

const ids = ["a", "b"];
const hourMs = 3_600_000;

/** Every tick is fired once, by one process, and made one job; or it is recorded as skipped. */
async function expectOnce(pair: SkewedPair, tickers: readonly SkewedTicker[]): Promise<void> {
  const accounts = await pair.settle(ids);
  const said = tickers.flatMap(({ fired }) => fired.map(({ id, tick }) => `${id} ${tick}`));
  expect(new Set(said).size).toBe(said.length);
  for (const { fired, twice, gaps, jobs } of accounts.values()) {
    expect([twice, gaps, jobs]).toEqual([[], [], fired.length]);
  }
  expect([...accounts.values()].reduce((sum, { fired }) => sum + fired.length, 0)).toBe(said.length);
  expect(tickers.flatMap(({ errors }) => errors)).toEqual([]);
}

describe.each([5_000, 3 * hourMs])("clocks that are %d ms slow and fast", (skewMs) => {
  test("S2 of the processes themselves: each one-second tick makes one job, whoever fires it", async () => {
    await using pair = new SkewedPair();
    await pair.create(ids, 0);
    const [slow, fast] = await Promise.all([
      pair.start({ offsetMs: -skewMs, clock: "own" }),
      pair.start({ offsetMs: skewMs, clock: "own" }),
    ]);
    for (const [awake, frozen] of [
      [slow, fast],
      [fast, slow],
    ] as const) {
      const before = awake.fired.length;
      const isAlone = () => awake.fired.length >= before + 4;
      // A process that is stopped in the middle of a write holds the file's lock: it is let go until somebody has
      // written again, and stopped elsewhere.
      while (!isAlone()) {
        frozen.freeze();
        const heldUntil = performance.now() + 6_000;
        await until("ticks of one process alone", () => isAlone() || performance.now() > heldUntil);
        const said = slow.fired.length + fast.fired.length;
        frozen.thaw();
        await until("a tick of either", () => isAlone() || slow.fired.length + fast.fired.length > said);
      }
    }
    await expectOnce(pair, [slow, fast]);
  }, 180_000);

  test("S2 of the store, as each process sees it: no tick fires twice, what the fast clock jumped over is recorded", async () => {
    await using pair = new SkewedPair();
    await pair.create(ids, -skewMs);
    const slow = await pair.start({ offsetMs: -skewMs, clock: "store" });
    await until("ticks by the slow clock", () => slow.fired.length >= 4);
    const fast = await pair.start({ offsetMs: skewMs, clock: "store" });
    await until("ticks by the fast clock", () => fast.fired.length >= 4);
    await expectOnce(pair, [slow, fast]);
  }, 180_000);
});

// A quarter of the year that scripts/proof/year.ts plays whole, with fewer schedules: the same code, the same account.
import { expect, test } from "vitest";
import { playYear } from "../../scripts/proof/year-play.ts";

test("S2 S3 S4 S5 a quarter with a clock change: every tick is fired or skipped with a reason, as preview said", async () => {
  const [from, until] = [new Date("2026-02-10T00:00:00Z"), new Date("2026-05-10T00:00:00Z")];
  const { counts, ticks, shortcomings, comparedWhole } = await playYear({ seed: 7, schedules: 200, from, until });
  expect(shortcomings).toEqual([]);
  expect(ticks).toBeGreaterThan(3_000);
  expect(comparedWhole).toBeGreaterThan(150);
  for (const kind of ["fired", "fired with jitter", "skipped as late", "skipped as overlap", "skipped as disabled"]) {
    expect(counts.get(kind), kind).toBeGreaterThan(0);
  }
}, 60_000);

// Proof of S2 and C1: two ticker processes whose wall clocks are seconds and hours apart, one SQLite file, one-second schedules
// without jitter: every tick makes exactly one job, or is recorded as skipped. The processes are frozen in turn, so that
// both fire.
// Usage: node --conditions=source scripts/proof/skewed-tickers.ts [--seconds 20] [--schedules 5]
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { SkewedPair } from "./skewed-pair.ts";
import { Verdict } from "./verdict.ts";

const { values: flags } = parseArgs({
  options: { seconds: { type: "string", default: "20" }, schedules: { type: "string", default: "5" } },
});
const seconds = Number(flags.seconds);
const ids = Array.from({ length: Number(flags.schedules) }, (_, index) => `second-${index + 1}`);
const hourMs = 3_600_000;
const verdict = new Verdict();

for (const clock of ["own", "store"] as const) {
  for (const skewMs of [5_000, 3 * hourMs]) {
    const whose = clock === "own" ? "the processes' own clocks" : "Date.now, and so the store's clock,";
    console.log(`${whose} ±${skewMs / 1_000} s apart, ${ids.length} one-second schedules, ${seconds} s`);
    await using pair = new SkewedPair();
    await pair.create(ids, clock === "store" ? -skewMs : 0);
    const slow = await pair.start({ offsetMs: -skewMs, clock });
    // The slow one alone first: with "store" the fast one is never behind again.
    await sleep(3_000);
    const fast = await pair.start({ offsetMs: skewMs, clock });
    for (let turn = 0; turn * 3 < seconds; turn++) {
      const frozen = turn % 2 === 0 ? slow : fast;
      await sleep(1_500);
      frozen.freeze();
      await sleep(1_500);
      frozen.thaw();
    }
    const accounts = await pair.settle(ids);
    const all = [...accounts.values()];
    const said = [slow, fast].flatMap(({ fired }) => fired.map(({ id, tick }) => `${id} ${tick}`));
    verdict.figure(
      "ticks fired, by the audit log",
      all.reduce((sum, { fired }) => sum + fired.length, 0),
    );
    verdict.figure("ticks fired by the slow and the fast process", `${slow.fired.length} and ${fast.fired.length}`);
    verdict.figure(
      "ticks skipped as late, and recorded",
      all.reduce((sum, { skipped }) => sum + skipped, 0),
    );
    verdict.none(
      "ticks that two processes say they fired",
      said.filter((tick, index) => said.indexOf(tick) !== index),
    );
    for (const [id, { fired, twice, gaps, jobs }] of accounts) {
      verdict.none(`${id}: ticks fired twice`, twice.map(String));
      verdict.none(`${id}: ticks neither fired nor skipped`, gaps);
      verdict.require(jobs === fired.length, `${id}: ${fired.length} ticks fired made ${jobs} jobs`);
      verdict.require(fired.length >= seconds / 2, `${id}: only ${fired.length} ticks fired`);
    }
    verdict.require(slow.fired.length > 0 && fast.fired.length > 0, "only one of the processes fired");
    verdict.none("errors in the processes", [...slow.errors, ...fast.errors]);
  }
}
verdict.conclude("skewed-tickers");

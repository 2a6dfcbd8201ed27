// Proof of O2 on PostgreSQL: beside a handler that holds `ctx.complete(tx)` open and a forgotten, uncommitted keyed
// enqueue, nobody's extension, insert or guardrail waits; how long each took before and meanwhile is printed.
// Usage: node --conditions=source scripts/proof/postgres-held.ts [--calm 10] [--held 60] [--of-schedule]   (seconds)
import { parseArgs } from "node:util";
import { startPostgres } from "../services/postgres.ts";
import { holdTransactions } from "./postgres/held-transactions.ts";
import { Verdict } from "./verdict.ts";

const { values: flags } = parseArgs({
  options: {
    calm: { type: "string", default: "10" },
    held: { type: "string", default: "60" },
    /** The held job is a tick's, of a schedule that goes on. */
    "of-schedule": { type: "boolean", default: false },
  },
});
const server = await startPostgres();
const outcome = await holdTransactions(await server.newDatabase(), {
  calmMs: Number(flags.calm) * 1_000,
  heldMs: Number(flags.held) * 1_000,
  ofSchedule: flags["of-schedule"],
});
await server.close();

const verdict = new Verdict();
for (const [phase, times] of [
  [`before, ${flags.calm} s`, outcome.before],
  [`with two transactions held open, ${flags.held} s`, outcome.during],
] as const) {
  console.log(`\n${phase}: calls, p50, p99 and longest in ms`);
  for (const { call, count, p50Ms, p99Ms, longestMs } of times) {
    verdict.figure(call, [count, p50Ms.toFixed(1), p99Ms.toFixed(1), longestMs.toFixed(1)].join("  "));
  }
}
console.log("");
verdict.figure("jobs done while they were open", outcome.jobsDoneDuring);
verdict.figure("ticks fired meanwhile by a schedule of every second", outcome.ticksDuring);
verdict.figure("refusal of the open key after", `${Math.round(outcome.refusedAfterMs)} ms`);
verdict.figure("longest insert beside that refusal", `${Math.round(outcome.besideRefusedMs)} ms`);
// On a machine that has nothing else to do; whether anybody waited for a lock was looked for too, whatever the load.
for (const { call, longestMs } of outcome.during) {
  const usual = outcome.before.find((one) => one.call === call)?.longestMs ?? 0;
  verdict.require(longestMs <= Math.max(1_000, 3 * usual), `${call}: one took ${Math.round(longestMs)} ms`);
}
verdict.require(outcome.jobsDoneDuring > 0, "no job was done while the transactions were open");
verdict.none("shortcomings", outcome.shortcomings);
verdict.conclude("postgres-held");

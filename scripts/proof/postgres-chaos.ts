// Proof of J1, J3, J4, S2 and O1 on PostgreSQL: under load, and as often as asked, a worker is killed with kill -9, the
// server is stopped at once and started, connections are cut in the middle of a settle, the server is paused, LISTEN is
// cut; then every accepted job has ended exactly once, each tick has fired once, and every process has gone on by itself.
// Usage: node --conditions=source scripts/proof/postgres-chaos.ts [--times 20] [--fault worker-killed] [--version 18] [--paused 20]
import { parseArgs } from "node:util";
import { startPostgres } from "../services/postgres.ts";
import { playRound } from "./postgres/chaos-round.ts";
import { type FaultName, faults } from "./postgres/faults.ts";
import { Verdict } from "./verdict.ts";

const { values: flags } = parseArgs({
  options: {
    times: { type: "string", default: "20" },
    fault: { type: "string" },
    version: { type: "string", default: "15" },
    /** How long the server is paused, in seconds. */
    paused: { type: "string", default: "20" },
  },
});
const times = Number(flags.times);
const names = (Object.keys(faults) as FaultName[]).filter((name) => flags.fault === undefined || name === flags.fault);
const verdict = new Verdict();
verdict.require(names.length > 0 && times > 0, "nothing was played");
const server = await startPostgres({ version: flags.version === "18" ? 18 : 15 });

for (const name of names) {
  const sums = new Map<string, number>();
  const failures: string[] = [];
  for (let round = 1; round <= times; round++) {
    // Every other round has the whole log: it tells each end, but makes plain settles take the longer way.
    const audit = round % 2 === 0 ? "all" : "changes";
    const options = { producers: 2, workers: 3, audit, pausedMs: Number(flags.paused) * 1_000 } as const;
    const { counts, shortcomings } = await playRound(name, server, options).catch((error: Error) => ({
      counts: {},
      shortcomings: [error.message],
    }));
    for (const [count, value] of Object.entries(counts)) {
      const before = sums.get(count) ?? 0;
      sums.set(count, count.endsWith("ms") || count.startsWith("...") ? Math.max(before, value) : before + value);
    }
    failures.push(...shortcomings.map((shortcoming) => `${name}, round ${round}: ${shortcoming}`));
    console.log(`${name} ${round} of ${times}: ${shortcomings.length === 0 ? "held" : shortcomings.join("; ")}`);
  }
  console.log(`\n${times} times: ${faults[name].title}`);
  for (const [count, value] of sums) verdict.figure(count, value);
  verdict.none("shortcomings", failures);
}
await server.close();
verdict.conclude("postgres-chaos");

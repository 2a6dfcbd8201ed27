// Proof of J1, J3, J4, S2 and O1 on PostgreSQL: under load, and as often as asked, a worker is killed with kill -9, the
// server is stopped at once and started, connections are cut in the middle of a settle, the server is paused, LISTEN is
// cut; then every accepted job has ended exactly once, each tick has fired once, and every process has gone on by itself.
// Usage: node --conditions=source scripts/proof/postgres-chaos.ts [--times 20] [--fault worker-killed] [--version 18] [--paused 20]
import { parseArgs } from "node:util";
import { startPostgres } from "../services/postgres.ts";
import { repeatFaults } from "./chaos/repeat.ts";
import { type FaultName, faults, playRound } from "./postgres/faults.ts";

const { values: flags } = parseArgs({
  options: {
    times: { type: "string", default: "20" },
    fault: { type: "string" },
    version: { type: "string", default: "15" },
    /** How long the server is paused, in seconds. */
    paused: { type: "string", default: "20" },
  },
});
const names = (Object.keys(faults) as FaultName[]).filter((name) => flags.fault === undefined || name === flags.fault);
const server = await startPostgres({ version: flags.version === "18" ? 18 : 15 });
const pausedMs = Number(flags.paused) * 1_000;
await repeatFaults({
  proof: "postgres-chaos",
  faults: names.map((name) => [name, faults[name].title]),
  times: Number(flags.times),
  play: (name, audit) => playRound(name, server, { producers: 2, workers: 3, audit, pausedMs }),
});
await server.close();

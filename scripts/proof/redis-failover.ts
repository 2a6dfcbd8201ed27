// Proof of what a failover of Redis loses, and what it does not: replication is cut under load, the primary is killed or
// frozen, and Sentinel promotes the replica that lacks the last seconds. What is left must be whole: every job that is there has
// ended once, each tick is one job, a lost lease settles nothing, and every process goes on by itself. What was lost is counted.
// Usage: node --conditions=source scripts/proof/redis-failover.ts [--times 20] [--fault primary-frozen]
import { parseArgs } from "node:util";
import { repeatFaults } from "./chaos/repeat.ts";
import { type FailoverFaultName, failoverFaults, playFailoverRound } from "./redis/failover-faults.ts";

const { values: flags } = parseArgs({
  options: { times: { type: "string", default: "20" }, fault: { type: "string" } },
});
const names = Object.keys(failoverFaults) as FailoverFaultName[];
await repeatFaults({
  proof: "redis-failover",
  faults: names
    .filter((name) => flags.fault === undefined || name === flags.fault)
    .map((name) => [name, failoverFaults[name].title]),
  times: Number(flags.times),
  play: (name, audit) => playFailoverRound(name, { producers: 2, workers: 3, audit, pausedMs: 0 }),
});

// Proof of J1, J3, J4, S2 and O1 on Redis: under load, and as often as asked, a worker is killed with kill -9, the server is
// killed and started on its append-only file, connections are cut in the midst of requests and answers, the scripts are
// flushed, the server is paused, the power fails, a cluster's master is killed; then every accepted job has ended exactly once, each tick has
// fired once, and every process has gone on by itself. With --fsync everysec it is measured what a crash loses.
// Usage: node --conditions=source scripts/proof/redis-chaos.ts [--times 20] [--fault worker-killed] [--fsync everysec] [--kind valkey] [--paused 20]
import { parseArgs } from "node:util";
import { repeatFaults } from "./chaos/repeat.ts";
import { everysecFaults, type FaultName, faults, masterKilled, playClusterRound, playRound } from "./redis/faults.ts";

const { values: flags } = parseArgs({
  options: {
    times: { type: "string", default: "20" },
    fault: { type: "string" },
    fsync: { type: "string", default: "always" },
    kind: { type: "string", default: "redis" },
    /** How long the server is paused, in seconds. */
    paused: { type: "string", default: "20" },
  },
});
const clusterFault = "cluster-master-killed";
const kind = flags.kind === "valkey" ? "valkey" : "redis";
const fsync = flags.fsync === "everysec" ? "everysec" : "always";
const names = fsync === "everysec" ? everysecFaults : [...(Object.keys(faults) as FaultName[]), clusterFault];
const chosen = names.filter((name) => flags.fault === undefined || name === flags.fault);
console.log(`${kind}, appendfsync ${fsync}`);
await repeatFaults({
  proof: "redis-chaos",
  faults: chosen.map((name) => [name, (name === clusterFault ? masterKilled : faults[name as FaultName]).title]),
  times: Number(flags.times),
  play: (name, audit) => {
    const pausedMs = Number(flags.paused) * 1_000;
    const options = { producers: 2, workers: 3, audit, pausedMs, kind, fsync } as const;
    return name === clusterFault ? playClusterRound(options) : playRound(name as FaultName, options);
  },
});

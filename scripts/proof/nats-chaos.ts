// Proof of J1, J3, J4, J15, S2 and O1 on NATS: under load, and as often as asked, a worker is killed or stopped, the server is
// killed, paused or loses its power, connections are cut in the midst of messages, a cluster's leader is killed or parted from
// the others; then every accepted job has ended exactly once, each tick has fired once, and every process has gone on by itself.
// Nodes are parted by network namespaces, which need root; by wires of ours where it is said.
// Usage: node --conditions=source scripts/proof/nats-chaos.ts [--times 20] [--fault leader-parted] [--paused 20] [--parted wires]
import { parseArgs } from "node:util";
import { repeatFaults } from "./chaos/repeat.ts";
import { type ClusterFaultName, clusterFaults, playClusterRound } from "./nats/cluster-faults.ts";
import { type FaultName, faults, playRound } from "./nats/faults.ts";

const { values: flags } = parseArgs({
  options: {
    times: { type: "string", default: "20" },
    /** One, or several with commas between them; all by default. */
    fault: { type: "string" },
    /** How long a server is paused, or parted from others, in seconds. */
    paused: { type: "string", default: "20" },
    /** By what nodes are parted: "namespaces" or "wires". */
    parted: { type: "string", default: "namespaces" },
  },
});
const parted = flags.parted === "wires" ? "wires" : "namespaces";
const all = { ...faults, ...clusterFaults };
const names = (Object.keys(all) as (FaultName | ClusterFaultName)[])
  .filter((name) => flags.fault === undefined || flags.fault.split(",").includes(name))
  // Wires lie between nodes only.
  .filter((name) => parted === "namespaces" || name !== "leader-cut-off");

await repeatFaults({
  proof: "nats-chaos",
  faults: names.map((name) => [name, all[name].title]),
  times: Number(flags.times),
  play: (name, audit) => {
    const options = { producers: 2, workers: 3, audit, pausedMs: Number(flags.paused) * 1_000 } as const;
    return name in clusterFaults
      ? playClusterRound(name as ClusterFaultName, { ...options, parted })
      : playRound(name as FaultName, options);
  },
});

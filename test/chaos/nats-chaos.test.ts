// Faults of the NATS chaos proof once, with leases of 2 s; nodes are parted by wires of ours, which needs no rights. `npm run
// soak nats-chaos` has them twenty times, parts the nodes by network namespaces, and has more: a server that hangs, one that
// seldom syncs, late messages and a loss of power under load. Those two last are played without load in nats-late and nats-rewound.
import { expect, test } from "vitest";
import { type ClusterFaultName, playClusterRound } from "../../scripts/proof/nats/cluster-faults.ts";
import { type FaultName, playRound } from "../../scripts/proof/nats/faults.ts";

type Audit = "changes" | "all";

const facts: readonly (readonly [string, FaultName, Audit])[] = [
  [
    "J4 under load on NATS, the jobs of a worker killed with kill -9 end once, and all else goes on",
    "worker-killed",
    "all",
  ],
  [
    "J3 under load on NATS, a worker that was stopped for longer than its lease settles nothing that others have done",
    "worker-stopped",
    "changes",
  ],
  ["O1 under load, a kill -9 of nats-server loses no job, timer or tick", "server-killed", "changes"],
  ["J15 under load, a message of NATS that comes by half ends its job once", "connection-cut", "changes"],
];
const clusterFacts: readonly (readonly [string, ClusterFaultName, Audit])[] = [
  ["O1 under load, a cluster's leader that is killed loses no job, timer or tick", "leader-killed", "changes"],
  ["J3 under load, a leader that is parted from its peers loses and doubles nothing", "leader-parted", "all"],
];
const options = { producers: 1, workers: 2, pausedMs: 5_500 } as const;
const played = { "accepted by producers": expect.any(Number), "ticks fired": expect.any(Number) };

test.each(facts)(
  "%s",
  async (_fact, fault, audit) => {
    const { counts, shortcomings } = await playRound(fault, { ...options, audit });
    expect(shortcomings).toEqual([]);
    expect(counts).toMatchObject(played);
  },
  180_000,
);

test.each(clusterFacts)(
  "%s",
  async (_fact, fault, audit) => {
    // Longer than others take to elect a leader.
    const { counts, shortcomings } = await playClusterRound(fault, {
      ...options,
      pausedMs: 12_000,
      audit,
      parted: "wires",
    });
    expect(shortcomings).toEqual([]);
    expect(counts).toMatchObject(played);
  },
  180_000,
);

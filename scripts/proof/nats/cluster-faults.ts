// The faults of the chaos proofs on a cluster of three NATS servers whose stream has three replicas: the node that leads it
// is killed, or parted from others.
import { setTimeout as sleep } from "node:timers/promises";
import { defaults } from "../../../src/core/defaults.ts";
import { startNatsCluster } from "../../services/nats-cluster.ts";
import type { Fault } from "../chaos/fault.ts";
import type { Account } from "../chaos/remains.ts";
import { playFault, type RoundOptions } from "../chaos/round.ts";
import type { ChaosStage } from "../chaos/stage.ts";
import { type ClusterGround, clusterGround } from "./ground.ts";
import { Network, type Partition, Wires } from "./partition.ts";

const { stream } = defaults.nats;

export const clusterFaults = {
  "leader-killed": {
    title: "of three nodes, the one that leads the stream is killed with kill -9 and started",
    throughProxy: false,
    async strike({ ground: { cluster } }) {
      const leader = await cluster.leaderOf(stream);
      await leader.kill();
      await cluster.leaderOf(stream);
      await leader.start();
      await cluster.settled();
      return {};
    },
  },
  "leader-parted": {
    title: "of three nodes, the one that leads the stream is parted from the others, and its clients stay with it",
    throughProxy: false,
    strike: (stage, { pausedMs }) => partLeader(stage, pausedMs, (partition, node) => partition.fromPeers(node)),
  },
  "leader-cut-off": {
    title: "of three nodes, the one that leads the stream is cut off from everyone",
    throughProxy: false,
    strike: (stage, { pausedMs }) => partLeader(stage, pausedMs, (partition, node) => partition.fromAll(node)),
  },
} as const satisfies Record<string, Fault<ClusterGround>>;

export type ClusterFaultName = keyof typeof clusterFaults;

/** What parts the nodes. Wires part a node from its peers only. */
export type PartitionKind = "namespaces" | "wires";

/** Plays a round on a cluster of its own. @throws when it does not get to its end */
export async function playClusterRound(
  name: ClusterFaultName,
  { parted, ...options }: RoundOptions & { readonly parted: PartitionKind },
): Promise<Account> {
  const partition = name === "leader-killed" ? undefined : parted === "wires" ? new Wires() : await Network.open();
  try {
    const cluster = await startNatsCluster({
      syncInterval: "always",
      ...(partition instanceof Network && { places: partition.places }),
      ...(partition instanceof Wires && { routeFrom: partition.routeFrom.bind(partition) }),
    });
    try {
      const fault: Fault<ClusterGround> = clusterFaults[name];
      return await playFault(fault, (how) => clusterGround(cluster, partition, how), options);
    } finally {
      await cluster.close();
    }
  } finally {
    await partition?.close();
  }
}

/** Answers how many processes went on meanwhile: those of whom jobs were accepted or done after the others had a new leader. */
async function partLeader(
  stage: ChaosStage<ClusterGround>,
  partedMs: number,
  part: (partition: Partition, node: number) => Promise<void>,
): Promise<Readonly<Record<string, number>>> {
  const { cluster, partition } = stage.ground;
  if (partition === undefined) throw new Error("the nodes of this cluster cannot be parted");
  const leader = await cluster.leaderOf(stream);
  const node = cluster.nodes.indexOf(leader);
  await part(partition, node);
  const partedAt = performance.timeOrigin + performance.now();
  await sleep(partedMs);
  const mendedAt = performance.timeOrigin + performance.now();
  await partition.mend(node);
  await cluster.settled();
  const during = stage.effects().filter(({ at }) => at > partedAt && at < mendedAt);
  const accepted = during.filter(({ kind }) => kind === "accepted").map(({ at }) => at);
  const late = during.filter(
    ({ at, kind }) => at > mendedAt - partedMs / 4 && (kind === "accepted" || kind === "done"),
  );
  return {
    "processes that went on while it lasted": new Set(late.map(({ pid }) => pid)).size,
    "longest time in which nothing was accepted while it lasted, ms": Math.round(
      longestGap([partedAt, ...accepted, mendedAt]),
    ),
  };
}

function longestGap(instants: readonly number[]): number {
  return instants.reduce((longest, at, index) => Math.max(longest, at - (instants[index - 1] ?? at)), 0);
}

// A private Redis Cluster on loopback: three masters that share the slots, each a server that can be killed and started.
import { type RedisDurability, type RedisServer, startRedisProcess } from "./redis.ts";
import type { RedisKind } from "./redis-binaries.ts";
import { freePort } from "./server-home.ts";
import { until } from "./settling.ts";

export interface RedisClusterOptions {
  /** Default "redis". */
  readonly kind?: RedisKind;
  /** Of each node. Default "none". */
  readonly durability?: RedisDurability;
  /** One replica for each master; it takes over when the master has been gone for `nodeTimeoutMs`. Default false. */
  readonly replicas?: boolean;
  /**
   * After how long without a word the others take a node for gone. Default 2000 with replicas, else 10,000: a busy machine must
   * not take slots out of service.
   */
  readonly nodeTimeoutMs?: number;
}

const masterCount = 3;
const slotCount = 16_384;

interface SlotRange {
  readonly first: number;
  readonly last: number;
  readonly master: RedisServer | undefined;
}

export class RedisCluster {
  /** The first masters, in the order of their slots; then the replica of each in the same order, if there are any. */
  readonly nodes: readonly RedisServer[];

  constructor(nodes: readonly RedisServer[]) {
    this.nodes = nodes;
  }

  /** Of one node that runs: a client finds the others through it. */
  get url(): string {
    return this.#running().url;
  }

  /** The node that serves a key now. */
  async masterOf(key: string): Promise<RedisServer> {
    const node = this.#running();
    const slot = Number(await node.command("CLUSTER", "KEYSLOT", key));
    const range = (await this.#rangesOf(node)).find(({ first, last }) => first <= slot && slot <= last);
    if (range?.master === undefined) throw new Error(`no node of the cluster serves slot ${slot}`);
    return range.master;
  }

  /** Waits until every node that runs knows a running master for each slot: a node came back, or a replica took over. */
  async settled(): Promise<void> {
    await until("each node finds the cluster ok", this.nodes, async () => {
      for (const node of this.nodes.filter(({ running }) => running)) {
        const state = `${await node.command("CLUSTER", "INFO")}`;
        const masters = (await this.#rangesOf(node)).map(({ master }) => master);
        if (!state.includes("cluster_state:ok") || !masters.every((master) => master?.running)) return false;
      }
      return true;
    });
  }

  /** Ends all nodes and removes their data. */
  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.close()));
  }

  /** The slots as one node knows them. */
  async #rangesOf(node: RedisServer): Promise<readonly SlotRange[]> {
    const answer = (await node.command("CLUSTER", "SLOTS")) as readonly [number, number, readonly [string, number]][];
    return answer.map(([first, last, [, port]]) => ({
      first,
      last,
      master: this.nodes.find((candidate) => candidate.port === port),
    }));
  }

  #running(): RedisServer {
    const node = this.nodes.find(({ running }) => running);
    if (node === undefined) throw new Error("no node of the cluster runs");
    return node;
  }
}

interface Member {
  readonly server: RedisServer;
  readonly busPort: number;
}

async function startMember({ kind, durability, ...options }: RedisClusterOptions): Promise<Member> {
  const nodeTimeoutMs = options.nodeTimeoutMs ?? (options.replicas ? 2_000 : 10_000);
  const busPort = await freePort();
  const server = await startRedisProcess({
    ...(kind && { kind }),
    ...(durability && { durability }),
    settings: {
      "cluster-enabled": "yes",
      "cluster-port": `${busPort}`,
      "cluster-announce-ip": "127.0.0.1",
      "cluster-node-timeout": `${nodeTimeoutMs}`,
      "repl-diskless-sync-delay": "0",
    },
  });
  return { server, busPort };
}

/** Makes the members known to each other, and shares the slots among the first three. */
async function joinMembers(members: readonly Member[]): Promise<void> {
  const borderOf = (master: number) => Math.floor((slotCount * master) / masterCount);
  for (const [index, { server }] of members.entries()) {
    await server.command("CLUSTER", "SET-CONFIG-EPOCH", index + 1);
    if (index < masterCount) {
      await server.command("CLUSTER", "ADDSLOTSRANGE", borderOf(index), borderOf(index + 1) - 1);
    }
    for (const { server: earlier, busPort } of members.slice(0, index)) {
      await server.command("CLUSTER", "MEET", earlier.host, earlier.port, busPort);
    }
  }
  const servers = members.map(({ server }) => server);
  await until("each node knows all nodes", servers, async () => {
    const infos = await Promise.all(members.map(async ({ server }) => `${await server.command("CLUSTER", "INFO")}`));
    return infos.every((info) => info.includes(`cluster_known_nodes:${members.length}\r`));
  });
}

async function replicate(master: RedisServer, replica: RedisServer): Promise<void> {
  const id = `${await master.command("CLUSTER", "MYID")}`;
  // It may still hear of the handshake of the master only, and then refuses.
  await until("the replica takes its master", [master, replica], async () => {
    await replica.command("CLUSTER", "REPLICATE", id);
    return true;
  });
  await until("the replica has what its master has", [master, replica], async () => {
    return (await replica.info("replication")).get("master_link_status") === "up";
  });
}

/** Starts a cluster without data, and waits until all slots are served. Fails with what to do where there is no Redis. */
export async function startRedisCluster(options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const members: Member[] = [];
  try {
    const count = options.replicas ? 2 * masterCount : masterCount;
    while (members.length < count) members.push(await startMember(options));
    await joinMembers(members);
    const nodes = members.map(({ server }) => server);
    const cluster = new RedisCluster(nodes);
    await cluster.settled();
    for (const [index, replica] of nodes.slice(masterCount).entries()) {
      const master = nodes[index];
      if (master !== undefined) await replicate(master, replica);
    }
    await cluster.settled();
    return cluster;
  } catch (error) {
    await Promise.all(members.map(({ server }) => server.close()));
    throw error;
  }
}

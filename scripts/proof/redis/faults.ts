// The faults of the chaos proofs on a Redis server: each does its harm to a stage under load and answers once it is over.
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { type RedisServer, startRedis } from "../../services/redis.ts";
import { startRedisCluster } from "../../services/redis-cluster.ts";
import { type Fault, workerKilled } from "../chaos/fault.ts";
import { lastLost } from "../chaos/loss-account.ts";
import type { Account } from "../chaos/remains.ts";
import { playFault, type RoundOptions } from "../chaos/round.ts";
import { type ClusterGround, clusterGround, type RedisGround, redisGround } from "./ground.ts";
import { loseUnsynced, startRecorded } from "./power-cut.ts";
import type { Halved } from "./proxy.ts";

const cutScripts = ["jobs.claim", "steps.load", "steps.commit"];
/** These leave when the log has not every transition. */
const cutStraight = ["jobs.insert", "jobs.complete"];
const halves: readonly Halved[] = ["request", "answer"];
/** What is acknowledged may be lost for so long, by the documentation of Redis, where syncs take no time. */
const everysecLossMs = 2_000;
const flushesMs = 5_000;
const flushEveryMs = 20;

function now(): number {
  return performance.timeOrigin + performance.now();
}

async function killAndStart(server: RedisServer): Promise<void> {
  await server.kill();
  await server.start();
}

export const faults = {
  "worker-killed": workerKilled,
  "server-killed": {
    title: "redis-server is killed with kill -9, and started on its append-only file",
    throughProxy: false,
    async strike(stage) {
      stage.lostAt = now();
      await killAndStart(stage.ground.server);
      return {};
    },
  },
  "power-cut": {
    title:
      "the machine loses its power: what was not yet synced of the append-only file is gone, the last command torn",
    throughProxy: false,
    async strike(stage) {
      const { server } = stage.ground;
      // At no particular instant of the second that may pass between two syncs.
      await sleep(1_000 + Math.random() * 1_000);
      stage.lostAt = now();
      await server.kill();
      const { lostBytes, beganAt, longestMs } = loseUnsynced(server);
      await server.start();
      return {
        "bytes lost of the file": lostBytes,
        "since the last finished sync began, ms": Math.round(stage.lostAt - beganAt),
        "longest sync, ms": Math.round(longestMs),
      };
    },
  },
  "pipeline-cut": {
    title: "connections are cut in the midst of a request, and in the midst of an answer",
    throughProxy: true,
    async strike(stage, { audit }) {
      let cuts = 0;
      for (const script of audit === "all" ? cutScripts : [...cutScripts, ...cutStraight]) {
        for (const half of halves) {
          const before = cuts;
          void stage.ground.proxy.cutNext(script, half).then(() => cuts++);
          await stage.until(`a cut in the midst of the ${half} of ${script}`, () => cuts > before);
        }
      }
      return { "requests and answers cut": cuts };
    },
  },
  "scripts-flushed": {
    title: "SCRIPT FLUSH, again and again",
    throughProxy: false,
    async strike({ ground: { server } }) {
      const client = new Redis(server.url);
      const until = performance.now() + flushesMs;
      let flushes = 0;
      for (; performance.now() < until; flushes++) {
        await client.script("FLUSH");
        await sleep(flushEveryMs);
      }
      client.disconnect();
      return { "times that all scripts were flushed": flushes };
    },
  },
  "server-paused": {
    title: "the server is paused with SIGSTOP for longer than a lease",
    throughProxy: false,
    async strike({ ground: { server } }, { pausedMs }) {
      await server.pause();
      await sleep(pausedMs);
      server.resume();
      return {};
    },
  },
} as const satisfies Record<string, Fault<RedisGround>>;

export const masterKilled: Fault<ClusterGround> = {
  title: "of a cluster of three, the master that has the store is killed with kill -9 and started",
  throughProxy: false,
  async strike({ ground: { cluster, prefix } }) {
    await killAndStart(await cluster.masterOf(`{${prefix}}:meta`));
    await cluster.settled();
    return {};
  },
};

export type FaultName = keyof typeof faults;

/** Of everysec the server is asked only what it may lose. */
export const everysecFaults: readonly FaultName[] = ["server-killed", "power-cut"];

export interface RedisRoundOptions extends RoundOptions {
  readonly kind: "redis" | "valkey";
  /** When the append-only file is synced: with "everysec" what was acknowledged last may be lost. */
  readonly fsync: "always" | "everysec";
}

/** Plays a round on a server of its own. @throws when it does not get to its end */
export async function playRound(name: FaultName, options: RedisRoundOptions): Promise<Account> {
  const { kind, fsync } = options;
  const start = name === "power-cut" ? startRecorded : startRedis;
  const server = await start({ kind, durability: fsync });
  try {
    const fault: Fault<RedisGround> = faults[name];
    // Without replicas processes do not tell each other of ticks that have fired.
    const may = fsync === "everysec" ? { ...fault, mayLose: true as const, forgets: true as const } : fault;
    const account = await playFault(may, (how) => redisGround(server, how), options);
    return { ...account, shortcomings: [...account.shortcomings, ...lossTooLong(account)] };
  } finally {
    await server.close();
  }
}

/** A sync is begun each second, and writes wait for one that takes longer. */
function lossTooLong({ counts }: Account): string[] {
  const lostMs = counts[lastLost] ?? 0;
  const mayMs = everysecLossMs + 2 * (counts["longest sync, ms"] ?? 0);
  return lostMs > mayMs ? [`the acknowledgements of the last ${lostMs} ms are lost, of ${mayMs} that may be`] : [];
}

/** Plays a round on a cluster of its own. @throws when it does not get to its end */
export async function playClusterRound(options: RoundOptions): Promise<Account> {
  const cluster = await startRedisCluster({ durability: "always" });
  try {
    return await playFault(masterKilled, (how) => clusterGround(cluster, how), options);
  } finally {
    await cluster.close();
  }
}

// The Redis of a run: private, and writing all it is told to an append-only file. Each run of a subject finds it empty and
// has one of its numbered databases to itself.
import { setTimeout as sleep } from "node:timers/promises";
import { type RedisServer, startRedis } from "../../scripts/services/redis.ts";
import { commandOnce } from "../../scripts/services/redis-commands.ts";
import type { RedisFsync, Store } from "./server.ts";

/** Connections that have been closed are gone, and the file is rewritten, within this, in ms. */
const settlesWithinMs = 60_000;

let starting: Promise<RedisServer> | undefined;

/** Numbers of the databases in use. */
const databases = new Set<number>();

/** Waits until a condition holds, for a while. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + settlesWithinMs;
  while (!(await holds()) && performance.now() < deadline) await sleep(10);
}

async function rests(server: RedisServer): Promise<boolean> {
  const info = await server.info("persistence");
  return info.get("aof_rewrite_in_progress") === "0" && info.get("aof_rewrite_scheduled") === "0";
}

/** Forgets all data and scripts; what earlier runs left to be written is written now, and not in the midst of the next. */
async function empty(server: RedisServer): Promise<void> {
  await server.command("FLUSHALL", "SYNC");
  await server.command("SCRIPT", "FLUSH", "SYNC");
  await until(() => rests(server));
  await server.command("BGREWRITEAOF");
  await until(() => rests(server));
}

/** How many are connected to a database; whoever asks is in number 0. */
async function countConnected(server: RedisServer, database: number): Promise<number> {
  const lines = String(await server.command("CLIENT", "LIST")).split("\n");
  return lines.filter((line) => line.includes(` db=${database} `)).length;
}

/** An empty database of the run's server; the server is started with the first of them. */
export async function createRedisStore(fsync: RedisFsync): Promise<Store> {
  starting ??= startRedis({ durability: "everysec", settings: { appendfsync: fsync } });
  const server = await starting;
  if (databases.size === 0) await empty(server);
  let database = 1;
  while (databases.has(database)) database += 1;
  databases.add(database);
  const url = `${server.url}/${database}`;
  return {
    url,
    read: async () => {
      const info = await server.info();
      const numberOf = (name: string) => Number(info.get(name));
      // Its children are what rewrites the file.
      const cpu = ["user", "sys", "user_children", "sys_children"].map((whose) => numberOf(`used_cpu_${whose}`));
      return {
        cpuMs: cpu.reduce((sum, seconds) => sum + seconds * 1_000, 0),
        commands: numberOf("total_commands_processed"),
        memoryBytes: numberOf("used_memory"),
      };
    },
    settled: () => until(async () => (await countConnected(server, database)) === 0 && (await rests(server))),
    drop: async () => {
      await commandOnce(url, "FLUSHDB", "SYNC");
      databases.delete(database);
    },
  };
}

/** Ends the server of this run, if there is one. */
export async function closeRedis(): Promise<void> {
  const server = await starting;
  starting = undefined;
  await server?.close();
}

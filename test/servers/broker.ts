// Vitest's global set-up: the servers that the test files of one run share, started when the first file asks for one and
// ended with the run. Files ask over HTTP on loopback, because each runs in a process of its own; see shared.ts.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestProject } from "vitest/node";
import { type PgBouncer, startPgBouncer } from "../../scripts/services/pgbouncer.ts";
import type { PostgresVersion } from "../../scripts/services/postgres-binaries.ts";
import type { RedisKind } from "../../scripts/services/redis-binaries.ts";
import { type RedisCluster, startRedisCluster } from "../../scripts/services/redis-cluster.ts";
import { findPostgres, type SharedPostgres } from "../../scripts/services/shared-postgres.ts";
import { findRedis, type SharedRedis } from "../../scripts/services/shared-redis.ts";
import type { PooledDatabase, RedisAnswer, RedisClusterAnswer } from "./shared.ts";

declare module "vitest" {
  interface ProvidedContext {
    readonly serverBroker: string;
  }
}

const servers = new Map<PostgresVersion, Promise<SharedPostgres>>();
const poolers = new Map<PostgresVersion, Promise<PgBouncer>>();
const redisServers = new Map<RedisKind, Promise<SharedRedis>>();
const redisClusters = new Map<"one", Promise<RedisCluster>>();

/** What the first call of `start` gives, for all who ask. */
function startOnce<Key, Server>(
  started: Map<Key, Promise<Server>>,
  key: Key,
  start: () => Promise<Server>,
): Promise<Server> {
  const starting = started.get(key) ?? start();
  started.set(key, starting);
  return starting;
}

async function newDatabase(version: PostgresVersion, pooled: boolean): Promise<PooledDatabase> {
  const server = await startOnce(servers, version, () => findPostgres(version));
  const directUrl = await server.newDatabase();
  if (!pooled) return { url: directUrl, directUrl };
  const pooler = await startOnce(poolers, version, () => startPgBouncer(server.url));
  return { url: pooler.urlFor(directUrl), directUrl };
}

async function redis(kind: RedisKind): Promise<RedisAnswer> {
  const { url, deployments } = await startOnce(redisServers, kind, () => findRedis(kind));
  return { url, deployments };
}

async function redisCluster(): Promise<RedisClusterAnswer> {
  const { nodes } = await startOnce(redisClusters, "one", () => startRedisCluster());
  return { nodes: nodes.map(({ host, port }) => ({ host, port })) };
}

const ways: Readonly<Record<string, () => Promise<unknown>>> = {
  "/15/direct": () => newDatabase(15, false),
  "/15/pooled": () => newDatabase(15, true),
  "/18/direct": () => newDatabase(18, false),
  "/18/pooled": () => newDatabase(18, true),
  "/redis": () => redis("redis"),
  "/valkey": () => redis("valkey"),
  "/redis-cluster": redisCluster,
};

async function answer(path: string): Promise<{ readonly status: number; readonly body: unknown }> {
  const way = ways[path];
  if (way === undefined) return { status: 404, body: path };
  try {
    return { status: 200, body: await way() };
  } catch (error) {
    return { status: 500, body: error instanceof Error ? error.message : `${error}` };
  }
}

/** Called by Vitest before the run; what it gives is called after. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const broker = createServer((request, response) => {
    void answer(request.url ?? "").then(({ status, body }) => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    });
  });
  broker.listen(0, "127.0.0.1");
  await once(broker, "listening");
  project.provide("serverBroker", `http://127.0.0.1:${(broker.address() as AddressInfo).port}`);
  return async () => {
    broker.close();
    broker.closeAllConnections();
    for (const started of [poolers, servers, redisServers, redisClusters]) {
      // One that did not start has been reported by the tests that wanted it.
      const running = await Promise.allSettled<{ close(): Promise<void> }>(started.values());
      for (const server of running) if (server.status === "fulfilled") await server.value.close();
      started.clear();
    }
  };
}

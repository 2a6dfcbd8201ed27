// Vitest's global set-up: the servers that the test files of one run share, started when the first file asks for one and
// ended with the run. Files ask over HTTP on loopback, because each runs in a process of its own; see shared.ts.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestProject } from "vitest/node";
import { type NatsServer, startNats } from "../../scripts/services/nats.ts";
import type { NatsRelease } from "../../scripts/services/nats-binaries.ts";
import { type NatsCluster, startNatsCluster } from "../../scripts/services/nats-cluster.ts";
import { type PgBouncer, startPgBouncer } from "../../scripts/services/pgbouncer.ts";
import type { PostgresVersion } from "../../scripts/services/postgres-binaries.ts";
import type { RedisKind } from "../../scripts/services/redis-binaries.ts";
import { type RedisCluster, startRedisCluster } from "../../scripts/services/redis-cluster.ts";
import { findNats, type SharedNats } from "../../scripts/services/shared-nats.ts";
import { findPostgres, type SharedPostgres } from "../../scripts/services/shared-postgres.ts";
import { findRedis, type SharedRedis } from "../../scripts/services/shared-redis.ts";
import type { NatsAnswer, NatsClusterAnswer, PooledDatabase, RedisAnswer, RedisClusterAnswer } from "./shared.ts";

declare module "vitest" {
  interface ProvidedContext {
    readonly serverBroker: string;
  }
}

const servers = new Map<PostgresVersion, Promise<SharedPostgres>>();
const poolers = new Map<PostgresVersion, Promise<PgBouncer>>();
const redisServers = new Map<RedisKind, Promise<SharedRedis>>();
const redisClusters = new Map<"one", Promise<RedisCluster>>();
const natsServers = new Map<"one", Promise<SharedNats>>();
const oldNatsServers = new Map<NatsRelease, Promise<NatsServer>>();
const natsClusters = new Map<"one", Promise<NatsCluster>>();

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

async function nats(): Promise<NatsAnswer> {
  const { url, deployments } = await startOnce(natsServers, "one", () => findNats());
  return { url, deployments };
}

async function oldNats(release: NatsRelease): Promise<string> {
  return (await startOnce(oldNatsServers, release, () => startNats({ release }))).url;
}

async function natsCluster(): Promise<NatsClusterAnswer> {
  const { url, nodes } = await startOnce(natsClusters, "one", () => startNatsCluster());
  return { url, urls: nodes.map((node) => node.url) };
}

const ways: Readonly<Record<string, () => Promise<unknown>>> = {
  "/15/direct": () => newDatabase(15, false),
  "/15/pooled": () => newDatabase(15, true),
  "/18/direct": () => newDatabase(18, false),
  "/18/pooled": () => newDatabase(18, true),
  "/redis": () => redis("redis"),
  "/valkey": () => redis("valkey"),
  "/redis-cluster": redisCluster,
  "/nats": nats,
  "/nats-2.10": () => oldNats("2.10"),
  "/nats-2.9": () => oldNats("2.9"),
  "/nats-cluster": natsCluster,
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
    const nats = [natsServers, oldNatsServers, natsClusters];
    for (const started of [poolers, servers, redisServers, redisClusters, ...nats]) {
      // One that did not start has been reported by the tests that wanted it.
      const running = await Promise.allSettled<{ close(): Promise<void> }>(started.values());
      for (const server of running) if (server.status === "fulfilled") await server.value.close();
      started.clear();
    }
  };
}

// Databases for test files, on servers that the whole run shares: fast, and not safe from a power cut. A test that stops,
// pauses or flushes its server starts one of its own with scripts/services/postgres.ts, redis.ts or nats.ts.
import { randomBytes } from "node:crypto";
import { inject } from "vitest";
import type { NatsRelease } from "../../scripts/services/nats-binaries.ts";
import type { PostgresVersion } from "../../scripts/services/postgres-binaries.ts";
import type { RedisKind } from "../../scripts/services/redis-binaries.ts";

export interface PooledDatabase {
  /** Through PgBouncer in transaction mode. */
  readonly url: string;
  /** The same database without the pooler. */
  readonly directUrl: string;
}

/** What the broker tells of a server of Redis or Valkey. */
export interface RedisAnswer {
  readonly url: string;
  readonly deployments: string;
}

/** What the broker tells of a cluster. */
export interface RedisClusterAnswer {
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
}

/** What the broker tells of a NATS server. */
export interface NatsAnswer {
  readonly url: string;
  readonly deployments: string;
}

/** What the broker tells of a cluster of NATS servers. */
export interface NatsClusterAnswer {
  /** Of all nodes, separated by commas. */
  readonly url: string;
  /** Of each node. */
  readonly urls: readonly string[];
}

/** On a server that has keys, or streams, of other tests too. */
export interface SharedDeployments {
  /** A name that nobody else uses, for an engine's option `prefix`; also good as the name of a stream. */
  newDeployment(): string;
}

async function ask(path: string): Promise<unknown> {
  const response = await fetch(`${inject("serverBroker")}/${path}`);
  const body: unknown = await response.json();
  if (!response.ok) throw new Error(`${body}`);
  return body;
}

async function newDatabase(version: PostgresVersion, way: "direct" | "pooled"): Promise<PooledDatabase> {
  return (await ask(`${version}/${way}`)) as PooledDatabase;
}

function newDeployment(deployments: string): string {
  return `${deployments}-${randomBytes(6).toString("hex")}`;
}

/** The URL of a new, empty database. Fails with what to do where the server can be neither found nor fetched. */
export async function sharedPostgres(version: PostgresVersion = 15): Promise<string> {
  return (await newDatabase(version, "direct")).url;
}

/** A new, empty database behind a pooler. */
export async function sharedPooledPostgres(version: PostgresVersion = 15): Promise<PooledDatabase> {
  return await newDatabase(version, "pooled");
}

/** A server of Redis or Valkey. Fails with what to do where it can be neither found nor fetched. */
export async function sharedRedis(kind: RedisKind = "redis"): Promise<SharedDeployments & { readonly url: string }> {
  const { url, deployments } = (await ask(kind)) as RedisAnswer;
  return { url, newDeployment: () => newDeployment(deployments) };
}

/** A Redis Cluster of three masters. */
export async function sharedRedisCluster(): Promise<SharedDeployments & RedisClusterAnswer> {
  const { nodes } = (await ask("redis-cluster")) as RedisClusterAnswer;
  return { nodes, newDeployment: () => newDeployment("test") };
}

/** A NATS server with JetStream. Fails with what to do where it can be neither found nor fetched. */
export async function sharedNats(): Promise<SharedDeployments & { readonly url: string }> {
  const { url, deployments } = (await ask("nats")) as NatsAnswer;
  return { url, newDeployment: () => newDeployment(deployments) };
}

/** The URL of a NATS server with JetStream that is older than what the engine supports. */
export async function sharedOldNats(release: Exclude<NatsRelease, "supported">): Promise<string> {
  return `${await ask(`nats-${release}`)}`;
}

/** A cluster of three NATS servers with JetStream. */
export async function sharedNatsCluster(): Promise<SharedDeployments & NatsClusterAnswer> {
  const answer = (await ask("nats-cluster")) as NatsClusterAnswer;
  return { ...answer, newDeployment: () => newDeployment("test") };
}

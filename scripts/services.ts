// Finds, or fetches, and tries every server that the tests of the engines under src/engines need, and a browser; exits non-zero and says what
// to do where one is missing. An engine folder that is not known here is an error, not a silent gap.
// Usage: node scripts/services.ts
import { existsSync, readdirSync } from "node:fs";
import { startChromium } from "./services/chromium.ts";
import { queryOnce } from "./services/databases.ts";
import { startNats } from "./services/nats.ts";
import type { NatsRelease } from "./services/nats-binaries.ts";
import { startNatsCluster } from "./services/nats-cluster.ts";
import { startPgBouncer } from "./services/pgbouncer.ts";
import { startPostgres } from "./services/postgres.ts";
import type { PostgresVersion } from "./services/postgres-binaries.ts";
import type { RedisKind } from "./services/redis-binaries.ts";
import { startRedisCluster } from "./services/redis-cluster.ts";
import { infoOf } from "./services/redis-commands.ts";
import { startRedisFailover } from "./services/redis-failover.ts";
import { findNats } from "./services/shared-nats.ts";
import { findPostgres } from "./services/shared-postgres.ts";
import { findRedis } from "./services/shared-redis.ts";

/** Starts a server, says which one it is, and ends it. */
type Trial = () => Promise<string>;

async function tryPostgres(version: PostgresVersion): Promise<string> {
  const server = await findPostgres(version);
  try {
    const [row] = await queryOnce<{ version: string }>(await server.newDatabase(), "SELECT version()");
    return row?.version ?? "";
  } finally {
    await server.close();
  }
}

async function tryPgBouncer(): Promise<string> {
  const server = await startPostgres({ durable: false });
  try {
    const pooler = await startPgBouncer(server.url);
    try {
      const [row] = await queryOnce<{ version: string }>(pooler.consoleUrl, "SHOW VERSION");
      return row?.version ?? "";
    } finally {
      await pooler.close();
    }
  } finally {
    await server.close();
  }
}

async function tryRedis(kind: RedisKind): Promise<string> {
  const server = await findRedis(kind);
  try {
    const info = await infoOf(server.url, "server");
    return `${kind} ${info.get(`${kind}_version`)}`;
  } finally {
    await server.close();
  }
}

async function tryRedisCluster(): Promise<string> {
  const cluster = await startRedisCluster();
  await cluster.close();
  return `a cluster of ${cluster.nodes.length}`;
}

async function tryRedisFailover(): Promise<string> {
  const failover = await startRedisFailover();
  await failover.close();
  return "a primary, its replica and a Sentinel";
}

async function tryNats(): Promise<string> {
  const server = await findNats();
  await server.close();
  return `nats-server ${server.version}`;
}

async function tryOldNats(release: NatsRelease): Promise<string> {
  const server = await startNats({ release });
  await server.close();
  return `nats-server ${server.version}, too old for the engine`;
}

async function tryNatsCluster(): Promise<string> {
  const cluster = await startNatsCluster();
  await cluster.close();
  return `a cluster of ${cluster.nodes.length}`;
}

async function tryChromium(): Promise<string> {
  const browser = await startChromium();
  await browser.close();
  return `Chromium ${browser.version()}`;
}

const trials: Readonly<Record<string, readonly Trial[]>> = {
  memory: [],
  sqlite: [],
  postgres: [() => tryPostgres(15), () => tryPostgres(18), tryPgBouncer],
  redis: [() => tryRedis("redis"), () => tryRedis("valkey"), tryRedisCluster, tryRedisFailover],
  nats: [tryNats, () => tryOldNats("2.10"), () => tryOldNats("2.9"), tryNatsCluster],
};

/** What failed, and what did so beneath it. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return `${error}`;
  return error.cause === undefined ? error.message : `${error.message}\n  ${explain(error.cause)}`;
}

const directory = new URL("../src/engines/", import.meta.url);
const engines = existsSync(directory)
  ? readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  : [];

const needs = [...engines.map(({ name }) => [name, trials[name]] as const), ["browser", [tryChromium]] as const];
for (const [name, needed] of needs) {
  if (needed === undefined) {
    console.error(`${name}: no way is known to find or start its server (see "Servers" in CONTRIBUTING.md)`);
    process.exitCode = 1;
    continue;
  }
  if (needed.length === 0) console.log(`${name}: needs no server`);
  for (const trial of needed) {
    try {
      console.log(`${name}: ${await trial()}`);
    } catch (error) {
      console.error(`${name}: ${explain(error)}`);
      process.exitCode = 1;
    }
  }
}

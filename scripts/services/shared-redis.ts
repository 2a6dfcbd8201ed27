// A server of Redis or Valkey that many tests share, each under key prefixes of its own: the one that the environment names,
// else a private one.
import { randomBytes } from "node:crypto";
import { Redis } from "ioredis";
import { startRedis } from "./redis.ts";
import type { RedisKind } from "./redis-binaries.ts";
import { infoOf } from "./redis-commands.ts";

export interface SharedRedis {
  readonly url: string;
  /** What the names of all deployments of this run begin with. */
  readonly deployments: string;
  /** Removes the keys of those deployments, or the server where it is private. */
  close(): Promise<void>;
}

const scannedAtOnce = 1_000;

/** Removes every key whose name holds `part`. */
async function removeKeys(url: string, part: string): Promise<void> {
  const client = new Redis(url);
  try {
    for await (const keys of client.scanStream({ match: `*${part}*`, count: scannedAtOnce })) {
      if (keys.length > 0) await client.unlink(keys as string[]);
    }
  } finally {
    client.disconnect();
  }
}

async function givenRedis(url: string, kind: RedisKind, variable: string): Promise<SharedRedis> {
  const info = await infoOf(url, "server").catch((error: unknown) => {
    throw new Error(`${variable} names a server that does not answer: start it, or unset the variable`, {
      cause: error,
    });
  });
  const found = info.has("valkey_version") ? "valkey" : "redis";
  if (found !== kind) throw new Error(`${variable} names a server of ${found}: set it to one of ${kind}`);
  const deployments = newDeployments();
  return { url, deployments, close: () => removeKeys(url, deployments) };
}

function newDeployments(): string {
  return `test-${randomBytes(6).toString("hex")}`;
}

/** Fails with what to do where there is no such server. */
export async function findRedis(kind: RedisKind): Promise<SharedRedis> {
  const variable = `PUNCTUAL_TEST_${kind.toUpperCase()}_URL`;
  const given = process.env[variable];
  if (given !== undefined && given !== "") return await givenRedis(given, kind, variable);
  const server = await startRedis({ kind });
  return { url: server.url, deployments: newDeployments(), close: () => server.close() };
}

// A deployment of its own on the shared server, as two processes have it open, and the server as a foreign hand reaches it.
import { Redis } from "ioredis";
import { onTestFinished } from "vitest";
import type { Engine } from "../../src/core/engine.ts";
import { type RedisOptions, redis } from "../../src/engines/redis/index.ts";
import { TestClock } from "../../src/testing/conformance/harness.ts";
import { sharedRedis } from "../servers/shared.ts";

export interface Opened {
  readonly engine: Engine;
  readonly other: Engine;
  readonly clock: TestClock;
  /** The server itself. */
  readonly server: Redis;
  /** What a key of the deployment is called on the server. */
  key(name: string): string;
  /** The deployment's keys that begin so, without the prefix, in order. */
  keys(begin?: string): Promise<string[]>;
}

/** Opens an empty deployment until the test is over. */
export async function openDeployment(options: RedisOptions = {}): Promise<Opened> {
  const { url, newDeployment } = await sharedRedis();
  const prefix = newDeployment();
  const clock = new TestClock();
  const engine = redis(url, { clock, prefix, ...options });
  const other = redis(url, { clock, prefix, ...options });
  const server = new Redis(url);
  onTestFinished(async () => {
    await Promise.all([engine.close(), other.close()]);
    await server.quit();
  });
  await engine.open();
  await other.open();
  const start = `{${prefix}}:`;
  const keys = async (begin = "") => {
    const found: string[] = [];
    for await (const some of server.scanStream({ match: `${start}${begin}*`, count: 1_000 })) found.push(...some);
    return found.map((key) => key.slice(start.length)).sort();
  };
  return { engine, other, clock, server, key: (name) => start + name, keys };
}

// What tests may expect of a Redis Cluster, and of a primary with a replica and a Sentinel.
import { Cluster, Redis } from "ioredis";
import { describe, expect, type TestContext, test } from "vitest";
import { startRedisCluster } from "../../scripts/services/redis-cluster.ts";
import {
  type RedisFailover,
  type RedisFailoverOptions,
  startRedisFailover,
} from "../../scripts/services/redis-failover.ts";
import { sharedRedisCluster } from "./shared.ts";

/** Nodes take seconds to agree on who is gone: tests wait for them side by side. */
const patient = { timeout: 60_000 };
const kinds = ["redis", "valkey"] as const;
type OnTestFinished = TestContext["onTestFinished"];

test("the shared cluster serves each slot, for a client that knows one node", patient, async ({ onTestFinished }) => {
  const { nodes, newDeployment } = await sharedRedisCluster();
  expect(nodes).toHaveLength(3);
  const client = new Cluster(nodes.slice(0, 1));
  onTestFinished(() => client.disconnect());
  const keys = Array.from({ length: 50 }, (_, index) => `{${newDeployment()}}:${index}`);
  for (const key of keys) await client.set(key, key);
  expect(await Promise.all(keys.map((key) => client.get(key)))).toEqual(keys);
  expect(client.nodes("master")).toHaveLength(3);
});

describe.concurrent.each(kinds)("a private cluster of %s", patient, (kind) => {
  test("serves a key again when its node, killed, is started on its data", async ({ onTestFinished }) => {
    const cluster = await startRedisCluster({ kind, durability: "always" });
    onTestFinished(() => cluster.close());
    const master = await cluster.masterOf("{kept}:key");
    await master.command("SET", "{kept}:key", "value");
    await master.kill();
    await master.start();
    await cluster.settled();
    expect((await cluster.masterOf("{kept}:key")).port).toBe(master.port);
    expect(await master.command("GET", "{kept}:key")).toBe("value");
  });

  test("lets a replica take over from a master that is killed", async ({ onTestFinished }) => {
    const cluster = await startRedisCluster({ kind, replicas: true });
    onTestFinished(() => cluster.close());
    const master = await cluster.masterOf("{kept}:key");
    const client = new Redis(master.url);
    onTestFinished(() => client.disconnect());
    client.on("error", () => {});
    await client.set("{kept}:key", "value");
    expect(await client.wait(1, 0)).toBe(1);
    await master.kill();
    await cluster.settled();
    const successor = await cluster.masterOf("{kept}:key");
    expect(successor.port).not.toBe(master.port);
    expect(await successor.command("GET", "{kept}:key")).toBe("value");
  });
});

async function failoverOf(onTestFinished: OnTestFinished, options: RedisFailoverOptions): Promise<RedisFailover> {
  const failover = await startRedisFailover(options);
  onTestFinished(() => failover.close());
  return failover;
}

describe.concurrent.each(kinds)("a primary, a replica and a Sentinel of %s", patient, (kind) => {
  test("let clients of the Sentinel find the promoted replica with all that was replicated, twice", async ({
    onTestFinished,
  }) => {
    const failover = await failoverOf(onTestFinished, { kind });
    for (const value of ["first", "second"]) {
      const { primary, replica } = failover;
      await primary.command("SET", "key", value);
      await failover.replicated();
      await failover.failOver();
      expect(failover.primary).toBe(replica);
      expect(failover.replica).toBe(primary);
      const client = new Redis({ sentinels: [...failover.sentinels], name: failover.masterName });
      expect(await client.get("key")).toBe(value);
      client.disconnect();
      await failover.rejoin();
      expect(await failover.replica.command("GET", "key")).toBe(value);
    }
  });

  test("lose what was written after replication was cut", async ({ onTestFinished }) => {
    const failover = await failoverOf(onTestFinished, { kind, durability: "everysec" });
    await failover.primary.command("SET", "key", "kept");
    await failover.cutReplication();
    await failover.primary.command("SET", "key", "lost");
    await failover.failOver();
    expect(await failover.primary.command("GET", "key")).toBe("kept");
    await failover.rejoin();
    expect(await failover.replica.command("GET", "key")).toBe("kept");
  });

  test("make a replica of a primary that was only frozen", async ({ onTestFinished }) => {
    const failover = await failoverOf(onTestFinished, { kind });
    await failover.failOver("pause");
    failover.replica.resume();
    await failover.rejoin();
    expect((await failover.replica.info("replication")).get("role")).toBe("slave");
    expect((await failover.primary.info("replication")).get("role")).toBe("master");
  });
});

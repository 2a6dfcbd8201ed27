// A Redis Cluster under a store: a master that dies, and slots that move while calls are made. Nothing is done twice, and
// nothing is done on half of the keys.
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RedisCluster, startRedisCluster } from "../../scripts/services/redis-cluster.ts";
import type { Signal } from "../../src/core/signal.ts";
import { script } from "../../src/engines/redis/script.ts";
import type { Store } from "../../src/engines/redis/store.ts";
import { counting, openStoreAt, until } from "./stores.ts";

let cluster: RedisCluster;

beforeAll(async () => {
  cluster = await startRedisCluster({ replicas: true });
}, 60_000);

afterAll(async () => {
  await cluster.close();
});

/** Writes to two keys: in half a store one of them would be missing. */
const both = script(
  "test.both",
  "Counts twice.",
  `local one = redis.call('HINCRBY', KEYS[1] .. 'one', 'n', 1)
local other = redis.call('HINCRBY', KEYS[1] .. 'other', 'n', 1)
return { one, other }`,
);

/** Moves a slot with its keys to another master, in steps, with a pause for calls before each. */
async function move(key: string, pause: () => Promise<void>): Promise<void> {
  const from = await cluster.masterOf(key);
  const masters = await Promise.all(["a", "b", "c", "d", "e", "f"].map((name) => cluster.masterOf(name)));
  const to = masters.find((one) => one !== from);
  if (to === undefined) throw new Error("one master serves all");
  const ids = await Promise.all([from, to].map((node) => node.command("CLUSTER", "MYID")));
  const [fromId, toId] = ids.map(String);
  const slot = Number(await from.command("CLUSTER", "KEYSLOT", key));
  await to.command("CLUSTER", "SETSLOT", slot, "IMPORTING", `${fromId}`);
  await from.command("CLUSTER", "SETSLOT", slot, "MIGRATING", `${toId}`);
  for (const moved of (await from.command("CLUSTER", "GETKEYSINSLOT", slot, 100)) as string[]) {
    await pause();
    await from.command("MIGRATE", to.host, to.port, moved, 0, 5_000);
  }
  await pause();
  for (const node of [to, from]) await node.command("CLUSTER", "SETSLOT", slot, "NODE", `${toId}`);
}

describe("O1 a Redis Cluster", () => {
  test("O1: while the store's slot moves to another node nothing is written to half of it, and then all goes on", async () => {
    const store = await openStoreAt(cluster.url, { prefix: "moving" });
    expect(await store.client.run(both, [])).toEqual([1, 1]);
    let done = 1;
    let unknown = 0;
    const callOnce = async () => {
      const answer = await store.client.run(both, []).catch((error) => error);
      if (Array.isArray(answer)) {
        done++;
        expect(answer[0]).toBe(answer[1]);
      } else if (answer.code === "OUTCOME_UNKNOWN") unknown++;
      else expect(answer).toMatchObject({ code: "NOT_WRITTEN" });
    };
    // Refused calls are tried for a while by the driver: they end while it moves, or when it has moved.
    const calls: Promise<void>[] = [];
    await move("{moving}:", async () => {
      calls.push(callOnce());
      await new Promise((resolve) => setTimeout(resolve, 20));
    });
    await Promise.all(calls);
    await until(
      () =>
        store.client.run(both, []).then(
          () => ++done > 0,
          () => false,
        ),
      "moved",
    );
    const [one, other] = await store.client.read([
      ["hget", "one", "n"],
      ["hget", "other", "n"],
    ]);
    expect(one).toBe(other);
    expect(Number(one)).toBeGreaterThanOrEqual(done);
    expect(Number(one)).toBeLessThanOrEqual(done + unknown);
  });

  test("O1: when the store's master dies its replica takes over, calls go on, and who listens looks at everything", async () => {
    const store = await openStoreAt(cluster.url, { prefix: "dying" });
    const heard = await listening(store);
    await store.client.run(counting, ["kept"]);
    const master = await cluster.masterOf("{dying}:");
    const admin = new Redis(master.url);
    expect(await admin.call("WAIT", 1, 5_000)).toBe(1);
    admin.disconnect();
    await master.kill();
    const failure = await store.client.run(counting, ["lost"]).catch((error) => error);
    expect(failure).toMatchObject({ code: expect.stringMatching(/^(?:NOT_WRITTEN|OUTCOME_UNKNOWN)$/) });
    await until(
      () =>
        store.client.run(counting, ["after"]).then(
          () => true,
          () => false,
        ),
      "taken over",
    );
    expect(await store.client.read([["hget", "counts", "kept"]])).toEqual(["1"]);
    await store.client.run(
      script("test.tell", "Tells.", `redis.call('PUBLISH', KEYS[1] .. 'signals', '[{"kind":"tick","dueAt":8}]')`),
      [],
    );
    await until(() => heard.some((signal) => signal.kind === "tick" && signal.dueAt === 8), "heard after");
    await master.start();
    await cluster.settled();
  }, 40_000);
});

async function listening(store: Store): Promise<Signal[]> {
  const heard: Signal[] = [];
  await store.watch((signal) => heard.push(signal));
  return heard;
}

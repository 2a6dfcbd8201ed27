// The proxy of the Redis chaos proofs against a real server: what passes by half, and what passes whole.
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { HalvingProxy } from "../../scripts/proof/redis/proxy.ts";
import { type RedisServer, startRedis } from "../../scripts/services/redis.ts";

const note = "-- notes.write\nreturn redis.call('SET', KEYS[1], ARGV[1])";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
}, 60_000);
afterAll(() => server.close());

async function proxied(): Promise<{ readonly proxy: HalvingProxy; readonly client: Redis }> {
  const proxy = await HalvingProxy.before(server);
  onTestFinished(() => proxy.close());
  const client = new Redis(proxy.url, {
    protocol: 2,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    lazyConnect: true,
  });
  client.on("error", () => {});
  await client.connect();
  return { proxy, client };
}

test("of a request that passes by half nothing is run, and what came before it in its pipeline is", async () => {
  const { proxy, client } = await proxied();
  const cut = proxy.cutNext("notes.write", "request");
  const before = client.set("before", "whole");
  const halved = client.eval(note, 1, "halved request", "x".repeat(100_000));
  const after = client.set("after", "whole");
  await expect(halved).rejects.toThrow();
  await expect(after).rejects.toThrow();
  await cut;
  await before.catch(() => {});
  expect(await server.command("MGET", "before", "halved request", "after")).toEqual(["whole", null, null]);
});

test("an answer that passes by half is of something done; a script is known by its sum, too", async () => {
  const { proxy, client } = await proxied();
  await client.eval(note, 1, "first", "done");
  const cut = proxy.cutNext("notes.write", "answer");
  const sum = String(await client.script("LOAD", note));
  await expect(client.evalsha(sum, 1, "halved answer", "done")).rejects.toThrow();
  await cut;
  expect(await server.command("GET", "halved answer")).toBe("done");
});

test("answers of many parts pass whole", async () => {
  const { client } = await proxied();
  const names = Array.from({ length: 5_000 }, (_, n) => `item ${n} ${"é".repeat(n % 50)}`);
  await client.rpush("many", ...names);
  expect(await client.lrange("many", 0, -1)).toEqual(names);
  expect(await client.eval("return {{'a', {1, false}}, {}, redis.status_reply('OK')}", 0)).toEqual([
    ["a", [1, null]],
    [],
    "OK",
  ]);
  client.disconnect();
});

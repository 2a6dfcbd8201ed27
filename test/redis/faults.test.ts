// What goes wrong beneath a Redis store: servers that end, hang, refuse, or forget their scripts. Every failure says whether
// anything was written, and nothing is done twice.

import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type RedisServer, startRedis } from "../../scripts/services/redis.ts";
import { startRedisFailover } from "../../scripts/services/redis-failover.ts";
import { epochHolds } from "../../src/engines/redis/migrations.ts";
import { script } from "../../src/engines/redis/script.ts";
import { RedisProxy } from "./proxy.ts";
import { clientOf, counting, openStoreAt, storeAt, until } from "./stores.ts";

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
}, 60_000);

afterAll(async () => {
  await server.close();
});

afterEach(async () => {
  await server.command("FLUSHALL");
});

const impatient = { connectTimeoutMs: 400, answerTimeoutMs: 400 };
const loop = script("test.loop", "Never ends.", "while true do end");

describe("scripts", () => {
  test("a script is loaded once, and again after the server's scripts were flushed", async () => {
    const store = await openStoreAt(server.url);
    const client = clientOf(server.url);
    expect(await store.client.run(counting, ["a"])).toBe(1);
    expect(await client.script("EXISTS", counting.sha)).toEqual([1]);
    await client.script("FLUSH");
    expect(await store.client.run(counting, ["a"])).toBe(2);
    await client.script("FLUSH");
    const answers = await Promise.all(Array.from({ length: 50 }, () => store.client.run(counting, ["a"])));
    expect([...answers].sort((one, other) => Number(one) - Number(other))).toEqual(
      Array.from({ length: 50 }, (_, index) => index + 3),
    );
  });

  test("calls take effect in the order they were made, also while the connection is made anew", async () => {
    const store = await openStoreAt(server.url);
    const push = (name: string) => script(name, "Appends.", `return redis.call('RPUSH', KEYS[1] .. 'order', ARGV[1])`);
    const [one, other] = [push("test.one"), push("test.other")];
    await store.client.run(one, ["before"]);
    await server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await until(
      () =>
        store.client.run(counting, ["up"]).then(
          () => true,
          () => false,
        ),
      "reconnected",
    );
    await server.command("DEL", "{punctual}:order");
    await Promise.all([
      store.client.run(other, ["1"]),
      store.client.run(one, ["2"]),
      store.client.run(other, ["3"]),
      store.client.run(counting, ["x"]),
      store.client.run(one, ["4"]),
    ]);
    expect(await store.client.read([["lrange", "order", 0, -1]])).toEqual([["1", "2", "3", "4"]]);
  });

  test("J13: any text goes there and back, and maps come as names and values", async () => {
    const store = await openStoreAt(server.url);
    const echo = script(
      "test.echo",
      "Echoes.",
      "redis.call('HSET', KEYS[1] .. 'texts', ARGV[1], ARGV[1]) return ARGV[1]",
    );
    for (const text of ["", "é日本🎉", "a\0b", "__proto__", "x".repeat(1_000_000)]) {
      expect(await store.client.run(echo, [text])).toBe(text);
      expect(await store.client.read([["hget", "texts", text]])).toEqual([text]);
    }
    await store.client.run(
      script("test.map", "A map.", "return redis.call('HSET', KEYS[1] .. 'map', 'a', '1', 'b', '2')"),
      [],
    );
    expect(
      await store.client.read([
        ["hgetall", "map"],
        ["hgetall", "none"],
      ]),
    ).toEqual([["a", "1", "b", "2"], []]);
  });
});

describe("O1 a server that ends", () => {
  test("O1: it is back as soon as it is there again, and its data with it", async () => {
    await using own = await durable();
    const store = await openStoreAt(own.server.url);
    expect(await store.client.run(counting, ["a"])).toBe(1);
    await own.server.kill();
    await expect(store.client.run(counting, ["a"])).rejects.toMatchObject({
      code: expect.stringMatching(/^(?:NOT_WRITTEN|OUTCOME_UNKNOWN)$/),
    });
    await expect(store.client.run(counting, ["a"])).rejects.toMatchObject({ code: "NOT_WRITTEN" });
    await expect(store.client.read([["get", "a"]])).rejects.toMatchObject({ code: "NOT_WRITTEN" });
    await own.server.start();
    await until(
      () =>
        store.client.run(counting, ["b"]).then(
          () => true,
          () => false,
        ),
      "reconnected",
    );
    expect(await store.client.read([["hget", "counts", "a"]])).toEqual(["1"]);
  });

  test("O1: nobody knows what a call has done whose answer is lost, and it is not sent a second time", async () => {
    const proxy = await RedisProxy.before(server.url);
    const store = await openStoreAt(proxy.url);
    await store.client.run(counting, ["lost"]);
    proxy.cutNext("\r\nlost\r\n", "answer");
    await expect(store.client.run(counting, ["lost"])).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
    expect(await store.client.read([["hget", "counts", "lost"]])).toEqual(["2"]);
    proxy.cutNext("\r\nlost\r\n", "request");
    await expect(store.client.run(counting, ["lost"])).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
    expect(await store.client.read([["hget", "counts", "lost"]])).toEqual(["2"]);
    await store.close();
    await proxy.close();
  });

  test("O1: a cut in the middle of many calls loses none of them in silence", async () => {
    const proxy = await RedisProxy.before(server.url);
    const store = await openStoreAt(proxy.url);
    const calls = Array.from({ length: 2_000 }, () => store.client.run(counting, ["many"]).catch((error) => error));
    proxy.cutNext("evalsha", "answer");
    await store.client.run(counting, ["cut"]).catch(() => {});
    const answers = await Promise.all(calls);
    const counted = answers.filter((answer) => typeof answer === "number").length;
    const codes = new Set(answers.filter((answer) => typeof answer !== "number").map(({ code }) => code));
    const [[stored]] = [await store.client.read([["hget", "counts", "many"]])];
    expect(Number(stored)).toBeGreaterThanOrEqual(counted);
    for (const code of codes) expect(code).toMatch(/^(?:NOT_WRITTEN|OUTCOME_UNKNOWN)$/);
    await store.close();
    await proxy.close();
  });

  test("O1: reads whose answer is lost have written nothing", async () => {
    const proxy = await RedisProxy.before(server.url);
    const store = await openStoreAt(proxy.url);
    proxy.cutNext("\r\nlost\r\n", "answer");
    await expect(store.client.read([["hget", "counts", "lost"]])).rejects.toMatchObject({ code: "NOT_WRITTEN" });
    await store.close();
    await proxy.close();
  });
});

describe("O2 a server that hangs", () => {
  test("O2: calls, opening and close end, and it is back when the server is", async () => {
    await using own = await durable();
    const store = await openStoreAt(own.server.url, { times: impatient });
    const late = storeAt(own.server.url, { times: impatient });
    await store.client.run(counting, ["a"]);
    await own.server.pause();
    await expect(store.client.run(counting, ["a"])).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
    await expect(store.client.run(counting, ["a"])).rejects.toMatchObject({ code: "NOT_WRITTEN" });
    await expect(store.client.read([["get", "a"]])).rejects.toMatchObject({ code: "NOT_WRITTEN" });
    await expect(late.open()).rejects.toMatchObject({ code: "NOT_WRITTEN" });
    own.server.resume();
    await until(
      () =>
        store.client.run(counting, ["b"]).then(
          () => true,
          () => false,
        ),
      "reconnected",
    );
    await own.server.pause();
    const hung = store.client.run(counting, ["c"]).catch((error) => error);
    await store.close();
    expect(await hung).toMatchObject({ code: "OUTCOME_UNKNOWN" });
    own.server.resume();
  });
});

describe("O1 a server that refuses", () => {
  const refusals: readonly [string, readonly string[], readonly string[], RegExp, RegExp][] = [
    ["memory is full", ["maxmemory", "1"], ["maxmemory", "0"], /memory is full/, /maxmemory/],
    [
      "replicas are missing",
      ["min-replicas-to-write", "1"],
      ["min-replicas-to-write", "0"],
      /replicas/,
      /min-replicas/,
    ],
  ];

  test.each(refusals)("O1: where %s nothing is written, and it says so", async (_, sets, resets, what, mend) => {
    const store = await openStoreAt(server.url);
    await server.command("CONFIG", "SET", ...sets);
    try {
      await expect(store.client.run(counting, ["a"])).rejects.toMatchObject({
        code: "NOT_WRITTEN",
        message: expect.stringMatching(what),
        mend: expect.stringMatching(mend),
      });
      expect(await store.client.read([["hget", "counts", "a"]])).toEqual([null]);
    } finally {
      await server.command("CONFIG", "SET", ...resets);
    }
    expect(await store.client.run(counting, ["a"])).toBe(1);
  });

  test("O1: a server that has become a replica takes nothing, and is tried anew until it does", async () => {
    await using own = await durable();
    const store = await openStoreAt(own.server.url);
    await store.client.run(counting, ["a"]);
    await own.server.command("REPLICAOF", "127.0.0.1", "1");
    await expect(store.client.run(counting, ["a"])).rejects.toMatchObject({
      code: "NOT_WRITTEN",
      mend: expect.stringMatching(/primary/),
    });
    await own.server.command("REPLICAOF", "NO", "ONE");
    await until(
      () =>
        store.client.run(counting, ["b"]).then(
          () => true,
          () => false,
        ),
      "taken again",
    );
    expect(await store.client.read([["hget", "counts", "a"]])).toEqual(["1"]);
  });

  test("O1: while a script of somebody's holds the server up, calls are refused, and go on when it is killed", async () => {
    await using own = await durable({ "busy-reply-threshold": "1" });
    const store = await openStoreAt(own.server.url);
    const other = await openStoreAt(own.server.url);
    await store.client.run(counting, ["a"]);
    const killer = clientOf(own.server.url);
    await killer.ping();
    const looping = other.client.run(loop, []).catch((error) => error);
    await until(async () => {
      const error = await store.client.run(counting, ["b"]).catch((thrown) => thrown);
      return error?.code === "NOT_WRITTEN" && /busy/.test(error.message);
    }, "busy");
    await until(
      () =>
        killer.script("KILL").then(
          () => true,
          () => false,
        ),
      "killed",
    );
    expect(await looping).toMatchObject({ code: "NOT_WRITTEN" });
    expect(await store.client.run(counting, ["a"])).toBe(2);
  });

  test("a key of another type is told as damage, with its name nowhere near a retry", async () => {
    const store = await openStoreAt(server.url);
    await server.command("SET", "{punctual}:counts", "mine");
    await expect(store.client.run(counting, ["a"])).rejects.toMatchObject({ code: "STORE_CORRUPT" });
    await expect(store.client.read([["hget", "counts", "a"]])).rejects.toMatchObject({ code: "STORE_CORRUPT" });
  });

  test("an error that a script throws after it may have written is of unknown outcome, and names the script", async () => {
    const store = await openStoreAt(server.url);
    const broken = script("test.broken", "Breaks.", "redis.call('SET', KEYS[1] .. 'x', '1') return nothing.at.all");
    await expect(store.client.run(broken, [])).rejects.toMatchObject({
      code: "OUTCOME_UNKNOWN",
      message: expect.stringMatching(/^test\.broken: /),
    });
  });

  test("O3: a script that finds a newer epoch is refused as too new", async () => {
    const store = await openStoreAt(server.url);
    const guarded = script("test.guarded", "Guarded.", "local P, call = KEYS[1], redis.call", epochHolds, "return 1");
    expect(await store.client.run(guarded, [""])).toBe(1);
    await server.command("HSET", "{punctual}:meta", "epoch", "99");
    await expect(store.client.run(guarded, [""])).rejects.toMatchObject({ code: "STORE_TOO_NEW" });
  });

  test("errors carry no arguments of the call: they may be private", async () => {
    const store = await openStoreAt(server.url);
    await server.command("SET", "{punctual}:counts", "mine");
    const error: Error = await store.client.run(counting, ["s3cret"]).then(String, (thrown) => thrown);
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain("s3cret");
    expect(JSON.stringify(error.cause, Object.getOwnPropertyNames(error.cause))).not.toContain("s3cret");
  });
});

describe("O1 a failover", () => {
  test("O1: a client that asks a Sentinel goes on with the server that took over", async () => {
    const group = await startRedisFailover();
    const users = new Redis({ sentinels: [...group.sentinels], name: group.masterName, lazyConnect: true });
    users.on("error", () => {});
    const store = await openStoreAt(users);
    await store.client.run(counting, ["a"]);
    await group.replicated();
    await group.failOver();
    await until(
      () =>
        store.client.run(counting, ["b"]).then(
          () => true,
          () => false,
        ),
      "taken over",
    );
    expect(await store.client.read([["hget", "counts", "a"]])).toEqual(["1"]);
    await store.close();
    users.disconnect();
    await group.close();
  }, 30_000);
});

async function durable(settings: Readonly<Record<string, string>> = {}) {
  const own = await startRedis({ durability: "always", settings });
  return { server: own, [Symbol.asyncDispose]: () => own.close() };
}

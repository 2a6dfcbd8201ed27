// What a Redis server's settings mean for a store: refused at opening where they lose jobs, told as findings where they may;
// and the store's format, which versions of Punctual share.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type RedisServer, startRedis } from "../../scripts/services/redis.ts";
import type { Finding } from "../../src/core/findings.ts";
import { redis } from "../../src/engines/redis/index.ts";
import { checkVersion } from "../../src/engines/redis/opening.ts";
import { openStoreAt, storeAt } from "./stores.ts";

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

async function finding(check: string, url = server.url): Promise<Finding | undefined> {
  const store = await openStoreAt(url);
  return (await store.findings()).find((one) => one.check === check);
}

/** Sets settings of the shared server for the length of some work. */
async function withSettings<T>(settings: Readonly<Record<string, string>>, work: () => Promise<T>): Promise<T> {
  const names = Object.keys(settings);
  const before = await Promise.all(
    names.map(async (name) => (await server.command("CONFIG", "GET", name)) as string[]),
  );
  for (const [name, value] of Object.entries(settings)) await server.command("CONFIG", "SET", name, value);
  try {
    return await work();
  } finally {
    for (const [name = "", value = ""] of before) await server.command("CONFIG", "SET", name, value);
  }
}

describe("O5 a server that removes keys when its memory is full", () => {
  test.each(["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-ttl"])(
    "O5: %s is refused, with the setting's name and the mend, and nothing is written",
    async (policy) => {
      await withSettings({ "maxmemory-policy": policy, maxmemory: "100mb" }, async () => {
        await expect(storeAt(server.url).open()).rejects.toMatchObject({
          code: "STORE_UNSAFE",
          field: "maxmemory-policy",
          message: expect.stringContaining(policy),
          mend: expect.stringMatching(/CONFIG SET maxmemory-policy noeviction/),
        });
        expect(await server.command("DBSIZE")).toBe(0);
      });
    },
  );

  test("O5: it is refused as well where the user may not ask for settings, as on managed servers", async () => {
    await server.command("ACL", "SETUSER", "managed", "on", ">right", "~*", "&*", "+@all", "-config");
    const url = server.url.replace("//", "//managed:right@");
    await withSettings({ "maxmemory-policy": "volatile-lru", maxmemory: "100mb" }, async () => {
      await expect(storeAt(url).open()).rejects.toMatchObject({ code: "STORE_UNSAFE" });
    });
    const store = await openStoreAt(url);
    expect((await store.findings()).filter(({ status }) => status === "problem")).toEqual([]);
  });

  test("O5: without a maxmemory nothing is removed yet: it is told as a finding", async () => {
    await withSettings({ "maxmemory-policy": "allkeys-lru", maxmemory: "0" }, async () => {
      expect(await finding("eviction")).toMatchObject({ status: "warn", mend: expect.stringMatching(/noeviction/) });
    });
    expect(await finding("eviction")).toMatchObject({ status: "ok" });
  });

  test("O5: one that is set while a store is open is told as a finding", async () => {
    const store = await openStoreAt(server.url);
    await withSettings({ "maxmemory-policy": "allkeys-lru", maxmemory: "100mb" }, async () => {
      expect((await store.findings()).find(({ check }) => check === "eviction")).toMatchObject({ status: "problem" });
    });
  });

  test("O5: memory that is nearly used up is told", async () => {
    const used = Number((await server.info("memory")).get("used_memory"));
    await withSettings({ maxmemory: String(Math.round(used * 1.12)) }, async () => {
      expect(await finding("memory")).toMatchObject({ status: "warn", mend: expect.stringMatching(/maxmemory/) });
    });
  });
});

describe("O5 what survives a crash is told", () => {
  const cases: readonly [string, Readonly<Record<string, string>>, string, RegExp][] = [
    ["nothing on disk", { save: "", appendonly: "no" }, "problem", /loses every job/],
    ["snapshots only", { save: "3600 1", appendonly: "no" }, "warn", /only snapshots \(save 3600 1\)/],
    ["appendfsync no", { appendonly: "yes", appendfsync: "no" }, "warn", /appendfsync is no/],
    ["appendfsync everysec", { appendonly: "yes", appendfsync: "everysec" }, "ok", /last second/],
    ["appendfsync always", { appendonly: "yes", appendfsync: "always" }, "ok", /survives a crash/],
  ];

  test.each(cases)("O5: %s", async (_, settings, status, what) => {
    await withSettings(settings, async () => {
      expect(await finding("settings")).toMatchObject({ status, what: expect.stringMatching(what) });
    });
  });

  test("O5: a replica that may take over with less than was acknowledged", async () => {
    const replica = await startRedis({ settings: { replicaof: `${server.host} ${server.port}` } });
    const store = await openStoreAt(server.url);
    const replication = async () => (await store.findings()).find(({ check }) => check === "replication");
    while ((await server.info("replication")).get("connected_slaves") !== "1");
    expect(await replication()).toMatchObject({ status: "warn", mend: expect.stringMatching(/min-replicas-to-write/) });
    await withSettings({ "min-replicas-to-write": "1" }, async () => {
      expect(await replication()).toMatchObject({ status: "ok" });
    });
    await replica.close();
  });

  test("O5: what the user may not ask is said, and holds nothing up", async () => {
    await server.command("ACL", "SETUSER", "blind", "on", ">right", "~*", "&*", "+@all", "-info", "-config");
    const [first] = await (await openStoreAt(server.url.replace("//", "//blind:right@"))).findings();
    expect(first).toMatchObject({ check: "server", status: "warn", mend: expect.stringMatching(/info/) });
  });
});

test("O5: versions of the server", async () => {
  const version = (fields: Readonly<Record<string, string>>) => () => checkVersion(new Map(Object.entries(fields)));
  expect(version({ redis_version: "6.0.16" })).toThrow(/6\.0\.16, and too old/);
  expect(version({ redis_version: "5.0.14" })).toThrow(
    expect.objectContaining({ mend: expect.stringMatching(/6\.2 or newer/) }),
  );
  for (const redis_version of ["6.2.0", "7.4.2", "8.2.1", "10.0.0"]) expect(version({ redis_version })).not.toThrow();
  expect(version({ redis_version: "7.2.4", valkey_version: "8.0.1" })).not.toThrow();
  const valkey = await startRedis({ kind: "valkey" });
  expect((await finding("server", valkey.url))?.what).toBe(`Valkey ${valkey.version}`);
  await valkey.close();
});

describe("the store's format", () => {
  test("O4: ten processes that open an empty server at once apply each step once", async () => {
    const stores = Array.from({ length: 10 }, () => storeAt(server.url));
    await Promise.all(stores.map((store) => store.open()));
    expect(await server.command("HMGET", "{punctual}:meta", "format", "epoch")).toEqual(["1", "1"]);
    const engine = redis(server.url);
    const { steps, unknown, drift } = await engine.migrations.state();
    expect(steps).toMatchObject([{ id: 1, name: "initial", breaking: true, appliedAt: expect.any(Number) }]);
    expect({ unknown, drift }).toEqual({ unknown: [], drift: [] });
    expect(await engine.migrations.apply()).toEqual([]);
  });

  test("O4: the steps are told, applied once, and told as applied, whether the store is open or not", async () => {
    const engine = redis(server.url, { clock: { now: () => 42 } });
    expect((await engine.migrations.state()).steps).toEqual([expect.not.objectContaining({ appliedAt: 42 })]);
    expect(await engine.migrations.apply()).toMatchObject([{ id: 1, appliedAt: 42 }]);
    expect((await engine.migrations.state()).steps).toMatchObject([{ id: 1, appliedAt: 42 }]);
  });

  test("O4: with migrate: false an empty server is refused, and left empty", async () => {
    await expect(storeAt(server.url, { migrate: false }).open()).rejects.toMatchObject({
      code: "STORE_OUTDATED",
      details: { steps: [1] },
    });
    expect(await server.command("DBSIZE")).toBe(0);
    await openStoreAt(server.url);
    await openStoreAt(server.url, { migrate: false });
  });

  test("with mustExist: true a server without a store is refused, and left empty", async () => {
    await expect(storeAt(server.url, { mustExist: true }).open()).rejects.toMatchObject({
      code: "ENGINE_NOT_CONFIGURED",
      field: "location",
    });
    expect(await server.command("DBSIZE")).toBe(0);
    await openStoreAt(server.url);
    await openStoreAt(server.url, { mustExist: true });
  });

  test("O3: a breaking step of a newer version is refused, one that older versions can live with is not", async () => {
    await openStoreAt(server.url);
    await server.command("HSET", "{punctual}:meta", "step:98", "5|0|more", "format", "98");
    const store = await openStoreAt(server.url);
    await store.close();
    expect((await redis(server.url).migrations.state()).unknown).toEqual([{ id: 98, name: "more", breaking: false }]);
    await server.command("HSET", "{punctual}:meta", "step:99", "5|1|other", "format", "99", "epoch", "99");
    await expect(storeAt(server.url).open()).rejects.toMatchObject({ code: "STORE_TOO_NEW" });
    await expect(redis(server.url).migrations.apply()).rejects.toMatchObject({ code: "STORE_TOO_NEW" });
  });

  test("a key of ours that is of another type is refused, and left as it is", async () => {
    await server.command("SET", "{punctual}:jobs", "mine");
    await expect(storeAt(server.url).open()).rejects.toMatchObject({
      code: "STORE_CORRUPT",
      message: expect.stringContaining("{punctual}:jobs is a string, should be a hash"),
    });
    expect(await server.command("DBSIZE")).toBe(1);
    await openStoreAt(server.url, { prefix: "other" });
  });

  test("stores of one server are told apart by their prefix", async () => {
    await openStoreAt(server.url, { prefix: "one" });
    await openStoreAt(server.url, { prefix: "other" });
    expect(((await server.command("KEYS", "*")) as string[]).sort()).toEqual(["{one}:meta", "{other}:meta"]);
  });
});

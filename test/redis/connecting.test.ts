// What is wrong with the way to a Redis server, and stays so: told as such, with the mend and without the password. A server
// that is only away is told as one. A client of the user's is copied and left as it was.
import { Cluster, Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RedisServer, startRedis } from "../../scripts/services/redis.ts";
import { freePort } from "../../scripts/services/server-home.ts";
import type { PunctualError } from "../../src/core/errors.ts";
import { type Location, type RedisOptions, redis } from "../../src/engines/redis/index.ts";
import { sharedRedisCluster } from "../servers/shared.ts";

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
  await server.command("ACL", "SETUSER", "guarded", "on", ">right", "~*", "&*", "+@all");
  await server.command("ACL", "SETUSER", "bound", "on", ">right", "~other:*", "+@all");
  await server.command("ACL", "SETUSER", "default", "resetpass", ">admin");
}, 60_000);

afterAll(async () => {
  await server.close();
});

const admin = () => `redis://:admin@${server.host}:${server.port}`;

async function outcome(location: Location, options: RedisOptions = {}): Promise<unknown> {
  try {
    const engine = redis(location, options);
    try {
      return await engine.open();
    } finally {
      await engine.close();
    }
  } catch (error) {
    return error;
  }
}

describe("O5 what is wrong with the way to a Redis server", () => {
  const unreadable: readonly [string, string, RegExp][] = [
    ["another scheme", "http://u:wr0ng@h", /redis:, rediss: or valkey:/],
    ["no host", "redis://", /host/],
    ["a parameter", "redis://u:wr0ng@h?family=6", /parameters/],
    ["a path that is no number", "redis://u:wr0ng@h/jobs", /number/],
    ["a # in the password", "redis://u:wr0ng#x@h", /escaped|parameters/],
    ["a % in the password", "redis://u:wr0ng%x@h", /escaped/],
  ];

  test.each(unreadable)("O5 a URL with %s is refused before anything is connected", async (_, url, what) => {
    const error = await outcome(url);
    expect(error).toMatchObject({ code: "INVALID_INPUT", field: "location", message: expect.stringMatching(what) });
    expect(`${error} ${(error as PunctualError).mend}`).not.toContain("wr0ng");
  });

  test.each([[undefined], [7], [{}], [null]])("O5 %j is no location", async (location) => {
    expect(await outcome(location as unknown as Location)).toMatchObject({ code: "INVALID_INPUT", field: "location" });
  });

  test.each(["", "a b", "{a}", "x".repeat(65), 7])("O5 %j is no prefix", async (prefix) => {
    expect(await outcome(admin(), { prefix: prefix as string })).toMatchObject({
      code: "INVALID_INPUT",
      field: "prefix",
    });
  });

  const mistakes: readonly [string, () => string, RegExp, RegExp][] = [
    ["a wrong password", () => `redis://guarded:wr0ng@${server.host}:${server.port}`, /let us in/, /password/],
    ["no password", () => server.url, /asks for a password/, /redis:\/\/:password/],
    ["no such user", () => `redis://nobody:wr0ng@${server.host}:${server.port}`, /let us in/, /user/],
    ["no such database", () => `${admin()}/99`, /no database 99/, /databases/],
    ["a user who may not touch the keys", () => `redis://bound:right@${server.host}:${server.port}`, /right/, /ACL/],
  ];

  test.each(mistakes)(
    "O5 %s is a mistake of the URL, told with its mend and without the password",
    async (_, url, what, mend) => {
      const error = await outcome(url());
      expect(error).toMatchObject({
        code: "ENGINE_NOT_CONFIGURED",
        message: expect.stringMatching(what),
        mend: expect.stringMatching(mend),
      });
      const cause = (error as Error).cause as { command?: unknown } | undefined;
      expect(`${error} ${cause} ${JSON.stringify(cause?.command)}`).not.toMatch(/wr0ng|right"|admin/);
    },
  );

  test("O1 a server that is away is told as one, and opening succeeds once it is there", async () => {
    const away = await startRedis();
    const engine = redis(away.url);
    await away.stop();
    await expect(engine.open()).rejects.toMatchObject({ code: "NOT_WRITTEN" });
    await away.start();
    await engine.open();
    expect(await engine.now()).toBeGreaterThan(0);
    await engine.close();
    await away.close();
  });

  test("O1 a port that nobody listens on is told as a server that is away", async () => {
    expect(await outcome(`redis://127.0.0.1:${await freePort()}`)).toMatchObject({ code: "NOT_WRITTEN" });
  });

  test("O5 a replica is refused", async () => {
    const replica = await startRedis({ settings: { replicaof: `${server.host} ${server.port}`, masterauth: "admin" } });
    expect(await outcome(replica.url)).toMatchObject({
      code: "ENGINE_NOT_CONFIGURED",
      mend: expect.stringMatching(/primary/),
    });
    await replica.close();
  });

  test("a call before open and after close is refused", async () => {
    const engine = redis(admin());
    await expect(engine.now()).rejects.toMatchObject({ code: "STOPPED" });
    await engine.open();
    await engine.close();
    await expect(engine.now()).rejects.toMatchObject({ code: "STOPPED" });
    await engine.open();
    expect(await engine.now()).toBeGreaterThan(0);
    await engine.close();
  });

  test("the database of the URL's path is the store's", async () => {
    const engine = redis(`${admin()}/3`);
    await engine.open();
    await engine.close();
    await using client = disposable(new Redis(`${admin()}/3`));
    expect(await client.client.exists("{punctual}:meta")).toBe(1);
    await client.client.select(4);
    expect(await client.client.exists("{punctual}:meta")).toBe(0);
  });
});

function disposable<Client extends Redis | Cluster>(client: Client) {
  return { client, [Symbol.asyncDispose]: async () => client.disconnect() };
}

describe("a client of the user's", () => {
  test("it is copied, whatever its options, and neither closed nor changed", async () => {
    await using users = disposable(
      new Redis(admin(), { keyPrefix: "mine:", stringNumbers: true, db: 5, commandTimeout: 3_000 }),
    );
    const engine = redis(users.client);
    await engine.open();
    const unwatch = await engine.watch?.(() => {});
    expect(await engine.now()).toBeGreaterThan(0);
    await unwatch?.();
    await engine.close();
    expect(await users.client.ping()).toBe("PONG");
    expect(users.client.mode).toBe("normal");
    await using plain = disposable(new Redis(`${admin()}/5`));
    expect(await plain.client.keys("*")).toEqual(["{punctual}:meta"]);
  });

  test("one that has not connected yet is left so", async () => {
    const users = new Redis(admin(), { lazyConnect: true });
    const engine = redis(users);
    await engine.open();
    await engine.close();
    expect(users.status).toBe("wait");
  });
});

describe("a Redis Cluster", () => {
  test("is reached by the URL of any of its nodes, and by a Cluster of the user's, which is left open", async () => {
    const { nodes, newDeployment } = await sharedRedisCluster();
    await using users = disposable(new Cluster([...nodes]));
    for (const location of [...nodes.map(({ host, port }) => `redis://${host}:${port}`), users.client]) {
      const engine = redis(location, { prefix: newDeployment() });
      await engine.open();
      const heard: unknown[] = [];
      await engine.watch?.((signal) => heard.push(signal));
      expect(await engine.now()).toBeGreaterThan(0);
      expect(engine.capabilities.push).toBe(true);
      await engine.close();
    }
    expect(await users.client.ping()).toBe("PONG");
  });

  test("O5 a database in the URL, and a client of one node, are refused with the mend", async () => {
    const { nodes } = await sharedRedisCluster();
    const [{ host, port } = { host: "", port: 0 }] = nodes;
    expect(await outcome(`redis://${host}:${port}/1`)).toMatchObject({
      code: "ENGINE_NOT_CONFIGURED",
      field: "location",
    });
    await using users = disposable(new Redis(port, host));
    expect(await outcome(users.client)).toMatchObject({
      code: "ENGINE_NOT_CONFIGURED",
      mend: expect.stringMatching(/Cluster of ioredis/),
    });
  });
});

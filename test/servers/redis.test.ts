// What tests may expect of the servers of Redis and Valkey that they are given.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { isStopped } from "../../scripts/services/process-tree.ts";
import { type RedisDurability, type RedisServer, startRedis } from "../../scripts/services/redis.ts";
import { commandOnce, infoOf } from "../../scripts/services/redis-commands.ts";
import { findRedis } from "../../scripts/services/shared-redis.ts";
import { sharedRedis } from "./shared.ts";

/** Servers are started, and their files synced to a disk that others use too. */
const patient = { timeout: 60_000 };
const kinds = ["redis", "valkey"] as const;

describe.each(kinds)("the shared %s", patient, (kind) => {
  test("is one server, of that kind, for all who ask, each with names of its own", async () => {
    const [first, second] = [await sharedRedis(kind), await sharedRedis(kind)];
    expect(second.url).toBe(first.url);
    expect(new Set([first, first, second].map((shared) => shared.newDeployment())).size).toBe(3);
    expect((await infoOf(first.url)).has("valkey_version")).toBe(kind === "valkey");
  });

  test("may be one that the environment names: it loses the keys of the run's deployments and no others", async () => {
    const own = await startRedis({ kind });
    onTestFinished(() => own.close());
    vi.stubEnv(`PUNCTUAL_TEST_${kind.toUpperCase()}_URL`, own.url);
    const shared = await findRedis(kind);
    expect(shared.url).toBe(own.url);
    await own.command("SET", `{${shared.deployments}-1}:jobs`, "1");
    await own.command("SET", "others", "1");
    await shared.close();
    expect(await own.command("KEYS", "*")).toEqual(["others"]);
  });

  test("is refused when the environment names a server that is of the other kind or does not answer", async () => {
    const own = await startRedis({ kind: kind === "redis" ? "valkey" : "redis" });
    onTestFinished(() => own.close());
    vi.stubEnv(`PUNCTUAL_TEST_${kind.toUpperCase()}_URL`, own.url);
    await expect(findRedis(kind)).rejects.toThrow(`names a server of ${own.kind}`);
    await own.stop();
    await expect(findRedis(kind)).rejects.toThrow("does not answer");
  });
});

describe.each(kinds)("a private %s", patient, (kind) => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis({ kind, settings: { "maxmemory-policy": "allkeys-lru" } });
  });
  afterAll(() => server.close());

  test("is of version 7 or newer, on loopback only, with the settings that were asked for", async () => {
    expect(Number.parseInt(server.version, 10)).toBeGreaterThanOrEqual(7);
    expect(await server.command("CONFIG", "GET", "bind")).toEqual(["bind", "127.0.0.1"]);
    expect(await server.command("CONFIG", "GET", "maxmemory-policy")).toEqual(["maxmemory-policy", "allkeys-lru"]);
  });

  test("keeps nothing on disk unless asked, and its port when it is killed and started", async () => {
    await server.command("SET", "key", "value");
    const { pid, port } = server;
    await server.kill();
    await expect(server.command("PING")).rejects.toThrow();
    expect(() => server.pid).toThrow("stopped");
    await server.start();
    expect(server.pid).not.toBe(pid);
    expect(server.port).toBe(port);
    expect(await server.command("GET", "key")).toBeNull();
    expect(readdirSync(server.directory).sort()).toEqual(["server.conf", "server.log"]);
  });

  test("answers nobody while it is paused, and everybody afterwards", async () => {
    await server.pause();
    let answered = false;
    const answer = commandOnce(server.url, "PING").then((text) => {
      answered = true;
      return text;
    });
    expect(isStopped(server.pid)).toBe(true);
    expect(server.running).toBe(false);
    expect(answered).toBe(false);
    server.resume();
    expect(await answer).toBe("PONG");
    expect(server.running).toBe(true);
  });

  test("can be stopped and closed while it is paused", async () => {
    await server.pause();
    await server.stop();
    await server.start();
    expect(await server.command("PING")).toBe("PONG");
    const paused = await startRedis({ kind });
    await paused.pause();
    await paused.close();
    expect(existsSync(paused.directory)).toBe(false);
  });
});

const keeping: readonly RedisDurability[] = ["everysec", "always"];
describe.each(kinds.flatMap((kind) => keeping.map((durability) => [kind, durability] as const)))(
  "a private %s that keeps its data, synced as by %s",
  patient,
  (kind, durability) => {
    test("has loaded it all before it counts as started, after a stop and after a crash", async () => {
      const server = await startRedis({ kind, durability });
      onTestFinished(() => server.close());
      const fill = "for i = 1, 20000 do redis.call('SET', ARGV[1] .. i, i) end return true";
      await server.command("EVAL", fill, 0, "a");
      await server.stop();
      await server.start();
      expect(await server.command("DBSIZE")).toBe(20_000);
      await server.command("EVAL", fill, 0, "b");
      await server.kill();
      await server.start();
      expect(await server.command("DBSIZE")).toBe(40_000);
      expect(await server.command("CONFIG", "GET", "appendfsync")).toEqual(["appendfsync", durability]);
    });
  },
);

test("a private Redis is gone, with its data, soon after its owner was killed", patient, async () => {
  const file = fileURLToPath(new URL("redis-owner-process.ts", import.meta.url));
  const owner = spawn(process.execPath, ["--conditions=source", file], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(owner.stdout, "data");
  const { pid, directory } = JSON.parse(`${line}`) as { readonly pid: number; readonly directory: string };
  expect(existsSync(directory)).toBe(true);
  owner.kill("SIGKILL");
  await vi.waitFor(() => expect(existsSync(directory)).toBe(false), patient);
  expect(() => process.kill(pid, 0)).toThrow("ESRCH");
});

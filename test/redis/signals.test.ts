// Who is told of jobs over Redis: everyone who listens on the store's channel, and everyone again who may have missed
// something. Who does not hear polls, and says so.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RedisServer, startRedis } from "../../scripts/services/redis.ts";
import type { Signal } from "../../src/core/signal.ts";
import { type RedisOptions, redis } from "../../src/engines/redis/index.ts";
import { signalFindings } from "../../src/engines/redis/signal-findings.ts";
import { readSignals } from "../../src/engines/redis/signals.ts";
import type { Store } from "../../src/engines/redis/store.ts";
import { insertJob } from "../../src/testing/conformance/calls.ts";
import { sharedRedisCluster } from "../servers/shared.ts";
import { RedisProxy } from "./proxy.ts";
import { openStoreAt, until } from "./stores.ts";

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
}, 60_000);

afterAll(async () => {
  await server.close();
});

const quick = { probeMs: 30, answerMs: 300, backoffMs: 10, backoffMsMax: 50, deafMs: 40 };
const tick = (dueAt: number): Signal => ({ kind: "tick", dueAt });

async function listening(store: Pick<Store, "watch">) {
  const heard: Signal[] = [];
  await store.watch((signal) => heard.push(signal));
  return heard;
}

async function publish(signals: unknown, channel = "{punctual}:signals"): Promise<void> {
  await server.command("PUBLISH", channel, typeof signals === "string" ? signals : JSON.stringify(signals));
}

describe("wake-ups between processes", () => {
  test("T6: every watcher hears what is published on the store's channel, and of no other store", async () => {
    const [one, other, apart] = [
      await listening(await openStoreAt(server.url)),
      await listening(await openStoreAt(server.url)),
      await listening(await openStoreAt(server.url, { prefix: "apart" })),
    ];
    const signals: Signal[] = [{ kind: "wake", queue: "é/mail", dueAt: 5 }, tick(7), { kind: "changed" }];
    await publish(signals);
    await publish([tick(9)], "{apart}:signals");
    await until(() => one.length === 3 && other.length === 3 && apart.length === 1, "heard");
    expect(one).toEqual(signals);
    expect(other).toEqual(signals);
    expect(apart).toEqual([tick(9)]);
  });

  test("T6: a job of one engine wakes another's watcher", async () => {
    const engines = [redis(server.url, { prefix: "jobs" }), redis(server.url, { prefix: "jobs" })] as const;
    for (const engine of engines) await engine.open();
    const heard: Signal[] = [];
    await engines[1].watch?.((signal) => heard.push(signal));
    await insertJob(engines[0], { queue: "here" });
    await until(() => heard.some((signal) => signal.kind === "wake" && signal.queue === "here"), "woken");
    for (const engine of engines) await engine.close();
  });

  test("T6: on a cluster any node's watchers hear what a script on another node publishes", async () => {
    const { nodes, newDeployment } = await sharedRedisCluster();
    const prefix = newDeployment();
    const engines = nodes.map(({ host, port }) => redis(`redis://${host}:${port}`, { prefix } satisfies RedisOptions));
    const all = await Promise.all(
      engines.map(async (engine) => {
        await engine.open();
        return await listening(engine as Pick<Store, "watch">);
      }),
    );
    const [first] = engines;
    if (first !== undefined) await insertJob(first, { queue: "far" });
    await until(() => all.every((heard) => heard.some((signal) => signal.kind === "wake")), "heard everywhere");
    await Promise.all(engines.map((engine) => engine.close()));
  });

  test("a text that is none of ours asks to look at everything", () => {
    for (const text of [
      "look",
      "",
      "[7]",
      '{"kind":"tick","dueAt":1}',
      '[{"kind":"wake","queue":7,"dueAt":1}]',
      "null",
    ]) {
      expect(readSignals(text)).toEqual([{ kind: "changed" }]);
    }
    const signals: Signal[] = [{ kind: "cancel", id: "1" as never }, { kind: "changed" }];
    expect(readSignals(JSON.stringify(signals))).toEqual(signals);
  });

  test("a watcher hears nothing more once it has stopped, and one that throws harms no other", async () => {
    const store = await openStoreAt(server.url);
    const heard: string[] = [];
    const watcher = () => heard.push("stopped");
    const stop = await store.watch(watcher);
    await store.watch(() => {
      throw new Error("mine");
    });
    await store.watch(() => heard.push("stays"));
    await stop();
    await publish([tick(1)]);
    await until(() => heard.length > 0, "heard");
    expect(heard).toEqual(["stays"]);
  });
});

describe("what may have been missed", () => {
  test("O1: after a connection that listens was cut, everyone looks at everything, and hears again", async () => {
    const store = await openStoreAt(server.url, { listenTimes: quick });
    const heard = await listening(store);
    await until(() => store.status.listening, "listening");
    await server.command("CLIENT", "KILL", "TYPE", "pubsub");
    await until(() => heard.some(({ kind }) => kind === "changed"), "told");
    await until(() => store.status.listening && store.status.reconnects === 1, "heard again");
    expect(store.hears).toBe(true);
    const before = heard.length;
    await publish([tick(3)]);
    await until(() => heard.length > before, "heard");
    expect(heard.at(-1)).toEqual(tick(3));
  });

  test("O1: while nothing can be heard it says so, and is heard again once it can", async () => {
    const proxy = await RedisProxy.before(server.url);
    const store = await openStoreAt(proxy.url, { listenTimes: quick });
    const heard = await listening(store);
    await until(() => store.status.listening, "listening");
    proxy.refuse(true);
    proxy.cutAll();
    await until(() => !store.hears, "deaf");
    expect(signalFindings(store.status)).toMatchObject([{ check: "listen", status: "warn" }]);
    heard.length = 0;
    proxy.refuse(false);
    await until(() => store.hears, "heard again");
    await until(() => heard.some(({ kind }) => kind === "changed"), "told");
    await store.close();
    await proxy.close();
  });

  test("T6: a proxy that passes no messages on is found out, and another try when it does is heard", async () => {
    const proxy = await RedisProxy.before(server.url);
    proxy.deafen();
    const store = await openStoreAt(proxy.url, { listenTimes: quick });
    const heard = await listening(store);
    await until(() => !store.hears, "found out");
    expect(signalFindings(store.status)).toMatchObject([{ status: "warn", what: expect.stringMatching(/not heard/) }]);
    expect(await store.client.read([["get", "a"]])).toEqual([null]);
    proxy.undeafen();
    await until(() => store.hears, "heard");
    await publish([tick(4)]);
    await until(() => heard.some(({ kind }) => kind === "tick"), "told");
    await store.close();
    await proxy.close();
  });

  test("O5: a user who may not use the channel polls, and its findings say what to give", async () => {
    await server.command("ACL", "SETUSER", "deaf", "on", ">right", "~*", "resetchannels", "+@all");
    const store = await openStoreAt(server.url.replace("//", "//deaf:right@"), { listenTimes: quick });
    await listening(store);
    await until(() => !store.hears, "refused");
    expect(signalFindings(store.status)).toMatchObject([
      { status: "warn", mend: expect.stringMatching(/ACL SETUSER/) },
    ]);
  });
});

describe("who listens", () => {
  test("with listen: false no connection is kept to listen, and it says so", async () => {
    const engine = redis(server.url, { listen: false });
    expect(engine.capabilities.push).toBe(false);
    await engine.open();
    await engine.watch?.(() => {});
    expect(engine.capabilities.push).toBe(false);
    expect((await server.info("clients")).get("pubsub_clients") ?? "0").toBe("0");
    await engine.close();
  });

  test("nobody listens before somebody watches, and nobody after close", async () => {
    const listeners = async () => `${await server.command("CLIENT", "LIST", "TYPE", "pubsub")}`.trim();
    const store = await openStoreAt(server.url);
    expect(await listeners()).toBe("");
    await listening(store);
    expect(await listeners()).toMatch(/name=punctual-signals/);
    await store.close();
    await until(async () => (await listeners()) === "", "gone");
  });
});

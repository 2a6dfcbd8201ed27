// C2 and C9: a schedule source that is fed by a channel of a real Redis, in one process.
import { Cluster, Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { type RedisServer, startRedis } from "../../scripts/services/redis.ts";
import { startRedisCluster } from "../../scripts/services/redis-cluster.ts";
import { startRedisFailover } from "../../scripts/services/redis-failover.ts";
import { memory } from "../../src/engines/memory/index.ts";
import { type RedisChangesOptions, redisChanges } from "../../src/engines/redis/change-feed.ts";
import { readChange } from "../../src/engines/redis/change-messages.ts";
import { subscribe } from "../../src/engines/redis/change-subscription.ts";
import { PendingMessages } from "../../src/engines/redis/pending-messages.ts";
import { createScheduler, InvalidInputError, type ScheduleSourceOptions, scheduleSource } from "../../src/index.ts";
import { type Report, Table, toSchedule } from "../runtime/source-table.ts";

vi.setConfig({ testTimeout: 60_000 });

const a: Report = { id: "a", text: "first", everySeconds: 3_600 };
const b: Report = { id: "b", tenant: "acme", text: "second", everySeconds: 3_600 };

let server: RedisServer;
let client: Redis;
let channels = 0;

beforeAll(async () => {
  server = await startRedis();
  client = new Redis(server.url);
});

afterAll(async () => {
  client?.disconnect();
  await server?.close();
});

interface Feed extends Partial<RedisChangesOptions<Report>> {
  readonly location?: string | Redis | Cluster;
}

/** A table whose changes nobody is told but by what the test publishes; loaded once an hour. */
function open(options: Partial<ScheduleSourceOptions<Report>> = {}, { location = server.url, ...feed }: Feed = {}) {
  const channel = `reports-${++channels}`;
  const table = new Table(a);
  const changes = redisChanges<Report>(location, { channel, ...feed });
  const { load } = table;
  const source = scheduleSource<Report>({
    name: "reports",
    load,
    changes,
    toSchedule,
    reconcileEvery: "1h",
    ...options,
  });
  const scheduler = createScheduler({ engine: memory(), sources: [source] });
  const reported: string[] = [];
  scheduler.on("worker:error", ({ error }) => reported.push((error as Error).message));
  onTestFinished(() => scheduler.stop());
  return {
    table,
    channel,
    reported,
    scheduler,
    stored: async () =>
      (await scheduler.schedules.list({ limit: 100 })).items.map(({ tenant, id, input }) => `${tenant}:${id} ${input}`),
    /** Answers how many have heard it. */
    publish: (message: unknown, on = client) =>
      on.publish(channel, typeof message === "string" ? message : JSON.stringify(message)),
    start: async () => {
      await scheduler.start({ roles: ["ticker"] });
      await heard(channel);
      // Once at the start, and once more as nobody knows what was said before the feed was open.
      await until(() => table.loads, 2);
    },
  };
}

/** Somebody has subscribed. */
async function heard(channel: string): Promise<void> {
  await until(async () => (await client.pubsub("NUMSUB", channel))[1], 1);
}

async function until(read: () => unknown, expected: unknown): Promise<void> {
  await vi.waitFor(async () => expect(await read()).toEqual(expected), { timeout: 50_000, interval: 10 });
}

/** The subscriptions' connections, as the server knows them. */
async function subscribers(): Promise<string[]> {
  const list = String(await client.call("CLIENT", "LIST", "TYPE", "PUBSUB"));
  return [...list.matchAll(/^id=(\d+) /gm)].map(([, id = ""]) => id);
}

async function cutAll(): Promise<void> {
  for (const id of await subscribers()) await client.client("KILL", "ID", id);
}

describe("what a message says", () => {
  test.each([
    ['{"id":7}', { id: 7 }],
    ['{"id":"a","record":{"id":"a","text":"x"},"more":1}', { id: "a", record: { id: "a", text: "x" } }],
    ['{"id":"a","record":null,"tenant":"acme"}', { id: "a", tenant: "acme" }],
    ['{"id":"a","removed":true}', { id: "a", removed: true }],
    ['{"id":"a","type":"deleted"}', { id: "a" }],
    ['{"type":"created","schedule":{"id":"s","name":"n"}}', { id: "s", record: { id: "s", name: "n" } }],
    ['{"type":"updated","schedule":{"id":9}}', { id: 9, record: { id: 9 } }],
    ['{"type":"deleted","scheduleId":"s"}', { id: "s", removed: true }],
    ['{"type":"deleted","schedule":{"id":"s"}}', { id: "s", removed: true }],
  ])("C2: %s is read", (text, change) => {
    expect(JSON.parse(JSON.stringify(readChange(text)))).toEqual(change);
  });

  test.each([
    "",
    "secret@example.com",
    "7",
    "null",
    "[]",
    "{}",
    '{"id":""}',
    '{"id":{}}',
    '{"id":1,"removed":"no"}',
    '{"id":1,"tenant":5}',
    '{"type":"updated"}',
    '{"type":"updated","schedule":[]}',
    '{"type":"deleted"}',
    '{"type":"paused","schedule":{"id":1}}',
  ])("C2: %s is refused, and not quoted", (text) => {
    expect(() => readChange(text)).toThrow(InvalidInputError);
    expect(() => readChange(text)).not.toThrow(/secret/);
  });
});

describe("a source fed by a channel", () => {
  test("C2: what is published is applied, in the shape of redis-distro-scheduler and in ours", async () => {
    const { table, start, publish, stored, reported } = open();
    await start();
    await until(stored, ["default:reports/a first"]);
    expect(await publish({ type: "created", schedule: b })).toBe(1);
    await until(stored, ["acme:reports/b second", "default:reports/a first"]);
    await publish({ type: "updated", schedule: { ...b, text: "other" } });
    await publish({ id: "a", record: { ...a, text: "changed" } });
    await until(stored, ["acme:reports/b other", "default:reports/a changed"]);
    await publish({ type: "updated", schedule: { ...b, active: false } });
    await publish({ type: "deleted", scheduleId: "a" });
    await until(stored, []);
    expect([table.loads, reported]).toEqual([2, []]);
  });

  test("C9: a message that names only the id is looked up in the user's table, or loads it", async () => {
    const asked: string[] = [];
    const rows = new Map<string, Report>();
    const loadOne = (id: string) => {
      asked.push(id);
      return rows.get(id);
    };
    const one = open({ loadOne });
    await one.start();
    await until(one.stored, ["default:reports/a first"]);
    rows.set("b", b);
    await one.publish({ id: "b" });
    await until(one.stored, ["acme:reports/b second", "default:reports/a first"]);
    await one.publish({ id: "a" });
    await until(one.stored, ["acme:reports/b second"]);
    expect([asked, one.table.loads]).toEqual([["b", "a"], 2]);
    const all = open();
    await all.start();
    await until(all.stored, ["default:reports/a first"]);
    all.table.rows.set("b", b);
    await all.publish({ id: "b" });
    await until(all.stored, ["acme:reports/b second", "default:reports/a first"]);
  });

  test("C2: a message that cannot be read is reported, loads everything and harms no other", async () => {
    const { table, start, publish, stored, reported, channel } = open();
    await start();
    await until(stored, ["default:reports/a first"]);
    table.rows.set("b", b);
    await publish("garbage");
    await publish({ type: "updated", schedule: { ...a, text: "changed" } });
    await until(stored, ["acme:reports/b second", "default:reports/a first"]);
    await until(() => reported, [`source reports: a message of channel ${channel} cannot be read: it is no JSON`]);
    for (let n = 0; n < 500; n++) await publish("garbage");
    await publish({ type: "deleted", scheduleId: "a" });
    await until(stored, ["acme:reports/b second"]);
    expect(reported).toHaveLength(1);
    expect(table.loads).toBeLessThanOrEqual(4);
  });

  test("C2: a message that is lost with the connection is healed by the load that follows", async () => {
    const { table, start, publish, stored, reported, channel } = open();
    await start();
    await until(stored, ["default:reports/a first"]);
    await cutAll();
    table.rows.set("b", b);
    table.rows.delete("a");
    expect(await publish({ id: "b" })).toBe(0);
    await until(stored, ["acme:reports/b second"]);
    expect(table.loads).toBe(3);
    expect(reported.join()).toMatch(/source reports: the connection to Redis was closed/);
    await heard(channel);
    await publish({ id: "b", removed: true });
    await until(stored, []);
  });

  test("C2: a server that is away when the scheduler starts is followed once it is there", async () => {
    const away = await startRedis();
    onTestFinished(() => away.close());
    await away.stop();
    const { scheduler, table, channel, stored, reported } = open({}, { location: away.url });
    await scheduler.start({ roles: ["ticker"] });
    await until(stored, ["default:reports/a first"]);
    await until(() => reported.length, 1);
    await away.start();
    await until(async () => ((await away.command("PUBSUB", "NUMSUB", channel)) as unknown[])[1], 1);
    await until(() => table.loads, 2);
    await away.command("PUBLISH", channel, JSON.stringify({ id: "a", removed: true }));
    await until(stored, []);
    expect(reported[0]).toMatch(/ECONNREFUSED/);
  });

  test("C9: the user's own client is neither subscribed nor closed, and its key prefix not put before the channel", async () => {
    const own = new Redis(server.url, { keyPrefix: "app:", lazyConnect: true, socketTimeout: 50 });
    onTestFinished(() => own.disconnect());
    const { scheduler, start, publish, stored, reported } = open({}, { location: own });
    await start();
    expect(own.status).toBe("wait");
    await own.connect();
    await publish({ id: "a", record: { ...a, text: "changed" } }, own);
    await until(stored, ["default:reports/a changed"]);
    await scheduler.stop();
    await until(subscribers, []);
    expect([await own.ping(), own.mode, reported]).toEqual(["PONG", "normal", []]);
  });

  test("C2: parse reads messages of any other shape, and passes by what is about something else", async () => {
    const parse = (message: string) => {
      const [what, id = "", text = ""] = message.split(" ");
      if (what !== "report") return undefined;
      if (text === "") throw new Error("no text");
      return { id, record: { ...a, id, text } };
    };
    const { start, publish, stored, reported, channel } = open({}, { parse });
    await start();
    await until(stored, ["default:reports/a first"]);
    for (const message of ["invoice 5 paid", "report a changed", "report x"]) await publish(message);
    await until(stored, ["default:reports/a changed"]);
    await until(() => reported, [`source reports: a message of channel ${channel} cannot be read: no text`]);
  });
});

describe("the feed by itself", () => {
  test("C2: a feed ends with its signal, also while it is opened, and when it is left", async () => {
    const stop = new AbortController();
    const changes = redisChanges(server.url, { channel: "ending" });
    const [waits, left] = await Promise.all([changes(stop), changes(stop)]);
    await until(async () => (await client.pubsub("NUMSUB", "ending"))[1], 2);
    await client.publish("ending", '{"id":1}');
    for await (const change of left) {
      expect(change).toMatchObject({ id: 1 });
      break;
    }
    expect((await waits.next()).value).toMatchObject({ id: 1 });
    const next = waits.next();
    const opening = changes(stop);
    stop.abort(new Error("stopped"));
    expect(await next).toEqual({ done: true, value: undefined });
    await expect(opening).rejects.toThrow("stopped");
    await until(async () => (await client.pubsub("NUMSUB", "ending"))[1], 0);
  });

  test("C2: what was heard before the connection was lost is yielded first", async () => {
    const changes = redisChanges(server.url, { channel: "before" });
    const feed = await changes({ signal: new AbortController().signal });
    await client.publish("before", '{"id":1}');
    await client.publish("before", '{"id":2}');
    await cutAll();
    await until(subscribers, []);
    expect((await feed.next()).value).toMatchObject({ id: 1 });
    expect((await feed.next()).value).toMatchObject({ id: 2 });
    await expect(feed.next()).rejects.toThrow("closed");
    expect(await feed.next()).toEqual({ done: true, value: undefined });
  });

  test("C2: a server that says nothing any more counts as lost", async () => {
    const hung = await startRedis();
    onTestFinished(() => hung.close());
    const messages: string[] = [];
    const lost = await new Promise<Error>((resolve, reject) => {
      const events = { heard: (message: string) => messages.push(message), lost: resolve };
      const times = { probeMs: 20, answerMs: 500 };
      subscribe(hung.url, "c", events, new AbortController().signal, times).then(() => hung.pause(), reject);
    });
    expect(lost.message).toBe("Redis gave no answer within 500 ms");
    hung.resume();
  });

  test("C2: messages that come faster than they are applied are dropped, and this is said once", () => {
    const pending = new PendingMessages("c", readChange);
    for (let id = 0; id < 25_000; id++) pending.add(JSON.stringify({ id }));
    expect(pending.take()).toMatchObject({ message: expect.stringContaining("were dropped; since") });
    let taken = 0;
    for (let change = pending.take(); change !== undefined; change = pending.take()) {
      expect(change).not.toBeInstanceOf(Error);
      taken++;
    }
    expect(taken).toBeLessThanOrEqual(10_000);
    for (let n = 0; n < 5; n++) pending.add("x".repeat(8 * 1024 * 1024));
    expect(pending.take()).toBeUndefined();
    pending.clear();
  });

  test.each([
    ["http://host", { channel: "c" }, "location"],
    ["", { channel: "c" }, "location"],
    [5, { channel: "c" }, "location"],
    ["redis://host", undefined, "options"],
    ["redis://host", {}, "channel"],
    ["redis://host", { channel: "" }, "channel"],
    ["redis://host", { channel: "c", parse: 5 }, "parse"],
    ["redis://host", { channel: "c", pattern: "x" }, "pattern"],
  ])("C9: redisChanges(%j, %j) is refused", (location, options, field) => {
    const make = () => redisChanges(location as never, options as never);
    expect(make).toThrow(expect.objectContaining({ code: "INVALID_INPUT", field }));
  });

  test("C9: a location that is refused does not show its password", () => {
    expect(() => redisChanges("http://user:secret@host", { channel: "c" })).not.toThrow(/secret/);
  });

  test("C9: a password that is wrong is said as such, a client without a server as well", async () => {
    const { signal } = new AbortController();
    const url = server.url.replace("//", "//somebody:secret@");
    await expect(redisChanges(url, { channel: "c" })({ signal })).rejects.toThrow("WRONGPASS");
    const lost = new Redis("redis://127.0.0.1:1", { lazyConnect: true });
    await expect(redisChanges(lost, { channel: "c" })({ signal })).rejects.toThrow("ECONNREFUSED");
  });
});

describe("many servers", () => {
  test("C2: a node of a cluster hears what is published on any, and another is asked when it dies", async () => {
    const cluster = await startRedisCluster();
    onTestFinished(() => cluster.close());
    const own = new Cluster(
      cluster.nodes.map(({ host, port }) => ({ host, port })),
      { lazyConnect: true },
    );
    own.on("error", () => {});
    onTestFinished(() => own.disconnect());
    const { scheduler, channel, table, stored } = open({}, { location: own });
    const followed = async (on: readonly RedisServer[]) => {
      const counts = on.map(async (node) => ((await node.command("PUBSUB", "NUMSUB", channel)) as [string, number])[1]);
      return (await Promise.all(counts))
        .map((count, index) => ({ count, node: on[index] }))
        .find(({ count }) => count === 1)?.node;
    };
    await scheduler.start({ roles: ["ticker"] });
    await until(async () => (await followed(cluster.nodes)) !== undefined, true);
    const heardBy = await followed(cluster.nodes);
    const others = cluster.nodes.filter((node) => node !== heardBy);
    const publish = (message: object) => others[0]?.command("PUBLISH", channel, JSON.stringify(message));
    table.rows.set("b", b);
    await publish({ type: "created", schedule: b });
    await until(stored, ["acme:reports/b second", "default:reports/a first"]);
    const { loads } = table;
    await heardBy?.kill();
    await until(async () => (await followed(others)) !== undefined, true);
    await until(() => table.loads > loads, true);
    await publish({ type: "deleted", scheduleId: "a" });
    await until(stored, ["acme:reports/b second"]);
  });

  test("C2: after a failover the new primary is heard", async () => {
    const servers = await startRedisFailover();
    onTestFinished(() => servers.close());
    const own = new Redis({ sentinels: [...servers.sentinels], name: servers.masterName, lazyConnect: true });
    own.on("error", () => {});
    onTestFinished(() => own.disconnect());
    const { scheduler, channel, table, stored } = open({}, { location: own });
    const followed = async () => (await servers.primary.command("PUBSUB", "NUMSUB", channel)) as unknown[];
    await scheduler.start({ roles: ["ticker"] });
    await until(async () => (await followed())[1], 1);
    table.rows.set("b", b);
    await servers.failOver();
    await until(stored, ["acme:reports/b second", "default:reports/a first"]);
    await until(async () => (await followed())[1], 1);
    await servers.primary.command("PUBLISH", channel, JSON.stringify({ id: "a", removed: true }));
    await until(stored, ["acme:reports/b second"]);
  });
});

// The stream that holds a store: made as it must be by any number of processes at once, used as it is where there is one, and
// refused where it would lose jobs. What its settings mean is told as findings.
import { jetstream, type StreamConfig } from "@nats-io/jetstream";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type NatsServer, startNats } from "../../scripts/services/nats.ts";
import { type NatsCluster, startNatsCluster } from "../../scripts/services/nats-cluster.ts";
import type { Finding } from "../../src/core/findings.ts";
import { connect, type Way } from "../../src/engines/nats/connecting.ts";
import { checkOptions, type NatsOptions } from "../../src/engines/nats/options.ts";
import { settingsFindings } from "../../src/engines/nats/settings-findings.ts";
import { covers } from "../../src/engines/nats/stream-config.ts";
import { opened, outcome } from "./opened.ts";

let server: NatsServer;
/** Of somebody who administers the server. */
let admin: Way;

beforeAll(async () => {
  server = await startNats();
  admin = await connect(checkOptions(server.url, {}));
}, 60_000);

afterAll(async () => {
  await admin.close();
  await server.close();
});

afterEach(async () => {
  for await (const { config } of admin.jsm.streams.list()) await admin.jsm.streams.delete(config.name);
});

const stream = async () => (await admin.jsm.streams.info("SCHEDULER")).config;

/** A stream of the user's own, which takes the store's subject. */
async function addStream(config: Partial<StreamConfig> = {}): Promise<void> {
  const own = { name: "SCHEDULER", subjects: ["scheduler.>"], allow_atomic: true, discard: "new" as const };
  await admin.jsm.streams.add({ ...own, ...config });
}

/** Ten processes, as far as a server can tell. */
function tenOutcomes(location: string, options: NatsOptions = {}): Promise<unknown[]> {
  return Promise.all(Array.from({ length: 10 }, () => outcome(location, options)));
}

describe("D10 the stream is made where there is none", () => {
  test("D10 on files, without limits, refusing what would remove messages, taking batches", async () => {
    expect(await outcome(server.url)).toEqual({ subject: "scheduler.journal", messageBytesMax: 1024 * 1024 });
    expect(await stream()).toMatchObject({
      subjects: ["scheduler.journal"],
      storage: "file",
      retention: "limits",
      discard: "new",
      num_replicas: 1,
      max_age: 0,
      max_msgs: -1,
      max_bytes: -1,
      max_msgs_per_subject: -1,
      deny_delete: true,
      deny_purge: false,
      allow_direct: true,
      allow_atomic: true,
      metadata: expect.objectContaining({ "punctual.stream": "1" }),
    });
  });

  test("D10 by ten processes at once on an empty server", async () => {
    const outcomes = await tenOutcomes(server.url);
    expect(outcomes).toEqual(outcomes.map(() => ({ subject: "scheduler.journal", messageBytesMax: 1024 * 1024 })));
  });

  test("D10 by ten that want it differently: the first one's is everybody's", async () => {
    const storages = ["file", "memory"] as const;
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, (_, index) => outcome(server.url, { storage: storages[index % 2] ?? "file" })),
    );
    for (const one of outcomes) expect(one).toMatchObject({ subject: "scheduler.journal" });
  });

  test("under the names of the options, beside others", async () => {
    expect(await outcome(server.url, { stream: "OURS", prefix: "our.jobs" })).toMatchObject({
      subject: "our.jobs.journal",
    });
    expect(await outcome(server.url, { streamName: "THEIRS", subjectPrefix: "their" })).toMatchObject({
      subject: "their.journal",
    });
    expect((await admin.jsm.streams.info("OURS")).config.subjects).toEqual(["our.jobs.journal"]);
    expect((await admin.jsm.streams.info("THEIRS")).config.subjects).toEqual(["their.journal"]);
  });

  test("O5 not with mustExist", async () => {
    expect(await outcome(server.url, { mustExist: true })).toMatchObject({
      code: "ENGINE_NOT_CONFIGURED",
      message: expect.stringContaining("there is no stream SCHEDULER"),
    });
    await expect(stream()).rejects.toThrow("not found");
    await outcome(server.url);
    expect(await outcome(server.url, { mustExist: true })).toMatchObject({ subject: "scheduler.journal" });
  });

  test("O5 replicas on a server without a cluster are refused", async () => {
    expect(await outcome(server.url, { replicas: 3 })).toMatchObject({
      code: "ENGINE_NOT_CONFIGURED",
      field: "replicas",
    });
  });

  test("O5 a subject that another stream takes is refused with that stream's name", async () => {
    await addStream({ name: "EVERYTHING", subjects: ["scheduler.*"] });
    expect(await outcome(server.url)).toMatchObject({
      code: "ENGINE_NOT_CONFIGURED",
      field: "stream",
      message: expect.stringContaining("EVERYTHING"),
      mend: expect.stringContaining('"EVERYTHING"'),
    });
    expect(await outcome(server.url, { stream: "EVERYTHING" })).toMatchObject({ subject: "scheduler.journal" });
  });
});

describe("a stream that is there already", () => {
  test("is used as it is where it takes the subject", async () => {
    await addStream({ max_bytes: 1_000_000, max_msg_size: 50_000, description: "mine" });
    const before = await stream();
    expect(await outcome(server.url)).toEqual({ subject: "scheduler.journal", messageBytesMax: 50_000 });
    expect(await stream()).toEqual(before);
  });

  test("O5 is refused where it does not, with the mend", async () => {
    await addStream({ subjects: ["other.>", "scheduler.jobs"] });
    expect(await outcome(server.url)).toMatchObject({
      code: "ENGINE_NOT_CONFIGURED",
      field: "stream",
      mend: expect.stringContaining("scheduler.journal"),
    });
  });

  test("of ours that an older server has made without batches is updated", async () => {
    await addStream({ allow_atomic: false, metadata: { "punctual.stream": "1" } });
    for (const one of await tenOutcomes(server.url)) expect(one).toMatchObject({ subject: "scheduler.journal" });
    expect(await stream()).toMatchObject({ allow_atomic: true, subjects: ["scheduler.>"] });
  });

  const unsafe: readonly [string, Partial<StreamConfig>][] = [
    ["retention", { retention: "workqueue" }],
    ["retention", { retention: "interest" }],
    ["max_age", { max_age: 3_600e9 }],
    ["max_msgs_per_subject", { max_msgs_per_subject: 1 }],
    ["max_msgs", { max_msgs: 1_000, discard: "old" }],
    ["max_bytes", { max_bytes: 1_000_000, discard: "old" }],
    ["deny_purge", { deny_purge: true }],
    ["no_ack", { no_ack: true, allow_atomic: false }],
    ["subject_transform", { subject_transform: { src: "scheduler.>", dest: "moved.>" } }],
    ["allow_atomic", { allow_atomic: false }],
  ];

  test.each(unsafe)("O5 with %s of %j is refused by the setting's name, with the mend", async (field, config) => {
    await addStream(config);
    const before = await stream();
    expect(await outcome(server.url)).toMatchObject({
      code: "STORE_UNSAFE",
      field,
      message: expect.stringContaining("SCHEDULER"),
      mend: expect.stringMatching(/nats stream edit|a stream and a prefix of its own/),
    });
    expect(await stream()).toEqual(before);
  });

  test("O5 that is sealed, or a mirror, is refused", async () => {
    await addStream({ name: "SOURCE", subjects: ["source"] });
    await admin.jsm.streams.add({ name: "MIRROR", mirror: { name: "SOURCE" } });
    expect(await outcome(server.url, { stream: "MIRROR" })).toMatchObject({ code: "ENGINE_NOT_CONFIGURED" });
    await addStream({ allow_atomic: true });
    await admin.jsm.streams.update("SCHEDULER", { sealed: true } as object);
    expect(await outcome(server.url)).toMatchObject({ code: "STORE_UNSAFE", field: expect.any(String) });
  });

  test.each([
    [["a.b"], "a.b", true],
    [["a.b"], "a.c", false],
    [["a.*"], "a.b", true],
    [["a.*"], "a.b.c", false],
    [["*.b"], "a.b", true],
    [["a.>"], "a.b.c", true],
    [["a.>"], "a", false],
    [[">"], "a", true],
    [["x", "a.>"], "a.b", true],
    [[], "a", false],
    [["a.b.c"], "a.b", false],
  ])("with the subjects %j takes %s: %s", (subjects, subject, takes) => {
    expect(covers(subjects, subject)).toBe(takes);
  });
});

describe("O5 findings of the stream's settings", () => {
  async function findings(options: NatsOptions = {}, location = server.url): Promise<readonly Finding[]> {
    const settings = checkOptions(location, options);
    const { way } = await opened(location, options);
    try {
      return await settingsFindings(way, settings);
    } finally {
      await way.close();
    }
  }

  const notFine = (all: readonly Finding[]) => all.filter(({ status }) => status !== "ok");

  test("O5 of a stream as it is made there is nothing to do", async () => {
    const found = await findings();
    expect(notFine(found)).toEqual([]);
    expect(found.map(({ check }) => check)).toEqual(["server", "settings", "room"]);
    expect(found[0]?.what).toContain(server.version);
  });

  test("O5 a stream in memory is a problem", async () => {
    expect(notFine(await findings({ storage: "memory" }))).toMatchObject([
      { check: "settings", status: "problem", what: expect.stringContaining("memory"), mend: expect.any(String) },
    ]);
  });

  test.each([
    ["ok", 10_000_000],
    ["warn", 11_000],
    ["problem", 10_100],
  ])("O5 room: %s with a limit of %i bytes, of which 10,000 are used", async (status, max) => {
    await addStream();
    await jetstream(admin.nc).publish("scheduler.filler", new Uint8Array(9_900));
    await admin.jsm.streams.update("SCHEDULER", { max_bytes: max });
    expect((await findings()).find(({ check }) => check === "room")).toMatchObject({
      status,
      what: expect.stringContaining("% of the stream's bytes"),
    });
  });
});

describe("a cluster", () => {
  let cluster: NatsCluster;

  beforeEach(async () => {
    cluster = await startNatsCluster();
  }, 60_000);

  afterEach(async () => {
    await cluster.close();
  });

  async function found(options: NatsOptions): Promise<readonly Finding[]> {
    const { way } = await opened(cluster.url, options);
    try {
      return (await settingsFindings(way, checkOptions(cluster.url, options))).filter(({ status }) => status !== "ok");
    } finally {
      await way.close();
    }
  }

  test("D10 ten processes that start together with an electing cluster all come to the same stream", async () => {
    await Promise.all(cluster.nodes.map((node) => node.kill()));
    await Promise.all(cluster.nodes.map((node) => node.start()));
    const outcomes = await tenOutcomes(cluster.url, { replicas: 3 });
    expect(outcomes).toEqual(outcomes.map(() => expect.objectContaining({ subject: "scheduler.journal" })));
    const { way } = await opened(cluster.url, { replicas: 3 });
    const info = await way.jsm.streams.info("SCHEDULER");
    expect(info.config).toMatchObject({ num_replicas: 3, allow_atomic: true });
    await way.close();
  }, 60_000);

  test("O5 more replicas than servers are refused after a while, without quorum it is told so", async () => {
    expect(await outcome(cluster.url, { replicas: 5, startupStreamReadyTimeout: 500 })).toMatchObject({
      code: "ENGINE_NOT_CONFIGURED",
      field: "replicas",
    });
    const [survivor, ...others] = cluster.nodes;
    await Promise.all(others.map((node) => node.kill()));
    const waits = { jetStreamReadyTimeout: 500, startupStreamReadyTimeout: 500 };
    expect(await outcome(survivor?.url ?? "", { replicas: 3, ...waits })).toMatchObject({ code: "NOT_WRITTEN" });
  }, 60_000);

  test("O5 one copy in a cluster and an even number are told, and a copy that is away", async () => {
    expect(await found({ stream: "ONE", prefix: "one" })).toMatchObject([
      { check: "settings", status: "warn", what: expect.stringContaining("1 copy in a cluster") },
    ]);
    expect(await found({ stream: "TWO", prefix: "two", replicas: 2 })).toMatchObject([
      { check: "settings", status: "warn", what: expect.stringContaining("2 copies") },
    ]);
    await outcome(cluster.url, { replicas: 3 });
    await cluster.settled();
    expect(await found({ replicas: 3 })).toEqual([]);
    const leader = await cluster.leaderOf("SCHEDULER");
    await cluster.nodes.find((node) => node !== leader)?.kill();
    const end = Date.now() + 30_000;
    for (;;) {
      const bad = await found({ replicas: 3 }).catch(() => []);
      if (bad.some(({ check, what }) => check === "replication" && what.includes("is away"))) break;
      if (Date.now() > end) throw new Error(`nobody is away: ${JSON.stringify(bad)}`);
    }
  }, 90_000);
});

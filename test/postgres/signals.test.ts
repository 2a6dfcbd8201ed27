// Who is told of jobs over PostgreSQL: other processes by NOTIFY, this one at once, callers' transactions at their commit.
import { Pool } from "pg";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { CuttingProxy } from "../../scripts/proof/postgres/proxy.ts";
import type { Engine } from "../../src/core/engine.ts";
import type { Signal } from "../../src/core/signal.ts";
import { type PostgresOptions, postgres, type SqlClient } from "../../src/engines/postgres/index.ts";
import { channelOf, Notifier, payloadsOf, readPayload } from "../../src/engines/postgres/notify.ts";
import { insertJob } from "../../src/testing/conformance/calls.ts";
import { sharedPostgres } from "../servers/shared.ts";
import { connected, Ear, until } from "./ear.ts";

let url: string;
const opened: Engine<SqlClient>[] = [];

async function open(options: PostgresOptions = {}, location: Parameters<typeof postgres>[0] = url) {
  const engine = postgres(location, options);
  opened.push(engine);
  await engine.open();
  return engine;
}

const hourMs = 3_600_000;
const wake = (queue: string): Signal => ({ kind: "wake", queue, dueAt: 1 });

beforeAll(async () => {
  url = await sharedPostgres();
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((engine) => engine.close()));
});

/** The payloads that anybody listening on the schema's channel is given. */
async function listening() {
  const client = await connected(url);
  const payloads: string[] = [];
  client.on("notification", ({ payload = "" }) => payloads.push(payload));
  await client.query("LISTEN punctual_punctual");
  return Object.assign(client, { payloads });
}

describe("wake-ups between processes", () => {
  test("T6: a job of one engine wakes another's watcher, and its own once", async () => {
    const [one, other] = [await open(), await open()];
    const [own, ear] = [await Ear.of(one), await Ear.of(other)];
    await insertJob(one, { queue: "here" });
    await ear.wake("here");
    await insertJob(other, { queue: "there" });
    await own.wake("there");
    // A notice of its own would have come before the other's answer to it.
    expect(own.wakes()).toEqual(["here", "there"]);
  });

  test("T6: a job that is due later than the horizon wakes nobody", async () => {
    const [one, other] = [await open(), await open()];
    const ear = await Ear.of(other);
    await insertJob(one, { queue: "later", due: { afterMs: hourMs } });
    await insertJob(one, { queue: "marker" });
    await ear.wake("marker");
    expect(ear.wakes()).toEqual(["marker"]);
  });

  test("T6: a schema of any name has a channel of its own", async () => {
    const schema = `Jobs "of" ${"a-b ".repeat(10)}ä`;
    const [one, other, apart] = [await open({ schema }), await open({ schema }), await open()];
    const [ear, apartEar] = [await Ear.of(other), await Ear.of(apart)];
    await insertJob(one, { queue: "far" });
    await ear.wake("far");
    await insertJob(apart, { queue: "marker" });
    await apartEar.wake("marker");
    expect(apartEar.wakes()).toEqual(["marker"]);
  });

  test("T6: anybody may ask all workers to look, by a NOTIFY of any text", async () => {
    const ear = await Ear.of(await open());
    await using client = await connected(url);
    await client.query("NOTIFY punctual_punctual, 'look'");
    await ear.changed();
  });

  test("T6: with listen: false nothing is kept to listen, and this process's own jobs still wake it", async () => {
    const [one, other] = [await open({ listen: false }), await open()];
    const ear = await Ear.of(one);
    await insertJob(other, { queue: "other" });
    await insertJob(one, { queue: "own" });
    await ear.wake("own");
    expect(ear.wakes()).toEqual(["own"]);
  });

  test("T6: a job is accepted where its notice cannot be sent", async () => {
    const proxy = await CuttingProxy.before(url);
    const [engine, other] = [await open({}, proxy.urlFor(url)), await open()];
    const ear = await Ear.of(other);
    const isCut = proxy.cutNext((text) => text.startsWith("-- signals.notify"), "request");
    const { id } = await insertJob(engine, { queue: "mail" });
    await isCut;
    await insertJob(engine, { queue: "marker" });
    await ear.wake("marker");
    expect(ear.wakes()).toEqual(["marker"]);
    expect((await other.jobs.get(id))?.queue).toBe("mail");
    await engine.close();
    await proxy.close();
  });
});

describe("a user's pool", () => {
  test("B11: one of its connections is kept to listen, and given back on close", async () => {
    const pool = new Pool({ connectionString: url, max: 4 });
    const [engine, other] = [await open({}, pool), await open()];
    const ear = await Ear.of(engine);
    await insertJob(other, { queue: "pooled" });
    await ear.wake("pooled");
    await engine.close();
    expect(pool.totalCount - pool.idleCount).toBe(0);
    expect((await pool.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    expect(pool.listenerCount("error")).toBe(0);
    await pool.end();
  });

  test("B11: of a pool of two none is kept, and it says so", async () => {
    const pool = new Pool({ connectionString: url, max: 2 });
    const engine = await open({}, pool);
    await Ear.of(engine);
    expect(pool.totalCount - pool.idleCount).toBe(0);
    const finding = (await engine.inspection.findings()).find(({ check }) => check === "listen");
    expect(finding?.what).toContain("the pool has 2 connections");
    await engine.close();
    await pool.end();
  });
});

describe("callers' transactions", () => {
  test("T6: a rollback signals nothing", async () => {
    const engine = await open();
    const ear = await Ear.of(engine);
    await using client = await connected(url);
    await client.query("BEGIN");
    await insertJob(engine.using?.(client) as Engine, { queue: "undone" });
    await client.query("ROLLBACK");
    await insertJob(engine, { queue: "marker" });
    await ear.wake("marker");
    expect(ear.wakes()).toEqual(["marker"]);
  });

  test("B6: a transaction sends one notice for each queue, however many jobs it writes", async () => {
    const engine = await open();
    await using listener = await listening();
    await using client = await connected(url);
    await client.query("BEGIN");
    const joined = engine.using?.(client) as Engine;
    for (const afterMs of [0, 0, 300]) {
      await insertJob(joined, { queue: "a", due: { afterMs } });
      await insertJob(joined, { queue: "b", due: { afterMs } });
    }
    await insertJob(joined, { queue: "far", due: { afterMs: hourMs } });
    await client.query("COMMIT");
    await insertJob(engine, { queue: "marker" });
    await until(() => listener.payloads.some((text) => text.includes("marker")), "the marker is told");
    const queues = listener.payloads.flatMap((text) =>
      readPayload(text).signals.map((one) => "queue" in one && one.queue),
    );
    expect(queues).toEqual(["a", "b", "marker"]);
  });

  test("B6: what is undone to a savepoint is not told, what is written after it is", async () => {
    const engine = await open();
    const ear = await Ear.of(engine);
    await using client = await connected(url);
    const joined = engine.using?.(client) as Engine;
    await client.query("BEGIN");
    await client.query("SAVEPOINT mine");
    await insertJob(joined, { queue: "a" });
    await insertJob(joined, { queue: "undone" });
    await client.query("ROLLBACK TO mine");
    await insertJob(joined, { queue: "a" });
    await client.query("COMMIT");
    await insertJob(engine, { queue: "marker" });
    await ear.wake("a");
    expect(ear.wakes()).not.toContain("undone");
  });
});

describe("notices", () => {
  test("T6: the first of a queue goes at once, those that follow closely go together, one statement at a time", async () => {
    const sent: string[][] = [];
    let inFlight = 0;
    let most = 0;
    const notifier = new Notifier(async (signals) => {
      most = Math.max(most, ++inFlight);
      sent.push(signals.map((signal) => ("queue" in signal ? `${signal.queue} ${signal.dueAt}` : signal.kind)));
      await new Promise((resolve) => setImmediate(resolve));
      inFlight--;
    });
    const add = (queue: string, dueAt: number) => notifier.add([{ kind: "wake", queue, dueAt }]);
    add("a", 5);
    expect(sent).toEqual([["a 5"]]);
    for (const dueAt of [9, 3, 7]) add("a", dueAt);
    expect(sent).toHaveLength(1);
    await until(() => sent.length > 1, "what followed is sent");
    expect([sent[1], most]).toEqual([["a 3"], 1]);
    notifier.add([{ kind: "changed" }]);
    add("b", 1);
    await notifier.finish();
    expect(sent.slice(2).flat().toSorted()).toEqual(["b 1", "changed"]);
  });

  test("O1: a notice that fails is counted, and hinders none after it", async () => {
    let fails = true;
    const notifier = new Notifier(async () => {
      if (fails) throw new Error("no server");
    });
    notifier.add([wake("a")]);
    await notifier.finish();
    fails = false;
    notifier.add([wake("b")]);
    await notifier.finish();
    expect([notifier.sent, notifier.failed]).toEqual([2, 1]);
  });

  test("T6: notices are split below what a server takes, and very many say to look at everything", () => {
    const many = Array.from({ length: 300 }, (_, index) => wake(`${"é".repeat(20)}${index}`));
    const payloads = payloadsOf(many, "me");
    expect(payloads.length).toBeGreaterThan(1);
    expect(Math.max(...payloads.map((text) => Buffer.byteLength(text)))).toBeLessThan(8_000);
    expect(payloads.flatMap((text) => readPayload(text).signals)).toEqual(many);
    const flood = payloadsOf(
      Array.from({ length: 5_000 }, (_, index) => wake(`queue-${index}`)),
      "me",
    );
    expect(flood).toEqual([JSON.stringify({ from: "me", signals: [{ kind: "changed" }] })]);
  });

  test("T6: a text that is no notice says to look at everything", () => {
    for (const text of ["", "look", "{}", '{"signals":[{"kind":"wake"}]}', '{"signals":[{"kind":"new"}]}', "null"]) {
      expect(readPayload(text)).toEqual({ signals: [{ kind: "changed" }] });
    }
  });

  test("T6: channels fit a server's names, and differ where their schemas do", () => {
    expect(channelOf("punctual")).toBe("punctual_punctual");
    const long = [channelOf(`${"ä".repeat(31)}1`), channelOf(`${"ä".repeat(31)}2`)];
    expect(new Set(long).size).toBe(2);
    // With the suffix of a process.
    for (const channel of long) expect(Buffer.byteLength(`${channel}_123456789abc`)).toBeLessThan(64);
  });
});

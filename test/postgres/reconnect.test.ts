// Servers and networks that fail: a listening connection that dies or falls silent, a server that hangs or comes back.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { CuttingProxy } from "../../scripts/proof/postgres/proxy.ts";
import { type PostgresServer, startPostgres } from "../../scripts/services/postgres.ts";
import { NotWrittenError, OutcomeUnknownError } from "../../src/core/errors.ts";
import { type Access, connect } from "../../src/engines/postgres/connecting.ts";
import { runAll } from "../../src/engines/postgres/connections.ts";
import { postgres } from "../../src/engines/postgres/index.ts";
import { notify } from "../../src/engines/postgres/notify.ts";
import { createScheduler, handle, task } from "../../src/index.ts";
import { Listener } from "../../src/remote/listener.ts";
import { newJob } from "../../src/testing/conformance/builders.ts";
import { insertJob } from "../../src/testing/conformance/calls.ts";
import { sharedPostgres } from "../servers/shared.ts";
import { connected, Ear, until } from "./ear.ts";

let url: string;
let proxy: CuttingProxy;
let proxied: string;
const accesses: Access[] = [];

beforeAll(async () => {
  url = await sharedPostgres();
});

/** Of every test a proxy of its own: what it was told to cut is gone with it. */
async function throughProxy(): Promise<void> {
  proxy = await CuttingProxy.before(url);
  proxied = proxy.urlFor(url);
}

async function access(to: string): Promise<Access> {
  const made = await connect({ location: to, schema: "punctual", poolMax: 3, listen: true });
  accesses.push(made);
  return made;
}

const outcome = (call: Promise<unknown>) =>
  call.then(
    () => "done",
    (error: unknown) => error,
  );

describe("a network that fails", () => {
  beforeAll(throughProxy);
  afterEach(() => Promise.all(accesses.splice(0).map((one) => one.close())));
  afterAll(() => proxy.close());

  test("B11: a listening connection that the server ends is made anew; until then everything is to be looked at", async () => {
    const [engine, other] = [postgres(url), postgres(url)];
    await Promise.all([engine.open(), other.open()]);
    const ear = await Ear.of(engine);
    await using admin = await connected(url);
    await admin.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'punctual listen'",
    );
    await ear.changed();
    ear.forget();
    await ear.changed();
    await insertJob(other, { queue: "again" });
    await ear.wake("again");
    await Promise.all([engine.close(), other.close()]);
  });

  test("B11: a worker whose LISTEN is forbidden finds other processes' jobs by polling, and hears them once it is not", async () => {
    const allow = proxy.forbidListen();
    const ran: number[] = [];
    const count = task<number>("count");
    const scheduler = createScheduler({
      engine: postgres(proxied),
      handlers: [handle(count, (n) => void ran.push(n))],
    });
    const elsewhere = createScheduler({ engine: postgres(url) });
    await scheduler.start();
    await elsewhere.enqueue(count, 1);
    await until(() => ran.length === 1, "it was found by polling");
    allow();
    await until(() => proxy.listening > 0, "it listens");
    await elsewhere.enqueue(count, 2);
    await until(() => ran.length === 2, "the second one has run");
    await Promise.all([scheduler.stop(), elsewhere.stop()]);
  });

  test("B11: a listening connection that falls silent is found by its probe, and another takes its place", async () => {
    const [silent, healthy] = [await access(proxied), await access(url)];
    const heard: string[] = [];
    const listener = new Listener({
      openEar: silent.openEar as NonNullable<Access["openEar"]>,
      channel: "silence",
      ownChannel: "silence_own",
      publish: (channel, payload) => notify(healthy.connections, channel, [payload]),
      onMessage: (payload) => heard.push(payload),
      onMissed: () => heard.push("missed"),
      times: { probeMs: 20, answerMs: 200, backoffMs: 20, backoffMsMax: 20, deafMs: 20 },
    });
    await listener.start();
    await until(() => listener.status.listening, "it is heard");
    proxy.stall(true);
    await until(() => !listener.status.listening, "its silence is noticed");
    expect(heard).toEqual(["missed"]);
    proxy.stall(false);
    await until(() => listener.status.listening, "it is heard again");
    expect(heard).toEqual(["missed", "missed"]);
    expect(listener.status).toMatchObject({ reconnects: expect.any(Number), lastError: expect.any(String) });
    await notify(healthy.connections, "silence", ["hello"]);
    await until(() => heard.length === 3, "others are heard");
    await listener.stop();
    expect(listener.status.listening).toBe(false);
  });

  test("O1: a transaction cut before its commit was not written; cut in its commit, nobody knows", async () => {
    const { connections } = await access(proxied);
    const isCommit = (text: string) => text.startsWith("-- tx.commit");
    const isWork = (text: string) => text.startsWith("-- test.work");
    const work = () =>
      connections.transaction(async (session) => {
        // With a first answer, so that it is no dead connection, which is taken back at once.
        await session.run("-- test.begin\nSELECT 1");
        await session.run("-- test.work\nSELECT 1");
      });
    void proxy.cutNext(isWork, "request");
    expect(await outcome(work())).toBeInstanceOf(NotWrittenError);
    void proxy.cutNext(isCommit, "answer");
    expect(await outcome(work())).toBeInstanceOf(OutcomeUnknownError);
    void proxy.cutNext(isWork, "request");
    expect(await outcome(connections.run("-- test.work\nSELECT 1"))).toBeInstanceOf(OutcomeUnknownError);
    expect(await outcome(work())).toBe("done");
  });

  test("O1: every statement that was sent ahead on a connection that is cut is answered", async () => {
    const { connections } = await access(proxied);
    const statements = Array.from({ length: 50 }, (_, index) => [`-- test.ahead\nSELECT ${index}`] as const);
    const answers: unknown[] = [];
    void proxy.cutNext((text) => text === statements[25]?.[0], "request");
    const call = connections.transaction(async (session) => {
      await session.run("-- test.begin\nSELECT 1");
      const each = statements.map(([text]) => outcome(session.run(text)).then((answer) => answers.push(answer)));
      await Promise.all(each);
      await runAll(session, statements);
    });
    expect(await outcome(call)).toBeInstanceOf(NotWrittenError);
    expect(answers).toHaveLength(50);
  });

  test("O1: connections that broke while they were idle are no call's failure", async () => {
    const { connections } = await access(proxied);
    const both = () =>
      Promise.all([connections.run("SELECT 1"), connections.transaction((one) => one.run("SELECT 1"))]);
    await both();
    // So long that they count as idle.
    await new Promise((resolve) => setTimeout(resolve, 150));
    proxy.cutAll();
    await both();
  });

  test("O2: a network that swallows everything fails calls in time, and lets the engine close", {
    timeout: 40_000,
  }, async () => {
    const engine = postgres(proxied);
    await engine.open();
    const ear = await Ear.of(engine);
    await insertJob(engine);
    await ear.wake("mail");
    proxy.stall(true);
    const began = performance.now();
    const calls = [
      engine.jobs.insert([{ jobs: [newJob()] }]),
      engine.jobs.insert([{ jobs: [newJob({ key: "k" })] }]),
      engine.now(),
    ];
    for (const failure of await Promise.all(calls.map(outcome))) {
      expect([NotWrittenError, OutcomeUnknownError].some((kind) => failure instanceof kind)).toBe(true);
    }
    // 12 s for an answer, and then some for a busy machine.
    expect(performance.now() - began).toBeLessThan(20_000);
    const hanging = outcome(engine.jobs.insert([{ jobs: [newJob()] }]));
    await engine.close();
    expect(await hanging).not.toBe("done");
    proxy.stall(false);
  });
});

describe("a server that goes and comes back", () => {
  let server: PostgresServer;

  beforeAll(async () => {
    server = await startPostgres();
  });

  afterAll(() => server?.close());

  test("O1: calls fail while it is away and succeed once it is back, with the caller's transactions too", async () => {
    const there = await server.newDatabase();
    const [engine, other] = [postgres(there), postgres(there)];
    await Promise.all([engine.open(), other.open()]);
    const ear = await Ear.of(engine);
    await insertJob(engine);
    await server.stop("immediate");
    const failure = await outcome(engine.jobs.insert([{ jobs: [newJob()] }]));
    expect([NotWrittenError, OutcomeUnknownError].some((kind) => failure instanceof kind)).toBe(true);
    await ear.changed();
    await server.start();
    await Promise.all(Array.from({ length: 4 }, () => insertJob(engine)));
    await using client = await connected(there);
    await client.query("BEGIN");
    await insertJob(engine.using?.(client) as never, { queue: "joined" });
    await client.query("COMMIT");
    ear.forget();
    await ear.changed();
    await insertJob(other, { queue: "again" });
    await ear.wake("again");
    await Promise.all([engine.close(), other.close()]);
  });
});

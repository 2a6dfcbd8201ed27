// What becomes of a journal's calls when the server falls silent, when the connection is closed under them, and when the journal
// holds what is not for this version: they end, with the right word, and nothing of them is done later.
import { connect } from "@nats-io/transport-node";
import { expect, onTestFinished, test } from "vitest";
import { HalvingProxy } from "../../scripts/proof/nats/proxy.ts";
import { itemsOf } from "../../scripts/proof/nats/worlds.ts";
import { startNats } from "../../scripts/services/nats.ts";
import { until } from "../../scripts/services/settling.ts";
import { connect as connectWay } from "../../src/engines/nats/connecting.ts";
import { checkOptions } from "../../src/engines/nats/options.ts";
import { Tail } from "../../src/engines/nats/tail.ts";
import { newJob } from "../../src/testing/conformance/builders.ts";
import { sharedNats } from "../servers/shared.ts";
import { neverCleans, OwnJournal } from "./journals.ts";

async function newJournal(): Promise<OwnJournal> {
  const { url, newDeployment } = await sharedNats();
  return await OwnJournal.on(url, newDeployment());
}

/** The code of what a call throws. */
async function codeOf(call: Promise<unknown>): Promise<unknown> {
  return await call.then(
    () => "done",
    (error: unknown) => (error as { readonly code?: string }).code ?? error,
  );
}

async function newServer() {
  const server = await startNats();
  onTestFinished(() => server.close());
  return server;
}

/** A proxy before a server; closed with the test. */
async function newProxy(server: { readonly host: string; readonly port: number }): Promise<HalvingProxy> {
  const proxy = await HalvingProxy.before(server);
  onTestFinished(() => proxy.close());
  return proxy;
}

test("O2 close() ends while the server is silent, and so does every call that waits", async () => {
  const server = await newServer();
  const engine = await (await OwnJournal.on(server.url, "silent")).opened({ addJobRetryBudget: "1s" });
  await server.pause();
  onTestFinished(() => server.resume());
  const sent = codeOf(engine.jobs.insert([{ jobs: [newJob()] }]));
  // It comes behind the first, which is on its way after two turns of the event loop.
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  const queued = codeOf(engine.jobs.insert([{ jobs: [newJob()] }]));
  await engine.close();
  expect(await sent).toBe("OUTCOME_UNKNOWN");
  expect(["STOPPED", "NOT_WRITTEN"]).toContain(await queued);
  expect(await codeOf(engine.now())).toBe("STOPPED");
});

test("J15 a call that was given up is not done later, when its process is heard again", async () => {
  const server = await newServer();
  const journal = await OwnJournal.on(server.url, "given-up");
  const proxy = await newProxy(server);
  const cutOff = await journal.opened({ addJobRetryBudget: "500ms" }, proxy.url);
  const other = await journal.opened();
  const onItsWay = proxy.holdNext(journal.subject);
  const pausing = codeOf(cutOff.queues.put([{ name: "mail", paused: true }]));
  await onItsWay;
  proxy.shut();
  expect(await pausing).toBe("OUTCOME_UNKNOWN");
  await other.records.put([{ key: "meanwhile", value: "1", expected: "any" }]);
  proxy.open();
  await expect.poll(() => codeOf(cutOff.now()), { timeout: 10_000 }).toBe("done");
  for (const engine of [cutOff, other]) {
    expect((await engine.queues.list()).filter(({ paused }) => paused)).toEqual([]);
  }
});

const foreigners = [
  ["O5", "is not Punctual's", "STORE_CORRUPT", {}],
  ["O3", "was written by a newer version", "STORE_TOO_NEW", { "Punctual-Format": "9 9 0" }],
] as const;

test.each(foreigners)(
  "%s a journal with a message that %s is refused by who follows it, and at open: %s",
  async (_, _what, code, named) => {
    const journal = await newJournal();
    const engine = await journal.opened();
    await journal.write("hello", named);
    await expect.poll(() => codeOf(engine.now())).toBe(code);
    expect(await codeOf(engine.jobs.insert([{ jobs: [newJob()] }]))).toBe(code);
    expect(await codeOf(journal.engine().open())).toBe(code);
  },
);

test.each(foreigners)(
  "%s a journal with a message that %s is refused by who comes back to it: %s",
  async (_, _what, code, named) => {
    const journal = await newJournal();
    const held = await journal.held();
    const engine = await journal.opened({}, held.nc);
    held.hold();
    // It finds that the journal is another one, and reads that, while nobody calls.
    await journal.makeAnew();
    await journal.write("hello", named);
    await held.reconnect();
    await until("the journal is on its way", [], async () => held.heldCount > 0);
    held.release();
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(await codeOf(engine.now())).toBe(code);
  },
);

test("O1 a connection that its owner closes too early ends calls and following, and no more", async () => {
  const journal = await newJournal();
  const nc = await connect({ servers: journal.url });
  const engine = await journal.opened({ addJobRetryBudget: "500ms" }, nc);
  await nc.close();
  expect(await codeOf(engine.jobs.insert([{ jobs: [newJob()] }]))).toBe("NOT_WRITTEN");
  expect(await codeOf(engine.now())).toBe("NOT_WRITTEN");
  await engine.close();
});

test("O1 a tail that is asked to begin anew on a connection that is closed does nothing", async () => {
  const { url, subject } = await newJournal();
  const nc = await connect({ servers: url });
  const way = await connectWay(checkOptions(nc, {}));
  const tail = new Tail({ way, stream: "none", subject, onMessage: () => {} });
  tail.start(0);
  await nc.close();
  expect(() => tail.restart()).not.toThrow();
  tail.stop();
});

test("O6 the last event's id, copied without any event, is known to every process", async () => {
  const journal = await newJournal();
  const [one, other] = [await journal.opened(), await journal.opened()];
  await one.transfer.write({ items: [{ kind: "eventSequence", lastId: 100 }], remove: [] });
  for (const engine of [one, other, await journal.opened(neverCleans)]) {
    expect((await itemsOf(engine)).join("\n")).toContain('{"kind":"eventSequence","lastId":100}');
  }
});

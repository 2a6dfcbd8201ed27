// Writes of more than one message: cut in the midst of the batch, at the writer and at who follows, and late.
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { HalvingProxy } from "../../scripts/proof/nats/proxy.ts";
import { type NatsServer, startNats } from "../../scripts/services/nats.ts";
import type { Engine } from "../../src/core/engine.ts";
import type { NewJob } from "../../src/core/job.ts";
import { nats } from "../../src/engines/nats/index.ts";
import { newJob } from "../../src/testing/conformance/builders.ts";

/** Then a hundred jobs make some ten messages. */
const maxPayload = 32_768;

let server: NatsServer;
beforeAll(async () => {
  server = await startNats({ maxPayload });
}, 60_000);
afterAll(() => server.close());

let stores = 0;

/** A store, and ways to it through proxies. */
function newStore() {
  const prefix = `batches-${stores++}`;
  const opened = async (url: string): Promise<Engine> => {
    const engine = nats(url, { prefix, stream: prefix });
    onTestFinished(() => engine.close());
    await engine.open();
    return engine;
  };
  return {
    subject: `${prefix}.journal`,
    direct: () => opened(server.url),
    proxied: async () => {
      const proxy = await HalvingProxy.before(server);
      onTestFinished(() => proxy.close());
      return { proxy, engine: await opened(proxy.url) };
    },
  };
}

function manyJobs(): NewJob[] {
  return Array.from({ length: 100 }, (_, n) => newJob({ input: JSON.stringify({ n, text: "x".repeat(3_000) }) }));
}

async function idsOf(engine: Engine): Promise<string[]> {
  const { items } = await engine.jobs.list({}, { limit: 1_000 });
  return items.map(({ id }) => id).toSorted();
}

function idsIn(jobs: readonly NewJob[]): string[] {
  return jobs.map(({ id }) => id).toSorted();
}

test.each([0, 1, 4])(
  "J15 a batch whose connection is cut after %i of its messages is written whole and once",
  async (passes) => {
    const { subject, direct, proxied } = newStore();
    const other = await direct();
    const { proxy, engine } = await proxied();
    const jobs = manyJobs();
    const cut = proxy.cutNext(subject, "request", passes);
    const inserting = engine.jobs.insert([{ jobs }]);
    await cut;
    await inserting;
    for (const one of [engine, other]) expect(await idsOf(one)).toEqual(idsIn(jobs));
  },
);

test("J15 a batch whose answer is cut is written once", async () => {
  const { subject, direct, proxied } = newStore();
  const other = await direct();
  const { proxy, engine } = await proxied();
  const jobs = manyJobs();
  // The first message is answered too, with nothing.
  const cut = proxy.cutNext(subject, "answer", 1);
  const inserting = engine.jobs.insert([{ jobs }]);
  await cut;
  await inserting;
  for (const one of [engine, other]) expect(await idsOf(one)).toEqual(idsIn(jobs));
});

test("J15 who follows is cut in the midst of a batch, again and again, and has all of it in the end", async () => {
  const { subject, direct, proxied } = newStore();
  const engine = await direct();
  const { proxy, engine: follower } = await proxied();
  const jobs = manyJobs();
  const cuts = [2, 5, 1].map((passes) => proxy.cutNext(subject, "delivery", passes));
  await engine.jobs.insert([{ jobs }]);
  await Promise.all(cuts);
  expect(await idsOf(follower)).toEqual(idsIn(jobs));
  const more = manyJobs();
  await follower.jobs.insert([{ jobs: more }]);
  expect(await idsOf(engine)).toEqual(idsIn([...jobs, ...more]));
});

test("J15 a batch that is overtaken in its midst gives way, and is written after", async () => {
  const { subject, direct, proxied } = newStore();
  const other = await direct();
  const { proxy, engine } = await proxied();
  const jobs = manyJobs();
  const [rival] = [newJob()];
  const cut = proxy.cutNext(subject, "request", 3);
  const inserting = engine.jobs.insert([{ jobs }]);
  await cut;
  await other.jobs.insert([{ jobs: [rival] }]);
  await inserting;
  for (const one of [engine, other]) expect(await idsOf(one)).toEqual(idsIn([...jobs, rival]));
});

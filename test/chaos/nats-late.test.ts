// Writes to a journal whose requests are held back on their way, and arrive when their sender has long had another connection.
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { HalvingProxy, type HeldRequest } from "../../scripts/proof/nats/proxy.ts";
import { type NatsServer, startNats } from "../../scripts/services/nats.ts";
import type { Engine } from "../../src/core/engine.ts";
import { hasCode } from "../../src/core/errors.ts";
import { nats } from "../../src/engines/nats/index.ts";
import { claimRequest, newJob } from "../../src/testing/conformance/builders.ts";

let server: NatsServer;
beforeAll(async () => {
  server = await startNats();
}, 60_000);
afterAll(() => server.close());

let stores = 0;

interface Stage {
  readonly proxy: HalvingProxy;
  /** Reaches the server by way of the proxy. */
  readonly engine: Engine;
  readonly other: Engine;
  /** Holds the next write of the engine. */
  hold(): Promise<HeldRequest>;
}

async function stage(): Promise<Stage> {
  const prefix = `late-${stores++}`;
  const proxy = await HalvingProxy.before(server);
  const engine = nats(proxy.url, { prefix, stream: prefix, addJobRetryBudget: "5s" });
  const other = nats(server.url, { prefix, stream: prefix, addJobRetryBudget: "5s" });
  onTestFinished(async () => {
    await proxy.close();
    await Promise.all([engine.close(), other.close()]);
  });
  await engine.open();
  await other.open();
  return { proxy, engine, other, hold: () => proxy.holdNext(`${prefix}.journal`) };
}

/** What a write was answered: done, surely not done, or neither. */
async function answerOf(write: Promise<unknown>): Promise<"done" | "not done" | "unknown"> {
  try {
    await write;
    return "done";
  } catch (error) {
    if (hasCode(error, "NOT_WRITTEN")) return "not done";
    if (hasCode(error, "OUTCOME_UNKNOWN")) return "unknown";
    throw error;
  }
}

async function expectAsAnswered(by: Engine, id: string, answer: "done" | "not done" | "unknown"): Promise<void> {
  const { items } = await by.jobs.list({}, { limit: 100 });
  const count = items.filter((job) => job.id === id).length;
  if (answer === "done") expect(count).toBe(1);
  else if (answer === "not done") expect(count).toBe(0);
  else expect(count).toBeLessThanOrEqual(1);
}

test("J15 a write that arrives late is as it was answered, where nobody else writes", async () => {
  const { engine, other, hold } = await stage();
  const job = newJob();
  const holding = hold();
  const answer = answerOf(engine.jobs.insert([{ jobs: [job] }]));
  const held = await holding;
  const answered = await answer;
  await held.release();
  await other.jobs.insert([{ jobs: [newJob()] }]);
  for (const one of [engine, other]) await expectAsAnswered(one, job.id, answered);
});

test("J15 a write that arrives late is as it was answered, where others have written since", async () => {
  const { engine, other, hold } = await stage();
  const job = newJob();
  const holding = hold();
  const answer = answerOf(engine.jobs.insert([{ jobs: [job] }]));
  const held = await holding;
  await other.jobs.insert([{ jobs: [newJob()] }]);
  const answered = await answer;
  await held.release();
  await other.jobs.insert([{ jobs: [newJob()] }]);
  expect(answered).toBe("done");
  for (const one of [engine, other]) await expectAsAnswered(one, job.id, answered);
});

test("J15 the same where each of its repeats is lost too, and all arrive in the end", async () => {
  const { proxy, engine, other, hold } = await stage();
  const job = newJob();
  const helds: HeldRequest[] = [];
  let holds = true;
  const holdAll = async () => {
    while (holds) helds.push(await hold());
  };
  void holdAll();
  const answered = await answerOf(engine.jobs.insert([{ jobs: [job] }]));
  expect(answered).not.toBe("done");
  holds = false;
  await engine.close();
  proxy.cutAll();
  for (const held of helds.toReversed()) await held.release();
  await other.jobs.insert([{ jobs: [newJob()] }]);
  await expectAsAnswered(other, job.id, answered);
});

test("J15 a claim that arrives late gives its jobs to one worker", async () => {
  const { engine, other, hold } = await stage();
  const jobs = [newJob(), newJob(), newJob()];
  await other.jobs.insert([{ jobs }]);
  const claim = () => claimRequest({ limit: 2, starts: 2 });
  const holding = hold();
  const claiming = engine.jobs.claim(claim());
  const held = await holding;
  const rival = await other.jobs.claim(claim());
  const late = await claiming;
  await held.release();
  const rest = await other.jobs.claim(claim());
  const given = [rival, late, rest].flatMap((answer) => answer.jobs.map(({ id }) => id));
  expect(new Set(given).size).toBe(given.length);
  expect(given.toSorted()).toEqual(jobs.map(({ id }) => id).toSorted());
});

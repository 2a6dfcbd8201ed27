// The journal of a store while it is cleaned: who reads it, follows it, or comes back to it meanwhile has all there is.
import { expect, test } from "vitest";
import { itemsOf } from "../../scripts/proof/nats/worlds.ts";
import { until } from "../../scripts/services/settling.ts";
import type { Engine } from "../../src/core/engine.ts";
import { hasCode } from "../../src/core/errors.ts";
import type { NewJob } from "../../src/core/job.ts";
import { newJob } from "../../src/testing/conformance/builders.ts";
import { sharedNats } from "../servers/shared.ts";
import { alwaysCleans, fillUp, neverCleans, OwnJournal } from "./journals.ts";

async function newJournal(): Promise<OwnJournal> {
  const { url, newDeployment } = await sharedNats();
  return await OwnJournal.on(url, newDeployment());
}

async function insertEach(engine: Engine, count: number): Promise<void> {
  for (let index = 0; index < count; index++) await insert(engine, newJob());
}

/** Asks again where nobody knows what became of it. */
async function insert(engine: Engine, job: NewJob): Promise<void> {
  try {
    await engine.jobs.insert([{ jobs: [job] }]);
  } catch (error) {
    if (!hasCode(error, "OUTCOME_UNKNOWN")) throw error;
    await insert(engine, job);
  }
}

async function expectSame(engines: readonly Engine[], jobCount: number): Promise<void> {
  const [first, ...others] = await Promise.all(engines.map(itemsOf));
  expect(first?.filter((item) => item.includes('"kind":"job"'))).toHaveLength(jobCount);
  for (const other of others) expect(other).toEqual(first);
}

test("J1 a process that reads the journal while another cleans it has every job", async () => {
  const waste = 100;
  const journal = await newJournal();
  const writer = await journal.opened(neverCleans);
  // More than the server sends before it hears that some of it has arrived.
  await fillUp(writer, waste);
  await insertEach(writer, 20);
  await fillUp(writer, waste);
  const held = await journal.held();
  held.hold();
  const reader = journal.engine(neverCleans, held.nc);
  const opening = reader.open();
  await until("some of the journal is on its way to the reader", [], async () => held.heldCount > 5);
  const { last_seq } = await journal.state();
  const cleaner = await journal.opened(alwaysCleans);
  await cleaner.records.put([{ key: "of-no-use", value: "0", expected: "any" }]);
  await journal.until("the journal is cleaned", ({ first_seq }) => first_seq > last_seq);
  expect(held.heldCount).toBeLessThan(waste);
  held.release();
  await opening;
  await expectSame([writer, reader, cleaner], 20);
});

test("J1 a process whose connection comes back to a journal that was cleaned reads it once, and answers", async () => {
  const journal = await newJournal();
  const held = await journal.held();
  const away = await journal.opened(neverCleans, held.nc);
  const cleaner = await journal.opened(alwaysCleans);
  await insertEach(away, 1);
  held.hold();
  await insertEach(cleaner, 20);
  const { last_seq } = await journal.state();
  await fillUp(cleaner, 10);
  await journal.until("the journal is cleaned", ({ first_seq }) => first_seq > last_seq);
  const readsBefore = held.countAsked("last_by_subj");
  await held.reconnect();
  const calls = [away.now(), away.jobs.stats({})];
  held.drop();
  held.release();
  await Promise.all(calls);
  await expectSame([away, cleaner], 21);
  expect(held.countAsked("last_by_subj") - readsBefore).toBe(1);
});

test("J1 a process that did not hear of a cleaning writes only what follows from all there is", async () => {
  const journal = await newJournal();
  const held = await journal.held();
  const away = await journal.opened(neverCleans, held.nc);
  const cleaner = await journal.opened(alwaysCleans);
  held.hold();
  await insertEach(cleaner, 20);
  const { last_seq } = await journal.state();
  await fillUp(cleaner, 10);
  await journal.until("the journal is cleaned", ({ first_seq }) => first_seq > last_seq);
  const inserted = insertEach(away, 5);
  held.drop();
  held.release();
  await inserted;
  await insertEach(cleaner, 1);
  await expectSame([away, cleaner], 26);
});

test("O1 what is needed no more is purged once purgeAfter is over, and not before", async () => {
  const journal = await newJournal();
  const purgeAfterMs = 500;
  const cleaner = await journal.opened({ ...alwaysCleans, purgeAfter: purgeAfterMs });
  const began = performance.now();
  await insertEach(cleaner, 20);
  await fillUp(cleaner, 10);
  await journal.until("the journal is cleaned", ({ first_seq }) => first_seq > 20);
  expect(performance.now() - began).toBeGreaterThanOrEqual(purgeAfterMs);
  await expectSame([cleaner, await journal.opened(neverCleans)], 20);
});

test("O1 rows that are written anew stay where they were too while purgeAfter lasts", async () => {
  const journal = await newJournal();
  const cleaner = await journal.opened({ ...alwaysCleans, purgeAfter: "1h" });
  await insertEach(cleaner, 20);
  let written = 21;
  await until("rows are written anew", [], async () => {
    await fillUp(cleaner, 1);
    written++;
    return (await journal.state()).last_seq > written;
  });
  const { first_seq, messages, last_seq } = await journal.state();
  expect({ first_seq, messages }).toEqual({ first_seq: 1, messages: last_seq });
  await expectSame([cleaner, await journal.opened(neverCleans)], 20);
});

test("O4 ten processes that open at once where there is nothing make one journal, with one first message", async () => {
  const journal = await newJournal();
  const engines = await Promise.all(Array.from({ length: 10 }, () => journal.opened()));
  expect((await journal.state()).messages).toBe(1);
  await Promise.all(engines.map((engine) => insertEach(engine, 1)));
  await expectSame(engines, 10);
});

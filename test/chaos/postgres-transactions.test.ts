// Callers' own transactions on PostgreSQL: long ones that nobody else may feel, and many short ones of processes that are
// killed. The long forms are `npm run soak postgres-held` and `npm run soak postgres-outbox`.
import { afterAll, beforeAll, expect, test } from "vitest";
import { holdTransactions } from "../../scripts/proof/postgres/held-transactions.ts";
import { playOutbox } from "../../scripts/proof/postgres/outbox.ts";
import { type PostgresServer, startPostgres } from "../../scripts/services/postgres.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
}, 60_000);
afterAll(() => server.close());

test("O2 a held ctx.complete(tx) and a forgotten keyed enqueue delay no extension, insert or guardrail", async () => {
  const outcome = await holdTransactions(await server.newDatabase(), { calmMs: 1_500, heldMs: 5_000 });
  expect(outcome.shortcomings).toEqual([]);
  expect(outcome.jobsDoneDuring).toBeGreaterThan(0);
  expect(outcome.ticksDuring).toBeGreaterThan(0);
}, 60_000);

test("J1 jobs enqueued inside business transactions are those whose transactions committed, one to one", async () => {
  const url = await server.newDatabase();
  const outcome = await playOutbox(url, { processes: 2, transactions: 600, workers: 1 });
  expect(outcome.shortcomings).toEqual([]);
  expect(outcome.crashes).toBe(6);
  expect(outcome.jobs).toBe(outcome.orders);
  expect(outcome.orders).toBeGreaterThan(outcome.transactions / 2);
}, 120_000);

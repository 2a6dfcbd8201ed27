// Counters of lanes, whatever becomes of the rows that hold them and of the folds that move them.
import { afterAll, beforeEach, expect, test } from "vitest";
import { postgres } from "../../src/engines/postgres/index.ts";
import { claimRequest, completion, newJob, queue, tenant } from "../../src/testing/conformance/builders.ts";
import { claim, claimJob, insertJob } from "../../src/testing/conformance/calls.ts";
import type { Harness } from "../../src/testing/conformance/harness.ts";
import { sharedPostgres } from "../servers/shared.ts";
import { connected, until } from "./ear.ts";
import { FailingPool } from "./failing-pool.ts";
import { Databases, emptyStatement } from "./harness.ts";

let url: string;
const databases = new Databases({ open: (at, options) => postgres(at, options) }, async () => {
  url = await sharedPostgres();
  return { url, directUrl: url };
});

let harness: Harness;

beforeEach(async () => {
  harness = await databases.open();
  return () => harness.close();
});

afterAll(() => databases.close());

/** As when a crash undid commits that nobody waited for, or an older copy was restored, while processes live on. */
async function loseEverything(): Promise<void> {
  await using client = await connected(url);
  await client.query(emptyStatement);
}

test("J1: jobs inserted after their lanes' rows were lost are claimed, and counted", async () => {
  const { engine, other } = harness;
  for (const id of [tenant, "second"]) await insertJob(engine, { tenant: id });
  await loseEverything();
  for (const id of [tenant, "second"]) await insertJob(engine, { tenant: id });
  await insertJob(engine, { tenant: "second", key: "k" });
  expect((await claim(other)).length).toBe(3);
  expect((await engine.jobs.stats({})).map(({ active, waiting }) => [active, waiting])).toEqual([
    [1, 0],
    [2, 0],
  ]);
});

test("J1: a keyed job inserted after its lane's row was lost is claimed", async () => {
  await insertJob(harness.engine, { key: "k" });
  await loseEverything();
  const { id } = await insertJob(harness.engine, { key: "k" });
  expect((await claimJob(harness.other)).id).toBe(id);
});

test("J1: a job of a caller's transaction is claimed though its lane's row was lost: a fold makes it anew", async () => {
  const { engine, other } = harness;
  const begin = async () => {
    const tx = await harness.beginTx?.();
    if (tx === undefined) throw new Error("the postgres engine joins transactions");
    return tx;
  };
  const before = await begin();
  await insertJob(before.joined);
  await before.commit();
  await loseEverything();
  const after = await begin();
  const { id } = await insertJob(after.joined);
  await after.commit();
  await engine.jobs.purge({ limit: 10 });
  expect((await claimJob(other)).id).toBe(id);
  expect((await engine.jobs.stats({})).map(({ active, waiting }) => [active, waiting])).toEqual([[1, 0]]);
});

test("J14: differences of very many queues are folded, those apart that someone claims from", async () => {
  const names = Array.from({ length: 230 }, (_, index) => `customer-${index}`);
  await harness.engine.jobs.insert([{ jobs: names.map((name) => newJob({ queue: name })) }]);
  await using client = await connected(url);
  await client.query("BEGIN");
  await client.query("SELECT pg_advisory_xact_lock(hashtextextended('punctual.claims' || ' ' || $1::text, 0))", [
    "customer-7",
  ]);
  await harness.engine.jobs.purge({ limit: 10 });
  const { rows } = await client.query("SELECT queue FROM punctual.lane_deltas");
  expect(rows).toEqual([{ queue: "customer-7" }]);
  const lanes = await harness.engine.jobs.stats({});
  expect(lanes.map(({ waiting }) => waiting)).toEqual(names.map(() => 1));
});

test("J10: a purge deletes what is too old though nothing can be folded", async () => {
  const { engine, clock } = harness;
  await insertJob(engine);
  await engine.jobs.settle([completion(await claimJob(engine), { keep: { ageMs: 1_000 } })]);
  clock.advance(2_000);
  await using client = await connected(url);
  await client.query("BEGIN; SELECT 1 FROM punctual.lanes FOR UPDATE");
  expect((await engine.jobs.purge({ limit: 10 })).deleted).toBe(1);
});

test("J14: a retry that meets a purge of its job leaves the counts as they are", async () => {
  const { engine } = harness;
  const { id } = await insertJob(engine);
  await engine.jobs.change([{ name: { id }, change: { kind: "cancel" } }]);
  await using client = await connected(url);
  await client.query("BEGIN");
  await client.query("DELETE FROM punctual.finished WHERE id = $1", [id]);
  await client.query("INSERT INTO punctual.lane_deltas (queue, tenant, cancelled) VALUES ($1, $2, -1)", [
    queue,
    tenant,
  ]);
  const answer = engine.jobs.change([{ name: { id }, change: { kind: "retry" } }]);
  await using looker = await connected(url);
  await until(async () => {
    const { rows } = await looker.query("SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'");
    return rows.length > 0;
  }, "the retry waits for the purge");
  await client.query("COMMIT");
  expect(await answer).toMatchObject([{ outcome: "unknown" }]);
  const [lane] = await engine.jobs.stats({});
  expect([lane?.cancelled, lane?.waiting]).toEqual([0, 0]);
});

test("J3: a completion that is committed answers so, though nobody can be told of the free place", async () => {
  const pool = new FailingPool(url);
  await harness.engine.queues.put([{ name: queue, concurrency: 5 }]);
  await insertJob(harness.engine);
  const engine = postgres(pool, { listen: false });
  await engine.open();
  const job = await claimJob(engine);
  pool.goneAfter("jobs.complete");
  expect(await engine.jobs.settle([completion(job, { keep: "nothing" })])).toMatchObject([{ outcome: "settled" }]);
  pool.back();
  await engine.close();
  await pool.end();
});

test("J12: where a transaction holds the only due job, the claim says when to look again", async () => {
  const { engine, clock } = harness;
  const { id } = await insertJob(engine);
  const tx = await harness.beginTx?.();
  if (tx === undefined) throw new Error("the postgres engine joins transactions");
  await tx.joined.jobs.change([{ name: { id }, change: { kind: "cancel" } }]);
  const { jobs, nextDueAt } = await engine.jobs.claim(claimRequest());
  expect(jobs).toEqual([]);
  expect(nextDueAt).toBeGreaterThan(clock.now());
  expect(nextDueAt).toBeLessThan(clock.now() + 1_000);
  await tx.rollback();
  expect((await claimJob(engine)).id).toBe(id);
});

// Inserts that go in together by one statement: each is all or nothing, and none answers for another.
import { afterAll, beforeEach, expect, test } from "vitest";
import type { Insert, InsertAnswer } from "../../src/core/engine.ts";
import { postgres, type SqlClient } from "../../src/engines/postgres/index.ts";
import { newJob } from "../../src/testing/conformance/builders.ts";
import type { Harness } from "../../src/testing/conformance/harness.ts";
import { sharedPostgres } from "../servers/shared.ts";
import { connected, until } from "./ear.ts";
import { FailingPool } from "./failing-pool.ts";
import { Databases } from "./harness.ts";

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

const insert = async (one: Insert): Promise<InsertAnswer | undefined> => (await harness.engine.jobs.insert([one]))[0];

/** Resolves once some statement waits for another's transaction. */
async function someoneWaits(client: SqlClient): Promise<void> {
  await until(async () => {
    const { rows } = await client.query("SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'");
    return rows.length > 0;
  }, "a statement waits for a transaction");
}

const limited = { id: "limited", guardrails: { maxPendingJobs: 100 } };

test("J15: an insert that is committed answers so, though what was called beside it fails afterwards", async () => {
  await using pool = Object.assign(new FailingPool(url), {
    async [Symbol.asyncDispose](this: FailingPool) {
      await this.end();
    },
  });
  await harness.engine.tenants.put([limited]);
  const engine = postgres(pool, { listen: false });
  await engine.open();
  pool.goneAfter("jobs.insertPlain");
  const [plain, careful] = [newJob(), newJob({ tenant: limited.id })];
  const [one, other] = await Promise.allSettled([
    engine.jobs.insert([{ jobs: [plain] }]),
    engine.jobs.insert([{ jobs: [careful] }]),
  ]);
  pool.back();
  await engine.close();
  expect(one).toMatchObject({ status: "fulfilled", value: [{ outcome: "inserted", jobs: [{ outcome: "created" }] }] });
  expect(other).toMatchObject({ status: "rejected", reason: { code: "NOT_WRITTEN" } });
  expect(await harness.other.jobs.get(plain.id)).toBeDefined();
  expect(await harness.other.jobs.get(careful.id)).toBeUndefined();
});

test("T5: none of an insert's jobs goes in when one is refused, whoever inserts beside it", async () => {
  const taken = newJob({ tenant: "other" });
  await insert({ jobs: [taken] });
  const [first, beside] = [newJob(), newJob()];
  const [refused, done] = await Promise.all([
    insert({ jobs: [first, newJob({ id: taken.id })] }),
    insert({ jobs: [beside] }),
  ]);
  expect(refused).toEqual({ outcome: "idempotency-mismatch", index: 1 });
  expect(done?.outcome).toBe("inserted");
  expect(await harness.engine.jobs.get(first.id)).toBeUndefined();
  expect(await harness.engine.jobs.get(beside.id)).toBeDefined();
});

test("T5: none of an insert's jobs goes in when an id is taken at this very moment", async () => {
  const tx = await harness.beginTx?.();
  if (tx === undefined) throw new Error("the postgres engine joins transactions");
  const taken = newJob({ tenant: "other" });
  await tx.joined.jobs.insert([{ jobs: [taken] }]);
  const first = newJob();
  const answer = insert({ jobs: [first, newJob({ id: taken.id })] });
  await using client = await connected(url);
  await someoneWaits(client);
  await tx.commit();
  expect(await answer).toEqual({ outcome: "idempotency-mismatch", index: 1 });
  expect(await harness.engine.jobs.get(first.id)).toBeUndefined();
});

test("J15: a repeat among new inserts finds its job, and each is stored once", async () => {
  const jobs = Array.from({ length: 20 }, () => newJob());
  await Promise.all(jobs.slice(0, 10).map((job) => insert({ jobs: [job] })));
  const answers = await Promise.all(jobs.map((job) => insert({ jobs: [job] })));
  expect(answers.map((answer) => answer?.outcome === "inserted" && answer.jobs[0]?.id)).toEqual(
    jobs.map(({ id }) => id),
  );
  const [lane] = await harness.engine.jobs.stats({});
  expect(lane?.waiting).toBe(20);
});

test("J13: text that the server refuses fails its own insert, as a fault of the input", async () => {
  const inserts = ["a\0b", "good", "half \ud800"].map((key) => ({ jobs: [newJob({ key })] }));
  const each = await harness.engine.jobs.insert(inserts).catch(({ each }: { each: unknown }) => each);
  expect(each).toMatchObject([
    { error: { code: "INVALID_INPUT" } },
    { answer: { outcome: "inserted" } },
    { error: { code: "INVALID_INPUT" } },
  ]);
});

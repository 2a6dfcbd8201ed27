// Fresh leases: what a straight claim leaves among the ready rows, and that nobody loses sight of it.
import { Client } from "pg";
import { afterAll, beforeEach, expect, test } from "vitest";
import type { ClaimedJob } from "../../src/core/job.ts";
import { leaseOf } from "../../src/core/settling.ts";
import { postgres } from "../../src/engines/postgres/index.ts";
import { completion, newJob, queue, secondMs } from "../../src/testing/conformance/builders.ts";
import { claim, extendJob, insertJobs, listJobs, settleJob, storedJob } from "../../src/testing/conformance/calls.ts";
import type { Harness } from "../../src/testing/conformance/harness.ts";
import { sharedPostgres } from "../servers/shared.ts";
import { eventually } from "./deployment.ts";
import { Databases } from "./harness.ts";

const shared = sharedPostgres(15);
const databases = new Databases({ open: (url, options) => postgres(url, options) }, async () => {
  const url = await shared;
  return { url, directUrl: url };
});

let harness: Harness;
let admin: Client;

beforeEach(async () => {
  harness = await databases.open();
  admin = new Client({ connectionString: await shared });
  await admin.connect();
  return async () => {
    await admin.end();
    await harness.close();
  };
});

afterAll(() => databases.close());

const leaseMs = 30 * secondMs;

/** So many jobs of one claim. */
async function claimed(count: number): Promise<readonly ClaimedJob[]> {
  await insertJobs(
    harness.engine,
    Array.from({ length: count }, () => ({})),
  );
  return claim(harness.engine, { leaseMs });
}

async function count(from: string): Promise<number> {
  const { rows } = await admin.query(`SELECT count(*)::int4 AS count FROM punctual.${from}`);
  return rows[0].count;
}

const recover = () => claim(harness.other, { leaseMs });

test("J2: a claim of one tenant's queue writes to no index", async () => {
  const jobs = await claimed(100);
  expect(jobs.length).toBe(100);
  expect(await count("jobs WHERE place = 'ready' AND fresh_until IS NOT NULL")).toBe(100);
  // The server tells of its statistics when the session that made them rests.
  await eventually(async () => {
    const { rows } = await admin.query(
      "SELECT n_tup_hot_upd::int4 AS heap_only, n_tup_upd::int4 AS updated FROM pg_stat_user_tables WHERE relname = 'jobs' AND schemaname = 'punctual'",
    );
    expect(rows[0].updated).toBeGreaterThanOrEqual(100);
    expect(rows[0].heap_only).toBeGreaterThanOrEqual(0.95 * rows[0].updated);
  });
});

test("J4: of a claim's jobs those whose leases end are recovered, whatever became of the others", async () => {
  const [done, extended, lost, released] = await claimed(4);
  if (!(done && extended && lost && released)) throw new Error("four jobs were inserted");
  await settleJob(harness.engine, completion(done));
  await settleJob(harness.engine, {
    lease: leaseOf(released),
    outcome: "release",
    due: { afterMs: 10 * leaseMs },
    keep: {},
  });
  harness.clock.advance(leaseMs / 2);
  expect(await extendJob(harness.engine, extended, leaseMs)).toBe("held");
  harness.clock.advance(leaseMs / 2 + 1);
  const [recovered, ...others] = await recover();
  expect([recovered?.id, recovered?.recovered, recovered?.attempt, others.length]).toEqual([lost.id, true, 2, 0]);
  expect(await recover()).toEqual([]);
  expect((await storedJob(harness.engine, extended.id)).state).toBe("active");
  expect(await settleJob(harness.engine, completion(lost))).toMatchObject({ outcome: "lost" });
});

test("J4: a claim whose worker died is recovered whole, one job after another", async () => {
  const jobs = await claimed(5);
  harness.clock.advance(leaseMs + 1);
  const again: string[] = [];
  for (let found = await recover(); found.length > 0; found = await recover()) again.push(...found.map(({ id }) => id));
  expect(again.sort()).toEqual(jobs.map(({ id }) => id).sort());
  expect(await count("claims")).toBe(0);
});

test("J4: jobs whose queue nobody serves any more do not keep a tenant's places for ever", async () => {
  await claimed(2);
  await harness.engine.tenants.put([{ id: newJob().tenant, concurrency: 2 }]);
  await insertJobs(harness.engine, [{ queue: "served" }]);
  const wants = [{ queue: "served", limit: 1 }];
  expect(await claim(harness.engine, { leaseMs, wants })).toEqual([]);
  harness.clock.advance(2 * leaseMs + 1);
  const tries: number[] = [];
  for (let tried = 0; tried < 3; tried++) tries.push((await claim(harness.engine, { leaseMs, wants })).length);
  expect(tries).toContain(1);
});

test("J3: an extension takes a job away from the ready ones, and completes as any", async () => {
  const [job] = await claimed(1);
  if (job === undefined) throw new Error("a job was inserted");
  expect(await extendJob(harness.engine, job, leaseMs)).toBe("held");
  expect(await count("jobs WHERE place = 'active' AND fresh_until IS NULL AND lease_until IS NOT NULL")).toBe(1);
  expect(await settleJob(harness.engine, completion(job))).toEqual({ outcome: "settled", state: "completed" });
  expect(await count("jobs")).toBe(0);
});

test("J15: a claim that is made again gives what its first try has leased", async () => {
  await insertJobs(harness.engine, [{}, {}]);
  const request = { leaseMs, claimId: "0123456789abcdef" };
  const first = await claim(harness.engine, request);
  const again = await claim(harness.other, { ...request, repeat: true });
  expect(again.map(({ id, leaseUntil }) => [id, leaseUntil])).toEqual(
    first.map(({ id, leaseUntil }) => [id, leaseUntil]),
  );
});

test("J14: jobs with fresh leases are listed and counted as active", async () => {
  const jobs = await claimed(3);
  await insertJobs(harness.engine, [{}]);
  const ids = jobs.map(({ id }) => id).sort();
  for (const filter of [{}, { tenant: newJob().tenant }, { queue }, { tenant: newJob().tenant, queue }]) {
    const active = await listJobs(harness.engine, { ...filter, states: ["active"] });
    expect(active.map(({ id }) => id).sort()).toEqual(ids);
    expect((await listJobs(harness.engine, { ...filter, states: ["pending"] })).length).toBe(1);
    expect((await listJobs(harness.engine, { ...filter, pending: "waiting" })).length).toBe(4);
  }
});

test("J2: the row of a claim goes with the last of its completions, or when its time comes", async () => {
  const jobs = await claimed(4);
  expect(await count("claims")).toBe(1);
  await harness.engine.jobs.settle(jobs.slice(0, 3).map((job) => completion(job)));
  expect(await count("claims")).toBe(1);
  await harness.engine.jobs.settle(jobs.slice(3).map((job) => completion(job)));
  expect(await count("claims")).toBe(0);
  const [given, other] = await claimed(2);
  if (given === undefined || other === undefined) throw new Error("two jobs were inserted");
  await settleJob(harness.engine, completion(given));
  await settleJob(harness.other, completion(other));
  expect(await count("claims")).toBe(1);
  harness.clock.advance(leaseMs + 1);
  await harness.engine.jobs.purge({ limit: 10 });
  expect(await count("claims")).toBe(0);
});

test("J3: among completions that go together, one of a lease that has ended settles nothing", async () => {
  const [first, second] = await claimed(2);
  if (first === undefined || second === undefined) throw new Error("two jobs were inserted");
  await settleJob(harness.engine, { lease: leaseOf(first), outcome: "release", keep: {} });
  const [again] = await claim(harness.engine, { leaseMs });
  expect(again?.id).toBe(first.id);
  if (again === undefined) throw new Error("the job was given back");
  // The old lease beside the other's, and with the other's token; as if of this attempt.
  const late = { ...completion(first), lease: { ...leaseOf(first), attempt: 2 } };
  const stolen = { ...completion(first), lease: { ...leaseOf(second), id: first.id, ref: first.ref, attempt: 2 } };
  const answers = await harness.engine.jobs.settle([late, stolen, completion(second)]);
  expect(answers.map(({ outcome }) => outcome)).toEqual(["lost", "lost", "settled"]);
  expect((await storedJob(harness.engine, first.id)).state).toBe("active");
  expect(await settleJob(harness.engine, completion(again))).toEqual({ outcome: "settled", state: "completed" });
});

test("J3: among completions of many claims, one of a lease that has ended settles nothing", async () => {
  await insertJobs(
    harness.engine,
    Array.from({ length: 6 }, () => ({})),
  );
  const claims: ClaimedJob[] = [];
  for (let index = 0; index < 6; index++) claims.push(...(await claim(harness.engine, { leaseMs, limit: 1 })));
  const [late] = claims;
  if (late === undefined) throw new Error("six jobs were inserted");
  await settleJob(harness.engine, { lease: leaseOf(late), outcome: "release", keep: {} });
  const [again] = await claim(harness.engine, { leaseMs });
  if (again === undefined) throw new Error("the job was given back");
  const answers = await harness.engine.jobs.settle(
    claims.map((job) => ({ ...completion(job), lease: { ...leaseOf(job), attempt: job === late ? 2 : 1 } })),
  );
  expect(answers.map(({ outcome }) => outcome)).toEqual(claims.map((job) => (job === late ? "lost" : "settled")));
  expect((await storedJob(harness.engine, again.id)).state).toBe("active");
});

test("J14: a transaction that has a job of an ended lease in hand keeps no other from being recovered", async () => {
  const [held, lost] = await claimed(2);
  if (held === undefined || lost === undefined) throw new Error("two jobs were inserted");
  await admin.query("BEGIN");
  await admin.query("SELECT FROM punctual.jobs WHERE id = $1 FOR UPDATE", [held.id]);
  harness.clock.advance(leaseMs + 1);
  expect((await recover()).map(({ id }) => id)).toEqual([lost.id]);
  expect(await recover()).toEqual([]);
  await admin.query("ROLLBACK");
  expect((await recover()).map(({ id }) => id)).toEqual([held.id]);
});

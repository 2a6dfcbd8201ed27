// What no single call shows: marks that claims leave behind them, looks that were waited for, and what an open transaction
// is about to add.
import { Client } from "pg";
import { afterAll, beforeEach, expect, test } from "vitest";
import { postgres } from "../../src/engines/postgres/index.ts";
import { claimRequest, newJob, retrying } from "../../src/testing/conformance/builders.ts";
import type { Harness } from "../../src/testing/conformance/harness.ts";
import { sharedPostgres } from "../servers/shared.ts";
import { Databases } from "./harness.ts";

let url = "";
const databases = new Databases({ open: (at, options) => postgres(at, { ...options, listen: false }) }, async () => {
  url = await sharedPostgres(15);
  return { url, directUrl: url };
});

let harness: Harness;

beforeEach(async () => {
  harness = await databases.open();
  return () => harness.close();
});

afterAll(() => databases.close());

/** Resolves once a statement of ours waits for a lock of this backend's. */
async function untilSomeoneWaitsFor(client: Client): Promise<void> {
  const { rows } = await client.query("SELECT pg_backend_pid() AS pid");
  const observer = new Client({ connectionString: url });
  await observer.connect();
  const blocked = "SELECT 1 FROM pg_stat_activity WHERE $1::int = ANY (pg_blocking_pids(pid))";
  while ((await observer.query(blocked, [rows[0].pid])).rows.length === 0);
  await observer.end();
}

test("J5: an urgent job that comes behind a claim's mark, unheard, is claimed before the rest of a long queue", async () => {
  const { engine, other } = harness;
  const backlog = 20_000;
  for (let made = 0; made < backlog; made += 1_000) {
    await engine.jobs.insert([{ jobs: Array.from({ length: 1_000 }, () => newJob({ priority: 5 })) }]);
  }
  const claimFive = async () => (await engine.jobs.claim(claimRequest({ limit: 5 }))).jobs;
  let claimed = 0;
  for (let full = 0; full < 3; full++) claimed += (await claimFive()).length;
  const urgent = newJob({ priority: 1 });
  await other.jobs.insert([{ jobs: [urgent] }]);
  for (let found = false; !found; ) {
    const jobs = await claimFive();
    expect(jobs.length).toBe(5);
    claimed += jobs.length;
    found = jobs.some(({ id }) => id === urgent.id);
  }
  expect(claimed).toBeLessThan(backlog);
});

test("T3: a retry that waited for a replace of its key finds the successor, and ends superseded", async () => {
  const { engine } = harness;
  const key = "order-1";
  await engine.jobs.insert([{ jobs: [newJob({ key })] }]);
  const [current] = (await engine.jobs.claim(claimRequest())).jobs;
  if (current === undefined) throw new Error("the job was not claimed");
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query("BEGIN");
  const tx = engine.using?.(client as never);
  await tx?.jobs.insert([{ jobs: [newJob({ key, onConflict: "replace", input: '"next"' })] }]);
  const settled = engine.jobs.settle([retrying(current, { due: { afterMs: 0 } })]);
  await untilSomeoneWaitsFor(client);
  await client.query("COMMIT");
  await client.end();
  expect((await settled)[0]).toMatchObject({ outcome: "settled", state: "failed" });
  const [next] = (await engine.jobs.claim(claimRequest())).jobs;
  expect(next?.input).toBe('"next"');
});

test("N2: what an open transaction is about to add counts for others, and no more once it is undone", async () => {
  const { engine, other } = harness;
  const guardrails = { maxPendingJobs: 2 };
  const insert = (into: typeof engine.jobs) => into.insert([{ jobs: [newJob()], guardrails }]);
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query("BEGIN");
  const tx = engine.using?.(client as never);
  if (tx === undefined) throw new Error("the postgres engine joins transactions");
  for (const outcome of ["inserted", "inserted", "limit"]) {
    expect((await insert(tx.jobs))[0]?.outcome).toBe(outcome);
  }
  expect((await insert(other.jobs))[0]?.outcome).toBe("limit");
  await client.query("ROLLBACK");
  await client.end();
  expect((await insert(other.jobs))[0]?.outcome).toBe("inserted");
});

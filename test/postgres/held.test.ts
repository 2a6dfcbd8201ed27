// What another transaction holds: who needs it is told so, and nobody else waits for it or fails.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Engine } from "../../src/core/engine.ts";
import { NotWrittenError } from "../../src/core/errors.ts";
import type { ClaimedJob, NewJob } from "../../src/core/job.ts";
import { outcomesOf } from "../../src/core/partial-failure.ts";
import type { Settlement } from "../../src/core/settling.ts";
import { postgres, type SqlClient } from "../../src/engines/postgres/index.ts";
import {
  claimRequest,
  completion,
  newJob,
  queue,
  release,
  schedulePut,
  token,
} from "../../src/testing/conformance/builders.ts";
import { insertJob, laneCounts } from "../../src/testing/conformance/calls.ts";
import { sharedPostgres } from "../servers/shared.ts";
import { connected } from "./ear.ts";
import { emptyStatement } from "./harness.ts";

let url: string;
let engine: Engine<SqlClient>;

beforeAll(async () => {
  url = await sharedPostgres();
  engine = postgres(url, { listen: false });
  await engine.open();
});

beforeEach(async () => {
  await using admin = await connected(url);
  await admin.query(emptyStatement);
});

afterAll(() => engine?.close());

const using = (client: SqlClient) => engine.using?.(client) as Engine;

async function active(jobs: readonly Partial<NewJob>[]): Promise<ClaimedJob[]> {
  const made = jobs.map((parts) => newJob(parts));
  await engine.jobs.insert(made.map((job) => ({ jobs: [job] })));
  const claimed = (await engine.jobs.claim(claimRequest())).jobs;
  return made.flatMap(({ id }) => claimed.find((job) => job.id === id) ?? []);
}

/** What each settlement came to: settled, or why not. */
async function settled(settlements: readonly Settlement[]): Promise<unknown[]> {
  const each = await outcomesOf(settlements.length, () => engine.jobs.settle(settlements));
  return each.map((one) => ("answer" in one ? one.answer.outcome : one.error));
}

const isHeldUp = expect.objectContaining({
  code: "NOT_WRITTEN",
  message: "another transaction holds what this call needs",
  mend: expect.stringContaining("punctual doctor"),
});

describe("an open complete(tx)", () => {
  test("O2: fails the settlements of its own schedule only, and others of the batch are settled", async () => {
    const incarnation = token();
    await engine.schedules.put([schedulePut({ incarnation })]);
    const ticks = [0, 1, 2, 3].map((tick) => ({ schedule: { id: "report", incarnation, tick, missed: 0 } }));
    const jobs = await active([...ticks, { key: "other" }, {}]);
    const [held, ...others] = jobs.map((job) => completion(job));
    await using client = await connected(url);
    await client.query("BEGIN");
    await using(client).jobs.settle([held as Settlement]);
    expect(await settled(others)).toEqual([isHeldUp, isHeldUp, isHeldUp, "settled", "settled"]);
    await client.query("ROLLBACK");
    expect(await settled([held as Settlement, ...others.slice(0, 3)])).toEqual(Array(4).fill("settled"));
  });

  test("O2: fails its own job's settlement only: plain ones of the batch are settled, and others too", async () => {
    const jobs = await active([{}, {}, {}, { key: "one" }]);
    const [held, ...others] = jobs.map((job) => completion(job));
    await using client = await connected(url);
    await client.query("BEGIN");
    await using(client).jobs.settle([held as Settlement]);
    expect(await settled([held as Settlement, ...others])).toEqual([isHeldUp, "settled", "settled", "settled"]);
    await client.query("COMMIT");
    expect(await settled([held as Settlement])).toEqual(["settled"]);
  });

  test("O2: fails the change of its own job only", async () => {
    const jobs = await active([{}, { key: "one" }]);
    const [held, other] = jobs as [ClaimedJob, ClaimedJob];
    await using client = await connected(url);
    await client.query("BEGIN");
    await using(client).jobs.settle([completion(held)]);
    const cancels = [held, other].map(({ id }) => ({ name: { id }, change: { kind: "cancel" } as const }));
    const each = await outcomesOf(2, () => engine.jobs.change(cancels));
    expect(each[0]).toEqual({ error: isHeldUp });
    expect(each[1]).toHaveProperty("answer");
    await client.query("ROLLBACK");
  });
});

test("O2: a keyed enqueue that a limit refused keeps its key from nobody, though its transaction stays open", async () => {
  await insertJob(engine);
  await using client = await connected(url);
  await client.query("BEGIN");
  const limited = (maxPendingJobs: number) => ({ jobs: [newJob({ key: "one" })], guardrails: { maxPendingJobs } });
  const [refused] = await using(client).jobs.insert([limited(1)]);
  expect(refused?.outcome).not.toBe("inserted");
  const [other] = await engine.jobs.insert([limited(5)]);
  expect(other?.outcome).toBe("inserted");
  await client.query("ROLLBACK");
});

test("N2: who waits for a key that an open transaction has taken holds up no other insert of its tenant", async () => {
  await using client = await connected(url);
  await client.query("BEGIN");
  const limited = (key: string) => ({ jobs: [newJob({ key })], guardrails: { maxPendingJobs: 5 } });
  await using(client).jobs.insert([limited("one")]);
  const waiting = engine.jobs.insert([limited("one")]).catch((error: unknown) => error);
  const waiters = "SELECT count(*)::int4 AS waiting FROM pg_locks WHERE NOT granted AND locktype = 'advisory'";
  await using admin = await connected(url);
  await expect.poll(async () => (await admin.query(waiters)).rows, { interval: 5 }).toEqual([{ waiting: 1 }]);
  const [other] = await engine.jobs.insert([limited("two")]);
  expect(other?.outcome).toBe("inserted");
  expect(await waiting).toEqual(isHeldUp);
  await client.query("ROLLBACK");
});

test("O2: a queue whose claim lock is held gives no jobs, and says when to come back", async () => {
  await engine.queues.put([{ name: queue, concurrency: 3 }]);
  await insertJob(engine);
  await using client = await connected(url);
  await client.query("BEGIN");
  await client.query("SELECT pg_advisory_xact_lock(hashtextextended('punctual.claims' || ' ' || $1, 0))", [queue]);
  const before = await engine.now();
  const held = await engine.jobs.claim(claimRequest());
  expect(held.jobs).toEqual([]);
  expect(held.nextDueAt).toBeGreaterThan(before);
  await client.query("ROLLBACK");
  expect((await engine.jobs.claim(claimRequest())).jobs).toHaveLength(1);
});

test.each(["plain", "careful"])("J2: a job whose id the history has already ends once, the %s way", async (way) => {
  const [job, other] = (await active([way === "plain" ? {} : { key: "one" }, {}])) as [ClaimedJob, ClaimedJob];
  await using client = await connected(url);
  await client.query(
    `INSERT INTO punctual.finished (seq, due_at, created_at, finished_at, attempt, priority, id, tenant, queue, task, place,
      input) VALUES (999999, 1, 1, 1, 1, 5, $1, 'acme', $2, 'send', 'completed', '{}')`,
    [job.id, queue],
  );
  await client.query(
    "INSERT INTO punctual.lane_deltas (queue, tenant, completed, completed_total) VALUES ($1, 'acme', 1, 1)",
    [queue],
  );
  expect(await settled([completion(job), completion(other)])).toEqual(["settled", "settled"]);
  const { rows } = await client.query("SELECT count(*)::int4 AS kept FROM punctual.finished");
  expect(rows).toEqual([{ kept: 2 }]);
  expect(await laneCounts(engine)).toMatchObject({ waiting: 0, active: 0, completed: 2 });
});

test("J3: an attempt that was given back while it was held is claimed once the transaction ends", async () => {
  const [job] = (await active([{}])) as [ClaimedJob];
  await using client = await connected(url);
  await client.query("BEGIN");
  await using(client).jobs.settle([completion(job)]);
  const [refused] = await settled([release(job)]);
  expect(refused).toBeInstanceOf(NotWrittenError);
  await client.query("ROLLBACK");
  expect(await settled([release(job)])).toEqual(["settled"]);
  expect((await engine.jobs.claim(claimRequest())).jobs).toHaveLength(1);
});

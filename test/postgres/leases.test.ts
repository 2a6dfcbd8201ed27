// Leases of jobs that someone's open transaction has in hand: what their holders are told, and that nobody else has them.
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Engine } from "../../src/core/engine.ts";
import type { ClaimedJob, LogLine } from "../../src/core/job.ts";
import { leaseOf } from "../../src/core/settling.ts";
import { postgres, type SqlClient } from "../../src/engines/postgres/index.ts";
import { handle, LeaseLostError, task } from "../../src/index.ts";
import { changeJob, claim, claimJob, extendJob, insertJob, storedJob } from "../../src/testing/conformance/calls.ts";
import { aborted, gate } from "../runtime/rig.ts";
import { sharedPostgres } from "../servers/shared.ts";
import { eventually, processOn } from "./deployment.ts";
import { connected } from "./ear.ts";

vi.setConfig({ testTimeout: 60_000 });

let url: string;
let engine: Engine<SqlClient>;

beforeAll(async () => {
  url = await sharedPostgres();
  engine = postgres(url);
  await engine.open();
});

afterAll(() => engine?.close());

/** A client with an open transaction. */
async function begun() {
  const client = await connected(url);
  await client.query("BEGIN");
  return client;
}

const using = (client: SqlClient) => engine.using?.(client) as Engine;

/** A job of a queue of its own, leased. */
async function leased(queue: string, leaseMs = 30_000): Promise<ClaimedJob> {
  await insertJob(engine, { queue });
  return claimJob(engine, { wants: [{ queue, limit: 1 }], leaseMs });
}

const hourMs = 3_600_000;

test("J3 a lease of a job that a transaction has in hand is answered as unextended, and lengthened after it", async () => {
  const [held, free] = [await leased("in-hand"), await leased("in-hand")];
  const { leaseUntil } = await storedJob(engine, held.id);
  await using client = await begun();
  await changeJob(using(client), { id: held.id }, { kind: "cancel" });
  const extensions = [{ lease: leaseOf(held) }, { lease: leaseOf(free) }, { lease: leaseOf(held) }];
  expect(await engine.jobs.extend(extensions, hourMs)).toEqual(["unextended", "held", "unextended"]);
  expect(await storedJob(engine, held.id)).toMatchObject({ leaseUntil });
  expect((await storedJob(engine, free.id)).leaseUntil).toBeGreaterThan((leaseUntil ?? 0) + hourMs / 2);
  await client.query("ROLLBACK");
  expect(await engine.jobs.extend(extensions, hourMs)).toEqual(["held", "held", "held"]);
  expect((await storedJob(engine, held.id)).leaseUntil).toBeGreaterThan((leaseUntil ?? 0) + hourMs / 2);
});

test("J3 once the transaction that had a job in hand has removed it, its lease is lost", async () => {
  const job = await leased("settled");
  await using client = await begun();
  await client.query("SELECT 1 FROM punctual.jobs WHERE id = $1 FOR UPDATE", [job.id]);
  expect(await extendJob(engine, job)).toBe("unextended");
  await client.query("DELETE FROM punctual.jobs WHERE id = $1", [job.id]);
  await client.query("COMMIT");
  expect(await extendJob(engine, job)).toBe("lost");
});

test("J4 a report that came while a transaction had the job in hand is not stored; told again, it is", async () => {
  const job = await leased("reports");
  const log: LogLine[] = [{ at: 1, attempt: 1, text: "half of it" }];
  const extension = { lease: leaseOf(job), progress: 0.5, log };
  await using client = await begun();
  await client.query("SELECT 1 FROM punctual.jobs WHERE id = $1 FOR UPDATE", [job.id]);
  expect(await engine.jobs.extend([extension], hourMs)).toEqual(["unextended"]);
  await client.query("ROLLBACK");
  expect((await storedJob(engine, job.id)).log).toEqual([]);
  expect(await engine.jobs.extend([extension], hourMs)).toEqual(["held"]);
  expect(await storedJob(engine, job.id)).toMatchObject({ progress: 0.5, log });
});

test("J1 an extension inside a caller's transaction leaves that one's durability as it was", async () => {
  const job = await leased("joined");
  await using client = await begun();
  await client.query("SET LOCAL synchronous_commit = on");
  expect(await extendJob(using(client), job, hourMs)).toBe("held");
  const { rows } = await client.query("SELECT current_setting('synchronous_commit') AS commits");
  expect(rows).toEqual([{ commits: "on" }]);
  await client.query("COMMIT");
});

test("J2 a worker gives its job up before a transaction that had it in hand lets another take it", async () => {
  const hold = task("hold", { queue: "two-workers" });
  const started = gate();
  const reasons: unknown[] = [];
  const worker = processOn(
    url,
    [
      handle(hold, async (_, { signal }) => {
        started.open();
        await aborted(signal);
        reasons.push(signal.reason);
      }),
    ],
    { worker: { lease: "2s" } },
  );
  await worker.start({ roles: ["worker"] });
  const { id } = await worker.enqueue(hold, undefined);
  await started.promise;
  await using client = await begun();
  await client.query("SELECT 1 FROM punctual.jobs WHERE id = $1 FOR UPDATE", [id]);
  await eventually(() => reasons.length).toBe(1);
  expect(reasons[0]).toBeInstanceOf(LeaseLostError);
  // Nobody has been given it so far.
  expect(await claim(engine, { wants: [{ queue: "two-workers", limit: 1 }] })).toEqual([]);
  await client.query("ROLLBACK");
});

test("J3 a handler that goes on after its rollback keeps its job for as long as it runs", async () => {
  const pay = task("pay", { queue: "goes-on" });
  const attempts: number[] = [];
  const rolledBack = gate();
  const goOn = gate();
  const handler = handle(pay, async (_, ctx) => {
    attempts.push(ctx.attempt);
    await using client = await begun();
    await ctx.complete(client);
    await client.query("ROLLBACK");
    rolledBack.open();
    await goOn.promise;
    await client.query("BEGIN");
    await ctx.complete(client, "paid");
    await client.query("COMMIT");
  });
  const [worker, other] = [0, 1].map(() => processOn(url, [handler], { worker: { lease: "1s" } }));
  await worker?.start({ roles: ["worker"] });
  const job = await worker?.enqueue(pay, undefined);
  await rolledBack.promise;
  await other?.start({ roles: ["worker"] });
  const id = job?.id ?? "";
  const { leaseUntil = 0 } = await storedJob(engine, id);
  // Two leases on, it is extended still.
  await eventually(async () => (await storedJob(engine, id)).leaseUntil ?? 0).toBeGreaterThan(leaseUntil + 2_000);
  goOn.open();
  await eventually(async () => (await storedJob(engine, id)).state).toBe("completed");
  expect(attempts).toEqual([1]);
  expect(await storedJob(engine, id)).toMatchObject({ attempt: 1, output: '"paid"' });
});

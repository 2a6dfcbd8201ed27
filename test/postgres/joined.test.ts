// Callers' transactions on PostgreSQL: what is refused as one, and what a call that fails leaves behind.
import { Pool } from "pg";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { Engine } from "../../src/core/engine.ts";
import { InvalidInputError, NotWrittenError } from "../../src/core/errors.ts";
import { postgres, type SqlClient } from "../../src/engines/postgres/index.ts";
import { newJob } from "../../src/testing/conformance/builders.ts";
import { insertJob, laneCounts } from "../../src/testing/conformance/calls.ts";
import { sharedPostgres } from "../servers/shared.ts";
import { connected } from "./ear.ts";

let url: string;
let engine: Engine<SqlClient>;

beforeAll(async () => {
  url = await sharedPostgres();
  engine = postgres(url);
  await engine.open();
  await using client = await connected(url);
  await client.query("CREATE TABLE orders (id text PRIMARY KEY)");
});

afterAll(() => engine?.close());

const using = (tx: unknown) => engine.using?.(tx as SqlClient) as Engine;

/** A client with an open transaction. */
async function begun(how = "BEGIN", on = url) {
  const client = await connected(on);
  await client.query(how);
  return client;
}

/** Asserts that the transaction can still be used and committed. */
async function assertUsable(client: SqlClient, order: string): Promise<void> {
  await client.query("INSERT INTO orders VALUES ($1)", [order]);
  await client.query("COMMIT");
  await using other = await connected(url);
  expect((await other.query("SELECT id FROM orders WHERE id = $1", [order])).rows).toEqual([{ id: order }]);
}

const refusal = (error: unknown) => {
  expect(error).toBeInstanceOf(InvalidInputError);
  const { field, mend } = error as InvalidInputError;
  return { field, mend };
};

describe("what is no transaction", () => {
  test("J1: a client without one is refused, with how to begin it", async () => {
    await using client = await connected(url);
    const error = await insertJob(using(client)).catch((caught: unknown) => caught);
    expect(refusal(error)).toEqual({ field: "tx", mend: expect.stringContaining("BEGIN") });
  });

  test("J1: a pool is refused, as each statement would run on another connection", async () => {
    const pool = new Pool({ connectionString: url });
    expect(() => using(pool)).toThrow(expect.objectContaining({ code: "INVALID_INPUT", field: "tx" }));
    await pool.end();
  });

  test.each([undefined, null, "BEGIN", {}, { query: 1 }])("J1: %j is refused", (tx) => {
    expect(() => using(tx)).toThrow(expect.objectContaining({ code: "INVALID_INPUT", field: "tx" }));
  });

  test("J1: a transaction on another database is refused, and goes on", async () => {
    const other = await sharedPostgres();
    const there = postgres(other);
    await there.open();
    await using client = await begun("BEGIN", other);
    const error = await insertJob(using(client)).catch((caught: unknown) => caught);
    expect(refusal(error).field).toBe("tx");
    expect((await client.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    await client.query("COMMIT");
    expect((await laneCounts(there)).waiting).toBe(0);
    await there.close();
  });

  test("J1: one that has failed before says so", async () => {
    await using client = await begun();
    await client.query("SELECT 1/0").catch(() => {});
    const error = await insertJob(using(client)).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(NotWrittenError);
    expect((error as NotWrittenError).mend).toContain("Roll the transaction back");
  });
});

describe("a call that fails", () => {
  test("B6: leaves the caller's transaction usable, and its lock_timeout as it was", async () => {
    await using holder = await begun();
    await insertJob(using(holder), { key: "held" });
    await using client = await begun();
    await client.query("SET LOCAL lock_timeout = '7s'");
    const error = await insertJob(using(client), { key: "held" }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(NotWrittenError);
    expect((await client.query("SHOW lock_timeout")).rows).toEqual([{ lock_timeout: "7s" }]);
    await holder.query("ROLLBACK");
    const { id } = await insertJob(using(client), { queue: "kept", key: "held" });
    expect((await client.query("SHOW lock_timeout")).rows).toEqual([{ lock_timeout: "7s" }]);
    await assertUsable(client, "1");
    expect((await engine.jobs.get(id))?.key).toBe("held");
  });

  test("B6: a serialization failure is not repeated inside: the caller repeats the whole", async () => {
    const { id } = await insertJob(engine, { queue: "serial", key: "serial" });
    await using client = await begun("BEGIN ISOLATION LEVEL REPEATABLE READ");
    await client.query("SELECT 1");
    const move = { kind: "reschedule", due: { afterMs: 5_000 } } as const;
    await engine.jobs.change([{ name: { id }, change: move }]);
    const error = await using(client)
      .jobs.change([{ name: { id }, change: move }])
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(NotWrittenError);
    expect((error as NotWrittenError).mend).toContain("repeat the whole");
    await assertUsable(client, "2");
  });
});

describe("a call that is given up", () => {
  /** A client whose answer to one statement does not come in time, though the server does what it says. */
  function silentAt(client: SqlClient, beginning: string): SqlClient {
    return {
      query: (text, values) => {
        const answer = client.query(text, values);
        if (!text.startsWith(beginning)) return answer;
        vi.useFakeTimers({ toFake: ["setTimeout"] });
        queueMicrotask(() => {
          vi.advanceTimersByTime(60_000);
          vi.useRealTimers();
        });
        return new Promise(() => {});
      },
    };
  }

  test("B6: leaves nothing of itself in a transaction that the caller commits all the same", async () => {
    await using client = await begun();
    const job = newJob({ queue: "silent" });
    const error = await using(silentAt(client, "-- jobs.insert\n"))
      .jobs.insert([{ jobs: [job] }])
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(NotWrittenError);
    await assertUsable(client, "silent");
    expect(await engine.jobs.get(job.id)).toBeUndefined();
    expect(await engine.jobs.stats({ queue: "silent" })).toEqual([]);
  });

  test("B6: is done when only its last word was not heard", async () => {
    await using client = await begun();
    const job = newJob({ queue: "unheard" });
    const [answer] = await using(silentAt(client, "-- tx.part\nRELEASE")).jobs.insert([{ jobs: [job] }]);
    expect(answer?.outcome).toBe("inserted");
    await assertUsable(client, "unheard");
    expect((await engine.jobs.get(job.id))?.state).toBe("pending");
    expect((await engine.jobs.stats({ queue: "unheard" }))[0]?.waiting).toBe(1);
  });
});

describe("a caller's own pool", () => {
  test("B6: with all its connections in transactions, calls under a limit wait for none of it", async () => {
    const pool = new Pool({ connectionString: url, max: 3 });
    const roles: unknown[] = [];
    pool.on("connect", (client) => {
      roles.push(client);
      client.query("SET application_name = 'callers'");
    });
    const own = postgres(pool, { listen: false });
    await own.open();
    const clients = await Promise.all([1, 2, 3].map(() => pool.connect()));
    for (const client of clients) await client.query("BEGIN");
    const insert = () => ({ jobs: [newJob({ queue: "pool", tenant: "pool" })], guardrails: { maxPendingJobs: 2 } });
    const answers = await Promise.all(
      clients.map(async (client) => (await own.using?.(client).jobs.insert([insert()]))?.[0]?.outcome),
    );
    expect(answers.filter((outcome) => outcome === "inserted")).toHaveLength(2);
    expect(pool.waitingCount).toBe(0);
    // A role or a search path that the user sets on each connection holds beside the pool too.
    expect(roles.length).toBeGreaterThan(pool.totalCount);
    for (const client of clients) {
      await client.query("COMMIT");
      client.release();
    }
    expect((await engine.jobs.stats({ queue: "pool" }))[0]?.waiting).toBe(2);
    await own.close();
    await pool.end();
    await using other = await connected(url);
    const left =
      "SELECT count(*)::int4 AS open FROM pg_stat_activity WHERE application_name = 'callers' AND datname = current_database()";
    await expect.poll(async () => (await other.query(left)).rows).toEqual([{ open: 0 }]);
  });
});

describe("calls on one client", () => {
  test("B6: those made at once take turns, without a warning of the driver", async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on("warning", onWarning);
    await using client = await begun();
    const joined = using(client);
    await Promise.all(Array.from({ length: 8 }, () => insertJob(joined, { queue: "turns" })));
    await Promise.all(Array.from({ length: 8 }, () => insertJob(using(client), { queue: "turns" })));
    await client.query("COMMIT");
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", onWarning);
    expect(warnings).toEqual([]);
    expect((await engine.jobs.stats({ queue: "turns" }))[0]?.waiting).toBe(16);
  });

  test("B6: a savepoint of the caller undoes the calls since, and no others", async () => {
    await using client = await begun();
    const [kept, undone] = [newJob({ queue: "savepoint" }), newJob({ queue: "savepoint" })];
    await using(client).jobs.insert([{ jobs: [kept] }]);
    await client.query("SAVEPOINT mine");
    await using(client).jobs.insert([{ jobs: [undone] }]);
    await client.query("ROLLBACK TO SAVEPOINT mine");
    await client.query("COMMIT");
    expect((await engine.jobs.get(kept.id))?.state).toBe("pending");
    expect(await engine.jobs.get(undone.id)).toBeUndefined();
  });
});

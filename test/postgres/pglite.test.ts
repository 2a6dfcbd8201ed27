// PGlite as the store: whose transactions are joined, and what a transaction that stays open holds up.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Engine } from "../../src/core/engine.ts";
import { postgres, type SqlClient } from "../../src/engines/postgres/index.ts";
import { createScheduler, handle, task } from "../../src/index.ts";
import { insertJob } from "../../src/testing/conformance/calls.ts";
import { Ear, until } from "./ear.ts";
import { newPglite, type TestPglite } from "./load-pglite.ts";

let pglite: TestPglite;
let other: TestPglite;
let engine: Engine<SqlClient>;
let otherEngine: Engine<SqlClient>;

// Each compiles itself anew.
beforeAll(async () => {
  [pglite, other] = await Promise.all([newPglite(), newPglite()]);
  [engine, otherEngine] = [postgres(pglite), postgres(other)];
  await Promise.all([engine.open(), otherEngine.open()]);
}, 90_000);

afterAll(async () => {
  await Promise.all([engine?.close(), otherEngine?.close()]);
  await Promise.all([pglite?.close(), other?.close()]);
});

const using = (tx: unknown) => engine.using?.(tx as SqlClient) as Engine;

test("J1: a job and the caller's row commit together, and wake the worker", async () => {
  const ran: string[] = [];
  const send = task<string>("send");
  const scheduler = createScheduler<SqlClient>({
    engine: postgres(pglite),
    handlers: [handle(send, (order) => void ran.push(order))],
  });
  await scheduler.start();
  await pglite.exec("CREATE TABLE orders (id text)");
  await pglite.transaction(async (tx) => {
    await tx.query("INSERT INTO orders VALUES ('kept')");
    await scheduler.using(tx).enqueue(send, "kept");
  });
  await pglite.transaction(async (tx) => {
    await tx.query("INSERT INTO orders VALUES ('undone')");
    await scheduler.using(tx).enqueue(send, "undone");
    await tx.rollback();
  });
  await until(() => ran.length > 0, "it has run");
  expect((await pglite.query("SELECT id FROM orders")).rows).toEqual([{ id: "kept" }]);
  await scheduler.stop();
  expect(ran).toEqual(["kept"]);
});

test("J1: the PGlite itself is refused as a transaction, as it would take in everybody's statements", () => {
  expect(() => using(pglite)).toThrow(expect.objectContaining({ code: "INVALID_INPUT", field: "tx" }));
});

test("J1: a transaction of another PGlite is refused, and goes on", async () => {
  await other.transaction(async (tx) => {
    await expect(insertJob(using(tx))).rejects.toMatchObject({ code: "INVALID_INPUT", field: "tx" });
    expect((await tx.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
  });
});

test("T6: two engines on one PGlite wake each other", async () => {
  const second = postgres(pglite);
  await second.open();
  const ear = await Ear.of(second);
  await insertJob(engine, { queue: "second" });
  await ear.wake("second");
  await second.close();
});

test("O2: what waits for a caller's open transaction fails in time, saying so", { timeout: 60_000 }, async () => {
  await pglite.transaction(async () => {
    const failures = await Promise.all(
      [engine.now(), insertJob(engine, { key: "k" }), engine.jobs.stats({})].map((call) =>
        call.catch((error) => error),
      ),
    );
    for (const failure of failures) expect(failure.message).toContain("a transaction of the caller's may be open");
  });
  await insertJob(engine, { key: "k", queue: "after" });
});

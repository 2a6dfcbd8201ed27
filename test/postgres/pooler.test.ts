// Behind PgBouncer in transaction mode: every transaction runs on another session, and no notification is passed on.

import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Engine } from "../../src/core/engine.ts";
import { postgres, type SqlClient } from "../../src/engines/postgres/index.ts";
import { createScheduler, handle, task } from "../../src/index.ts";
import { insertJob } from "../../src/testing/conformance/calls.ts";
import { sharedPooledPostgres } from "../servers/shared.ts";
import { connected, Ear, until } from "./ear.ts";

let url: string;
let directUrl: string;
let engine: Engine<SqlClient>;

beforeAll(async () => {
  ({ url, directUrl } = await sharedPooledPostgres());
  engine = postgres(url);
  await engine.open();
});

afterAll(() => engine?.close());

test("O5: a pooler is noticed when the store is opened, and doctor says what follows", async () => {
  const pooler = (await engine.inspection.findings()).find(({ check }) => check === "pooler");
  expect(pooler).toMatchObject({ status: "warn", what: expect.stringContaining("within a second") });
  const direct = postgres(directUrl);
  await direct.open();
  expect((await direct.inspection.findings()).find(({ check }) => check === "pooler")?.status).toBe("ok");
  await direct.close();
});

test("O5: no named statement and no setting of a session is left on the server's connections", async () => {
  await Promise.all(Array.from({ length: 20 }, (_, index) => insertJob(engine, { queue: `q${index}`, key: "k" })));
  const client = new Client({ connectionString: url });
  await client.connect();
  const left = await client.query("SELECT count(*)::int4 AS count FROM pg_prepared_statements");
  const { rows } = await client.query("SELECT name FROM pg_settings WHERE source = 'session' AND name LIKE '%timeout'");
  await client.end();
  expect([left.rows, rows]).toEqual([[{ count: 0 }], []]);
});

test("O2: a single statement has the server's limits there too", async () => {
  const { id } = await insertJob(engine, { queue: "locked" });
  await using holder = await connected(directUrl);
  await holder.query("BEGIN");
  await holder.query("SELECT 1 FROM punctual.jobs WHERE id = $1 FOR UPDATE", [id]);
  const change = { name: { id }, change: { kind: "cancel" } } as const;
  await expect(engine.jobs.change([change])).rejects.toMatchObject({ code: "NOT_WRITTEN", cause: { code: "55P03" } });
  await holder.query("ROLLBACK");
  expect((await engine.jobs.change([change]))[0]?.outcome).toBe("changed");
});

test("B11: jobs of other processes are found by polling, and this process's own at once", async () => {
  const ran: number[] = [];
  const count = task<number>("count");
  const scheduler = createScheduler({
    engine: postgres(url),
    handlers: [handle(count, (input) => void ran.push(input))],
  });
  await scheduler.start();
  const elsewhere = createScheduler({ engine: postgres(directUrl) });
  await elsewhere.enqueue(count, 1);
  await scheduler.enqueue(count, 2);
  await until(() => ran.length === 2, "both have run");
  await Promise.all([scheduler.stop(), elsewhere.stop()]);
  expect(ran.toSorted()).toEqual([1, 2]);
});

test("T6: a watcher behind a pooler hears its own process, and wakes others that listen", async () => {
  const ear = await Ear.of(engine);
  await insertJob(engine, { queue: "own" });
  await ear.wake("own");
  const direct = postgres(directUrl);
  await direct.open();
  const listening = await Ear.of(direct);
  await insertJob(engine, { queue: "far" });
  await listening.wake("far");
  await direct.close();
});

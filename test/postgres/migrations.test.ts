// The schema's steps on PostgreSQL: many processes at once, drift, stores of newer and older versions, other schemas.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startPostgres } from "../../scripts/services/postgres.ts";
import type { Engine } from "../../src/core/engine.ts";
import { type PostgresOptions, postgres } from "../../src/engines/postgres/index.ts";
import { latestKnown, migrations } from "../../src/engines/postgres/migrations/migrate.ts";
import { claimRequest, newJob } from "../../src/testing/conformance/builders.ts";
import { sharedPostgres } from "../servers/shared.ts";
import { newPglite } from "./load-pglite.ts";

const run = promisify(execFile);
const everyStep = migrations.map(({ id }) => id);

/** The sources are stripped of their types once, not once per process. */
const compileCache = fileURLToPath(new URL("../../.reports/compile-cache", import.meta.url));

/** What a process does that only opens the store of a URL. */
const opener = `
import { postgres } from ${JSON.stringify(new URL("../../src/engines/postgres/index.ts", import.meta.url).href)};
const engine = postgres(process.argv[1]);
await engine.open();
await engine.jobs.stats({});
await engine.close();`;

describe.each([15, 18] as const)("the schema on PostgreSQL %s", (version) => {
  let url: string;
  let admin: Client;
  const opened: Engine<never>[] = [];
  beforeEach(async () => {
    url = await sharedPostgres(version);
    admin = new Client({ connectionString: url });
    await admin.connect();
  }, 120_000);
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((engine) => engine.close()));
    await admin.end();
  });

  function engineOf(options: PostgresOptions = {}, at = url) {
    const engine = postgres(at, options);
    opened.push(engine as unknown as Engine<never>);
    return engine;
  }

  async function stepsIn(schema = "punctual"): Promise<number[]> {
    const { rows } = await admin.query(`SELECT id FROM ${schema}.migrations ORDER BY id`);
    return rows.map(({ id }) => id);
  }

  test("O4 is made once by ten engines that open an empty database together", async () => {
    const engines = Array.from({ length: 10 }, () => engineOf({ listen: false, poolMax: 2 }));
    await Promise.all(engines.map((engine) => engine.open()));
    expect(await stepsIn()).toEqual(everyStep);
    expect((await engines[0]?.migrations.state())?.drift).toEqual([]);
  });

  test("O4 stands as it was made: no drift, in a schema of any name", async () => {
    for (const schema of ["punctual", "jobs", "Any Name"]) {
      const engine = engineOf({ schema });
      const applied = await engine.migrations.apply();
      expect(applied.map(({ id }) => id)).toEqual(everyStep);
      expect(await engine.migrations.apply()).toEqual([]);
      const { steps, unknown, drift, unchecked } = await engine.migrations.state();
      expect({ unknown, drift, unchecked }).toEqual({ unknown: [], drift: [], unchecked: undefined });
      expect(steps.every(({ appliedAt }) => appliedAt !== undefined)).toBe(true);
      await engine.open();
      expect(await engine.jobs.insert([{ jobs: [newJob()] }])).toMatchObject([{ outcome: "inserted" }]);
    }
  });

  test("O4 its steps can be run by other means: what they print makes the same schema", async () => {
    for (const schema of ["punctual", "by hand"]) {
      const engine = engineOf({ schema, migrate: false });
      for (const { sql } of (await engine.migrations.state()).steps) await admin.query(sql);
      await engine.open();
      expect((await engine.migrations.state()).drift).toEqual([]);
    }
  });

  test("O4 is refused by who does not want to make or migrate it, and left as it was", async () => {
    await expect(engineOf({ migrate: false }).open()).rejects.toMatchObject({
      code: "STORE_OUTDATED",
      details: { steps: everyStep },
    });
    await expect(engineOf({ mustExist: true }).open()).rejects.toMatchObject({ code: "ENGINE_NOT_CONFIGURED" });
    const { rows } = await admin.query("SELECT 1 FROM pg_namespace WHERE nspname = 'punctual'");
    expect(rows).toEqual([]);
  });

  test("O4 a table of someone else's in its place is named, and left alone", async () => {
    await admin.query("CREATE SCHEMA punctual; CREATE TABLE punctual.queues (mine integer)");
    await expect(engineOf().open()).rejects.toMatchObject({
      code: "STORE_CORRUPT",
      message: expect.stringContaining("punctual.queues"),
    });
    const { rows } = await admin.query("SELECT relname FROM pg_class WHERE relnamespace = 'punctual'::regnamespace");
    expect(rows).toEqual([{ relname: "queues" }]);
  });

  test("O5 a database that does not hold every text is refused", async () => {
    const name = `latin_${process.pid}_${version}`;
    await admin.query(
      `CREATE DATABASE ${name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER libc TEMPLATE template0`,
    );
    const at = Object.assign(new URL(url), { pathname: `/${name}` }).href;
    await expect(engineOf({}, at).open()).rejects.toMatchObject({
      code: "STORE_UNSAFE",
      message: expect.stringContaining("LATIN1"),
    });
    await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
  });

  test("O3 a breaking step of a newer version is refused at open, in claim and in fire; a compatible one is not", async () => {
    const engine = engineOf();
    await engine.open();
    const insert = "INSERT INTO punctual.migrations (id, name, breaking, applied_at) VALUES";
    await admin.query(`${insert} (998, 'of-today', false, 0)`);
    await engine.jobs.insert([{ jobs: [newJob()] }]);
    expect((await engine.jobs.claim(claimRequest())).jobs).toHaveLength(1);
    expect((await engine.migrations.state()).unknown).toEqual([{ id: 998, name: "of-today", breaking: false }]);
    await engineOf().open();
    await engine.jobs.insert([{ jobs: [newJob()] }]);
    await admin.query(`${insert} (999, 'of-tomorrow', true, 0)`);
    const tooNew = { code: "STORE_TOO_NEW", details: { step: 999, known: latestKnown } };
    await expect(engine.jobs.claim(claimRequest())).rejects.toMatchObject(tooNew);
    await expect(engine.schedules.fire({ limit: 1, decide: () => [] })).rejects.toMatchObject(tooNew);
    await expect(engineOf().open()).rejects.toMatchObject(tooNew);
    const { rows } = await admin.query(
      "SELECT token IS NULL AS waits, count(*)::int4 FROM punctual.jobs GROUP BY 1 ORDER BY 1",
    );
    expect(rows).toEqual([
      { waits: false, count: 1 },
      { waits: true, count: 1 },
    ]);
  });

  test("B12 a table or column that has drifted is named at start", async () => {
    const engine = engineOf();
    await engine.migrations.apply();
    await admin.query("ALTER TABLE punctual.schedules RENAME COLUMN next_at TO next");
    await expect(engine.open()).rejects.toMatchObject({
      code: "STORE_CORRUPT",
      message: expect.stringContaining(
        "the column next_at of punctual.schedules is missing, which step 1 (initial) has made",
      ),
    });
    await admin.query("ALTER TABLE punctual.schedules RENAME TO old_schedules");
    await expect(engine.open()).rejects.toMatchObject({
      code: "STORE_CORRUPT",
      message: expect.stringContaining("the table punctual.schedules is missing"),
    });
  });

  test("B12 a role without the right to look for drift is told so, and opens the store", async () => {
    await engineOf().migrations.apply();
    const role = `reader_${version}`;
    await admin.query(`CREATE ROLE ${role} LOGIN IN ROLE punctual_worker`);
    const { rows } = await admin.query("SELECT current_database() AS name");
    await admin.query(`REVOKE TEMPORARY ON DATABASE ${rows[0].name} FROM PUBLIC`);
    const own = new URL(url);
    own.username = role;
    const engine = engineOf({}, own.href);
    await engine.open();
    const { drift, unchecked } = await engine.migrations.state();
    expect(drift).toEqual([]);
    expect(unchecked).toMatch(/permission denied/);
    await engine.close();
    await admin.query(`DROP ROLE ${role}`);
  });
});

describe("drift", () => {
  let url: string;
  let admin: Client;
  beforeAll(async () => {
    url = await sharedPostgres(15);
    admin = new Client({ connectionString: url });
    await admin.connect();
  }, 120_000);
  afterAll(() => admin.end());

  test.each([
    ["ALTER TABLE punctual.jobs DROP COLUMN worker", "jobs", "worker", "the column worker of jobs is missing"],
    [
      "ALTER TABLE punctual.jobs ALTER COLUMN attempt TYPE bigint",
      "jobs",
      "attempt",
      "the column attempt of jobs is bigint NOT NULL, should be integer NOT NULL",
    ],
    [
      "ALTER TABLE punctual.jobs ALTER COLUMN input DROP NOT NULL",
      "jobs",
      "input",
      "the column input of jobs is text, should be text NOT NULL",
    ],
    [
      "ALTER TABLE punctual.lanes ALTER COLUMN weight SET DEFAULT 2",
      "lanes",
      "weight",
      "the column weight of lanes is double precision NOT NULL DEFAULT 2, should be double precision NOT NULL DEFAULT 1",
    ],
    [
      "ALTER TABLE punctual.events ADD COLUMN note text",
      "events",
      "note",
      "the column note of events is not Punctual's",
    ],
    ["DROP INDEX punctual.jobs_ready", "jobs", undefined, "the index jobs_ready of jobs is missing"],
    [
      "DROP INDEX punctual.events_at; CREATE INDEX events_at ON punctual.events (at, arrival)",
      "events",
      undefined,
      expect.stringContaining(
        "the index events_at of events is CREATE INDEX events_at ON events USING btree (at, arrival)",
      ),
    ],
    [
      "ALTER TABLE punctual.jobs ADD CONSTRAINT few CHECK (seq < 10)",
      "jobs",
      undefined,
      "the constraint few of jobs is not Punctual's",
    ],
    ["DROP POLICY tenant ON punctual.jobs", "jobs", undefined, "the policy tenant of jobs is missing"],
    [
      "ALTER TABLE punctual.jobs DISABLE ROW LEVEL SECURITY",
      "jobs",
      undefined,
      "the table jobs has row security off, should have row security forced",
    ],
    ["DROP VIEW punctual.cron_schedules", "cron_schedules", undefined, "the view cron_schedules is missing"],
    ["DROP TABLE punctual.records", "records", undefined, "the table records is missing"],
  ])("B12 drift is named: %s", async (sql, table, column, what) => {
    const engine = postgres(url);
    await engine.migrations.apply();
    await admin.query(sql);
    const { drift } = await engine.migrations.state();
    await admin.query("DROP SCHEMA punctual CASCADE");
    expect(drift).toEqual([{ table, ...(column === undefined ? {} : { column }), what }]);
  });
});

test("O4 the schema is made once by ten processes that open an empty database together", {
  timeout: 120_000,
}, async () => {
  const url = await sharedPostgres(15);
  const args = ["--conditions=source", "--input-type=module", "-e", opener, url];
  const env = { ...process.env, NODE_COMPILE_CACHE: compileCache };
  await Promise.all(Array.from({ length: 10 }, () => run(process.execPath, args, { env })));
  const engine = postgres(url, { migrate: false });
  await engine.open();
  expect((await engine.migrations.state()).drift).toEqual([]);
  await engine.close();
});

test("N3 who may make no roles makes the store all the same; roles that come later get their due", {
  timeout: 120_000,
}, async () => {
  // Roles are a whole server's.
  const server = await startPostgres({ version: 15, durable: false });
  try {
    const url = await server.newDatabase();
    const urlOf = (role: string) => Object.assign(new URL(url), { username: role }).href;
    const database = new URL(url).pathname.slice(1);
    await server.query(`CREATE ROLE plain LOGIN`);
    await server.query(`GRANT CREATE ON DATABASE ${database} TO plain`);
    const engine = postgres(urlOf("plain"), { listen: false });
    await engine.open();
    const { drift, unchecked } = await engine.migrations.state();
    expect({ drift, unchecked }).toEqual({ drift: [], unchecked: undefined });
    await engine.jobs.insert([{ jobs: [newJob()] }]);
    const rights = async () =>
      (await engine.inspection.findings()).find(({ check }) => ["rights", "row security"].includes(check));
    expect(await rights()).toMatchObject({
      status: "ok",
      what: expect.stringContaining("punctual_app, punctual_master, punctual_worker are not there"),
    });
    await server.query("CREATE ROLE punctual_worker NOLOGIN");
    await server.query("CREATE ROLE punctual_app NOLOGIN");
    await server.query("CREATE ROLE working LOGIN IN ROLE punctual_worker");
    expect(await rights()).toMatchObject({
      status: "warn",
      what: expect.stringContaining("punctual_app, punctual_worker came after the schema"),
    });
    const working = postgres(urlOf("working"), { listen: false });
    await expect(working.open()).rejects.toMatchObject({
      code: "ENGINE_NOT_CONFIGURED",
      mend: expect.stringContaining("GRANT punctual_worker"),
    });
    await engine.migrations.apply();
    expect(await rights()).toMatchObject({ status: "ok" });
    await working.open();
    expect((await working.jobs.claim(claimRequest())).jobs).toHaveLength(1);
    await working.close();
    await engine.close();
  } finally {
    await server.close();
  }
});

test("O4 the schema of PGlite stands as it was made, and its drift is named", { timeout: 60_000 }, async () => {
  const database = await newPglite();
  const engine = postgres(database);
  expect((await engine.migrations.apply()).map(({ id }) => id)).toEqual(everyStep);
  expect((await engine.migrations.state()).drift).toEqual([]);
  await database.exec("ALTER TABLE punctual.jobs DROP COLUMN worker");
  expect((await engine.migrations.state()).drift).toMatchObject([{ table: "jobs", column: "worker" }]);
  await database.close();
});

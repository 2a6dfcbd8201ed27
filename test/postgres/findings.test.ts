// What the doctor tells of a PostgreSQL store: all well, and every kind of trouble that only this engine knows.
import { Client, Pool as PgPool } from "pg";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type PostgresOptions, postgres } from "../../src/engines/postgres/index.ts";
import { Pool } from "../../src/engines/postgres/pool.ts";
import { snapshots } from "../../src/engines/postgres/server-findings.ts";
import { createScheduler, cron, examine, type Finding } from "../../src/index.ts";
import { newJob } from "../../src/testing/conformance/builders.ts";
import { sharedPostgres } from "../servers/shared.ts";

describe.each([15, 18] as const)("O5 the doctor on PostgreSQL %s", (version) => {
  let url: string;
  let admin: Client;
  beforeEach(async () => {
    url = await sharedPostgres(version);
    admin = new Client({ connectionString: url });
    await admin.connect();
    await using scheduler = createScheduler({ engine: postgres(url) });
    await scheduler.enqueue("greet", {});
    await scheduler.enqueue("greet", {}, { key: "one", delay: "1h", metadata: { of: "one" } });
    await scheduler.schedules.create("daily", { task: "greet", when: cron("0 9 * * *") });
  }, 120_000);
  afterEach(() => admin.end());

  async function examined(options: PostgresOptions = {}, at = url): Promise<Finding[]> {
    const engine = postgres(at, options);
    await engine.open();
    try {
      return await examine(engine);
    } finally {
      await engine.close();
    }
  }

  /** What is not well; the servers of tests are fast and not safe from a power cut. */
  async function troubles(options?: PostgresOptions, at?: string): Promise<Finding[]> {
    const found = await examined(options, at);
    return found.filter(({ status, check }) => status !== "ok" && check !== "settings");
  }

  test("O5 a store in order is well, and every check says what it has looked at", async () => {
    const found = await examined();
    expect(found.filter(({ status }) => status !== "ok").map(({ check }) => check)).toEqual(["settings"]);
    expect(found.find(({ check }) => check === "settings")).toMatchObject({
      status: "problem",
      what: expect.stringContaining("fsync is off"),
    });
    const checks = found.map(({ check }) => check);
    for (const check of [
      "server",
      "connections",
      "snapshots",
      "dead rows",
      "indexes",
      "transaction ids",
      "rights",
      "rows",
      "counters",
      "retention",
    ]) {
      expect(checks).toContain(check);
    }
    expect(found.find(({ check }) => check === "server")?.what).toContain(`PostgreSQL ${version}`);
  });

  test("O5 damaged rows are named, and those that PostgreSQL only finds odd are not", async () => {
    const { rows } = await admin.query(`SELECT id::text FROM punctual.jobs WHERE key = 'one'`);
    await admin.query(`UPDATE punctual.jobs SET input = '"\\u0000"' WHERE key IS NULL`);
    expect(await troubles()).toEqual([]);
    await admin.query(`UPDATE punctual.jobs SET input = '{', detail = '{"failures": "many"}' WHERE key = 'one'`);
    await admin.query("UPDATE punctual.schedules SET schedule = '{}'");
    const found = await troubles();
    expect(found.map(({ what }) => what)).toEqual(
      expect.arrayContaining([
        `job ${rows[0].id} is damaged: its input is no JSON (table jobs)`,
        `job ${rows[0].id} is damaged: its detail is not a job's (table jobs)`,
        "schedule default/daily is damaged: it is not whole (table schedules)",
      ]),
    );
    expect(found.every(({ status }) => status === "problem")).toBe(true);
  });

  test("J14 counts that disagree with the jobs are named, and counts that nobody folds", async () => {
    await admin.query("DELETE FROM punctual.jobs WHERE key = 'one'");
    expect(await troubles()).toMatchObject([
      { check: "counters", status: "problem", what: "queue default of tenant default counts 2 jobs and holds 1" },
    ]);
    await admin.query("INSERT INTO punctual.lane_deltas (queue, tenant, deferred) VALUES ('default', 'default', -1)");
    expect(await troubles()).toEqual([]);
    await admin.query(
      "INSERT INTO punctual.lane_deltas (queue, tenant) SELECT 'default', 'default' FROM generate_series(1, 100001)",
    );
    expect(await troubles()).toMatchObject([
      { check: "counters", status: "warn", mend: expect.stringContaining("janitor") },
    ]);
  });

  test("N5 what a janitor should have deleted is told", async () => {
    await admin.query("INSERT INTO punctual.events (at, type, tenant) VALUES (0, 'worker:error', 'default')");
    expect((await troubles()).find(({ check }) => check === "retention")).toMatchObject({ status: "warn" });
  });

  test("O5 dead rows that stay, and a table that is not vacuumed, are told", async () => {
    await admin.query("ALTER TABLE punctual.lane_deltas SET (autovacuum_enabled = false)");
    expect(await troubles()).toMatchObject([
      { check: "autovacuum", status: "problem", what: expect.stringContaining("punctual.lane_deltas") },
    ]);
    await admin.query(
      "INSERT INTO punctual.lane_deltas (queue, tenant) SELECT 'x', 'x' FROM generate_series(1, 100001)",
    );
    await admin.query("DELETE FROM punctual.lane_deltas WHERE queue = 'x'");
    await admin.query("SELECT pg_stat_force_next_flush()");
    await expect
      .poll(async () => (await troubles()).map(({ check }) => check).sort(), { timeout: 20_000 })
      .toEqual(["autovacuum", "dead rows"]);
  });

  test("O5 an index that is broken, and one that is not ours, are named", async () => {
    await admin.query("CREATE INDEX mine ON punctual.jobs (worker)");
    expect(await troubles()).toMatchObject([
      { check: "indexes", status: "warn", what: expect.stringContaining("mine of jobs") },
    ]);
    await admin.query("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'punctual.jobs_ready'::regclass");
    const found = await troubles();
    expect(found.map(({ check, status }) => `${check} ${status}`).sort()).toEqual([
      "indexes problem",
      "indexes warn",
      "schema problem",
    ]);
  });

  test("O5 a transaction that is open for long is named with its process and application", async () => {
    const held = new Client({ connectionString: url, application_name: "a report" });
    await held.connect();
    await held.query("BEGIN");
    const { rows } = await held.query("SELECT pg_backend_pid() AS pid");
    const pool = new PgPool({ connectionString: url });
    const found = await snapshots(
      new Pool(pool, { schema: "punctual", direct: false, pipelined: false }),
      "punctual",
      0,
    );
    expect(found.map(({ what }) => what)).toEqual(
      expect.arrayContaining([
        expect.stringMatching(
          new RegExp(`^a transaction of pid ${rows[0].pid} \\(a report, postgres, idle in transaction\\)`),
        ),
      ]),
    );
    await pool.end();
    await held.end();
    expect(await troubles()).toEqual([]);
  });

  test("N3 a role that lacks rights, and an owner who sees nothing, are named", async () => {
    const role = `few_rights_${version}`;
    await admin.query(`CREATE ROLE ${role} LOGIN IN ROLE punctual_worker`);
    await admin.query("REVOKE DELETE ON punctual.jobs FROM punctual_worker");
    const own = new URL(url);
    own.username = role;
    expect(await troubles({}, own.href)).toMatchObject([
      { check: "rights", status: "problem", what: `the role ${role} lacks DELETE on jobs` },
    ]);
    await admin.query(`GRANT DELETE ON punctual.jobs TO punctual_worker; DROP ROLE ${role}`);
    const owner = `new_owner_${version}`;
    await admin.query(`CREATE ROLE ${owner} LOGIN; ALTER TABLE punctual.jobs OWNER TO ${owner}`);
    expect(await troubles()).toMatchObject([
      { check: "row security", status: "problem", what: expect.stringContaining("the owner of jobs sees none") },
    ]);
    await admin.query(`ALTER TABLE punctual.jobs OWNER TO postgres; DROP ROLE ${owner}`);
  });

  test("O5 in a schema of another name it looks there", async () => {
    await using scheduler = createScheduler({ engine: postgres(url, { schema: "Other One" }) });
    await scheduler.enqueue("greet", {});
    const engine = postgres(url, { schema: "Other One" });
    await engine.open();
    await engine.jobs.insert([{ jobs: [newJob()] }]);
    const found = await examine(engine);
    expect(found.filter(({ status, check }) => status !== "ok" && check !== "settings")).toEqual([]);
    await admin.query(`DELETE FROM "Other One".jobs WHERE task = 'greet'`);
    expect((await examine(engine)).map(({ check }) => check)).toContain("counters");
    await engine.close();
  });
});

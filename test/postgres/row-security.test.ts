// Row-level security, tried as the roles themselves: over SQL, and through tenants' handles, straight and behind a pooler.
import { Client, Pool } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Engine } from "../../src/core/engine.ts";
import { type PostgresOptions, postgres, type SqlClient } from "../../src/engines/postgres/index.ts";
import { createScheduler, cron, handle, type Scheduler, task } from "../../src/index.ts";
import { claimRequest, completion } from "../../src/testing/conformance/builders.ts";
import { sharedPooledPostgres } from "../servers/shared.ts";

/** Every table with rows of tenants, and what names the tenant in it. */
const tenantTables = ["jobs", "finished", "lanes", "lane_deltas", "reservations", "schedules", "idempotency", "events"];

/** A column that may be written without anything else breaking. */
const harmless: Readonly<Record<string, string>> = {
  jobs: "priority = priority",
  finished: "priority = priority",
  lanes: "weight = weight",
  lane_deltas: "ready = ready",
  reservations: "count = count",
  schedules: "revision = revision",
  idempotency: "body = body",
  events: "id = id",
};

const hostile = ["a' OR true --", "a'; DROP TABLE punctual.jobs; --", '"', "\\", "b\u0000", "%", "", " ", "*", "$1"];

describe.each([15, 18] as const)("N3 row-level security on PostgreSQL %s", (version) => {
  let url: string;
  let pooledUrl: string;
  let admin: Client;
  let engine: Engine<SqlClient>;
  let scheduler: Scheduler<SqlClient>;
  const roles = { app: `app_login_${version}`, worker: `worker_login_${version}`, master: `master_login_${version}` };
  const clients: Client[] = [];
  const schedulers: Scheduler<SqlClient>[] = [];

  const urlOf = (role: string, from = url) => {
    const own = new URL(from);
    own.username = role;
    return own.href;
  };

  async function as(role: string, tenant?: string, from = url): Promise<Client> {
    const client = new Client({ connectionString: urlOf(role, from) });
    await client.connect();
    clients.push(client);
    if (tenant !== undefined) await client.query("SELECT set_config('punctual.tenant', $1, false)", [tenant]);
    return client;
  }

  async function count(client: Client, table: string): Promise<number> {
    const { rows } = await client.query(`SELECT count(*)::int4 AS count FROM punctual.${table}`);
    return rows[0].count;
  }

  function schedulerAs(role: string, from = url, options: PostgresOptions = {}) {
    const made = createScheduler<SqlClient>({ engine: postgres(urlOf(role, from), options) });
    schedulers.push(made);
    return made;
  }

  beforeAll(async () => {
    ({ url: pooledUrl, directUrl: url } = await sharedPooledPostgres(version));
    admin = new Client({ connectionString: url });
    await admin.connect();
    engine = postgres(url);
    scheduler = createScheduler<SqlClient>({ engine });
    await scheduler.tenants.limit("a", { weight: 2 });
    await scheduler.tenants.limit("b", { weight: 2 });
    for (const tenant of ["a", "b"]) {
      const handle = scheduler.tenant(tenant);
      await handle.enqueue("send", { tenant }, { key: "one", queue: "mail" });
      await handle.enqueue("send", { tenant }, { idempotencyKey: "once", queue: "mail" });
      await handle.enqueue("done", {}, { queue: "done" });
      await handle.schedules.create("daily", { task: "send", when: cron("0 9 * * *") });
    }
    const { jobs } = await engine.jobs.claim(claimRequest({ wants: [{ queue: "done", limit: 10 }] }));
    await engine.jobs.settle(jobs.map((job) => completion(job)));
    for (const tenant of ["a", "b"]) {
      await admin.query("INSERT INTO punctual.reservations VALUES ($1, 'jobs', '3', 1)", [tenant]);
      await admin.query("INSERT INTO punctual.lane_deltas (queue, tenant, ready) VALUES ('mail', $1, 0)", [tenant]);
    }
    await admin.query("INSERT INTO punctual.records VALUES ('secret', '1', 1, NULL)");
    for (const [name, role] of Object.entries(roles)) {
      await admin.query(`CREATE ROLE ${role} LOGIN IN ROLE punctual_${name}`);
    }
  }, 120_000);

  afterAll(async () => {
    await Promise.all(schedulers.map((one) => one.stop()));
    await scheduler.stop();
    await Promise.all(clients.map((client) => client.end()));
    for (const role of Object.values(roles)) await admin.query(`DROP ROLE IF EXISTS ${role}`);
    await admin.end();
  });

  test("N3 every table of the schema is under it, for its owner too", async () => {
    const { rows } = await admin.query(`SELECT relname FROM pg_class WHERE relnamespace = 'punctual'::regnamespace
      AND relkind = 'r' AND NOT (relrowsecurity AND relforcerowsecurity)`);
    expect(rows).toEqual([]);
  });

  test.each(tenantTables)("N3 %s: a tenant reads, inserts, updates and deletes its own rows only", async (table) => {
    const app = await as(roles.app, "a");
    const { rows } = await app.query(`SELECT DISTINCT tenant FROM punctual.${table}`);
    expect(rows).toEqual([{ tenant: "a" }]);
    const before = await admin.query(`SELECT * FROM punctual.${table} WHERE tenant = 'b'`);
    expect(before.rows.length).toBeGreaterThan(0);
    await app.query("BEGIN");
    const updated = await app.query(`UPDATE punctual.${table} SET ${harmless[table]} WHERE tenant = 'b'`);
    const all = await app.query(`UPDATE punctual.${table} SET ${harmless[table]}`);
    expect({ theirs: updated.rowCount, mine: (all.rowCount ?? 0) > 0 }).toEqual({ theirs: 0, mine: true });
    await app.query("ROLLBACK");
    // To give a row away is as good as writing another's.
    await expect(app.query(`UPDATE punctual.${table} SET tenant = 'b'`)).rejects.toMatchObject({ code: "42501" });
    const id = table === "events" ? "NULL" : "gen_random_uuid()";
    const copied = `INSERT INTO punctual.${table} OVERRIDING SYSTEM VALUE SELECT (jsonb_populate_record(NULL::punctual.${table},
      to_jsonb(own) || jsonb_build_object('tenant', $1::text, 'seq', -1, 'lane', -1, 'arrival', -1, 'key', 'new', 'id', ${id}))).*
      FROM punctual.${table} AS own LIMIT 1`;
    await expect(app.query(copied, ["b"])).rejects.toMatchObject({ code: "42501" });
    await app.query("BEGIN");
    if (table !== "lanes") expect((await app.query(copied, ["a"])).rowCount).toBe(1);
    await app.query("ROLLBACK");
    if (table === "events") {
      await expect(app.query("DELETE FROM punctual.events")).rejects.toMatchObject({ code: "42501" });
    } else {
      await app.query("BEGIN");
      expect((await app.query(`DELETE FROM punctual.${table} WHERE tenant = 'b'`)).rowCount).toBe(0);
      await app.query(`DELETE FROM punctual.${table}`);
      await app.query("ROLLBACK");
    }
    await expect(app.query(`TRUNCATE punctual.${table}`)).rejects.toMatchObject({ code: "42501" });
    const after = await admin.query(`SELECT * FROM punctual.${table} WHERE tenant = 'b'`);
    expect(after.rows).toEqual(before.rows);
  });

  test("N3 a tenant reads its own limits, and changes nobody's; of what is the deployment's it reads the queues", async () => {
    const app = await as(roles.app, "a");
    const { rows } = await app.query("SELECT id FROM punctual.tenants");
    expect(rows).toEqual([{ id: "a" }]);
    for (const table of ["tenants", "queues", "records", "migrations"]) {
      await expect(app.query(`DELETE FROM punctual.${table}`)).rejects.toMatchObject({ code: "42501" });
    }
    await expect(app.query("UPDATE punctual.tenants SET weight = 9")).rejects.toMatchObject({ code: "42501" });
    expect(await count(app, "records")).toBe(0);
  });

  test("N3 with no tenant set there are no rows, and no error; none can be written", async () => {
    const app = await as(roles.app);
    for (const table of [...tenantTables, "tenants", "queues", "records", "cron_schedules"]) {
      expect({ table, rows: await count(app, table) }).toEqual({ table, rows: 0 });
    }
    const insert = "INSERT INTO punctual.lane_deltas (queue, tenant) VALUES ('mail', $1)";
    for (const tenant of ["a", ""]) {
      await expect(app.query(insert, [tenant])).rejects.toMatchObject({ code: "42501" });
    }
    expect((await app.query("DELETE FROM punctual.jobs")).rowCount).toBe(0);
    // Set once, and then taken back: as good as never.
    await app.query("SELECT set_config('punctual.tenant', 'a', false)");
    await app.query("RESET punctual.tenant");
    expect(await count(app, "jobs")).toBe(0);
  });

  test.each(hostile)("N3 a hostile tenant's name is a name like any other: %j", async (name) => {
    const app = await as(roles.app);
    try {
      await app.query("SELECT set_config('punctual.tenant', $1, false)", [name]);
    } catch (error) {
      // A text that the server does not take at all.
      expect(error).toMatchObject({ code: "22021" });
    }
    for (const table of tenantTables) expect(await count(app, table)).toBe(0);
    expect(await count(await as(roles.master), "jobs")).toBe(4);
    const own = postgres(urlOf(roles.app), { listen: false });
    await own.open();
    const listed = own.ofTenant?.(name).jobs.list({ tenant: name }, { limit: 10 });
    if (name.includes("\u0000")) await expect(listed).rejects.toMatchObject({ code: "NOT_WRITTEN" });
    else expect((await listed)?.items).toEqual([]);
    await own.close();
  });

  test("A9 N3 the master and the worker see all rows; so does the owner, who is no superuser", async () => {
    for (const role of [roles.master, roles.worker]) {
      const client = await as(role);
      for (const table of tenantTables) {
        const { rows } = await client.query(`SELECT DISTINCT tenant FROM punctual.${table} ORDER BY 1`);
        expect({ role, table, rows }).toEqual({ role, table, rows: [{ tenant: "a" }, { tenant: "b" }] });
      }
    }
    const owner = `owner_${version}`;
    await admin.query(`CREATE ROLE ${owner} LOGIN`);
    const { rows } = await admin.query("SELECT current_database() AS name");
    await admin.query(`GRANT CREATE ON DATABASE ${rows[0].name} TO ${owner}`);
    const own = createScheduler({ engine: postgres(urlOf(owner), { schema: "owned" }) });
    await own.tenant("a").enqueue("send", {});
    await own.tenant("b").enqueue("send", {});
    expect((await own.jobs.list()).items.map(({ tenant }) => tenant).sort()).toEqual(["a", "b"]);
    await own.stop();
    await admin.query(`DROP OWNED BY ${owner} CASCADE; DROP ROLE ${owner}`);
  });

  test("N3 the master copies: it reads and writes everything, and moves the sequences on", async () => {
    const master = postgres(urlOf(roles.master), { listen: false });
    await master.open();
    const page = await master.transfer.read({ limit: 1_000 });
    expect(page.items.length).toBeGreaterThan(0);
    const client = await as(roles.master);
    for (const sequence of ["jobs_seq", "events_id"]) {
      await client.query(`SELECT setval('punctual.${sequence}', last_value) FROM punctual.${sequence}`);
    }
    await master.close();
  });

  test("N3 a worker does not set limits, nor a tenant's share", async () => {
    const worker = await as(roles.worker);
    await expect(worker.query("UPDATE punctual.tenants SET weight = 9")).rejects.toMatchObject({ code: "42501" });
    await expect(worker.query("UPDATE punctual.queues SET concurrency = 9")).rejects.toMatchObject({ code: "42501" });
    await expect(worker.query("INSERT INTO punctual.migrations VALUES (99, 'x', true, 0)")).rejects.toMatchObject({
      code: "42501",
    });
  });

  describe.each(["straight", "pooled"] as const)("through a tenant's handle, %s", (way) => {
    const from = () => (way === "straight" ? url : pooledUrl);

    test("N3 each tenant lives its own life, and finds nobody else's", async () => {
      const app = schedulerAs(roles.app, from());
      const a = app.tenant("a");
      const b = app.tenant("b");
      const made = await Promise.all(
        [a, b].flatMap((one) => Array.from({ length: 5 }, () => one.enqueue("send", {}, { queue: `own-${way}` }))),
      );
      const [first] = made;
      const listed = await Promise.all([a, b].map((one) => one.jobs.list({ queue: `own-${way}` })));
      expect(listed.map(({ items }) => items.length)).toEqual([5, 5]);
      expect(new Set(listed[0]?.items.map(({ tenant }) => tenant))).toEqual(new Set(["a"]));
      expect(await b.jobs.get(first?.id ?? "")).toBeUndefined();
      expect(await b.jobs.cancel(first?.id ?? "")).toBe("unknown");
      await a.jobs.cancel(first?.id ?? "");
      expect((await a.explain({ job: first?.id ?? "" })).sentences.length).toBeGreaterThan(0);
      expect((await a.events.list({ job: first?.id ?? "" })).items.length).toBeGreaterThan(0);
      expect((await b.events.list({ job: first?.id ?? "" })).items).toEqual([]);
      expect((await a.queues.list()).map(({ name }) => name)).toContain(`own-${way}`);
      expect((await a.stats({ queue: `own-${way}` })).waiting).toBe(4);
      expect((await a.limits()).weight).toBe(2);
      await a.schedules.ensure(`hourly-${way}`, { task: "send", when: cron("0 * * * *") });
      await b.schedules.ensure(`hourly-${way}`, { task: "send", when: cron("5 * * * *") });
      await a.schedules.trigger(`hourly-${way}`);
      await a.schedules.remove(`hourly-${way}`);
      expect(await a.schedules.get(`hourly-${way}`)).toBeUndefined();
      expect((await b.schedules.get(`hourly-${way}`))?.id).toBe(`hourly-${way}`);
      await b.schedules.remove(`hourly-${way}`);
      for (const one of [a, b]) {
        for (const { id } of (await one.jobs.list({ queue: `own-${way}` })).items) await one.jobs.cancel(id);
      }
    });

    test("N3 what is about everybody is refused by name, instead of finding nothing", async () => {
      const app = schedulerAs(roles.app, from());
      await expect(app.jobs.list()).rejects.toMatchObject({ code: "INVALID_INPUT", details: {} });
      expect((await app.jobs.list({ tenant: "a", queue: "mail" })).items).toHaveLength(2);
      const own = postgres(urlOf(roles.app, from()));
      await own.open();
      const refused = { code: "ENGINE_NOT_CONFIGURED", message: expect.stringContaining(roles.app) };
      const request = { claimId: "x", worker: "w", leaseMs: 1_000, wants: [], limit: 1, starts: 1, bytesMax: 1 };
      await expect(own.jobs.claim(request)).rejects.toMatchObject(refused);
      await expect(own.schedules.fire({ limit: 1, decide: () => [] })).rejects.toMatchObject(refused);
      await expect(own.jobs.purge({ limit: 1 })).rejects.toMatchObject(refused);
      await expect(own.queues.put([{ name: "mail", paused: true }])).rejects.toMatchObject(refused);
      await expect(own.tenants.put([{ id: "a", weight: 1 }])).rejects.toMatchObject(refused);
      await expect(own.transfer.counts()).rejects.toMatchObject(refused);
      await own.close();
    });

    test("N3 the tenant ends with its transaction: whoever has the connection next has none", async () => {
      const pool = new Pool({ connectionString: urlOf(roles.app, from()), max: 1 });
      const app = createScheduler({ engine: postgres(pool, { listen: false }) });
      await app.tenant("a").enqueue("send", {}, { queue: `leak-${way}` });
      const looked = await pool.query(
        "SELECT current_setting('punctual.tenant', true) AS tenant, count(*)::int4 FROM punctual.jobs",
      );
      expect([null, ""]).toContain(looked.rows[0].tenant);
      expect(looked.rows[0].count).toBe(0);
      expect(await count(await as(roles.app, undefined, from()), "jobs")).toBe(0);
      // A call that fails leaves none either.
      const key = { key: "twice", onConflict: "error", queue: `leak-${way}` } as const;
      await app.tenant("a").enqueue("send", {}, key);
      await expect(app.tenant("a").enqueue("send", {}, key)).rejects.toMatchObject({ code: "KEY_IN_USE" });
      expect((await pool.query("SELECT count(*)::int4 FROM punctual.jobs")).rows[0].count).toBe(0);
      for (const { id } of (await app.tenant("a").jobs.list({ queue: `leak-${way}` })).items)
        await app.tenant("a").jobs.cancel(id);
      await app.stop();
      await pool.end();
    });

    test("N3 inside a caller's transaction a call is its tenant's, and the transaction keeps the tenant that it had", async () => {
      const app = schedulerAs(roles.app, from());
      const client = await as(roles.app, undefined, from());
      await client.query("BEGIN");
      await client.query("SELECT set_config('punctual.tenant', 'b', true)");
      const { id } = await app.using(client).enqueue("send", {}, { tenant: "a", queue: "joined", key: way });
      const { rows } = await client.query("SELECT current_setting('punctual.tenant') AS tenant");
      expect(rows).toEqual([{ tenant: "b" }]);
      await client.query("COMMIT");
      expect((await app.tenant("a").jobs.get(id))?.queue).toBe("joined");
      expect(await app.tenant("b").jobs.get(id)).toBeUndefined();
      await app.tenant("a").jobs.cancel(id);
    });

    test("N3 a worker runs the jobs of all tenants, with limits that others have set", async () => {
      const ran: string[] = [];
      const queue = `work-${way}`;
      await scheduler.queues.limit(queue, { concurrency: 2, rate: { count: 1_000, per: "1s" } });
      await scheduler.tenants.limit("a", { concurrency: 1, rate: { count: 1_000, per: "1s" } });
      const app = schedulerAs(roles.app, from());
      for (const tenant of ["a", "b"]) {
        await app.tenant(tenant).enqueue("run", {}, { queue });
        await app.tenant(tenant).enqueue("run", {}, { queue, delay: 200 });
      }
      const worker = createScheduler({
        engine: postgres(urlOf(roles.worker, from())),
        handlers: [handle(task("run"), (_input, ctx) => void ran.push(ctx.job.tenant))],
        worker: { queues: [queue] },
      });
      const errors: unknown[] = [];
      worker.on("worker:error", ({ error }) => errors.push(error));
      await worker.start();
      await expect.poll(() => ran.toSorted(), { timeout: 30_000 }).toEqual(["a", "a", "b", "b"]);
      await expect.poll(async () => (await scheduler.stats({ queue })).completed, { timeout: 30_000 }).toBe(4);
      await worker.stop();
      expect(errors).toEqual([]);
      await scheduler.tenants.limit("a", { concurrency: null, rate: null });
    });
  });

  test("A14 cron_schedules shows each tenant its own schedules, and the master all", async () => {
    const app = await as(roles.app, "a");
    const { rows } = await app.query(
      "SELECT id, name, task_goal, cron_expression, user_id, enabled FROM punctual.cron_schedules",
    );
    expect(rows).toEqual([
      { id: "daily", name: "daily", task_goal: "send", cron_expression: "0 9 * * *", user_id: "a", enabled: true },
    ]);
    expect(await count(await as(roles.master), "cron_schedules")).toBe(2);
  });
});

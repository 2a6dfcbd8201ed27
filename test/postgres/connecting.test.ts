// What is wrong with the way to a server, and stays so: told as such, with the mend and without the password. A server that
// is only away is told as one.
import { readFileSync, writeFileSync } from "node:fs";
import { Client, Pool } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PostgresServer, startPostgres } from "../../scripts/services/postgres.ts";
import { freePort } from "../../scripts/services/server-home.ts";
import type { PunctualError } from "../../src/core/errors.ts";
import { type PostgresOptions, postgres } from "../../src/engines/postgres/index.ts";
import { createScheduler, examine, handle, task } from "../../src/index.ts";
import { failureIn, Workplace } from "../cli/punctual.ts";

describe("O5 what is wrong with the way to a PostgreSQL server", () => {
  const place = new Workplace();
  let server: PostgresServer;
  let url: string;
  let admin: Client;

  beforeAll(async () => {
    server = await startPostgres({ durable: false });
    url = await server.newDatabase();
    admin = new Client({ connectionString: url });
    await admin.connect();
    await admin.query("CREATE ROLE guarded LOGIN SUPERUSER PASSWORD 'right'");
    const { rows } = await admin.query("SELECT current_setting('hba_file') AS file");
    const { file } = rows[0];
    writeFileSync(file, `host all guarded all scram-sha-256\n${readFileSync(file, "utf8")}`);
    await admin.query("SELECT pg_reload_conf()");
    // The server reads it when it comes to it.
    while ((await outcome(urlWith({ user: "guarded:wrong" }))) === undefined);
  }, 120_000);

  afterAll(async () => {
    await admin?.end();
    await server.close();
    await place[Symbol.asyncDispose]();
  });

  /** The URL with some of its parts changed. */
  function urlWith({ user, database, query = "" }: { user?: string; database?: string; query?: string }): string {
    const { host, username, pathname } = new URL(url);
    return `postgres://${user ?? username}@${host}/${database ?? pathname.slice(1)}${query}`;
  }

  async function outcome(location: string | Pool, options: PostgresOptions = {}): Promise<unknown> {
    const engine = postgres(location, options);
    try {
      return await engine.open();
    } catch (error) {
      return error;
    } finally {
      await engine.close();
    }
  }

  const mistakes: readonly [string, () => string, RegExp, RegExp][] = [
    ["a wrong password", () => urlWith({ user: "guarded:wr0ng" }), /"guarded"/, /password/],
    ["no password", () => urlWith({ user: "guarded" }), /asks for a password/, /PGPASSWORD/],
    ["no such role", () => urlWith({ user: "nobody:wr0ng" }), /"nobody" does not exist/, /role exists/],
    ["no such database", () => urlWith({ database: "nodb" }), /"nodb" does not exist/, /CREATE DATABASE/],
    ["TLS where the server has none", () => urlWith({ query: "?sslmode=verify-full" }), /TLS/, /sslmode=disable/],
    ["a # in the password", () => "postgres://u:wr0ng#x@host/x", /escaped/, /%23/],
    ["a / in the password", () => "postgres://u:p@wr0ng.invalid/w@h:99999/x", /escaped/, /%2F/],
  ];

  test.each(mistakes)(
    "O5 %s is a mistake of the URL, told with its mend and without the password",
    async (_, given, what, mend) => {
      const error = await outcome(given());
      expect(error).toMatchObject({
        code: "ENGINE_NOT_CONFIGURED",
        field: "location",
        message: expect.stringMatching(what),
        mend: expect.stringMatching(mend),
      });
      expect(`${error} ${(error as Error).cause} ${(error as PunctualError).mend}`).not.toContain("wr0ng");
    },
  );

  test("O5 the command line ends with 78 on such a mistake, and with 75 for a server that is away", async () => {
    const wrong = await place.run(["stats", "--engine", urlWith({ user: "guarded:wr0ng" }), "--json"]);
    expect(wrong.code).toBe(78);
    expect(failureIn(wrong)).toMatchObject({ code: "ENGINE_NOT_CONFIGURED", field: "location" });
    const away = await place.run(["stats", "--engine", `postgres://u@127.0.0.1:${await freePort()}/x`, "--json"]);
    expect(away.code).toBe(75);
    expect(failureIn(away)).toMatchObject({ code: "NOT_WRITTEN" });
  });

  test("O1 a password that changes while a store is open is an outage: what is under way is tried again", async () => {
    let password = "right";
    const { hostname: host, port, pathname } = new URL(url);
    const pool = new Pool({
      host,
      port: Number(port),
      user: "guarded",
      database: pathname.slice(1),
      password: () => password,
    });
    await using scheduler = createScheduler({ engine: postgres(pool, { listen: false }) });
    await scheduler.enqueue("greet", {});
    password = "other";
    await admin.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'guarded'");
    await expect.poll(() => pool.totalCount, { timeout: 20_000 }).toBe(0);
    await expect(scheduler.enqueue("greet", {})).rejects.toMatchObject({ code: "NOT_WRITTEN" });
    password = "right";
    await scheduler.enqueue("greet", {});
    await scheduler.stop();
    await pool.end();
  });

  test("O5 a database that takes no writes is told as such, at opening, by a call and by the doctor", async () => {
    const name = new URL(url).pathname.slice(1);
    const fresh = await server.newDatabase();
    const freshName = new URL(fresh).pathname.slice(1);
    await outcome(url);
    for (const each of [name, freshName])
      await admin.query(`ALTER DATABASE ${each} SET default_transaction_read_only = on`);
    const refusal = {
      code: "ENGINE_NOT_CONFIGURED",
      field: "location",
      mend: expect.stringContaining("primary"),
    };
    expect(await outcome(fresh)).toMatchObject(refusal);
    const engine = postgres(url);
    await using scheduler = createScheduler({ engine });
    await expect(scheduler.enqueue("greet", {})).rejects.toMatchObject(refusal);
    expect((await examine(engine)).find(({ check }) => check === "server")).toMatchObject({
      status: "problem",
      what: expect.stringContaining("default_transaction_read_only"),
    });
    await admin.query("SET default_transaction_read_only = off");
    for (const each of [name, freshName])
      await admin.query(`ALTER DATABASE ${each} RESET default_transaction_read_only`);
  });

  test("O5 a caller's transaction that is read only is refused by name", async () => {
    await using scheduler = createScheduler({ engine: postgres(url) });
    await scheduler.jobs.list();
    const client = new Client({ connectionString: url });
    await client.connect();
    await client.query("BEGIN READ ONLY");
    const joined = scheduler.using(client).enqueue("greet", {});
    await expect(joined).rejects.toMatchObject({ code: "INVALID_INPUT", field: "tx" });
    await client.end();
  });

  test("O5 a role without the right to make the schema is told the statement that gives it", async () => {
    const fresh = await server.newDatabase();
    await admin.query("CREATE ROLE nocreate LOGIN");
    const own = new URL(fresh);
    own.username = "nocreate";
    expect(await outcome(own.href)).toMatchObject({
      code: "ENGINE_NOT_CONFIGURED",
      mend: expect.stringContaining(`GRANT CREATE ON DATABASE ${own.pathname.slice(1)}`),
    });
  });

  test("N3 roles do not start where the connections show one tenant at a time", async () => {
    await outcome(url);
    await admin.query("CREATE ROLE web LOGIN IN ROLE punctual_app");
    const own = urlWith({ user: "web" });
    const greet = handle(task("greet"), async () => {});
    for (const role of ["worker", "ticker", "janitor"] as const) {
      await using scheduler = createScheduler({ engine: postgres(own), handlers: [greet] });
      await expect(scheduler.start({ roles: [role] })).rejects.toMatchObject({
        code: "ENGINE_NOT_CONFIGURED",
        mend: expect.stringContaining("punctual_worker"),
      });
    }
    const served = await place.run(["serve", "--roles", "ticker", "--engine", own, "--json"]);
    expect(served.code).toBe(78);
    const looked = await place.run(["doctor", "--engine", own]);
    expect(looked.stdout).toContain("as a member of punctual_worker or punctual_master");
  });

  test("O5 a policy, a grant to PUBLIC and a role that opens what row security closes are named", async () => {
    await admin.query("CREATE POLICY evil ON punctual.jobs USING (true)");
    await admin.query("CREATE POLICY worker ON punctual.records USING (true)").catch(() => {});
    await admin.query("GRANT SELECT ON punctual.events TO PUBLIC");
    await admin.query("CREATE ROLE seer LOGIN BYPASSRLS IN ROLE punctual_app");
    const checked = await place.run(["migrate", "--check", "--engine", url, "--json"]);
    expect(checked.code).toBe(65);
    const { message } = failureIn(checked);
    expect(message).toContain("the policy evil of jobs is not Punctual's");
    expect(message).toContain("the grant SELECT to PUBLIC of events is not Punctual's");
    const { stdout } = await place.run(["doctor", "--engine", url]);
    expect(stdout).toContain("the policy evil of jobs is not Punctual's");
    expect(stdout).toMatch(/^warn +row security: seer, of punctual_app/m);
    await admin.query("DROP POLICY evil ON punctual.jobs");
    await admin.query("REVOKE SELECT ON punctual.events FROM PUBLIC");
    await admin.query("ALTER POLICY worker ON punctual.jobs TO PUBLIC");
    const again = await place.run(["migrate", "--check", "--engine", url, "--json"]);
    expect(failureIn(again).message).toContain("the policy worker of jobs is not Punctual's");
    await admin.query("ALTER POLICY worker ON punctual.jobs TO punctual_worker");
    expect((await place.run(["migrate", "--check", "--engine", url])).code).toBe(0);
  });

  test("O4 what migrate prints is one transaction: cut off, it has changed nothing; half a step is told as one", async () => {
    const fresh = await server.newDatabase();
    const { stdout } = await place.run(["migrate", "--print", "--engine", fresh]);
    expect(stdout).toMatch(/^-- One transaction/);
    const cut = stdout.slice(0, stdout.indexOf("CREATE TABLE punctual.finished"));
    const by = async (sql: string) => {
      const client = new Client({ connectionString: fresh });
      await client.connect();
      await client.query(sql);
      await client.end();
    };
    await by(cut);
    expect((await place.run(["migrate", "--check", "--engine", fresh])).code).toBe(78);
    await by(stdout);
    expect((await place.run(["migrate", "--check", "--engine", fresh])).stdout).toBe("nothing is missing\n");
    await by("DROP SCHEMA punctual CASCADE");
    await by(cut.replace("BEGIN;", ""));
    const half = await place.run(["migrate", "--engine", fresh, "--json"]);
    expect(half.code).toBe(65);
    expect(failureIn(half)).toMatchObject({
      code: "STORE_CORRUPT",
      mend: expect.stringContaining("DROP SCHEMA punctual"),
    });
  });
});

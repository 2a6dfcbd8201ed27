// Upgrades from every step of the schema: stores that each has left, kept as dumps in test/upgrade/postgres.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Client } from "pg";
import { describe, expect, test } from "vitest";
import { postgres } from "../../src/engines/postgres/index.ts";
import { migrations } from "../../src/engines/postgres/migrations/migrate.ts";
import { createScheduler, examine, handle, task } from "../../src/index.ts";
import { sharedPostgres } from "../servers/shared.ts";

const folder = fileURLToPath(new URL("../upgrade/postgres/", import.meta.url));
const dumps = readdirSync(folder).filter((name) => name.endsWith(".sql"));
const everyStep = migrations.map(({ id }) => id);
const tables = ["jobs", "finished", "lanes", "queues", "schedules", "records", "events"];

/** A new database with the store of a dump. */
async function restored(dump: string, version: 15 | 18): Promise<{ readonly url: string; readonly admin: Client }> {
  const url = await sharedPostgres(version);
  const loading = new Client({ connectionString: url });
  await loading.connect();
  // Roles are the server's, and in no dump of a database.
  for (const role of ["punctual_app", "punctual_master", "punctual_worker"]) {
    await loading.query(`CREATE ROLE ${role} NOLOGIN`).catch(() => {});
  }
  await loading.query(readFileSync(`${folder}${dump}`, "utf8"));
  await loading.end();
  const admin = new Client({ connectionString: url });
  await admin.connect();
  return { url, admin };
}

async function stepsIn(admin: Client): Promise<number[]> {
  return (await admin.query("SELECT id FROM punctual.migrations ORDER BY id")).rows.map(({ id }) => id);
}

test("O4 there is a dump of a store of each step", () => {
  expect(dumps.map((name) => name.replace(".sql", ""))).toEqual(
    migrations.map(({ id, name }) => `${String(id).padStart(4, "0")}-${name}`),
  );
});

describe.each(dumps)("a store of %s", (dump) => {
  const from = Number(dump.slice(0, 4));
  const missing = everyStep.filter((id) => id > from);

  test.each([15, 18] as const)(
    "O3 with data in every table is opened, migrated and served by PostgreSQL %s",
    { timeout: 120_000 },
    async (version) => {
      const { url, admin } = await restored(dump, version);
      expect(await stepsIn(admin)).toEqual(everyStep.filter((id) => id <= from));
      for (const table of tables) {
        const { rows } = await admin.query(`SELECT count(*)::int4 AS count FROM punctual.${table}`);
        expect(rows[0].count, table).toBeGreaterThan(0);
      }
      let ran = 0;
      const engine = postgres(url);
      await using scheduler = createScheduler({
        engine,
        handlers: [handle(task("send"), () => void ran++)],
        worker: { concurrency: 50, queues: ["mail", "reports", "billing"] },
      });
      const { waiting } = await scheduler.stats();
      expect(waiting).toBeGreaterThan(0);
      expect(await stepsIn(admin)).toEqual(everyStep);
      const state = await engine.migrations.state();
      expect({ drift: state.drift, unchecked: state.unchecked }).toEqual({ drift: [], unchecked: undefined });
      const unwell = (await examine(engine)).filter(({ status }) => status === "problem");
      expect(
        unwell.filter(({ check }) =>
          ["schema", "rows", "counters", "rights", "row security", "indexes"].includes(check),
        ),
      ).toEqual([]);
      await scheduler.queues.limit("billing", { rate: null });
      await scheduler.start({ roles: ["worker"] });
      await scheduler.resume();
      await expect.poll(async () => (await scheduler.stats()).waiting, { timeout: 60_000 }).toBe(0);
      expect(ran).toBeGreaterThanOrEqual(waiting);
      await admin.end();
    },
  );

  test("O4 is migrated once by ten engines that open it together", { timeout: 120_000 }, async () => {
    const { url, admin } = await restored(dump, 15);
    const engines = Array.from({ length: 10 }, () => postgres(url, { listen: false, poolMax: 2 }));
    await Promise.all(engines.map((engine) => engine.open()));
    await Promise.all(engines.map((engine) => engine.close()));
    expect(await stepsIn(admin)).toEqual(everyStep);
    await admin.end();
  });

  test("O4 is refused by who does not want to migrate it, and left as it was", { timeout: 120_000 }, async () => {
    const { url, admin } = await restored(dump, 15);
    const engine = postgres(url, { migrate: false });
    if (missing.length > 0) {
      await expect(engine.open()).rejects.toMatchObject({ code: "STORE_OUTDATED", details: { steps: missing } });
    }
    expect(await stepsIn(admin)).toEqual(everyStep.filter((id) => id <= from));
    expect((await engine.migrations.apply()).map(({ id }) => id)).toEqual(missing);
    await engine.open();
    expect((await engine.migrations.state()).drift).toEqual([]);
    await engine.close();
    await admin.end();
  });
});

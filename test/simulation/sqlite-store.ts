// The same world over the SQLite engine: a database in memory, whose triggers say what was written.
import { DatabaseSync } from "node:sqlite";
import { jobIdFromBytes } from "../../src/core/id.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { type Changes, type MakeStore, retention } from "./store.ts";

type Row = Record<string, null | number | bigint | string | Uint8Array>;

const watchedTables = ["punctual_jobs", "punctual_finished"] as const;

export const sqliteStore: MakeStore = async (now) => {
  const database = new DatabaseSync(":memory:");
  const engine = sqlite(database, { clock: { now }, retention });
  await engine.open();
  watchTables(database);
  const texts = new Map<string, string>();
  /** Leaves out what was written as it was. */
  const isChanged = (name: string, value: unknown): boolean => {
    const text = JSON.stringify(value) ?? "";
    if (texts.get(name) === text) return false;
    texts.set(name, text);
    return true;
  };
  const touched = database.prepare("SELECT DISTINCT job, tenant, schedule FROM temp.touched");
  const clear = () => database.exec("DELETE FROM temp.touched");
  const changes = async (): Promise<Changes> => {
    const found = { jobs: new Map(), schedules: new Map() };
    const rows = touched.all() as { job: Uint8Array | null; tenant: string | null; schedule: string | null }[];
    if (rows.length === 0) return found;
    clear();
    for (const { job, tenant, schedule } of rows) {
      if (job === null) {
        const stored = await engine.schedules.get({ tenant: tenant ?? "", id: schedule ?? "" });
        if (isChanged(`${tenant}\n${schedule}`, stored)) found.schedules.set(`${tenant}\n${schedule}`, stored);
      } else {
        const id = jobIdFromBytes(job);
        const stored = await engine.jobs.get(id);
        if (isChanged(id, stored)) found.jobs.set(id, stored);
      }
    }
    return found;
  };
  const keep = () => {
    const tables = tablesOf(database).map((name) => [name, database.prepare(`SELECT * FROM ${name}`).all()] as const);
    const kept = new Map(texts);
    return () => {
      for (const [name, rows] of tables) refill(database, name, rows as Row[]);
      clear();
      texts.clear();
      for (const [name, text] of kept) texts.set(name, text);
    };
  };
  return { engine: engine as never, watchers: new Set(), changes, keep };
};

function watchTables(database: DatabaseSync): void {
  database.exec("CREATE TEMP TABLE touched (job BLOB, tenant TEXT, schedule TEXT)");
  for (const [verb, row] of [
    ["INSERT", "NEW"],
    ["UPDATE", "NEW"],
    ["DELETE", "OLD"],
  ] as const) {
    for (const table of watchedTables) {
      database.exec(`CREATE TEMP TRIGGER ${table}_${verb} AFTER ${verb} ON main.${table}
        BEGIN INSERT INTO touched (job) VALUES (${row}.id); END`);
    }
    database.exec(`CREATE TEMP TRIGGER schedules_${verb} AFTER ${verb} ON main.punctual_schedules
      BEGIN INSERT INTO touched (tenant, schedule) VALUES (${row}.tenant, ${row}.id); END`);
  }
}

function tablesOf(database: DatabaseSync): string[] {
  const sql = "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name LIKE 'punctual_%'";
  return (database.prepare(sql).all() as { name: string }[]).map(({ name }) => name);
}

function refill(database: DatabaseSync, table: string, rows: readonly Row[]): void {
  database.exec(`DELETE FROM ${table}`);
  for (const row of rows) {
    const names = Object.keys(row);
    const marks = names.map(() => "?").join(", ");
    database.prepare(`INSERT INTO ${table} (${names.join(", ")}) VALUES (${marks})`).run(...Object.values(row));
  }
}

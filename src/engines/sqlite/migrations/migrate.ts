// Brings a database to this version's schema: numbered, append-only steps, each applied once however many processes
// start together. A step that older versions cannot live with is breaking, and they then refuse the store.
import { StoreCorruptError, StoreTooNewError } from "../../../core/errors.ts";
import type { MigrationStep } from "../../../core/schema.ts";
import type { Connection } from "../database.ts";
import { initial } from "./0001-initial.ts";
import { disabledSchedules } from "./0002-disabled-schedules.ts";
import { tenants } from "./0003-tenants.ts";
import type { Migration } from "./migration.ts";

/** Every step there is, in order. */
export const migrations: readonly Migration[] = [initial, disabledSchedules, tenants];

const latest = Math.max(...migrations.map(({ id }) => id));

const ledger = `
CREATE TABLE IF NOT EXISTS punctual_migrations (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  breaking INTEGER NOT NULL,
  applied_at INTEGER NOT NULL
)`;

/** Whether the database holds a store of Punctual. */
export function hasStore(connection: Connection): boolean {
  const sql =
    "-- migrations.find\nSELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'punctual_migrations'";
  return connection.get(sql) !== undefined;
}

/** @throws StoreCorruptError when a table is missing that an applied step has made, or the ledger is not ours. */
export function checkTables(connection: Connection): void {
  let applied: readonly { readonly id: number }[];
  try {
    applied = connection.all("-- migrations.ledger\nSELECT id, name, breaking, applied_at FROM punctual_migrations");
  } catch (error) {
    throw new StoreCorruptError("the table punctual_migrations is not Punctual's", { cause: error });
  }
  const tables = connection.all<{ name: string }>(
    "-- migrations.tables\nSELECT name FROM sqlite_schema WHERE type = 'table'",
  );
  const there = new Set(tables.map(({ name }) => name));
  for (const { id, name, sql } of migrations) {
    if (!applied.some((row) => row.id === id)) continue;
    for (const [, table = ""] of sql.matchAll(/CREATE TABLE (\w+)/g)) {
      if (there.has(table)) continue;
      throw new StoreCorruptError(`the table ${table} is missing, which step ${id} (${name}) has made`);
    }
  }
}

/** @throws StoreCorruptError when a database without a store has tables that carry our names. */
export function refuseTaken(connection: Connection): void {
  // One statement sees one moment: another process may be making the store right now.
  const sql = `-- migrations.taken
SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name LIKE 'punctual\\_%' ESCAPE '\\'
  AND NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'punctual_migrations') LIMIT 1`;
  const taken = connection.get<{ name: string }>(sql)?.name;
  if (taken === undefined) return;
  throw new StoreCorruptError(`the table ${taken} is there already, and is not Punctual's`, {
    mend: "Rename it, or use a file of its own for the store.",
  });
}

/** The steps that are still to be applied. */
export function missing(connection: Connection): readonly Migration[] {
  if (!hasStore(connection)) return migrations;
  const applied = connection.all<{ id: number }>("-- migrations.list\nSELECT id FROM punctual_migrations");
  return migrations.filter(({ id }) => !applied.some((row) => row.id === id));
}

/** Makes the table that says which steps are applied. */
export function createLedger(connection: Connection): void {
  connection.database.exec(ledger);
}

/** Applies what is missing and answers it; the caller holds the write lock, so that of many starters one does it. */
export function migrate(connection: Connection, now: number): MigrationStep[] {
  createLedger(connection);
  const steps = missing(connection);
  for (const { id, name, breaking, sql } of steps) {
    connection.database.exec(sql);
    const insert =
      "-- migrations.apply\nINSERT INTO punctual_migrations (id, name, breaking, applied_at) VALUES (?, ?, ?, ?)";
    connection.run(insert, id, name, breaking ? 1 : 0, now);
  }
  return steps.map((step) => ({ ...step, appliedAt: now }));
}

/**
 * O3: asked at open and again in every claim and fire, as a newer version may migrate while this one runs.
 * @throws StoreTooNewError when a breaking step that this version does not know has been applied.
 */
export function checkEpoch(connection: Connection): void {
  const sql =
    "-- migrations.check\nSELECT id, name FROM punctual_migrations WHERE id > ? AND breaking = 1 ORDER BY id LIMIT 1";
  const newer = connection.get<{ id: number; name: string }>(sql, latest);
  if (newer === undefined) return;
  throw new StoreTooNewError(
    `the store has been migrated to step ${newer.id} (${newer.name}); this version of Punctual knows steps up to ${latest}`,
    { details: { step: newer.id, known: latest } },
  );
}

// Brings a database to this version's schema: numbered, append-only steps, each applied once however many processes
// start together. A step that older versions cannot live with is breaking, and they then refuse the store.
import { StoreTooNewError } from "../../../core/errors.ts";
import type { Connection } from "../database.ts";
import { initial } from "./0001-initial.ts";
import type { Migration } from "./migration.ts";

const migrations: readonly Migration[] = [initial];

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

/** The steps that are still to be applied. */
export function missing(connection: Connection): readonly Migration[] {
  if (!hasStore(connection)) return migrations;
  const applied = connection.all<{ id: number }>("-- migrations.list\nSELECT id FROM punctual_migrations");
  return migrations.filter(({ id }) => !applied.some((row) => row.id === id));
}

/** Applies what is missing; the caller holds the write lock, so that of many starters one does it. */
export function migrate(connection: Connection, now: number): void {
  connection.database.exec(ledger);
  for (const { id, name, breaking, sql } of missing(connection)) {
    connection.database.exec(sql);
    const insert =
      "-- migrations.apply\nINSERT INTO punctual_migrations (id, name, breaking, applied_at) VALUES (?, ?, ?, ?)";
    connection.run(insert, id, name, breaking ? 1 : 0, now);
  }
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

// What the SQLite harnesses share: a file in a folder of its own, and a caller's transaction on it.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { sqlite } from "../../src/engines/sqlite/index.ts";
import type { OpenTx } from "../../src/testing/conformance/harness.ts";

/** A fresh place for a database file. */
export function freshFile(): { readonly path: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), "punctual-"));
  return { path: join(folder, "store.db"), remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Begins a transaction on the caller's own database and binds the engine to it. */
export function beginOn(
  database: DatabaseSync,
  engine: ReturnType<typeof sqlite>,
  othersReadOn: boolean,
  end: () => void = () => {},
): OpenTx {
  database.exec("BEGIN IMMEDIATE");
  const joined = engine.using?.(database);
  if (joined === undefined) throw new Error("the sqlite engine joins transactions");
  const finish = async (statement: "COMMIT" | "ROLLBACK") => {
    database.exec(statement);
    end();
  };
  return { joined, othersReadOn, commit: () => finish("COMMIT"), rollback: () => finish("ROLLBACK") };
}

/** Begins a transaction on a connection of its own to the engine's file. */
export function beginOnFile(path: string, engine: ReturnType<typeof sqlite>): OpenTx {
  const database = new DatabaseSync(path, { timeout: 5_000 });
  return beginOn(database, engine, true, () => database.close());
}

// PGlite, loaded by name: its own declarations need a browser's types, which this project does not have.
import type { SqlClient } from "../../src/engines/postgres/index.ts";
import type { Pglite } from "../../src/engines/postgres/pglite.ts";

/** What tests use of a PGlite. */
export interface TestPglite extends Pglite {
  exec(sql: string): Promise<unknown>;
  close(): Promise<void>;
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
}

/** What tests use of its transactions. */
export interface Transaction extends SqlClient {
  rollback(): Promise<void>;
}

interface Module {
  readonly PGlite: { create(): Promise<TestPglite> };
}

const name = "@electric-sql/pglite";

/** A new, empty database in this process's memory. */
export async function newPglite(): Promise<TestPglite> {
  const { PGlite } = (await import(/* @vite-ignore */ name)) as Module;
  return PGlite.create();
}

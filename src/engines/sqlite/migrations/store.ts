// Migrations in SQLite: the contract's MigrationStore. It works on a store that is not open, too.
import { existsSync } from "node:fs";
import type { MigrationStore } from "../../../core/engine.ts";
import type { SchemaState } from "../../../core/schema.ts";
import { Connection } from "../database.ts";
import { checkHeader, checkPlace, openFile } from "../file.ts";
import { type OpenOptions, openStore } from "../opening.ts";
import { translate } from "../patience.ts";
import type { Steps } from "../tx.ts";
import { pristine, schemaState } from "./state.ts";

/** @param opened the store's steps while it is open */
export function migrationStore(options: OpenOptions, opened: () => Steps | undefined): MigrationStore {
  const state = async (): Promise<SchemaState> => {
    const steps = opened();
    if (steps !== undefined) return schemaState(await steps.read(({ connection }) => connection));
    const { location } = options;
    if (typeof location !== "string") return schemaState(new Connection(location));
    return stateOfFile(location);
  };
  return {
    state,
    apply: async () => {
      const { steps } = await state();
      if (opened() !== undefined || steps.every(({ appliedAt }) => appliedAt !== undefined)) return [];
      const { connection, applied } = await openStore({ ...options, migrate: true });
      if (typeof options.location === "string") connection.database.close();
      return [...applied];
    },
  };
}

async function stateOfFile(path: string): Promise<SchemaState> {
  if (path === ":memory:" || !existsSync(path)) return pristine;
  checkPlace(path);
  checkHeader(path);
  const database = await openFile(path, true);
  try {
    return await schemaState(new Connection(database));
  } catch (error) {
    throw translate(error, `${path} cannot be read`);
  } finally {
    database.close();
  }
}

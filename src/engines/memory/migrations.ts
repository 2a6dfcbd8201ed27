// Migrations in memory: a store that is made anew each time has no schema to change.
import type { MigrationStore } from "../../core/engine.ts";

export const migrationStore: MigrationStore = {
  state: async () => ({ steps: [], unknown: [], drift: [] }),
  apply: async () => [],
};

// Migrations in PostgreSQL: the contract's MigrationStore. It works on a store that is not open, too.
import type { MigrationStore } from "../../../core/engine.ts";
import type { MigrationStep } from "../../../core/schema.ts";
import { giveRoles, type Target } from "./migrate.ts";
import { openSchema } from "./opening.ts";
import { schemaState } from "./state.ts";

/** Lends the store's connections, those of an open store or some for just this. */
export type Lend = <T>(work: (target: Target) => Promise<T>) => Promise<T>;

export function migrationStore(lend: Lend, testNow: () => number | null): MigrationStore {
  return {
    state: () => lend(schemaState),
    apply: () =>
      lend(async (target): Promise<MigrationStep[]> => {
        const applied = await openSchema(target, { mustExist: false, migrate: true, testNow: testNow() });
        await giveRoles(target);
        return applied;
      }),
  };
}

// The contract's MigrationStore: it works on a store that is not open, too.
import type { MigrationStore } from "../../core/engine.ts";
import { formatState } from "./migrations.ts";
import { openStore } from "./opening.ts";
import type { Store } from "./store.ts";

export function migrationStore(store: Store): MigrationStore {
  return {
    state: () => store.lend(({ client }) => formatState(client)),
    apply: () =>
      store.lend((present) => openStore(present, { mustExist: false, migrate: true, testNow: store.testNow() })),
  };
}

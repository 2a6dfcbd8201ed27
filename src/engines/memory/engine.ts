// The memory engine over a world that lies in this process.
import type { Engine } from "../../core/engine.ts";
import { fine } from "../../core/findings.ts";
import { storesOver } from "../../world/stores.ts";
import type { World } from "../../world/world.ts";
import { migrationStore } from "./migrations.ts";

/** An engine over a world that the caller keeps. */
export function engineOver(world: World): Engine {
  return {
    name: "memory",
    capabilities: { push: true, transactions: false },
    open: async () => {},
    close: async () => {},
    ...storesOver(
      async (work) => world.step((now) => work(world, now)),
      async () => [fine("memory", "everything is in this process and ends with it")],
    ),
    migrations: migrationStore,
    signalsAll: world.clock.patient === true,
    watch: async (onSignal) => {
      world.watchers.add(onSignal);
      return async () => {
        world.watchers.delete(onSignal);
      };
    },
  };
}

// The contract's stores over one world.
import type { Engine } from "../../core/engine.ts";
import { eventStore } from "./events.ts";
import { inspectionStore } from "./inspection.ts";
import { jobStore } from "./jobs.ts";
import { migrationStore } from "./migrations.ts";
import { queueStore } from "./queues.ts";
import { recordStore } from "./records.ts";
import { scheduleStore } from "./schedules.ts";
import { tenantStore } from "./tenants.ts";
import { transferStore } from "./transfer.ts";
import type { World } from "./world.ts";

/** An engine over a world that the caller keeps. */
export function engineOver(world: World): Engine {
  return {
    name: "memory",
    capabilities: { push: true, transactions: false },
    open: async () => {},
    close: async () => {},
    now: async () => world.clock.now(),
    jobs: jobStore(world),
    schedules: scheduleStore(world),
    queues: queueStore(world),
    tenants: tenantStore(world),
    records: recordStore(world),
    events: eventStore(world),
    transfer: transferStore(world),
    inspection: inspectionStore(world),
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

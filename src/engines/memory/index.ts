// The memory engine: the executable specification of the contract. Nothing survives the process.
import type { Clock } from "../../core/clock.ts";
import { defaults } from "../../core/defaults.ts";
import type { Engine, RetentionCounts } from "../../core/engine.ts";
import { eventStore } from "./events.ts";
import { jobStore } from "./jobs.ts";
import { queueStore } from "./queues.ts";
import { recordStore } from "./records.ts";
import { scheduleStore } from "./schedules.ts";
import { World } from "./world.ts";

/** Options of the memory engine. */
export interface MemoryOptions {
  /** The store's clock; the machine's by default. */
  readonly clock?: Clock;
  /** Finished jobs kept per queue; 100 completed and 1,000 failed or cancelled by default. */
  readonly retention?: Partial<RetentionCounts>;
}

/** A store inside this process, for tests and for work that may be lost. */
export function memory(options: MemoryOptions = {}): Engine {
  const { clock = { now: () => Date.now() } } = options;
  const world = new World(clock, {
    completedCountMax: options.retention?.completedCountMax ?? defaults.completedCountMax,
    endedCountMax: options.retention?.endedCountMax ?? defaults.endedCountMax,
  });
  return {
    name: "memory",
    capabilities: { push: true, transactions: false },
    open: async () => {},
    close: async () => {},
    now: async () => clock.now(),
    jobs: jobStore(world),
    schedules: scheduleStore(world),
    queues: queueStore(world),
    records: recordStore(world),
    events: eventStore(world),
    watch: async (onSignal) => {
      world.watchers.add(onSignal);
      return async () => {
        world.watchers.delete(onSignal);
      };
    },
  };
}

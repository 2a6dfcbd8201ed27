// The SQLite engine: the embedded default. One file, any number of processes on one machine.
import type { Clock } from "../../core/clock.ts";
import { defaults } from "../../core/defaults.ts";
import { shown } from "../../core/duration.ts";
import type { Engine, RetentionCounts } from "../../core/engine.ts";
import { InvalidInputError } from "../../core/errors.ts";
import { refuseUnknown } from "../../core/options.ts";
import type { Database } from "./database.ts";
import { eventStore } from "./events.ts";
import { pathOf } from "./file.ts";
import { jobStore } from "./jobs.ts";
import { queueStore } from "./queues.ts";
import { recordStore } from "./records.ts";
import { Retention } from "./retention.ts";
import { scheduleStore } from "./schedules.ts";
import { Store } from "./store.ts";
import type { Steps } from "./tx.ts";

export type { Database, Statement, Value } from "./database.ts";

/** Options of the SQLite engine. */
export interface SqliteOptions {
  /** The store's clock; the machine's by default. */
  readonly clock?: Clock;
  /**
   * What a commit survives: "normal" (default) a killed process, "full" power loss too, at a disk flush per commit.
   * A database of the user's own keeps its setting when this is absent.
   */
  readonly synchronous?: "normal" | "full";
  /** Finished jobs kept per queue; 100 completed and 1,000 failed or cancelled by default. */
  readonly retention?: Partial<RetentionCounts>;
  /** Refuses to make a store where there is none; false by default. */
  readonly mustExist?: boolean;
}

/**
 * A store in a SQLite file: a path, ":memory:", a `sqlite:` URL, or an open database of node:sqlite or better-sqlite3,
 * which is never closed here. The file may hold the user's own tables as well; a transaction that is to include jobs
 * must not await anything but the engine, as it keeps every other writer waiting.
 * @throws InvalidInputError
 */
export function sqlite(location: string | Database, options: SqliteOptions = {}): Engine<Database> {
  refuseUnknown(options, ["clock", "synchronous", "retention", "mustExist"], "");
  const { clock = { now: () => Date.now() }, synchronous, retention = {}, mustExist = false } = options;
  if (synchronous !== undefined && synchronous !== "normal" && synchronous !== "full") {
    throw new InvalidInputError('synchronous must be "normal" or "full"', { field: "synchronous" });
  }
  const store = new Store(
    {
      location: typeof location === "string" ? pathOf(location) : checkDatabase(location, "location"),
      clock,
      synchronous,
      mustExist,
    },
    new Retention({
      completedCountMax: retention.completedCountMax ?? defaults.completedCountMax,
      endedCountMax: retention.endedCountMax ?? defaults.endedCountMax,
    }),
  );
  const contract = contractOf(store, clock);
  return {
    ...contract,
    open: () => store.open(),
    close: () => store.close(),
    watch: async (onSignal) => store.watch(onSignal),
    using: (tx) => contractOf(store.joined(checkDatabase(tx, "tx")), clock),
  };
}

function checkDatabase(given: unknown, field: string): Database {
  if (typeof given === "object" && given !== null && "prepare" in given && "exec" in given) return given as Database;
  const wanted = field === "tx" ? "an open database" : "a path, a sqlite: URL or an open database";
  throw new InvalidInputError(`${field} must be ${wanted}, got ${shown(given)}`, { field });
}

function contractOf(steps: Steps, clock: Clock) {
  return {
    name: "sqlite",
    capabilities: { push: false, transactions: true },
    now: async () => clock.now(),
    jobs: jobStore(steps),
    schedules: scheduleStore(steps),
    queues: queueStore(steps),
    records: recordStore(steps),
    events: eventStore(steps),
  };
}

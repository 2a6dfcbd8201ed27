// The SQLite engine: the embedded default. One file, any number of processes on one machine.
import type { Clock } from "../../core/clock.ts";
import { shown } from "../../core/duration.ts";
import type { Engine } from "../../core/engine.ts";
import { InvalidInputError } from "../../core/errors.ts";
import { type HistoryOptions, resolveHistory } from "../../core/history.ts";
import { checkFlag, refuseUnknown } from "../../core/options.ts";
import type { Database } from "./database.ts";
import { eventStore } from "./events.ts";
import { pathOf } from "./file.ts";
import { inspectionStore } from "./inspection.ts";
import { jobStore } from "./jobs.ts";
import { migrationStore } from "./migrations/store.ts";
import type { OpenOptions } from "./opening.ts";
import { queueStore } from "./queues.ts";
import { recordStore } from "./records.ts";
import { Retention } from "./retention.ts";
import { scheduleStore } from "./schedules.ts";
import { Store } from "./store.ts";
import { tenantStore } from "./tenants.ts";
import { transferStore } from "./transfer.ts";
import type { Steps } from "./tx.ts";

export type { Database, Statement, Value } from "./database.ts";

/** Options of the SQLite engine. */
export interface SqliteOptions extends HistoryOptions {
  /** The store's clock; the machine's by default. */
  readonly clock?: Clock;
  /**
   * What a commit survives: "normal" (default) a killed process, "full" power loss too, at a disk flush per commit.
   * A database of the user's own keeps its setting when this is absent.
   */
  readonly synchronous?: "normal" | "full";
  /** Refuses to make a store where there is none; false by default. */
  readonly mustExist?: boolean;
  /**
   * Whether opening applies the schema's missing steps; true by default. With false a store that lacks some is refused
   * (STORE_OUTDATED) until `punctual migrate` has been run.
   */
  readonly migrate?: boolean;
}

/**
 * A store in a SQLite file: a path, ":memory:", a `sqlite:` URL, or an open database of node:sqlite or better-sqlite3,
 * which is never closed here. The file may hold the user's own tables as well; a transaction that is to include jobs
 * must not await anything but the engine, as it keeps every other writer waiting.
 * @throws InvalidInputError
 */
export function sqlite(location: string | Database, options: SqliteOptions = {}): Engine<Database> {
  refuseUnknown(options, ["clock", "synchronous", "retention", "audit", "mustExist", "migrate"], "");
  const { clock = { now: () => Date.now() }, synchronous } = options;
  const mustExist = checkFlag(options.mustExist, "mustExist") ?? false;
  const migrate = checkFlag(options.migrate, "migrate") ?? true;
  if (synchronous !== undefined && synchronous !== "normal" && synchronous !== "full") {
    throw new InvalidInputError('synchronous must be "normal" or "full"', { field: "synchronous" });
  }
  const openOptions: OpenOptions = {
    location: typeof location === "string" ? pathOf(location) : checkDatabase(location, "location"),
    clock,
    synchronous,
    mustExist,
    migrate,
  };
  const store = new Store(openOptions, new Retention(resolveHistory(options)));
  const contract = contractOf(store, clock);
  return {
    ...contract,
    transfer: transferStore(store),
    inspection: inspectionStore(store),
    migrations: migrationStore(openOptions, () => (store.isOpen ? store : undefined)),
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
    tenants: tenantStore(steps),
    records: recordStore(steps),
    events: eventStore(steps),
  };
}

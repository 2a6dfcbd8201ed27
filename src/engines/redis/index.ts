// The Redis engine: the same contract on a server that keeps everything in memory. All of a deployment's keys have one hash
// tag, so that each operation is one atomic script, on a cluster too.
import type { Clock } from "../../core/clock.ts";
import { shown } from "../../core/duration.ts";
import type { Engine, InspectionStore } from "../../core/engine.ts";
import { InvalidInputError } from "../../core/errors.ts";
import { type HistoryOptions, resolveHistory } from "../../core/history.ts";
import { checkFlag, refuseUnknown } from "../../core/options.ts";
import { checkLocation, type Location } from "./connecting.ts";
import { eventStore } from "./events.ts";
import { migrationStore } from "./format.ts";
import { inspectionStore } from "./inspection.ts";
import { jobStore } from "./jobs.ts";
import { queueStore } from "./queues.ts";
import { recordStore } from "./records.ts";
import { scheduleStore } from "./schedules.ts";
import { script } from "./script.ts";
import { basis } from "./scripts/prelude.ts";
import { signalFindings } from "./signal-findings.ts";
import { Steps } from "./steps.ts";
import { Store } from "./store.ts";
import { tenantStore } from "./tenants.ts";
import { transferStore } from "./transfer.ts";

export { type RedisChanges, type RedisChangesOptions, redisChanges } from "./change-feed.ts";
export type { AnnouncedChange } from "./change-messages.ts";
export type { Location } from "./connecting.ts";

/** Options of the Redis engine. */
export interface RedisOptions extends HistoryOptions {
  /** For tests: stands for the server's clock. */
  readonly clock?: Clock;
  /** Stands before every key, in braces: stores of one server are told apart by it. "punctual" by default. */
  readonly prefix?: string;
  /**
   * Whether jobs are heard of by a channel, on a connection that is kept for it; true by default. Without, they start within
   * a second instead of milliseconds.
   */
  readonly listen?: boolean;
  /** Refuses to make a store where there is none; false by default. */
  readonly mustExist?: boolean;
  /**
   * Whether opening applies what the store's format lacks; true by default. With false a store that lacks some is refused
   * (STORE_OUTDATED) until `punctual migrate` has been run.
   */
  readonly migrate?: boolean;
}

/** Characters of a prefix at most: it is in every key. */
const prefixCharsMax = 64;

/**
 * A store on a Redis server, version 6.2 or newer, on Valkey or on a Redis Cluster: a `redis:`, `rediss:` or `valkey:` URL, or
 * an ioredis client or cluster of your own, which is copied and never closed.
 * @throws InvalidInputError
 */
export function redis(location: Location, options: RedisOptions = {}): Engine {
  refuseUnknown(options, ["clock", "prefix", "listen", "retention", "audit", "mustExist", "migrate"], "");
  checkLocation(location);
  const { clock, prefix = "punctual" } = options;
  checkPrefix(prefix);
  const store = new Store({
    location,
    prefix,
    clock,
    listen: checkFlag(options.listen, "listen") ?? true,
    history: resolveHistory(options),
    mustExist: checkFlag(options.mustExist, "mustExist") ?? false,
    migrate: checkFlag(options.migrate, "migrate") ?? true,
  });
  return composed(store);
}

const nowScript = script("store.now", "The server's clock, in ms.", basis, "return text(now)");

function composed(store: Store): Engine {
  const steps = new Steps(store);
  return {
    name: "redis",
    capabilities: {
      transactions: false,
      get push() {
        return store.hears;
      },
    },
    now: async () => Number(await store.client.run(nowScript, [store.testNow()])),
    jobs: jobStore(steps),
    schedules: scheduleStore(steps),
    queues: queueStore(store),
    tenants: tenantStore(store),
    records: recordStore(store),
    events: eventStore(store),
    inspection: inspectionOf(store),
    transfer: transferStore(store),
    migrations: migrationStore(store),
    travels: true,
    inOrder: true,
    open: () => store.open(),
    close: () => store.close(),
    watch: (onSignal) => store.watch(onSignal),
  };
}

function inspectionOf(store: Store): InspectionStore {
  const inspection = inspectionStore(store);
  const findings = async () => [
    ...signalFindings(store.status),
    ...(await store.findings()),
    ...(await inspection.findings()),
  ];
  return Object.assign(Object.create(inspection), { findings });
}

/** @throws InvalidInputError */
function checkPrefix(prefix: unknown): void {
  if (typeof prefix === "string" && /^[^{}\s]+$/.test(prefix) && prefix.length <= prefixCharsMax) return;
  throw new InvalidInputError(
    `prefix must be a text of 1 to ${prefixCharsMax} characters without braces or spaces, got ${shown(prefix)}`,
    { field: "prefix" },
  );
}

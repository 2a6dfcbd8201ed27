// What opening a store asks of the server and of what it holds: everything that can refuse it comes before the first write.
import {
  EngineNotConfiguredError,
  StoreCorruptError,
  StoreOutdatedError,
  StoreUnsafeError,
} from "../../core/errors.ts";
import type { MigrationStep } from "../../core/schema.ts";
import type { Client } from "./client.ts";
import type { Connection } from "./connection.ts";
import { applyMissing, missingFrom, readLedger } from "./migrations.ts";
import { infoOf, productOf, settingOf } from "./server-info.ts";
import { driftOf } from "./shape.ts";

/** How a store is to be opened. */
export interface OpeningOptions {
  /** Refuses to make a store where there is none. */
  readonly mustExist: boolean;
  /** Applies the missing steps; else a store that lacks some is refused. */
  readonly migrate: boolean;
  /** A test's now; else "", for the server's. */
  readonly testNow: number | "";
}

/** The oldest server: scripts call GETEX, ZRANGE ... BYSCORE and others that came with it. */
const versionMin = [6, 2] as const;

/**
 * Makes a store ready to be used; answers the steps that were applied just now.
 * @throws StoreUnsafeError, EngineNotConfiguredError, StoreCorruptError, StoreTooNewError, StoreOutdatedError: nothing is
 * changed.
 */
export async function openStore(
  { connection, client }: { readonly connection: Connection; readonly client: Client },
  options: OpeningOptions,
): Promise<MigrationStep[]> {
  await checkServer(connection, client.prefix);
  const [drift] = await driftOf(client);
  if (drift !== undefined) {
    throw new StoreCorruptError(`${drift.what}: it is not Punctual's`, {
      mend: "Rename it, or give the store a prefix of its own: redis(url, { prefix }).",
    });
  }
  const ledger = await readLedger(client);
  if (ledger.length === 0 && options.mustExist) throw noStore(client.prefix);
  const missing = missingFrom(ledger);
  if (missing.length === 0) return [];
  if (!options.migrate) refuseOutdated(missing);
  return await applyMissing(client, options.testNow);
}

/** @throws StoreUnsafeError, EngineNotConfiguredError for a server that would lose jobs, or takes no writes */
async function checkServer(connection: Connection, prefix: string): Promise<void> {
  checkVersion(await infoOf(connection, "server", prefix));
  await checkMemory(connection, prefix);
  const replication = await infoOf(connection, "replication", prefix);
  if (replication.get("role") !== "slave") return;
  throw new EngineNotConfiguredError("the server is a replica: nothing can be written", {
    field: "location",
    mend: "Connect to the primary; with Sentinel, by an ioredis client of your own that asks it.",
  });
}

/** @throws StoreUnsafeError for a server that lacks commands which scripts call */
export function checkVersion(info: ReadonlyMap<string, string>): void {
  const { name, version, compatible } = productOf(info);
  // Who may not ask, is not refused for it.
  if (compatible === undefined) return;
  const [major = 0, minor = 0] = compatible.split(".").map(Number);
  if (major > versionMin[0] || (major === versionMin[0] && minor >= versionMin[1])) return;
  throw new StoreUnsafeError(`the server is ${name} ${version}, and too old`, {
    mend: "Use Redis 6.2 or newer, or Valkey.",
  });
}

/** A server that evicts keys loses jobs, one by one and in silence. */
async function checkMemory(connection: Connection, prefix: string): Promise<void> {
  const info = await infoOf(connection, "memory", prefix);
  const policy = info.get("maxmemory_policy") ?? (await settingOf(connection, "maxmemory-policy", prefix));
  const max = info.get("maxmemory") ?? (await settingOf(connection, "maxmemory", prefix));
  if (policy === undefined || policy === "noeviction" || max === "0") return;
  throw new StoreUnsafeError(
    `maxmemory-policy is ${policy}: when its memory is full, the server removes keys, and jobs with them`,
    { field: "maxmemory-policy", mend: evictionMend },
  );
}

/** How to make a server keep what it holds. */
export const evictionMend =
  "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf; on a managed server, in its parameters.";

/** @throws StoreOutdatedError */
function refuseOutdated(missing: readonly MigrationStep[]): never {
  const steps = missing.map(({ id, name }) => `${id} (${name})`);
  throw new StoreOutdatedError(`the store lacks ${steps.length === 1 ? "step" : "steps"} ${steps.join(", ")}`, {
    details: { steps: missing.map(({ id }) => id) },
  });
}

function noStore(prefix: string): EngineNotConfiguredError {
  return new EngineNotConfiguredError(`there is no store on the server: it has no key ${prefix}meta`, {
    field: "location",
    mend: "Name the store's server, database and prefix, or let `punctual migrate` create it.",
  });
}

// The PostgreSQL engine: the same contract on a server that many processes share.
import type { Clock } from "../../core/clock.ts";
import { defaults } from "../../core/defaults.ts";
import { shown } from "../../core/duration.ts";
import type { Engine, InspectionStore } from "../../core/engine.ts";
import { InvalidInputError } from "../../core/errors.ts";
import { type HistoryOptions, resolveHistory } from "../../core/history.ts";
import { checkFlag, refuseUnknown } from "../../core/options.ts";
import { claimGenerally } from "./claim.ts";
import type { Location } from "./connecting.ts";
import { eventStore } from "./events.ts";
import { inspectionStore } from "./inspection.ts";
import { jobStore } from "./jobs.ts";
import { migrationStore } from "./migrations/store.ts";
import { isPglite } from "./pglite.ts";
import { queueStore } from "./queues.ts";
import { recordStore } from "./records.ts";
import { scheduleStore } from "./schedules.ts";
import { signalFindings } from "./signal-findings.ts";
import type { SqlClient } from "./sql.ts";
import type { Steps } from "./steps.ts";
import { Store, type StoreOptions } from "./store.ts";
import { StraightClaims } from "./straight-claim.ts";
import { type Contract, expectAll, tenantContract, tenantTransfer, type Ways } from "./tenant-contract.ts";
import { tenantStore } from "./tenants.ts";
import { transferStore } from "./transfer.ts";

export { fromDrizzle } from "./adapters/drizzle.ts";
export { fromKnex } from "./adapters/knex.ts";
export { fromKysely } from "./adapters/kysely.ts";
export { fromPostgresJs } from "./adapters/postgres-js.ts";
export type { Location } from "./connecting.ts";
export type { Pglite } from "./pglite.ts";
export type { SqlClient } from "./sql.ts";

/** Options of the PostgreSQL engine. */
export interface PostgresOptions extends HistoryOptions {
  /** For tests: stands for the server's clock. */
  readonly clock?: Clock;
  /** The schema that holds everything; "punctual" by default. */
  readonly schema?: string;
  /** Connections at most, 6 by default; one more is kept for LISTEN. With a pool of your own, its size counts. */
  readonly poolMax?: number;
  /**
   * Whether other processes are heard by LISTEN, on a connection that is kept for it; true by default. Without, their jobs
   * start within a second instead of milliseconds. A pool of your own needs three connections for it.
   */
  readonly listen?: boolean;
  /** Refuses to make a store where there is none; false by default. */
  readonly mustExist?: boolean;
  /**
   * Whether opening applies the schema's missing steps; true by default. With false a store that lacks some is refused
   * (STORE_OUTDATED) until `punctual migrate` has been run.
   */
  readonly migrate?: boolean;
  /**
   * Whether every transaction sets `punctual.tenant` to the tenant that it is about, for row-level security. By default it
   * does where the connections' role sees one tenant's rows only, as a member of punctual_app. Calls that are about every
   * tenant are then refused. With false the setting is left to you.
   */
  readonly rowSecurity?: boolean;
}

/**
 * A store in a PostgreSQL database, version 15 or newer: a `postgres:` URL, or a `pg` pool or PGlite of your own, which is
 * never closed here.
 * @throws InvalidInputError
 */
export function postgres(location: Location, options: PostgresOptions = {}): Engine<SqlClient> {
  refuseUnknown(
    options,
    ["clock", "schema", "poolMax", "listen", "retention", "audit", "mustExist", "migrate", "rowSecurity"],
    "",
  );
  const { clock, schema = "punctual", poolMax = defaults.postgres.poolMax } = options;
  if (!Number.isInteger(poolMax) || poolMax < 2) {
    throw new InvalidInputError(`poolMax must be a whole number of 2 or more, got ${shown(poolMax)}`, {
      field: "poolMax",
    });
  }
  const storeOptions: StoreOptions = {
    location,
    schema,
    clock,
    poolMax,
    listen: checkFlag(options.listen, "listen") ?? true,
    history: resolveHistory(options),
    mustExist: checkFlag(options.mustExist, "mustExist") ?? false,
    migrate: checkFlag(options.migrate, "migrate") ?? true,
    rowSecurity: checkFlag(options.rowSecurity, "rowSecurity"),
  };
  const store = new Store(storeOptions);
  const straight = new StraightClaims(store.steps, (request) => claimGenerally(store.steps, request));
  store.onSignal((signal) => straight.told(signal));
  const all: Contract = { ...contractOf(store.steps, straight), capabilities: capabilitiesOf(store) };
  const inspection: InspectionStore = {
    ...all.inspection,
    findings: async () => [...signalFindings(store.status), ...(await all.inspection.findings())],
  };
  const ways = waysOf({ ...all, inspection }, (tenant) => contractOf(store.ofTenant(tenant)), store);
  return {
    ...tenantContract(ways),
    transfer: tenantTransfer(ways, transferStore(store.steps)),
    migrations: migrationStore(
      (work) => store.lend(work),
      () => clock?.now() ?? null,
    ),
    travels: !isPglite(location),
    open: () => store.open(),
    close: () => store.close(),
    checkRoles: () => expectAll(ways),
    watch: (onSignal) => store.watch(onSignal),
    ofTenant: (tenant) => (store.boundRole === undefined ? ways.all : ways.of(tenant)),
    using: (tx) => {
      const all = contractOf(store.joined(tx));
      return tenantContract(waysOf(all, (tenant) => contractOf(store.joined(tx, tenant)), store));
    },
  };
}

/** Other processes are heard at once, unless a pooler or an option forbids it. */
function capabilitiesOf(store: Store): Contract["capabilities"] {
  return {
    transactions: true,
    get push() {
      return store.hears;
    },
  };
}

/** Contracts of so many tenants are kept, each with the calls that it gathers. */
const tenantsMax = 1_000;

function waysOf(all: Contract, make: (tenant: string) => Contract, store: Store): Ways {
  const made = new Map<string, Contract>();
  return {
    all,
    role: () => store.boundRole,
    of: (tenant) => {
      const contract = made.get(tenant) ?? make(tenant);
      made.set(tenant, contract);
      const [oldest] = made.keys();
      if (made.size > tenantsMax && oldest !== undefined) made.delete(oldest);
      return contract;
    },
  };
}

function contractOf(steps: Steps, straight?: StraightClaims): Contract {
  return {
    name: "postgres",
    capabilities: { push: true, transactions: true },
    now: () => steps.now(),
    jobs: jobStore(steps, straight),
    schedules: scheduleStore(steps),
    queues: queueStore(steps),
    tenants: tenantStore(steps),
    records: recordStore(steps),
    events: eventStore(steps),
    inspection: inspectionStore(steps),
  };
}

// The store between open and close: its connections, what its steps share, and who is told of their commits.
import { randomBytes } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import type { Unwatch } from "../../core/engine.ts";
import { StoppedError } from "../../core/errors.ts";
import type { History } from "../../core/history.ts";
import type { Signal } from "../../core/signal.ts";
import type { TenantId } from "../../core/tenant.ts";
import { type Access, type ConnectOptions, connect } from "./connecting.ts";
import { type Connections, type Session, Turns } from "./connections.ts";
import { atOpening } from "./faults.ts";
import { Folding } from "./folding.ts";
import { FreshClaims } from "./fresh-leases.ts";
import { type Guards, joinedGuards, ownGuards } from "./guards.ts";
import { Identity } from "./identity.ts";
import { Joined } from "./joined.ts";
import { KnownLanes } from "./lanes.ts";
import type { Target } from "./migrations/migrate.ts";
import { openSchema } from "./migrations/opening.ts";
import { checkTx, isPglite } from "./pglite.ts";
import { Retention } from "./retention.ts";
import { boundRole, OfTenant, tenantTrimming } from "./row-security.ts";
import { type SignalStatus, Signals } from "./signals.ts";
import type { SqlClient, Value } from "./sql.ts";
import { type StepContext, Steps } from "./steps.ts";

/** How to open a store. */
export interface StoreOptions extends ConnectOptions {
  readonly clock: Clock | undefined;
  readonly history: History;
  readonly migrate: boolean;
  readonly mustExist: boolean;
  /** Whether each transaction says whose rows it is about; undefined: where the role sees one tenant's only. */
  readonly rowSecurity: boolean | undefined;
}

/** What is there while the store is open. */
interface Present {
  readonly access: Access;
  readonly identity: Identity;
}

/** How a store reaches its database and its fellows, for people who ask. */
export interface StoreStatus extends SignalStatus {
  /** A pooler stands before the server. */
  readonly pooled: boolean;
  /** The connections that there may be; 1 with PGlite. */
  readonly size: number;
  /** Something listens, or tries to. */
  readonly wantsListen: boolean;
}

export class Store {
  readonly steps: Steps;
  readonly #options: StoreOptions;
  readonly #signals: Signals;
  readonly #lanes = new KnownLanes();
  readonly #folding = new Folding(() => this.#present?.access.connections);
  readonly #retention: Retention;
  readonly #fresh = new FreshClaims();
  readonly #turns = new WeakMap<SqlClient, Turns>();
  /** Clients of callers that are on our database. */
  readonly #ours = new WeakSet<SqlClient>();
  #present: Present | undefined;
  #opening: Promise<void> | undefined;
  #boundRole: string | undefined;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#signals = new Signals(options.schema);
    this.#retention = new Retention(options.history);
    this.steps = new Steps(this.#connections(), this.#context(ownGuards, undefined), (signals) =>
      this.#signals.tell(signals),
    );
  }

  open(): Promise<void> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  async #open(): Promise<void> {
    let access: Access | undefined;
    try {
      access = await connect({ ...this.#options, onConnected: () => this.#lanes.forget() });
      this.#present = await this.#prepare(access);
      this.#signals.begin(access);
    } catch (error) {
      // It may be opened again once the cause is mended.
      this.#opening = undefined;
      await access?.close();
      throw atOpening(error);
    }
  }

  async #prepare(access: Access): Promise<Present> {
    const { connections, beside } = access;
    const { schema, clock, rowSecurity } = this.#options;
    await openSchema({ connections, schema }, { ...this.#options, testNow: clock?.now() ?? null });
    this.#boundRole = rowSecurity === false ? undefined : await boundRole(connections, rowSecurity === true);
    const identity = new Identity({ session: connections, beside, many: connections.many }, schema);
    await identity.learn(randomBytes(8).toString("hex"));
    return { access, identity };
  }

  async close(): Promise<void> {
    const opening = this.#opening;
    this.#opening = undefined;
    await opening?.catch(() => {});
    const present = this.#present;
    await this.#retention.idle();
    // What waits to be told is told by a connection that is still open.
    await this.#signals.end();
    this.#present = undefined;
    this.#lanes.forget();
    await present?.access.close();
  }

  /** Lends connections for what is done whether the store is open or not. */
  async lend<T>(work: (target: Target) => Promise<T>): Promise<T> {
    const { schema } = this.#options;
    const open = this.#present?.access;
    const access = open ?? (await connect(this.#options));
    try {
      return await work({ connections: access.connections, schema });
    } catch (error) {
      throw atOpening(error);
    } finally {
      if (open === undefined) await access.close();
    }
  }

  /** Resolves once other processes are heard too, or when that takes long. */
  watch(onSignal: (signal: Signal) => void): Promise<Unwatch> {
    this.#expectPresent();
    return this.#signals.watch(onSignal);
  }

  /** Whether other processes are heard at once, as far as is known: a pooler passes nothing on before it has been tried. */
  get hears(): boolean {
    const access = this.#present?.access;
    if (access === undefined) return this.#options.listen;
    return access.openEar !== undefined && (!access.pooled || this.#signals.status.listening);
  }

  get status(): StoreStatus {
    const { pooled, size, openEar } = this.#expectPresent().access;
    return { ...this.#signals.status, pooled, size, wantsListen: openEar !== undefined };
  }

  /** As `watch`, for the engine itself: whether it is open or not. */
  onSignal(onSignal: (signal: Signal) => void): void {
    this.#signals.inside(onSignal);
  }

  /** The connections' role, when it sees the rows of one tenant at a time. */
  get boundRole(): string | undefined {
    return this.#boundRole;
  }

  /** The same steps as a tenant's. */
  ofTenant(tenant: TenantId): Steps {
    const context = { ...this.#context(ownGuards, undefined), retention: tenantTrimming(this.#retention) };
    return new Steps(new OfTenant(this.steps.connections, tenant), context, (signals) => this.#signals.tell(signals));
  }

  /** The same steps on a user's client, inside the transaction that it has open; as a tenant's if one is named. */
  joined(tx: unknown, tenant?: TenantId): Steps {
    const client = checkTx(tx);
    // Those that are open when a call is made: a scheduler opens the store with its first.
    const own = this.steps.connections;
    const turns = this.#turns.get(client) ?? new Turns();
    this.#turns.set(client, turns);
    const joined = new Joined({
      client,
      schema: this.#options.schema,
      turns,
      many: own.many,
      isOurs: (session) => this.#isOurs(client, session),
    });
    const of = (connections: Connections) => (tenant === undefined ? connections : new OfTenant(connections, tenant));
    // A single connection is the caller's for as long as the transaction is open.
    const aside = own.many ? of(this.#beside()) : undefined;
    return new Steps(of(joined), this.#context(joinedGuards(aside), aside), (signals, session = joined) =>
      this.#signals.tellJoined(signals, session),
    );
  }

  async #isOurs(client: SqlClient, session: Session): Promise<boolean> {
    if (this.#ours.has(client)) return true;
    if (!(await this.#expectPresent().identity.isOf(session))) return false;
    this.#ours.add(client);
    return true;
  }

  #context(guards: Guards, aside: Session | undefined): StepContext {
    const { clock, history } = this.#options;
    return { clock, history, lanes: this.#lanes, guards, retention: this.#retention, fresh: this.#fresh, aside };
  }

  /** The connections that are open now, whichever they are. */
  #connections(): Connections {
    const present = () => this.#expectPresent().access.connections;
    const isSingle = isPglite(this.#options.location);
    return {
      joined: false,
      many: !isSingle,
      run: (text: string, values?: readonly Value[]) => {
        this.#folding.worked();
        return present().run(text, values);
      },
      transaction: (work, options) => {
        this.#folding.worked();
        return present().transaction(work, options);
      },
    };
  }

  /** Those of them that no caller holds. */
  #beside(): Connections {
    const present = () => this.#expectPresent().access.beside;
    return {
      joined: false,
      many: true,
      run: (text: string, values?: readonly Value[]) => present().run(text, values),
      transaction: (work, options) => present().transaction(work, options),
    };
  }

  #expectPresent(): Present {
    if (this.#present !== undefined) return this.#present;
    throw new StoppedError("the postgres engine is not open", { mend: "Await open() first." });
  }
}

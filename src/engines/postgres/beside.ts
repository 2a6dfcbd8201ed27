// A small pool beside a user's own: for what is committed at once while a caller has a transaction open. From the user's
// pool it would take a second connection per caller, and so many callers at once would wait for each other.
import type { Pool as PgPool, PoolConfig } from "pg";
import { within } from "../../remote/within.ts";
import type { Connections, Session, TransactionOptions } from "./connections.ts";
import { Pool, type PoolSettings } from "./pool.ts";
import type { Row, Value } from "./sql.ts";

/** Connections at most: each is lent for a few statements that wait for nobody's transaction. */
const besideMax = 2;

/** A server that hangs takes no leave; it is given this long, in ms. */
const leaveMs = 2_000;

type Driver = typeof import("pg");

/** What a pool is made of beside what its type says. */
type Made = PgPool & { readonly options: PoolConfig; readonly Client?: PoolConfig["Client"] };

/** Opened by the first call that needs it, from the options of the user's pool, and closed with the store. */
export class BesidePool implements Connections {
  readonly many = true;
  readonly joined = false;
  readonly #users: Made;
  readonly #settings: PoolSettings;
  readonly #driver: () => Promise<Driver>;
  #opened: Promise<{ readonly pool: PgPool; readonly connections: Connections }> | undefined;

  constructor(users: PgPool, settings: PoolSettings, driver: () => Promise<Driver>) {
    this.#users = users as Made;
    this.#settings = settings;
    this.#driver = driver;
  }

  async run(text: string, values?: readonly Value[]): Promise<Row[]> {
    return (await this.#open()).connections.run(text, values);
  }

  async transaction<T>(work: (session: Session) => Promise<T>, options?: TransactionOptions): Promise<T> {
    return (await this.#open()).connections.transaction(work, options);
  }

  async close(): Promise<void> {
    const opened = await this.#opened?.catch(() => undefined);
    this.#opened = undefined;
    if (opened !== undefined) await within(opened.pool.end(), leaveMs);
  }

  #open() {
    this.#opened ??= this.#make().catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }

  async #make() {
    const users = this.#users;
    const { Pool: PoolOfDriver } = await this.#driver();
    const { options, Client } = users;
    const config: PoolConfig = {
      ...options,
      // A pool hides it from whoever lists its options.
      ...(options.password === undefined ? {} : { password: options.password }),
      ...(Client === undefined ? {} : { Client }),
      max: besideMax,
      min: 0,
      allowExitOnIdle: true,
    };
    const pool = new PoolOfDriver(config);
    // One that breaks while it is idle is dropped; without a listener the process would end.
    pool.on("error", () => {});
    // What a user sets on each connection (a role, a search path) holds here too.
    pool.on("connect", (client) => {
      for (const listener of users.listeners("connect")) Reflect.apply(listener, users, [client]);
    });
    return { pool, connections: new Pool(pool, this.#settings) };
  }
}

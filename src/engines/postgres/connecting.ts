// The ways to a database: a pool of our own, a user's pool, PGlite. What is opened here is closed here; what is the user's
// stays open.
import { Socket } from "node:net";
import type { Pool as PgPool, PoolConfig } from "pg";
import { defaults } from "../../core/defaults.ts";
import { EngineNotConfiguredError } from "../../core/errors.ts";
import type { OpenEar } from "../../remote/listener.ts";
import { within } from "../../remote/within.ts";
import { BesidePool } from "./beside.ts";
import type { Connections } from "./connections.ts";
import { ownEar, pgliteEar, pooledEar } from "./ears.ts";
import { unreadableUrl } from "./faults.ts";
import { isPglite, type Pglite, SingleConnection } from "./pglite.ts";
import { Pool } from "./pool.ts";
import { isPooled } from "./pooler.ts";

/** A postgres: URL, or the user's own pool or PGlite. */
export type Location = string | PgPool | Pglite;

/** Where to connect, and how. */
export interface ConnectOptions {
  readonly location: Location;
  readonly schema: string;
  readonly poolMax: number;
  /** Hears other processes by LISTEN. */
  readonly listen: boolean;
  /** Called when a connection was opened: the server may have been restored, or be another one, since the last. */
  readonly onConnected?: () => void;
}

/** An open way to the database. */
export interface Access {
  readonly connections: Connections;
  /** For what is committed at once while a caller has a transaction open: none of these is ever held by a caller. */
  readonly beside: Connections;
  /** A pooler stands in between: no session is ours for longer than a transaction. */
  readonly pooled: boolean;
  /** Opens what hears other processes; absent where nothing can, or nobody wants to. */
  readonly openEar: OpenEar | undefined;
  /** The pool's connections; 1 with PGlite. */
  readonly size: number;
  close(): Promise<void>;
}

/** A user's pool is left with two connections at least when one is kept to listen. */
const userPoolMin = 3;

/** A server that hangs takes no leave; it is given this long, in ms. */
const leaveMs = 2_000;

/**
 * Connects.
 * @throws NotWrittenError when the server cannot be reached, EngineNotConfiguredError without the driver, and when the
 * server cannot be reached in this way at all: a password, database, role or URL that is wrong
 */
export async function connect(options: ConnectOptions): Promise<Access> {
  const { location, listen } = options;
  if (typeof location === "string") return await connectOwn(location, options);
  if (isPglite(location)) {
    const connections = new SingleConnection(location, options.schema);
    const openEar = listen ? pgliteEar(location) : undefined;
    return { connections, beside: connections, pooled: false, openEar, size: 1, close: async () => {} };
  }
  return await connectUsers(location, options);
}

async function connectUsers(
  location: PgPool,
  { schema, listen, onConnected = () => {} }: ConnectOptions,
): Promise<Access> {
  const { max: size, pipeline = false } = location.options as PgPool["options"] & { readonly pipeline?: boolean };
  const settings = { schema, direct: false, pipelined: pipeline };
  const connections = new Pool(location, settings);
  const beside = new BesidePool(location, settings, loadDriver);
  const pooled = await isPooled(connections);
  location.on("error", dropped);
  location.on("connect", onConnected);
  return {
    connections,
    beside,
    pooled,
    openEar: listen && size >= userPoolMin ? pooledEar(location) : undefined,
    size,
    close: async () => {
      location.off("error", dropped);
      location.off("connect", onConnected);
      await beside.close();
    },
  };
}

/** A connection that breaks while it is idle is dropped by its pool; without a listener the process would end. */
function dropped(): void {}

async function connectOwn(
  url: string,
  { schema, poolMax, listen, onConnected = () => {} }: ConnectOptions,
): Promise<Access> {
  const driver = await loadDriver();
  const sockets = new Set<Socket>();
  const config: PoolConfig = {
    connectionString: url,
    max: poolMax,
    connectionTimeoutMillis: defaults.postgres.connectTimeoutMs,
    keepAlive: true,
    application_name: "punctual",
    pipeline: true,
    // A process that has nothing else to do may end.
    allowExitOnIdle: true,
    stream: () => {
      const socket = new Socket();
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      return socket;
    },
  };
  const pool = new driver.Pool(config);
  pool.on("error", dropped);
  pool.on("connect", onConnected);
  const connections = new Pool(pool, { schema, direct: false, pipelined: true });
  const close = () => endPool(pool, sockets);
  let pooled: boolean;
  try {
    pooled = await isPooled(connections);
  } catch (error) {
    await close();
    throw hasStrayAt(url) && isUnknownHost(error) ? unreadableUrl() : error;
  }
  if (!pooled) connections.becomeDirect();
  const openEar = listen ? ownEar(driver, { connectionString: url, keepAlive: true }) : undefined;
  return { connections, beside: connections, pooled, openEar, size: poolMax, close };
}

/** An "@" behind the host: a "/" of the password has ended the host before it. */
function hasStrayAt(url: string): boolean {
  return /^[a-z]+:\/\/[^/?#]*[/?#].*@/i.test(url);
}

function isUnknownHost(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return typeof cause === "object" && cause !== null && "code" in cause && cause.code === "ENOTFOUND";
}

/** Resolves when the server has seen all connections go, or does not answer. */
async function endPool(pool: PgPool, sockets: ReadonlySet<Socket>): Promise<void> {
  const closed = [...sockets].map((socket) => new Promise((resolve) => socket.once("close", resolve)));
  const ended = pool.end();
  await within(Promise.all([ended, ...closed]), leaveMs);
  for (const socket of sockets) socket.destroy();
}

async function loadDriver(): Promise<typeof import("pg")> {
  try {
    const loaded = await import("pg");
    // What `require` gives stands under `default` in some bundles.
    return "Pool" in loaded ? loaded : (loaded as { default: typeof import("pg") }).default;
  } catch (error) {
    throw new EngineNotConfiguredError("the postgres engine needs the package pg", {
      mend: "Install it: npm install pg.",
      cause: error,
    });
  }
}

// The ways to a server: a URL, or a client of the user's, which is only copied. What is opened here is closed here.
import type { Cluster, Redis } from "ioredis";
import { defaults } from "../../core/defaults.ts";
import { shown } from "../../core/duration.ts";
import { EngineNotConfiguredError, InvalidInputError } from "../../core/errors.ts";
import type { OpenEar } from "../../remote/listener.ts";
import { Connection, type ConnectionTimes, type Driver } from "./connection.ts";
import { clusterOptions, ownClusterOptions, ownOptions, plainOptions, serverOptions } from "./driver-options.ts";
import { earOf } from "./ear.ts";
import { refusalOf } from "./faults.ts";
import { infoOf } from "./server-info.ts";
import { readUrl } from "./url.ts";

/** A `redis:`, `rediss:` or `valkey:` URL, or the user's own ioredis client or cluster. */
export type Location = string | Redis | Cluster;

/** Where to connect, and how. */
export interface ConnectOptions {
  readonly location: Location;
  /** Of the store's keys: with a cluster the node that holds them is asked. */
  readonly prefix: string;
  /** For tests. */
  readonly times?: ConnectionTimes | undefined;
}

/** An open way to the server. */
export interface Way {
  readonly connection: Connection;
  /** Opens what hears other processes. */
  readonly openEar: OpenEar;
  readonly isCluster: boolean;
}

/** @throws InvalidInputError, naming the field, for what is no location */
export function checkLocation(location: unknown): void {
  if (typeof location === "string") {
    readUrl(location);
    return;
  }
  if (typeof location === "object" && location !== null && "duplicate" in location && "call" in location) return;
  throw new InvalidInputError(`location must be a URL or an ioredis client, got ${shown(location)}`, {
    field: "location",
  });
}

/**
 * Connects.
 * @throws NotWrittenError when the server cannot be reached, EngineNotConfiguredError without the driver, and when the
 * server cannot be reached in this way at all: a user, password or database that is wrong
 */
export async function connect(options: ConnectOptions): Promise<Way> {
  const { location } = options;
  if (typeof location !== "string") return await connectCopy(location, options);
  const url = readUrl(location);
  const driver = await loadDriver();
  const way = await connected(new driver.Redis({ ...ownOptions, ...serverOptions(url) }), options);
  if (!(await closedAsNode(way, options))) return way;
  return await connected(new driver.Cluster([{ host: url.host, port: url.port }], clusterOptions(url)), options);
}

async function connectCopy(client: Redis | Cluster, options: ConnectOptions): Promise<Way> {
  if (isCluster(client)) return await connected(client.duplicate([], ownClusterOptions), options);
  const way = await connected(client.duplicate(ownOptions), options);
  if (!(await closedAsNode(way, options))) return way;
  throw new EngineNotConfiguredError("the server is a node of a cluster, and the client is none of a cluster", {
    field: "location",
    mend: "Give a Cluster of ioredis, or the URL of a node.",
  });
}

/** Whether the server is a node of a cluster, to which there is another way: then this one is closed. */
async function closedAsNode({ connection }: Way, { prefix }: ConnectOptions): Promise<boolean> {
  try {
    const info = await infoOf(connection, "cluster", prefix);
    if (info.get("cluster_enabled") !== "1") return false;
  } catch (error) {
    await connection.close();
    throw error;
  }
  await connection.close();
  return true;
}

async function connected(client: Redis | Cluster, { times = defaults.redis }: ConnectOptions): Promise<Way> {
  const connection = new Connection(client as unknown as Driver, times);
  try {
    await connection.open();
    await expectDatabase(connection, client);
  } catch (error) {
    await connection.close();
    throw error;
  }
  return { connection, openEar: earOf(client, plainOptions), isCluster: isCluster(client) };
}

/** ioredis goes on with database 0 where the one that it was told to select is not there. */
async function expectDatabase(connection: Connection, client: Redis | Cluster): Promise<void> {
  if (isCluster(client)) return;
  const { db = 0 } = client.options;
  if (db === 0) return;
  // A second time, as the first one's answer is the driver's.
  await connection.send({ what: "select", writes: false }, async (driver) => {
    try {
      return await driver.call("select", db);
    } catch (error) {
      if (refusalOf(error) !== "ERR") throw error;
      throw new EngineNotConfiguredError(`the server has no database ${db}: ${(error as Error).message}`, {
        field: "location",
        mend: "Correct the number in the URL's path, or raise the server's setting databases; a cluster has 0 only.",
      });
    }
  });
}

function isCluster(client: Redis | Cluster): client is Cluster {
  return client.isCluster;
}

export type IoRedis = Pick<typeof import("ioredis"), "Redis" | "Cluster">;

export async function loadDriver(): Promise<IoRedis> {
  try {
    const loaded: Partial<IoRedis> & { readonly default?: unknown } = await import("ioredis");
    // What `require` gives stands under `default` in some bundles; the first versions 5 name only the class itself so.
    const whole = (loaded.Cluster === undefined ? loaded.default : loaded) as typeof loaded & IoRedis;
    return { Redis: whole.Redis ?? whole.default ?? whole, Cluster: whole.Cluster };
  } catch (error) {
    throw new EngineNotConfiguredError("the redis engine needs the package ioredis", {
      mend: "Install it: npm install ioredis.",
      cause: error,
    });
  }
}

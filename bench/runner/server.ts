// The servers of a run: one private server of each kind for all its subjects, started when the first of them needs it; each
// run of a subject has an empty store on it. What a server does is read from the system and from its own statistics.
import { closePostgres, createPostgresStore } from "./postgres-server.ts";
import { closeRedis, createRedisStore } from "./redis-server.ts";

export type ServerKind = "postgres" | "redis";

/** How often Redis writes its log through to the disk, as its option `appendfsync` says. */
export type RedisFsync = "always" | "everysec" | "no";

export interface ServerSettings {
  readonly redisFsync: RedisFsync;
}

/** What a store's server has done since its start, and what it holds. A figure is absent where a server has no such thing. */
export interface StoreReading {
  /** CPU of all its processes, those that have ended included. */
  readonly cpuMs: number;
  readonly walBytes?: number;
  /** Row versions that were replaced or deleted in the run's database, whether or not a vacuum has met them. */
  readonly deadTuples?: number;
  /** Those of them that no vacuum has met, as the server counts them. */
  readonly deadTuplesLeft?: number;
  /** Commands it was sent, and those that scripts called. */
  readonly commands?: number;
  /** What it holds in memory, for all its stores. */
  readonly memoryBytes?: number;
}

/** The store of one run. */
export interface Store {
  readonly url: string;
  read(): Promise<StoreReading>;
  /** Waits until nobody is connected to it: only then have all sessions told what they did to its tables. */
  settled(): Promise<void>;
  drop(): Promise<void>;
}

/** An empty store on the run's server of this kind; the server is started with the first of them. */
export async function createStore(kind: ServerKind, { redisFsync }: ServerSettings): Promise<Store> {
  return kind === "postgres" ? await createPostgresStore() : await createRedisStore(redisFsync);
}

/** Ends the servers of this run, if there are any. */
export async function closeServers(): Promise<void> {
  await Promise.all([closePostgres(), closeRedis()]);
}

// The servers of a run: one private server of PostgreSQL and of Redis for all its subjects, started when the first of them needs
// it, with an empty store on it for each run of a subject; a server of NATS for each store. What a server does is read from the system and from its own statistics.
import { closeNats, createNatsStore } from "./nats-server.ts";
import { closePostgres, createPostgresStore } from "./postgres-server.ts";
import { closeRedis, createRedisStore } from "./redis-server.ts";

export type ServerKind = "nats" | "postgres" | "redis";

/** How often Redis writes its log through to the disk, as its option `appendfsync` says. */
export type RedisFsync = "always" | "everysec" | "no";

/** When NATS syncs its files: before each answer, or every two minutes, as it comes. */
export type NatsSync = "always" | "default";

export interface ServerSettings {
  readonly redisFsync: RedisFsync;
  readonly natsSync: NatsSync;
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
  /** Messages that clients sent it. */
  readonly messages?: number;
  /** What it keeps on files. */
  readonly storedBytes?: number;
  /** What it holds in memory, for all its stores. */
  readonly memoryBytes?: number;
  /** Its process in RAM, with what it has taken and does not use. */
  readonly residentBytes?: number;
}

/** The store of one run. */
export interface Store {
  readonly url: string;
  read(): Promise<StoreReading>;
  /** Waits until nobody is connected to it: only then have all sessions told what they did to its tables. */
  settled(): Promise<void>;
  drop(): Promise<void>;
}

/** An empty store on a server of this kind. */
export async function createStore(kind: ServerKind, settings: ServerSettings): Promise<Store> {
  switch (kind) {
    case "nats":
      return await createNatsStore(settings.natsSync);
    case "postgres":
      return await createPostgresStore();
    case "redis":
      return await createRedisStore(settings.redisFsync);
  }
}

/** Ends the servers of this run, if there are any. */
export async function closeServers(): Promise<void> {
  await Promise.all([closeNats(), closePostgres(), closeRedis()]);
}

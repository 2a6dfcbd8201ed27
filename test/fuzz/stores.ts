// Fresh, empty stores of each engine, one for every sequence, cheap enough for thousands.
import { Client } from "pg";
import type { Engine } from "../../src/core/engine.ts";
import { postgres } from "../../src/engines/postgres/index.ts";
import { redis } from "../../src/engines/redis/index.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { emptyStatement } from "../postgres/harness.ts";
import type { Subject } from "./side-by-side.ts";

/** Where an engine's stores lie, until it is closed. */
export interface Stores extends Subject {
  close(): Promise<void>;
}

export function sqliteStores(): Stores {
  return { sharesAlike: true, make: (options) => sqlite(":memory:", options) as Engine, close: async () => {} };
}

/** One database, emptied for each store: only the last one that was made may be in use. */
export async function postgresStores(url: string): Promise<Stores> {
  const admin = new Client({ connectionString: url });
  admin.on("error", () => {});
  await admin.connect();
  return {
    // A claim of a queue with one tenant moves no place in the fair share.
    sharesAlike: false,
    make: async (options) => {
      await admin.query(emptyStatement);
      return postgres(url, options) as Engine;
    },
    close: () => admin.end(),
  };
}

/** One server, with a name for each deployment. */
export function redisStores(url: string, newDeployment: () => string): Stores {
  return {
    sharesAlike: true,
    make: (options) => redis(url, { ...options, prefix: newDeployment() }),
    close: async () => {},
  };
}

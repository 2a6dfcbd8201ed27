// Fresh, empty stores of each engine, one for every sequence, cheap enough for thousands.
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { Client } from "pg";
import type { Engine } from "../../src/core/engine.ts";
import { nats } from "../../src/engines/nats/index.ts";
import { postgres } from "../../src/engines/postgres/index.ts";
import { redis } from "../../src/engines/redis/index.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { emptyStatement } from "../postgres/harness.ts";
import { inTurns } from "./in-turns.ts";
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

/** How many processes have a NATS store open: two take turns with the calls. */
export type NatsProcesses = 1 | 2;

/** One server, with a stream for each store, which is in memory and goes with its store. */
export async function natsStores(url: string, newName: () => string, processes: NatsProcesses): Promise<Stores> {
  const admin = await connect({ servers: url });
  const { streams } = await jetstreamManager(admin);
  let last: string | undefined;
  const forget = async () => {
    if (last !== undefined) await streams.delete(last);
    last = undefined;
  };
  return {
    // Each process sees by itself which lanes have due jobs.
    sharesAlike: processes === 1,
    make: async (options) => {
      await forget();
      const name = newName();
      last = name;
      const make = () =>
        nats(url, { ...options, stream: name, prefix: name, storage: "memory", cleanFromBytes: 1, purgeAfter: 0 });
      return processes === 1 ? make() : inTurns(make, fillUp);
    },
    close: async () => {
      await forget();
      await admin.close();
    },
  };
}

/** Writes what is of no use at once: so much of it that the journal is cleaned again and again. */
async function fillUp({ records }: Engine): Promise<void> {
  await records.put([{ key: "of-no-use", value: `"${"x".repeat(5_000)}"`, expected: "any" }]);
  await records.remove(["of-no-use"]);
}

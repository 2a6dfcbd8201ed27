// Where a store is, in words that can be told to another process, and the engine that goes there.
import { Redis } from "ioredis";
import { connect } from "punctual/connect";
import { type NatsOptions, nats } from "punctual/nats";
import { redis } from "punctual/redis";
import type { Engine } from "../../../src/core/engine.ts";
import type { HistoryOptions } from "../../../src/core/history.ts";

/** Where a store is. */
export type Place =
  | { readonly url: string }
  /** On NATS servers, with how the journal is kept. */
  | { readonly url: string; readonly nats: Pick<NatsOptions, "replicas" | "cleanFromBytes" | "purgeAfter"> }
  /** On a Redis server, or a cluster, that has other stores too. */
  | { readonly url: string; readonly prefix: string }
  /** On whichever Redis server these Sentinels name as the primary. */
  | {
      readonly sentinels: readonly { readonly host: string; readonly port: number }[];
      readonly masterName: string;
      readonly prefix: string;
    };

/** The engine there, not yet opened. */
export async function engineAt(place: Place, history: HistoryOptions): Promise<Engine<never>> {
  if ("nats" in place) return nats(place.url, { ...history, ...place.nats });
  if (!("prefix" in place)) return await connect(place.url, history);
  if ("url" in place) return redis(place.url, { ...history, prefix: place.prefix });
  // The engine works on a copy: this one never connects.
  const client = new Redis({ sentinels: [...place.sentinels], name: place.masterName, lazyConnect: true });
  return redis(client, { ...history, prefix: place.prefix });
}

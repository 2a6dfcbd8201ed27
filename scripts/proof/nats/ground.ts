// The grounds of chaos on NATS: a private server with a proxy before it, or a cluster of three whose nodes can be parted. What
// is of no use is written all the time, so that the journal is cleaned all the time.
import type { Engine } from "../../../src/core/engine.ts";
import type { NatsServer } from "../../services/nats.ts";
import type { NatsCluster } from "../../services/nats-cluster.ts";
import type { Ground, GroundOptions } from "../chaos/ground.ts";
import { keepsAll } from "../chaos/load.ts";
import { engineAt, type Place } from "../chaos/place.ts";
import type { Partition } from "./partition.ts";
import { HalvingProxy } from "./proxy.ts";
import { Waste } from "./waste.ts";
import { differencesOf } from "./worlds.ts";

export interface NatsGround extends Ground {
  readonly server: NatsServer;
  readonly proxy: HalvingProxy;
}

export interface ClusterGround extends Ground {
  readonly cluster: NatsCluster;
  /** Absent where the nodes cannot be parted. */
  readonly partition: Partition | undefined;
}

/** What is written anew has been synced after so long, even where a fault loses what was not. */
const cleaned = { cleanFromBytes: 100_000, purgeAfter: "3s" } as const;

export async function natsGround(server: NatsServer, { audit, throughProxy }: GroundOptions): Promise<NatsGround> {
  const proxy = await HalvingProxy.before(server);
  const place = { url: server.url, nats: cleaned };
  return {
    server,
    proxy,
    ...(await groundAt(place, audit, () => proxy.close())),
    place: throughProxy ? { ...place, url: proxy.url } : place,
  };
}

export async function clusterGround(
  cluster: NatsCluster,
  partition: Partition | undefined,
  { audit }: GroundOptions,
): Promise<ClusterGround> {
  const place = { url: cluster.url, nats: { ...cleaned, replicas: 3 } } as const;
  return { cluster, partition, place, ...(await groundAt(place, audit, async () => {})) };
}

async function groundAt(
  place: Extract<Place, { readonly nats: unknown }>,
  audit: "changes" | "all",
  close: () => Promise<void>,
) {
  const engine = await engineAt(place, { retention: keepsAll, audit });
  const waste = new Waste(engine);
  return {
    engine,
    audit: async () => {
      await waste.end();
      return [...(await auditWorld(engine, place)), ...(await waste.audit(place.url))];
    },
    close: async () => {
      await waste.end();
      await close();
    },
  };
}

/** What a process that followed all the time has in its memory is what one reads from the journal that begins now. */
async function auditWorld(followed: Engine<never>, place: Place): Promise<readonly string[]> {
  const fresh = await engineAt(place, { retention: keepsAll });
  await fresh.open();
  try {
    return await differencesOf(followed, fresh);
  } finally {
    await fresh.close();
  }
}

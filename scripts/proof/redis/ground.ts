// The grounds of chaos on Redis: a prefix of its own on a private server with a proxy before it, on a cluster, or on a primary
// that Sentinel names.
import { randomBytes } from "node:crypto";
import type { RedisServer } from "../../services/redis.ts";
import type { RedisCluster } from "../../services/redis-cluster.ts";
import type { RedisFailover } from "../../services/redis-failover.ts";
import type { Ground, GroundOptions } from "../chaos/ground.ts";
import { keepsAll } from "../chaos/load.ts";
import { engineAt, type Place } from "../chaos/place.ts";
import { HalvingProxy } from "./proxy.ts";

export interface RedisGround extends Ground {
  readonly server: RedisServer;
  readonly proxy: HalvingProxy;
}

export interface ClusterGround extends Ground {
  readonly cluster: RedisCluster;
  readonly prefix: string;
}

export interface FailoverGround extends Ground {
  readonly failover: RedisFailover;
}

function newPrefix(): string {
  return `chaos-${randomBytes(4).toString("hex")}`;
}

export async function redisGround(server: RedisServer, { audit, throughProxy }: GroundOptions): Promise<RedisGround> {
  const prefix = newPrefix();
  const proxy = await HalvingProxy.before(server);
  return {
    server,
    proxy,
    engine: await engineAt({ url: server.url, prefix }, { retention: keepsAll, audit }),
    place: { url: throughProxy ? proxy.url : server.url, prefix },
    close: () => proxy.close(),
  };
}

export async function clusterGround(cluster: RedisCluster, { audit }: GroundOptions): Promise<ClusterGround> {
  const place = { url: cluster.url, prefix: newPrefix() };
  const engine = await engineAt(place, { retention: keepsAll, audit });
  return { cluster, prefix: place.prefix, engine, place, close: async () => {} };
}

export async function failoverGround(failover: RedisFailover, { audit }: GroundOptions): Promise<FailoverGround> {
  const { sentinels, masterName } = failover;
  const place: Place = { sentinels, masterName, prefix: newPrefix() };
  const engine = await engineAt(place, { retention: keepsAll, audit });
  return { failover, engine, place, close: async () => {} };
}

// The options of ioredis that every connection of ours has, whoever's client it was copied from: nothing is queued, sent
// twice, renamed or given up behind our back.
import type { ClusterOptions, RedisOptions } from "ioredis";
import { defaults } from "../../core/defaults.ts";
import { EngineNotConfiguredError } from "../../core/errors.ts";
import type { ServerUrl } from "./url.ts";

const { reconnectMs, reconnectMsMax } = defaults.redis;

/** Of all, those of a cluster's nodes and those that listen, too. */
export const plainOptions = {
  keyPrefix: "",
  // Answers are the same from every version of server and driver.
  protocol: 2,
  replyMapping: "legacy",
  stringNumbers: false,
  readOnly: false,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  enableAutoPipelining: false,
  // What may have been done is never sent again: its sender is told that nobody knows.
  maxRetriesPerRequest: 0,
  commandTimeout: undefined,
  socketTimeout: undefined,
  connectTimeout: defaults.redis.connectTimeoutMs,
  // A server that hangs does not hang up.
  disconnectTimeout: 500,
  connectionName: "punctual",
} as const satisfies RedisOptions;

/** Of the connection that works. */
export const ownOptions = {
  ...plainOptions,
  lazyConnect: true,
  enableOfflineQueue: false,
  enableReadyCheck: true,
  retryStrategy: pauseMs,
  reconnectOnError,
} as const satisfies RedisOptions;

/** Of the cluster that works. */
export const ownClusterOptions = {
  lazyConnect: true,
  enableOfflineQueue: false,
  enableAutoPipelining: false,
  keyPrefix: "",
  scaleReads: "master",
  clusterRetryStrategy: pauseMs,
  clusterNodeRetryStrategy: null,
  // A call whose node has hung up may have been done.
  retryDelayOnFailover: 0,
  redisOptions: { ...plainOptions, reconnectOnError: null },
} as const satisfies ClusterOptions;

/** Not in step with other processes that lost the same server. */
function pauseMs(times: number): number {
  return Math.min(reconnectMs * 2 ** Math.min(times - 1, 10), reconnectMsMax) * (1 - Math.random() / 4);
}

/** The server has become a replica: another one, behind the same name, takes writes. */
function reconnectOnError(error: Error): boolean {
  return /(?:^|: -)READONLY /.test(error.message);
}

/** What a URL says. */
export function serverOptions({ host, port, username, password, db, tls }: ServerUrl) {
  return {
    host,
    port,
    db,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls ? { tls: {} } : {}),
  };
}

/** What a URL of a cluster's node says of all its nodes. @throws EngineNotConfiguredError for a database but 0 */
export function clusterOptions(url: ServerUrl) {
  if (url.db !== 0) {
    throw new EngineNotConfiguredError(`a cluster has database 0 only, and the URL names ${url.db}`, {
      field: "location",
      mend: "Leave the number out of the URL; stores of one cluster are told apart by the option prefix.",
    });
  }
  const { host: _, port: __, db: ___, ...options } = serverOptions(url);
  return {
    ...ownClusterOptions,
    // Certificates are for names, so that names are not to be looked up before.
    ...(url.tls ? { dnsLookup: asItIs } : {}),
    redisOptions: { ...ownClusterOptions.redisOptions, ...options },
  };
}

const asItIs: NonNullable<ClusterOptions["dnsLookup"]> = (name, callback) => callback(null, name);

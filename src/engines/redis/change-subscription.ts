// One connection of our own that is subscribed to a channel. It is tried now and then, and never mended: once it has ended,
// nobody knows what was said, so its owner opens another and loads everything.
import type { Cluster, Redis, RedisOptions } from "ioredis";
import { defaults } from "../../core/defaults.ts";
import { within } from "../../remote/within.ts";
import { type Location, loadDriver } from "./connecting.ts";
import { plainOptions, serverOptions } from "./driver-options.ts";
import { readUrl } from "./url.ts";

/** What a subscription tells. */
export interface SubscriptionEvents {
  heard(message: string): void;
  /** The connection has ended; told once, and not when `end` was called. */
  lost(error: Error): void;
}

export interface Subscription {
  end(): void;
}

/** How often the connection is tried, and how long an answer may take; in ms. */
export interface SubscriptionTimes {
  readonly probeMs: number;
  readonly answerMs: number;
}

const closed = "the connection to Redis was closed";

/** Nothing is mended behind our back: a subscription that was renewed in silence has lost messages in silence. */
const ownOptions = {
  ...plainOptions,
  lazyConnect: true,
  enableOfflineQueue: true,
  retryStrategy: null,
  reconnectOnError: null,
  failoverDetector: false,
  connectionName: "punctual-changes",
} as const satisfies RedisOptions;

/**
 * Connects and subscribes: what is published after this resolves is heard. A user's client is only copied.
 * @throws what the server, or the network, says
 */
export async function subscribe(
  location: Location,
  channel: string,
  events: SubscriptionEvents,
  signal: AbortSignal,
  { probeMs, answerMs }: SubscriptionTimes = defaults.redisChanges,
): Promise<Subscription> {
  const client = await answered(copyOf(location), defaults.redis.connectTimeoutMs);
  let said: Error | undefined;
  let isOpen = false;
  const end = () => {
    isOpen = false;
    clearInterval(probe);
    signal.removeEventListener("abort", end);
    client.disconnect();
  };
  const lose = (error: Error) => {
    if (!isOpen) return;
    end();
    events.lost(error);
  };
  client.on("error", (error: Error) => {
    said = error;
  });
  client.on("end", () => lose(said ?? new Error(closed)));
  client.on("message", (_channel: string, message: string) => events.heard(message));
  // A connection that was cut without a word looks like one on which nothing is said.
  const probe = setInterval(() => {
    if (isOpen) answered(client.ping(), answerMs).catch(lose);
  }, probeMs);
  probe.unref();
  signal.addEventListener("abort", end, { once: true });
  try {
    signal.throwIfAborted();
    await answered(connectAndSubscribe(client, channel), defaults.redis.connectTimeoutMs);
    if (client.status !== "ready") throw new Error(closed);
    isOpen = true;
    return { end };
  } catch (error) {
    end();
    signal.throwIfAborted();
    // ioredis says why beside the call: the call itself knows only that the connection is closed.
    throw said ?? error;
  }
}

async function connectAndSubscribe(client: Redis, channel: string): Promise<void> {
  await client.connect();
  await client.subscribe(channel);
}

async function copyOf(location: Location): Promise<Redis> {
  if (typeof location !== "string") {
    const node = "nodes" in location ? await nodeOf(location) : location;
    return node.duplicate(ownOptions);
  }
  const { Redis } = await loadDriver();
  return new Redis({ ...ownOptions, ...serverOptions(readUrl(location)) });
}

/** Any node hears what is published on any other. */
async function nodeOf(cluster: Cluster): Promise<Redis> {
  // Its nodes are known once it has connected.
  if (cluster.nodes().length === 0) await cluster.ping();
  const nodes = cluster.nodes();
  const node = nodes[Math.floor(Math.random() * nodes.length)];
  if (node === undefined) throw new Error("the cluster has no nodes");
  return node;
}

/** @throws when it takes longer; what comes later is ignored */
async function answered<Answer>(work: Promise<Answer>, ms: number): Promise<Answer> {
  if (await within(work, ms)) return await work;
  throw new Error(`Redis gave no answer within ${ms} ms`);
}

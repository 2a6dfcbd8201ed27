// A connection that is subscribed: a copy of the client that the store works with. It is never mended: once it has ended,
// nobody knows what was said, so its owner opens another.
import type { Cluster, Redis, RedisOptions } from "ioredis";
import { defaults } from "../../core/defaults.ts";
import type { Ear, EarEvents, OpenEar } from "../../remote/listener.ts";
import { within } from "../../remote/within.ts";
import type { Driver } from "./connection.ts";

/** What opens ears like a client, with options of ours over its own. */
export function earOf(source: Redis | Cluster, options: RedisOptions): OpenEar {
  return async (events) => {
    const node = "nodes" in source ? nodeOf(source) : source;
    const ear = node.duplicate({
      ...options,
      lazyConnect: true,
      enableOfflineQueue: true,
      retryStrategy: null,
      reconnectOnError: null,
      connectionName: "punctual-signals",
    });
    return await opened(ear, events);
  };
}

/** Any node hears what is published on any other. */
function nodeOf(cluster: Cluster): Redis {
  const nodes = cluster.nodes();
  const node = nodes[Math.floor(Math.random() * nodes.length)];
  if (node === undefined) throw new Error("the cluster has no nodes");
  return node;
}

async function opened(client: Redis, events: EarEvents): Promise<Ear> {
  let said: Error | undefined;
  let isOpen = true;
  const close = () => {
    isOpen = false;
    client.disconnect();
  };
  client.on("error", (error: Error) => {
    said = error;
  });
  client.on("end", () => {
    if (isOpen) events.lost(said ?? new Error("the connection that listens was closed"));
    isOpen = false;
  });
  client.on("message", (channel: string, message: string) => events.heard(channel, message));
  const answered = async (work: Promise<unknown>) => {
    if (await within(work, defaults.redis.connectTimeoutMs)) return await work;
    throw new Error(`no answer within ${defaults.redis.connectTimeoutMs} ms`);
  };
  try {
    await answered(client.connect());
    // A process that has nothing else to do may end.
    (client as unknown as Pick<Driver, "stream">).stream?.unref?.();
  } catch (error) {
    close();
    // ioredis says why beside the call: the call itself knows only that the connection is closed.
    throw said ?? error;
  }
  return {
    listen: async (channels) => {
      await answered(client.subscribe(...channels));
    },
    close,
  };
}

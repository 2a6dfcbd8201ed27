// A private primary with one replica and a Sentinel that promotes it: replication is asynchronous, so a failover may lose what
// was acknowledged last, and here it can be made to.
import { type RedisDurability, type RedisServer, startRedisProcess } from "./redis.ts";
import type { RedisKind } from "./redis-binaries.ts";
import { until } from "./settling.ts";

export interface RedisFailoverOptions {
  /** Default "redis". */
  readonly kind?: RedisKind;
  /** Of the primary and of the replica. Default "none". */
  readonly durability?: RedisDurability;
  /**
   * After how long without a word the Sentinel fails over by itself. Default 60,000: a busy machine must not make a failover that
   * nobody asked for, and `failOver` tells the Sentinel.
   */
  readonly downAfterMs?: number;
}

interface Servers {
  readonly primary: RedisServer;
  readonly replica: RedisServer;
  readonly sentinel: RedisServer;
}

const masterName = "punctual";

export class RedisFailover {
  /** As clients name the primary to the Sentinel. */
  readonly masterName = masterName;
  readonly sentinel: RedisServer;
  #primary: RedisServer;
  #replica: RedisServer;
  #cut = false;

  constructor({ primary, replica, sentinel }: Servers) {
    this.#primary = primary;
    this.#replica = replica;
    this.sentinel = sentinel;
  }

  /** As ioredis takes them. */
  get sentinels(): readonly { readonly host: string; readonly port: number }[] {
    return [{ host: this.sentinel.host, port: this.sentinel.port }];
  }

  /** The primary, as of the last `failOver`. */
  get primary(): RedisServer {
    return this.#primary;
  }

  /** The replica; after `failOver` the former primary. */
  get replica(): RedisServer {
    return this.#replica;
  }

  /** Waits until the replica has everything that was written so far. */
  async replicated(): Promise<void> {
    await until("the replica has what the primary has", [this.#primary, this.#replica], async () => {
      const written = (await this.#primary.info("replication")).get("master_repl_offset");
      const replica = await this.#replica.info("replication");
      return replica.get("master_link_status") === "up" && replica.get("slave_repl_offset") === written;
    });
  }

  /** From now on nothing that is written reaches the replica: `failOver` will lose it. */
  async cutReplication(): Promise<void> {
    await this.replicated();
    await this.#replica.pause();
    this.#cut = true;
    // What the kernel holds for a frozen process would reach it after all.
    await this.#primary.command("CLIENT", "KILL", "TYPE", "replica");
  }

  /**
   * Ends the primary as a crash does, has the Sentinel promote the replica, and waits until it has. With "pause" the primary is
   * only frozen: after `replica.resume()` it takes itself for the primary until the Sentinel, or `rejoin`, tells it otherwise.
   */
  async failOver(by: "kill" | "pause" = "kill"): Promise<void> {
    const former = this.#primary;
    await (by === "kill" ? former.kill() : former.pause());
    if (this.#cut) this.#replica.resume();
    this.#cut = false;
    await until("the Sentinel takes up the failover", [this.sentinel, this.#replica], async () => {
      // With a low `downAfterMs` it may have been first.
      if (await this.#promoted()) return true;
      // Refused while it does one already, or has not heard of the replica just now.
      await this.sentinel.command("SENTINEL", "FAILOVER", masterName);
      return true;
    });
    await until("the Sentinel names the replica as primary", [this.sentinel, this.#replica], () => {
      return this.#promoted();
    });
    this.#primary = this.#replica;
    this.#replica = former;
  }

  /** Starts a replica that was killed, and waits until it follows the primary; its own writes that the other lacks are gone. */
  async rejoin(): Promise<void> {
    const { host, port } = this.#primary;
    if (this.#replica.running) {
      // The Sentinel would do so as well, about ten seconds later.
      await this.#replica.command("REPLICAOF", host, port);
    } else {
      // From its first moment, because the Sentinel looks then, and not again for ten seconds.
      this.#replica.configure("replicaof", `${host} ${port}`);
      await this.#replica.start();
    }
    await this.replicated();
    await sentinelReady(this.sentinel, this.#replica);
  }

  /** Ends all three servers and removes their data. */
  async close(): Promise<void> {
    await closeAll([this.sentinel, this.#replica, this.#primary]);
  }

  async #promoted(): Promise<boolean> {
    const [, port] = (await this.sentinel.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", masterName)) as string[];
    return Number(port) === this.#replica.port && (await roleOf(this.#replica)) === "master";
  }
}

async function roleOf(server: RedisServer): Promise<string | undefined> {
  return (await server.info("replication")).get("role");
}

async function closeAll(servers: readonly RedisServer[]): Promise<void> {
  for (const server of servers) await server.close();
}

/** Waits until the Sentinel could promote the replica. */
async function sentinelReady(sentinel: RedisServer, replica: RedisServer): Promise<void> {
  await until("the Sentinel knows the replica", [sentinel, replica], async () => {
    const replicas = (await sentinel.command("SENTINEL", "REPLICAS", masterName)) as readonly (readonly string[])[];
    return replicas.some((fields) => {
      const field = (name: string) => fields[fields.indexOf(name) + 1];
      // Further flags say that it is gone.
      return field("port") === `${replica.port}` && field("flags") === "slave";
    });
  });
}

/** Starts a primary, its replica and a Sentinel that needs no other's vote. Fails with what to do where there is no Redis. */
export async function startRedisFailover(options: RedisFailoverOptions = {}): Promise<RedisFailover> {
  const started: RedisServer[] = [];
  const start = async (more: Parameters<typeof startRedisProcess>[0]) => {
    const server = await startRedisProcess({ ...options, ...more });
    started.unshift(server);
    return server;
  };
  try {
    const primary = await start({ settings: { "repl-diskless-sync-delay": "0" } });
    const settings = { "repl-diskless-sync-delay": "0", replicaof: `${primary.host} ${primary.port}` };
    const replica = await start({ settings });
    const sentinelSettings = {
      [`sentinel monitor ${masterName}`]: `${primary.host} ${primary.port} 1`,
      [`sentinel down-after-milliseconds ${masterName}`]: `${options.downAfterMs ?? 60_000}`,
      [`sentinel failover-timeout ${masterName}`]: "10000",
    };
    await until("the replica follows", [primary, replica], async () => {
      return (await replica.info("replication")).get("master_link_status") === "up";
    });
    const sentinel = await start({ sentinel: true, durability: "none", settings: sentinelSettings });
    const failover = new RedisFailover({ primary, replica, sentinel });
    await sentinelReady(sentinel, replica);
    return failover;
  } catch (error) {
    await closeAll(started);
    throw error;
  }
}

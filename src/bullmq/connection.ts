// Redis for both ends: the user's client, which is left open, or clients of our own; and the drivers, loaded when first needed.
import type { Cluster, Redis, RedisOptions } from "ioredis";
import { EngineNotConfiguredError } from "../index.ts";

type Client = Redis | Cluster;
/** Without what ioredis does not take as undefined. */
type Options = Omit<RedisOptions, "replyMapping">;

/** What BullMQ offers. */
export type Driver = typeof import("bullmq");

/** A client for plain commands, and copies of it for what blocks or listens. */
export class Connection {
  readonly client: Client;
  readonly #owned: Client[] = [];
  readonly #onError: (error: unknown) => void;

  private constructor(client: Client, isOurs: boolean, onError: (error: unknown) => void) {
    this.client = client;
    this.#onError = onError;
    if (isOurs) this.#own(client);
  }

  /** @throws EngineNotConfiguredError when ioredis is not installed */
  static async open(given: object | string, onError: (error: unknown) => void): Promise<Connection> {
    if (isClient(given)) return new Connection(given, false, onError);
    const { Redis } = await load("ioredis", () => import("ioredis"));
    const { url, ...rest } = (typeof given === "string" ? { url: given } : given) as Options & { url?: string };
    const options: Options = rest;
    return new Connection(url === undefined ? new Redis(options) : new Redis(url, options), true, onError);
  }

  /** A client that waits as long as it takes for Redis to be there again; closed by `close`. */
  copy(): Client {
    const { client } = this;
    const patient = { maxRetriesPerRequest: null };
    if (!client.isCluster) return this.#own((client as Redis).duplicate(patient));
    const redisOptions: Options = { ...(client as Cluster).options.redisOptions, ...patient };
    return this.#own((client as Cluster).duplicate(undefined, { redisOptions }));
  }

  /** Closes what is ours. */
  close(): void {
    for (const client of this.#owned) client.disconnect();
  }

  #own<C extends Client>(client: C): C {
    client.on("error", this.#onError);
    this.#owned.push(client);
    return client;
  }
}

function isClient(given: object | string): given is Client {
  return typeof given === "object" && "duplicate" in given && "disconnect" in given;
}

/** @throws EngineNotConfiguredError when bullmq is not installed */
export function loadBullmq(): Promise<Driver> {
  return load("bullmq", () => import("bullmq"));
}

async function load<Module extends object>(name: string, importing: () => Promise<Module>): Promise<Module> {
  try {
    const loaded = await importing();
    // What `require` gives stands under `default` in some bundles.
    const inner = (loaded as { readonly default?: unknown }).default;
    const isWrapped = Object.keys(loaded).every((key) => key === "default" || key === "module.exports");
    return isWrapped && typeof inner === "object" && inner !== null ? (inner as Module) : loaded;
  } catch (error) {
    throw new EngineNotConfiguredError(`punctual/bullmq needs the package ${name}`, {
      mend: `Install it: npm install ${name}.`,
      cause: error,
    });
  }
}

const awayCodes: readonly unknown[] = [
  ...["ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EPIPE", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH"],
];
const awayWords =
  /connection is closed|max retries per request|stream isn't writeable|command timed out|^(?:LOADING|READONLY|CLUSTERDOWN|MASTERDOWN|TRYAGAIN|NOREPLICAS|MISCONF|OOM|BUSY)\b/i;

/** Whether Redis cannot serve now, and may later: no fault of the job. */
export function isAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ("code" in error && awayCodes.includes(error.code)) return true;
  return awayWords.test(error.message) || /^(?:MaxRetriesPerRequest|Abort|ConnectionClosed)Error$/.test(error.name);
}

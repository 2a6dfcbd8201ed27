// What every part of the store calls the server by: scripts, and pipelines of reads. Keys are named without the store's
// prefix; errors are those of the catalogue.
import type { Way } from "./connecting.ts";
import type { Connection, Driver } from "./connection.ts";
import { refusalOf } from "./faults.ts";
import type { Script } from "./script.ts";

/** What a server answers; a map comes as names and values in turn. */
export type Reply = string | number | null | readonly Reply[];

/** A command, its name in lower case; its key goes without the prefix. */
export type Command = readonly [name: string, key: string, ...args: (string | number)[]];

export interface Client {
  /** What every key begins with, a hash tag: "{punctual}:". */
  readonly prefix: string;
  /**
   * Runs a script as one step: KEYS[1] is the prefix, ARGV the arguments.
   * @throws NotWrittenError, OutcomeUnknownError, StoreTooNewError, StoreCorruptError
   */
  run(script: Script, args: readonly (string | number)[]): Promise<Reply>;
  /**
   * Reads in one pipeline, not as one step; answers in order. A command that fails fails all.
   * @throws NotWrittenError, StoreCorruptError
   */
  read(commands: readonly Command[]): Promise<Reply[]>;
}

/** A client on one connection. */
export class ConnectedClient implements Client {
  readonly prefix: string;
  readonly #connection: Connection;
  /**
   * The keys that a script names. While a cluster moves the keys of a slot, a script would find some here and some there; it
   * is refused until all have moved, since of these two one is always there and one never is.
   */
  readonly #keys: readonly string[];

  constructor({ connection, isCluster }: Pick<Way, "connection" | "isCluster">, prefix: string) {
    this.#connection = connection;
    this.prefix = prefix;
    this.#keys = isCluster ? [prefix, `${prefix}meta`] : [prefix];
  }

  async run(script: Script, args: readonly (string | number)[]): Promise<Reply> {
    const request = { what: script.name, writes: true };
    return plain(await this.#connection.send(request, (driver) => this.#invoke(driver, script, args)));
  }

  async read(commands: readonly Command[]): Promise<Reply[]> {
    if (commands.length === 0) return [];
    const calls = commands.map(([name, key, ...args]) => ["call", name, this.prefix + key, ...args]);
    const request = { what: `reading ${commands[0]?.[1]}`, writes: false };
    const answers = (await this.#connection.send(request, (driver) => answersOf(driver, calls))) ?? [];
    return answers.map(plain);
  }

  async #invoke(driver: Driver, { name, sha, text }: Script, args: readonly (string | number)[]): Promise<unknown> {
    const { known } = this.#connection;
    // The last one is no key: it tells whoever reads the slow log which script it was.
    const keys = [...this.#keys, this.prefix + name];
    // Lists go as they are, and the driver unfolds them: the stack has no room for a large batch.
    const load = () => {
      known.add(sha);
      return driver.call("eval", text, keys.length, keys, args);
    };
    // The first time on a connection its text goes along: nothing that is called later can overtake it for want of it.
    if (!known.has(sha)) return await load();
    try {
      return await driver.call("evalsha", sha, keys.length, keys, args);
    } catch (error) {
      if (refusalOf(error) !== "NOSCRIPT") throw error;
      // Somebody has flushed the server's scripts, or another server of a cluster answers.
      known.clear();
      return await load();
    }
  }
}

async function answersOf(driver: Driver, calls: unknown[][]): Promise<unknown[]> {
  const answers = (await driver.pipeline(calls).exec()) ?? [];
  return answers.map(([error, answer]) => {
    if (error !== null) throw error;
    return answer;
  });
}

/** ioredis makes objects of some commands' maps. */
function plain(answer: unknown): Reply {
  if (typeof answer !== "object" || answer === null || Array.isArray(answer)) return answer as Reply;
  return Object.entries(answer).flat() as Reply[];
}

/** The texts of a list that a server has answered. */
export function textsOf(reply: Reply | undefined): string[] {
  return Array.isArray(reply) ? reply.map(String) : [];
}

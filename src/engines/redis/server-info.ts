// What a server says of itself: INFO and its settings, as far as the user may ask.
import type { Connection } from "./connection.ts";

/**
 * The fields of one section of INFO, as "memory"; none where the user may not ask.
 * @param prefix with a cluster the node that holds the store is asked
 */
export async function infoOf(
  connection: Connection,
  section: string,
  prefix: string,
): Promise<ReadonlyMap<string, string>> {
  const answer = await ask(connection, prefix, ["info", section]);
  const lines = String(answer ?? "").matchAll(/^([a-z_0-9.-]+):(.*?)\r?$/gim);
  return new Map([...lines].map(([, name = "", value = ""]) => [name, value]));
}

/** A setting; undefined where the user may not ask, as on managed servers. */
export async function settingOf(connection: Connection, name: string, prefix: string): Promise<string | undefined> {
  const answer = await ask(connection, prefix, ["config", "get", name]);
  const value: unknown = Array.isArray(answer) ? answer[1] : Object.values(answer ?? {})[0];
  return typeof value === "string" ? value : undefined;
}

async function ask(
  connection: Connection,
  prefix: string,
  command: readonly string[],
): Promise<object | string | null> {
  return await connection.send({ what: command.join(" "), writes: false }, async (driver) => {
    // The key leads the pipeline to the node of the store.
    const answers = await driver
      .pipeline([
        ["call", "exists", prefix],
        ["call", ...command],
      ])
      .exec();
    const [error, answer] = answers?.[1] ?? [null, null];
    if (error === null) return answer as object | string | null;
    if (/^(?:NOPERM|ERR unknown command)/.test(error.message)) return null;
    throw error;
  });
}

/** What a server is, and which Redis it is like. */
export interface Product {
  readonly name: "Redis" | "Valkey";
  readonly version: string;
  /** The version of Redis whose commands it has; undefined where it was not told. */
  readonly compatible: string | undefined;
}

/** @param info of the section "server" */
export function productOf(info: ReadonlyMap<string, string>): Product {
  const compatible = info.get("redis_version");
  const valkey = info.get("valkey_version");
  if (valkey !== undefined) return { name: "Valkey", version: valkey, compatible };
  return { name: "Redis", version: compatible ?? "of an unknown version", compatible };
}

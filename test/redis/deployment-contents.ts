// All that a deployment holds on its server, as plain maps: what the check of its consistency compares.
import type { Redis } from "ioredis";

/**
 * A key's contents: fields of a hash with their values, members of a sorted set with their scores, of a set with "", entries
 * of a stream with their text; of a string "" with the text.
 */
export type Contents = ReadonlyMap<string, string>;

/** Every key of a deployment, without the prefix. */
export async function contentsOf(server: Redis, prefix: string): Promise<ReadonlyMap<string, Contents>> {
  const begin = `{${prefix}}:`;
  const keys = new Set<string>();
  for await (const some of server.scanStream({ match: `${begin}*`, count: 1_000 })) {
    for (const key of some as string[]) keys.add(key);
  }
  const found = new Map<string, Contents>();
  await Promise.all(
    [...keys].map(async (key) => {
      const contents = await read(server, key);
      // It may have expired since it was found.
      if (contents !== undefined) found.set(key.slice(begin.length), contents);
    }),
  );
  return found;
}

async function read(server: Redis, key: string): Promise<Contents | undefined> {
  switch (await server.type(key)) {
    case "hash":
      return new Map(Object.entries(await server.hgetall(key)));
    case "zset":
      return new Map(inPairs(await server.zrange(key, "0", "-1", "WITHSCORES")));
    case "set":
      return new Map((await server.smembers(key)).map((member) => [member, ""]));
    case "stream":
      return new Map((await server.xrange(key, "-", "+")).map(([id, fields]) => [id, fields[1] ?? ""]));
    case "string": {
      const text = await server.get(key);
      return text === null ? undefined : new Map([["", text]]);
    }
    case "none":
      return undefined;
    default:
      return new Map([["", "of a type that the engine does not know"]]);
  }
}

function inPairs(list: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < list.length; at += 2) pairs.push([list[at] ?? "", list[at + 1] ?? ""]);
  return pairs;
}

// Commands to a Redis server, each on a connection of its own.
import { Redis } from "ioredis";

/** Far longer than a server that is alive takes, even to fill itself by one script. */
const answersWithinMs = 60_000;

/** One command's answer. Fails at once where nobody listens. */
export async function commandOnce(url: string, name: string, ...args: readonly (string | number)[]): Promise<unknown> {
  const client = new Redis(url, {
    lazyConnect: true,
    retryStrategy: () => null,
    // A server that still loads its data is asked all the same.
    enableReadyCheck: false,
    commandTimeout: answersWithinMs,
  });
  // What goes wrong is told by the command.
  client.on("error", () => {});
  try {
    await client.connect();
    return await client.call(name, ...args);
  } finally {
    client.disconnect();
  }
}

/** The fields of INFO's answer by their names. */
export async function infoOf(url: string, ...sections: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const text = `${await commandOnce(url, "INFO", ...sections)}`;
  const fields = text.split("\r\n").filter((line) => line.includes(":"));
  return new Map(fields.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]));
}

// Waiting for servers that settle something among themselves.
import { setTimeout as delay } from "node:timers/promises";

/** Less than tests that wait for servers may take: they are to say what they waited for. */
const settlesWithinMs = 45_000;

/** What it printed last is worth knowing when it does not settle. */
interface Server {
  readonly port: number;
  lastWords(): string;
}

/**
 * Asks until `holds`, whatever fails meanwhile. Fails after 45 s, or as many ms as told, with `what`, the servers' last words, and
 * what failed last.
 */
export async function until(
  what: string,
  servers: readonly Server[],
  holds: () => Promise<boolean>,
  withinMs = settlesWithinMs,
): Promise<void> {
  const deadline = Date.now() + withinMs;
  let cause: unknown;
  while (Date.now() < deadline) {
    try {
      if (await holds()) return;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    await delay(10);
  }
  const words = servers.map((server) => `${server.port}:\n${server.lastWords()}\n`);
  throw new Error(`after ${withinMs / 1000} s still not so: ${what}\n${words.join("")}`, { cause });
}

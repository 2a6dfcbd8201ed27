// Stores for tests of what lies beneath the contract: the connection, its limits, and what it hears.
import { Redis } from "ioredis";
import { onTestFinished } from "vitest";
import { resolveHistory } from "../../src/core/history.ts";
import { script } from "../../src/engines/redis/script.ts";
import { Store, type StoreOptions } from "../../src/engines/redis/store.ts";

/** A store that is not open yet; closed when the test ends. */
export function storeAt(location: StoreOptions["location"], options: Partial<StoreOptions> = {}): Store {
  const store = new Store({
    location,
    prefix: "punctual",
    clock: undefined,
    history: resolveHistory({}),
    listen: true,
    migrate: true,
    mustExist: false,
    ...options,
  });
  onTestFinished(() => store.close());
  return store;
}

export async function openStoreAt(
  location: StoreOptions["location"],
  options: Partial<StoreOptions> = {},
): Promise<Store> {
  const store = storeAt(location, options);
  await store.open();
  return store;
}

/** A plain client; closed when the test ends. */
export function clientOf(url: string): Redis {
  const client = new Redis(url, { retryStrategy: () => 20 });
  client.on("error", () => {});
  onTestFinished(() => client.disconnect());
  return client;
}

/** Counts its calls under a name, and answers how many there have been. */
export const counting = script(
  "test.count",
  "Counts.",
  "return redis.call('HINCRBY', KEYS[1] .. 'counts', ARGV[1], 1)",
);

/** Resolves once a condition holds. */
export async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + 12_000;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`never so: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

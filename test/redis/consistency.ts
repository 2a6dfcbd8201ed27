// The check of a deployment's consistency: every key that follows from others is computed anew, from all that the server holds
// of the deployment, and compared. Nothing else may lie there. To be asked while nobody writes.
import type { Redis } from "ioredis";
import { contentsOf } from "./deployment-contents.ts";
import { Derived } from "./derived.ts";
import { deriveJobs } from "./derived-jobs.ts";
import { deriveSettings } from "./derived-settings.ts";

/** Where the keys of a deployment contradict each other; nothing where all is well. */
export async function inconsistencies(server: Redis, prefix: string): Promise<readonly string[]> {
  const keys = await contentsOf(server, prefix);
  const derived = new Derived();
  deriveJobs(keys, derived);
  deriveSettings(keys, derived);
  derived.own("meta");
  for (const key of keys.keys()) if (key.startsWith("c:") || key === "firing") derived.own(key);
  return derived.faults(comparable(keys), (key) => /^[lt]:/.test(key));
}

/** The indexes of chunks name each once, with itself as the score. */
function comparable(keys: Awaited<ReturnType<typeof contentsOf>>): typeof keys {
  return new Map(
    [...keys].map(([key, contents]) => {
      if (!key.startsWith("I:")) return [key, contents];
      return [key, new Map([...contents].map(([chunk, score]) => [chunk, chunk === score ? "0" : score]))];
    }),
  );
}

/** @throws Error with the first dozen of contradictions */
export async function expectConsistent(server: Redis, prefix: string): Promise<void> {
  const found = await inconsistencies(server, prefix);
  if (found.length === 0) return;
  throw new Error([`${found.length} contradictions in ${prefix}:`, ...found.slice(0, 12)].join("\n  "));
}

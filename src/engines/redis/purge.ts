// Deleting what retention no longer keeps (J10): a round of the janitor's work, in scripts short enough to hold up nobody.
import type { PurgeAnswer, PurgeRequest } from "../../core/engine.ts";
import type { Client } from "./client.ts";
import { purgeFinished } from "./finished-purge.ts";
import { readMany } from "./pipelines.ts";
import type { Script } from "./script.ts";
import { countExpired, expireJobs, purgeUsedKeys, trimJobs } from "./scripts/purge.ts";
import { purgeRecords } from "./scripts/records.ts";
import type { Access } from "./store.ts";

/** Rows that one script deletes at most: it holds up every other call meanwhile. */
const chunk = 250;

/** Completed jobs, and failed or cancelled ones: each queue keeps so many of each. */
type Group = "c" | "e";

/** A bounded round: `limit` jobs go at most, and as many idempotency keys and records. */
export async function purgeJobs(access: Access, request: PurgeRequest): Promise<PurgeAnswer> {
  const { client, history } = access;
  const { finished, limit } = request;
  if (finished !== undefined) return purgeFinished(access, finished, limit);
  const max = {
    c: request.completedCountMax ?? history.completedCountMax,
    e: request.endedCountMax ?? history.endedCountMax,
  };
  let left = limit - (await inChunks(access, expireJobs, [], limit));
  for (const { queue, group } of await overfull(client, max)) {
    if (left > 0) left -= await inChunks(access, trimJobs, [queue, group, max[group]], left);
  }
  const keys = await inChunks(access, purgeUsedKeys, [], limit);
  const records = await inChunks(access, purgeRecords, [], limit);
  const moreJobs = left <= 0 && (await isMore(access, max));
  return { deleted: limit - left, more: moreJobs || keys === limit || records === limit };
}

/** Runs a script that takes how many it may delete last, until it finds no more or so many are gone. */
async function inChunks(
  access: Access,
  script: Script,
  args: readonly (string | number)[],
  limit: number,
): Promise<number> {
  let gone = 0;
  while (gone < limit) {
    const wanted = Math.min(chunk, limit - gone);
    const some = Number(await access.client.run(script, [access.testNow(), ...args, wanted]));
    gone += some;
    if (some < wanted) break;
  }
  return gone;
}

/** The halves of queues' histories that hold more than they may. */
async function overfull(
  client: Client,
  max: Readonly<Record<Group, number>>,
): Promise<readonly { readonly queue: string; readonly group: Group }[]> {
  const [queues] = (await client.read([["ZRANGE", "queueNames", 0, -1]])) as [readonly string[]];
  const sources = queues.flatMap((queue) => (["c", "e"] as const).map((group) => ({ queue, group })));
  const counts = await readMany(
    client,
    sources.map(({ queue, group }) => ["ZCARD", `f:${queue}:${group}`]),
  );
  return sources.filter(({ group }, index) => Number(counts[index]) > max[group]);
}

/** Whether jobs are left that are to go. */
async function isMore(access: Access, max: Readonly<Record<Group, number>>): Promise<boolean> {
  const expired = Number(await access.client.run(countExpired, [access.testNow()]));
  return expired > 0 || (await overfull(access.client, max)).length > 0;
}

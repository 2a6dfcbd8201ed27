// The keys that every store may have, with the type of each: what is of another type was written by somebody else.
import type { SchemaDrift } from "../../core/schema.ts";
import type { Client } from "./client.ts";

const shape: Readonly<Record<string, string>> = {
  meta: "hash",
  jobs: "hash",
  live: "hash",
  ids: "hash",
  lanes: "hash",
  g: "hash",
  finished: "zset",
  expiring: "zset",
  slots: "hash",
  replaced: "hash",
  queues: "hash",
  queueNames: "zset",
  windows: "hash",
  tenants: "hash",
  tenantNames: "zset",
  limited: "set",
  guarded: "set",
  schedules: "hash",
  scheduleNames: "zset",
  due: "zset",
  idempotency: "hash",
  idempotencyEnds: "zset",
  records: "hash",
  recordNames: "zset",
  recordEnds: "zset",
  events: "stream",
  fired: "hash",
};

/** Keys that are not what they should be. */
export async function driftOf(client: Client): Promise<SchemaDrift[]> {
  const keys = Object.keys(shape);
  const types = await client.read(keys.map((key) => ["type", key]));
  return keys.flatMap((key, index) => {
    const type = types[index];
    if (type === "none" || type === shape[key]) return [];
    return [{ table: key, what: `the key ${client.prefix}${key} is a ${type}, should be a ${shape[key]}` }];
  });
}

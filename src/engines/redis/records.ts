// Small records in Redis: the contract's RecordStore.
import type { Millis } from "../../core/clock.ts";
import type { RecordPut, RecordStore, StoredRecord } from "../../core/engine.ts";
import { decodeCursor, encodeCursor, type Page } from "../../core/page.ts";
import { getRecords, listRecords, putRecords, removeRecords } from "./scripts/records.ts";
import type { Access } from "./store.ts";

/** Keys that one script reads at least: those that have expired and still lie there are passed over by the hundred. */
const leastRead = 100;

export function recordStore(access: Access): RecordStore {
  const { client } = access;
  return {
    get: async (keys) => {
      if (keys.length === 0) return [];
      const answer = await client.run(getRecords, [access.testNow(), ...keys]);
      const [now, texts] = answer as readonly [Millis, readonly (string | null)[]];
      return keys.map((key, index) => liveRecord(key, texts[index], now));
    },
    put: (puts) => putAll(access, puts),
    list: (prefix, page) => list(access, prefix, page),
    remove: async (keys) => {
      if (keys.length > 0) await client.run(removeRecords, [access.testNow(), ...keys]);
    },
  };
}

async function putAll(access: Access, puts: readonly RecordPut[]): Promise<(StoredRecord | "conflict")[]> {
  if (puts.length === 0) return [];
  const values = puts.flatMap(({ key, value, expected, ttlMs }) => [key, expected, ttlMs ?? "", value]);
  const answers = (await access.client.run(putRecords, [access.testNow(), ...values])) as readonly string[];
  return puts.map(({ key, value }, index) => {
    const head = answers[index] ?? "conflict";
    return head === "conflict" ? head : recordOf(key, `${head}|${value}`);
  }) as (StoredRecord | "conflict")[];
}

async function list(
  access: Access,
  prefix: string,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string },
): Promise<Page<StoredRecord>> {
  const after = cursor === undefined ? undefined : String(decodeCursor(cursor, 1)[0]);
  let from = after === undefined || isBefore(after, prefix) ? `[${prefix}` : `(${after}`;
  const found: StoredRecord[] = [];
  for (let more = true; more && found.length <= limit; ) {
    const count = Math.max(leastRead, limit + 1 - found.length);
    const answer = await access.client.run(listRecords, [access.testNow(), from, prefix, count]);
    const [now, keys, texts] = answer as readonly [Millis, readonly string[], readonly (string | null)[]];
    found.push(...keys.flatMap((key, index) => liveRecord(key, texts[index], now) ?? []));
    from = `(${keys.at(-1)}`;
    more = keys.length === count;
  }
  const items = found.slice(0, limit);
  const last = items.at(-1);
  return { items, ...(found.length > limit && last !== undefined ? { next: encodeCursor([last.key]) } : {}) };
}

/** In the order that the store has them in: by their bytes. */
function isBefore(text: string, other: string): boolean {
  return Buffer.compare(Buffer.from(text), Buffer.from(other)) < 0;
}

function liveRecord(key: string, text: string | null | undefined, now: Millis): StoredRecord | undefined {
  const record = text === null || text === undefined ? undefined : recordOf(key, text);
  return record?.expiresAt !== undefined && record.expiresAt <= now ? undefined : record;
}

/** The record of a stored text; one that a foreign hand has damaged is as good as absent. */
export function recordOf(key: string, text: string): StoredRecord | undefined {
  const [head, revision, expiresAt] = /^(\d+)\|(\d*)\|/.exec(text) ?? [];
  if (head === undefined) return undefined;
  const record = { key, value: text.slice(head.length), revision: Number(revision) };
  return expiresAt === "" ? record : { ...record, expiresAt: Number(expiresAt) };
}

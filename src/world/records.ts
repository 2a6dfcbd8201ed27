// Small records: the contract's RecordStore over the world.
import type { Millis } from "../core/clock.ts";
import type { RecordPut, RecordStore, StoredRecord } from "../core/engine.ts";
import { decodeCursor, encodeCursor, type Page } from "../core/page.ts";
import type { Run } from "./run.ts";
import type { World } from "./world.ts";

export function recordStore(run: Run): RecordStore {
  return {
    get: (keys) => run((world, now) => keys.map((key) => read(world, key, now))),
    put: (puts) => run((world, now) => puts.map((one) => put(world, one, now))),
    list: (prefix, page) => run((world, now) => list(world, prefix, page, now)),
    remove: (keys) =>
      run((world) => {
        for (const key of keys) world.removeRecord(key);
      }),
  };
}

function read(world: World, key: string, now: Millis): StoredRecord | undefined {
  const record = world.records.get(key);
  if (record === undefined || (record.expiresAt !== undefined && record.expiresAt <= now)) return undefined;
  return { key, ...record };
}

function put(world: World, { key, value, expected, ttlMs }: RecordPut, now: Millis): StoredRecord | "conflict" {
  const before = read(world, key, now);
  if (expected !== "any" && expected !== (before?.revision ?? "absent")) return "conflict";
  const revision = (before?.revision ?? 0) + 1;
  world.saveRecord(key, { value, revision, ...(ttlMs === undefined ? {} : { expiresAt: now + ttlMs }) });
  return read(world, key, now) ?? "conflict";
}

function list(
  world: World,
  prefix: string,
  page: { readonly limit: number; readonly cursor?: string },
  now: Millis,
): Page<StoredRecord> {
  const after = page.cursor === undefined ? "" : String(decodeCursor(page.cursor, 1)[0]);
  const keys = [...world.records.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
  const found = keys.flatMap((key) => read(world, key, now) ?? []);
  const items = found.slice(0, page.limit);
  const last = items.at(-1);
  return { items, ...(found.length > items.length && last !== undefined ? { next: encodeCursor([last.key]) } : {}) };
}

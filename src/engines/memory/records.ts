// Small records in memory: the contract's RecordStore over the world.
import type { Millis } from "../../core/clock.ts";
import type { RecordStore, StoredRecord } from "../../core/engine.ts";
import { decodeCursor, encodeCursor } from "../../core/page.ts";
import type { World } from "./world.ts";

export function recordStore(world: World): RecordStore {
  const read = (key: string, now: Millis): StoredRecord | undefined => {
    const record = world.records.get(key);
    if (record === undefined || (record.expiresAt !== undefined && record.expiresAt <= now)) return undefined;
    return { key, ...record };
  };
  return {
    get: async (keys) => world.step((now) => keys.map((key) => read(key, now))),
    put: async (puts) =>
      world.step((now) =>
        puts.map(({ key, value, expected, ttlMs }) => {
          const before = read(key, now);
          if (expected !== "any" && expected !== (before?.revision ?? "absent")) return "conflict";
          const revision = (before?.revision ?? 0) + 1;
          world.records.set(key, { value, revision, ...(ttlMs === undefined ? {} : { expiresAt: now + ttlMs }) });
          return read(key, now) ?? "conflict";
        }),
      ),
    list: async (prefix, page) =>
      world.step((now) => {
        const after = page.cursor === undefined ? "" : String(decodeCursor(page.cursor, 1)[0]);
        const keys = [...world.records.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
        const found = keys.flatMap((key) => read(key, now) ?? []);
        const items = found.slice(0, page.limit);
        const last = items.at(-1);
        return {
          items,
          ...(found.length > items.length && last !== undefined ? { next: encodeCursor([last.key]) } : {}),
        };
      }),
    remove: async (keys) => {
      for (const key of keys) world.records.delete(key);
    },
  };
}

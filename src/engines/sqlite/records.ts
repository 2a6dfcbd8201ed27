// Small records in SQLite: the contract's RecordStore.
import type { RecordPut, RecordStore, StoredRecord } from "../../core/engine.ts";
import { decodeCursor, encodeCursor, type Page } from "../../core/page.ts";
import type { Steps, Tx } from "./tx.ts";

const findStatement = `-- records.find
SELECT key, value, revision, expires_at FROM punctual_records
WHERE key = ? AND (expires_at IS NULL OR expires_at > ?)`;

const saveStatement = `-- records.save
INSERT INTO punctual_records (key, value, revision, expires_at) VALUES (?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET
  value = excluded.value, revision = excluded.revision, expires_at = excluded.expires_at`;

const listStatement = `-- records.list
SELECT key, value, revision, expires_at FROM punctual_records
WHERE key >= ? AND key < ? || char(1114111) AND key > ? AND (expires_at IS NULL OR expires_at > ?)
ORDER BY key LIMIT ?`;

const removeStatement = "-- records.remove\nDELETE FROM punctual_records WHERE key = ?";

interface RecordRow {
  readonly key: string;
  readonly value: string;
  readonly revision: number;
  readonly expires_at: number | null;
}

export function recordStore(steps: Steps): RecordStore {
  return {
    get: (keys) => steps.read((tx) => keys.map((key) => find(tx, key))),
    put: (puts) => steps.write((tx) => puts.map((one) => put(tx, one))),
    list: (prefix, page) => steps.read((tx) => list(tx, prefix, page)),
    remove: (keys) =>
      steps.write(({ connection }) => {
        for (const key of keys) connection.run(removeStatement, key);
      }),
  };
}

function find({ connection, now }: Tx, key: string): StoredRecord | undefined {
  const row = connection.get<RecordRow>(findStatement, key, now);
  return row === undefined ? undefined : toRecord(row);
}

function put(tx: Tx, { key, value, expected, ttlMs }: RecordPut): StoredRecord | "conflict" {
  const before = find(tx, key);
  if (expected !== "any" && expected !== (before?.revision ?? "absent")) return "conflict";
  const revision = (before?.revision ?? 0) + 1;
  tx.connection.run(saveStatement, key, value, revision, ttlMs === undefined ? null : tx.now + ttlMs);
  return find(tx, key) ?? "conflict";
}

function list(
  { connection, now }: Tx,
  prefix: string,
  page: { readonly limit: number; readonly cursor?: string },
): Page<StoredRecord> {
  const after = page.cursor === undefined ? "" : String(decodeCursor(page.cursor, 1)[0]);
  const rows = connection.all<RecordRow>(listStatement, prefix, prefix, after, now, page.limit + 1);
  const items = rows.slice(0, page.limit).map(toRecord);
  const last = items.at(-1);
  return { items, ...(rows.length > page.limit && last !== undefined ? { next: encodeCursor([last.key]) } : {}) };
}

function toRecord({ key, value, revision, expires_at }: RecordRow): StoredRecord {
  return { key, value, revision, ...(expires_at === null ? {} : { expiresAt: expires_at }) };
}

// Small records in PostgreSQL: the contract's RecordStore.
import type { Millis } from "../../core/clock.ts";
import type { RecordPut, RecordStore, StoredRecord } from "../../core/engine.ts";
import { decodeCursor, encodeCursor, type Page } from "../../core/page.ts";
import type { Session } from "./connections.ts";
import { nowOf } from "./sql.ts";
import type { Step, Steps } from "./steps.ts";

const columns = "key, value, revision, expires_at::float8 AS expires_at";

const keys = "SELECT value FROM json_array_elements_text($1::json)";

const findStatement = `-- records.find
SELECT ${columns} FROM punctual.records WHERE key IN (${keys}) AND (expires_at IS NULL OR expires_at > ${nowOf("$2")})`;

const lockStatement = `-- records.lock
SELECT ${columns} FROM punctual.records WHERE key IN (${keys}) ORDER BY key FOR UPDATE`;

const createStatement = `-- records.create
INSERT INTO punctual.records (key, value, revision, expires_at) VALUES ($1, $2, $3::integer, $4::bigint)`;

const updateStatement = `-- records.update
UPDATE punctual.records SET value = $2, revision = $3::integer, expires_at = $4::bigint WHERE key = $1`;

const listStatement = `-- records.list
SELECT ${columns} FROM punctual.records
WHERE key >= $1 AND key < $1 || chr(1114111) AND key > $2 AND (expires_at IS NULL OR expires_at > ${nowOf("$3")})
ORDER BY key LIMIT $4`;

const removeStatement = `-- records.remove
DELETE FROM punctual.records WHERE key IN (
  SELECT key FROM punctual.records WHERE key IN (${keys}) ORDER BY key FOR UPDATE
)`;

interface RecordRow {
  readonly key: string;
  readonly value: string;
  readonly revision: number;
  readonly expires_at: Millis | null;
}

export function recordStore(steps: Steps): RecordStore {
  return {
    get: async (wanted) => {
      const rows = await steps.connections.run(findStatement, [JSON.stringify(wanted), steps.testNow]);
      const found = new Map((rows as RecordRow[]).map((row) => [row.key, toRecord(row)]));
      return wanted.map((key) => found.get(key));
    },
    put: (puts) => steps.begin((step) => putAll(step, puts)),
    list: (prefix, page) => list(steps, prefix, page),
    remove: async (gone) => {
      await steps.connections.run(removeStatement, [JSON.stringify(gone)]);
    },
  };
}

async function putAll({ session, now }: Step, puts: readonly RecordPut[]): Promise<(StoredRecord | "conflict")[]> {
  const rows = await session.run(lockStatement, [JSON.stringify([...new Set(puts.map(({ key }) => key))])]);
  // What has expired is there, and as good as absent.
  const stored = new Map((rows as RecordRow[]).map((row) => [row.key, toRecord(row)]));
  const answers: (StoredRecord | "conflict")[] = [];
  for (const { key, value, expected, ttlMs } of puts) {
    const known = stored.get(key);
    const before = known === undefined || isExpired(known, now) ? undefined : known;
    if (expected !== "any" && expected !== (before?.revision ?? "absent")) {
      answers.push("conflict");
      continue;
    }
    const expiry = ttlMs === undefined ? {} : { expiresAt: now + ttlMs };
    const after: StoredRecord = { key, value, revision: (before?.revision ?? 0) + 1, ...expiry };
    await save(session, after, known === undefined);
    stored.set(key, after);
    answers.push(isExpired(after, now) ? "conflict" : after);
  }
  return answers;
}

function isExpired({ expiresAt }: StoredRecord, now: Millis): boolean {
  return expiresAt !== undefined && expiresAt <= now;
}

/** @param isNew another that is made meanwhile repeats the step */
async function save(
  session: Session,
  { key, value, revision, expiresAt }: StoredRecord,
  isNew: boolean,
): Promise<void> {
  await session.run(isNew ? createStatement : updateStatement, [key, value, revision, expiresAt ?? null]);
}

async function list(
  steps: Steps,
  prefix: string,
  page: { readonly limit: number; readonly cursor?: string },
): Promise<Page<StoredRecord>> {
  const after = page.cursor === undefined ? "" : String(decodeCursor(page.cursor, 1)[0]);
  const rows = await steps.connections.run(listStatement, [prefix, after, steps.testNow, page.limit + 1]);
  const items = (rows as RecordRow[]).slice(0, page.limit).map(toRecord);
  const last = items.at(-1);
  return { items, ...(rows.length > page.limit && last !== undefined ? { next: encodeCursor([last.key]) } : {}) };
}

function toRecord({ key, value, revision, expires_at }: RecordRow): StoredRecord {
  return { key, value, revision, ...(expires_at === null ? {} : { expiresAt: expires_at }) };
}

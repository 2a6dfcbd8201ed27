// What a store remembers beside its jobs, as values and back: used idempotencyKeys, records, the audit log.
import type { TransferName } from "../../core/transfer.ts";
import { type EventRow, eventColumns, toEvent } from "./event-rows.ts";
import {
  beyond,
  beyondNumber,
  type KindTransfer,
  lastOfEach,
  pairRecords,
  pairs,
  readable,
  runWith,
} from "./transfer-kind.ts";

const readKeysStatement = `-- transfer.idempotency
SELECT tenant, key, body, job::text AS job, due_at::float8 AS "dueAt", expires_at::float8 AS "expiresAt"
FROM punctual.idempotency WHERE (tenant, key) > ($1, $2) AND expires_at > $3::bigint ORDER BY tenant, key LIMIT $4`;

const writeKeysStatement = `-- transfer.useKeys
INSERT INTO punctual.idempotency (tenant, key, body, job, due_at, expires_at)
SELECT tenant, key, body, job, "dueAt", "expiresAt" FROM json_to_recordset($1::json)
  AS new (tenant text, key text, body text, job uuid, "dueAt" bigint, "expiresAt" bigint) ORDER BY tenant, key
ON CONFLICT (tenant, key) DO UPDATE SET
  body = excluded.body, job = excluded.job, due_at = excluded.due_at, expires_at = excluded.expires_at`;

const removeKeysStatement = `-- transfer.removeKeys
DELETE FROM punctual.idempotency AS used USING ${pairRecords} WHERE used.tenant = named.first AND used.key = named.second`;

interface UsedKeyRow {
  readonly tenant: string;
  readonly key: string;
  readonly body: string;
  readonly job: string;
  readonly dueAt: number;
  readonly expiresAt: number;
}

export const idempotencyTransfer: KindTransfer<"idempotency"> = {
  read: async (session, { after, now, limit }) => {
    const rows = (await session.run(readKeysStatement, [...beyond(after), now, limit])) as UsedKeyRow[];
    return rows.map((row) => ({ kind: "idempotency", ...row }));
  },
  write: ({ session }, items) =>
    runWith(
      session,
      writeKeysStatement,
      lastOfEach(items, ({ tenant, key }) => [tenant, key]),
    ),
  remove: ({ session }, names) => runWith(session, removeKeysStatement, pairs(names)),
};

const readRecordsStatement = `-- transfer.records
SELECT key, value, revision, expires_at::float8 AS expires_at FROM punctual.records
WHERE key > $1 AND (expires_at IS NULL OR expires_at > $2::bigint) ORDER BY key LIMIT $3`;

const writeRecordsStatement = `-- transfer.saveRecords
INSERT INTO punctual.records (key, value, revision, expires_at)
SELECT key, value, revision, "expiresAt"
FROM json_to_recordset($1::json) AS new (key text, value text, revision integer, "expiresAt" bigint) ORDER BY key
ON CONFLICT (key) DO UPDATE SET value = excluded.value, revision = excluded.revision, expires_at = excluded.expires_at`;

const removeRecordsStatement = `-- transfer.removeRecords
DELETE FROM punctual.records WHERE key IN (SELECT first FROM ${pairRecords})`;

interface RecordRow {
  readonly key: string;
  readonly value: string;
  readonly revision: number;
  readonly expires_at: number | null;
}

export const recordTransfer: KindTransfer<"record"> = {
  read: async (session, { after, now, limit }) => {
    const rows = (await session.run(readRecordsStatement, [beyond(after)[0], now, limit])) as RecordRow[];
    return rows.map(({ expires_at: expiresAt, ...row }) => ({
      kind: "record",
      ...row,
      ...(expiresAt === null ? {} : { expiresAt }),
    }));
  },
  write: ({ session }, items) =>
    runWith(
      session,
      writeRecordsStatement,
      lastOfEach(items, ({ key }) => [key]),
    ),
  remove: ({ session }, names) => runWith(session, removeRecordsStatement, pairs(names)),
};

// The reader has given ids to all that are committed (event-order.ts).
const readEventsStatement = `-- transfer.events
SELECT ${eventColumns} FROM punctual.events AS events WHERE id > $1::bigint ORDER BY events.id LIMIT $2`;

const writeEventsStatement = `-- transfer.saveEvents
INSERT INTO punctual.events (id, type, tenant, at, job, schedule, queue, actor, data)
SELECT id, type, tenant, at, job, schedule, queue, actor, data FROM json_to_recordset($1::json) AS new (id bigint,
  type text, tenant text, at bigint, job uuid, schedule text, queue text, actor text, data text) ORDER BY id
ON CONFLICT (id) WHERE id IS NOT NULL DO UPDATE SET type = excluded.type, tenant = excluded.tenant, at = excluded.at,
  job = excluded.job, schedule = excluded.schedule, queue = excluded.queue, actor = excluded.actor, data = excluded.data`;

const removeEventsStatement = `-- transfer.removeEvents
DELETE FROM punctual.events WHERE id IN (SELECT value::bigint FROM json_array_elements_text($1::json))`;

// No id that is in use is given anew.
const reachStatement = `-- transfer.reachEvent
SELECT setval('punctual.events_id', $1::bigint)::float8 AS reached FROM punctual.events_id WHERE last_value <= $1::bigint`;

export const eventTransfer: KindTransfer<"event"> = {
  read: async (session, { after, limit }) => {
    const rows = (await session.run(readEventsStatement, [beyondNumber(after), limit])) as EventRow[];
    return rows.map((row) => readable(`event ${row.id}`, () => ({ kind: "event", event: toEvent(row) })));
  },
  write: async ({ session }, items) => {
    const events = lastOfEach(items, ({ event }) => [event.id]).map(({ event: { data, ...event } }) => ({
      ...event,
      data: data === undefined ? null : JSON.stringify(data),
    }));
    await runWith(session, writeEventsStatement, events);
    const last = Math.max(0, ...events.map(({ id }) => id));
    if (last > 0) await session.run(reachStatement, [last]);
  },
  remove: ({ session }, names) => runWith(session, removeEventsStatement, numbersOf(names)),
};

/** Names of one number each. */
export function numbersOf(names: readonly TransferName[]): number[] {
  return names.map(([number]) => Number(number ?? 0));
}

const readSequenceStatement = `-- transfer.eventSequence
SELECT CASE WHEN is_called THEN last_value ELSE 0 END::float8 AS last FROM punctual.events_id`;

// A sequence is no part of a transaction: it stays where the last stored event is, at least.
const writeSequenceStatement = `-- transfer.saveSequence
SELECT setval('punctual.events_id', greatest(last, 1), last > 0)::float8 AS reached
FROM (SELECT greatest($1::bigint, (SELECT max(id) FROM punctual.events)) AS last) AS wanted`;

export const eventSequenceTransfer: KindTransfer<"eventSequence"> = {
  read: async (session, { after }) => {
    if (after !== undefined) return [];
    const [row] = await session.run(readSequenceStatement);
    return [{ kind: "eventSequence", lastId: row?.["last"] ?? 0 }];
  },
  write: async ({ session }, items) => {
    const last = items.at(-1)?.lastId;
    if (last !== undefined) await session.run(writeSequenceStatement, [last]);
  },
  remove: async () => {},
};

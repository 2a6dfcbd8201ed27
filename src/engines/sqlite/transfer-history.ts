// What a store remembers beside its jobs, as values and back: used idempotencyKeys, records, the audit log.
import { jobIdFromBytes, jobIdToBytes } from "../../core/id.ts";
import { type EventRow, eventColumns, eventValues, toEvent } from "./event-rows.ts";
import { beyond, type KindTransfer, readable } from "./transfer-kind.ts";

export const idempotencyTransfer: KindTransfer<"idempotency"> = {
  read: ({ connection, now }, after, limit) => {
    const sql = `-- transfer.idempotency
SELECT tenant, key, body, job, due_at, expires_at FROM punctual_idempotency
WHERE (tenant, key) > (?, ?) AND expires_at > ? ORDER BY tenant, key LIMIT ?`;
    type Row = readonly [tenant: string, key: string, body: string, job: Uint8Array, dueAt: number, expiresAt: number];
    return connection
      .tuples<Row>(sql, ...beyond(after), now, limit)
      .map(([tenant, key, body, job, dueAt, expiresAt]) => {
        return { kind: "idempotency", tenant, key, body, job: jobIdFromBytes(job), dueAt, expiresAt };
      });
  },
  write: ({ connection }, { tenant, key, body, job, dueAt, expiresAt }) => {
    const sql = `-- transfer.usedKey
INSERT OR REPLACE INTO punctual_idempotency (tenant, key, body, job, due_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)`;
    connection.run(sql, tenant, key, body, jobIdToBytes(job), dueAt, expiresAt);
  },
  remove: ({ connection }, [tenant = "", key = ""]) => {
    const sql = "-- transfer.removeUsedKey\nDELETE FROM punctual_idempotency WHERE tenant = ? AND key = ?";
    connection.run(sql, tenant, key);
  },
};

export const recordTransfer: KindTransfer<"record"> = {
  read: ({ connection, now }, after, limit) => {
    const sql = `-- transfer.records
SELECT key, value, revision, expires_at FROM punctual_records
WHERE key > ? AND (expires_at IS NULL OR expires_at > ?) ORDER BY key LIMIT ?`;
    type Row = readonly [key: string, value: string, revision: number, expiresAt: number | null];
    return connection.tuples<Row>(sql, beyond(after)[0], now, limit).map(([key, value, revision, expiresAt]) => {
      return { kind: "record", key, value, revision, ...(expiresAt === null ? {} : { expiresAt }) };
    });
  },
  write: ({ connection }, { key, value, revision, expiresAt }) => {
    const sql =
      "-- transfer.record\nINSERT OR REPLACE INTO punctual_records (key, value, revision, expires_at) VALUES (?, ?, ?, ?)";
    connection.run(sql, key, value, revision, expiresAt ?? null);
  },
  remove: ({ connection }, [key = ""]) => {
    connection.run("-- transfer.removeRecord\nDELETE FROM punctual_records WHERE key = ?", key);
  },
};

export const eventTransfer: KindTransfer<"event"> = {
  read: ({ connection }, after, limit) =>
    connection
      .all<EventRow>(
        "-- transfer.events\nSELECT * FROM punctual_events WHERE id > ? ORDER BY id LIMIT ?",
        Number(after?.[0] ?? -1),
        limit,
      )
      .map((row) => readable(`event ${row.id}`, () => ({ kind: "event", event: toEvent(row) }))),
  write: ({ connection }, { event }) => {
    const sql = `-- transfer.event
INSERT OR REPLACE INTO punctual_events (id, ${eventColumns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`;
    connection.run(sql, event.id, ...eventValues(event));
  },
  remove: ({ connection }, [id = 0]) => {
    connection.run("-- transfer.removeEvent\nDELETE FROM punctual_events WHERE id = ?", id);
  },
};

export const eventSequenceTransfer: KindTransfer<"eventSequence"> = {
  read: ({ connection }, after) => {
    if (after !== undefined) return [];
    const sql = "-- transfer.eventSequence\nSELECT seq FROM sqlite_sequence WHERE name = 'punctual_events'";
    return [{ kind: "eventSequence", lastId: connection.get<{ seq: number }>(sql)?.seq ?? 0 }];
  },
  write: ({ connection }, { lastId }) => {
    // The row is there only once an event has been.
    connection.run("-- transfer.forgetSequence\nDELETE FROM sqlite_sequence WHERE name = 'punctual_events'");
    const sql = "-- transfer.saveSequence\nINSERT INTO sqlite_sequence (name, seq) VALUES ('punctual_events', ?)";
    if (lastId > 0) connection.run(sql, lastId);
  },
  remove: () => {},
};

// A whole store as values and back: the contract's TransferStore in SQLite.
import type { TransferStore } from "../../core/engine.ts";
import { tenantRoom } from "../../core/tenant-record.ts";
import type { ItemOf, TransferCounts, TransferKind } from "../../core/transfer.ts";
import { readPageOf } from "../../core/transfer-page.ts";
import { removeSchedule, saveSchedule, toSchedule } from "./schedule-table.ts";
import { saveTenant, tenantsAfter, wholeTenant } from "./tenant-table.ts";
import { eventSequenceTransfer, eventTransfer, idempotencyTransfer, recordTransfer } from "./transfer-history.ts";
import { jobTransfer, laneTransfer } from "./transfer-jobs.ts";
import { beyond, type KindTransfer, readable } from "./transfer-kind.ts";
import type { Steps, Tx } from "./tx.ts";

export function transferStore(steps: Steps): TransferStore {
  return {
    read: (request) =>
      steps.read((tx) => readPageOf(request, (kind, after, limit) => kinds[kind].read(tx, after, limit))),
    counts: () => steps.read(({ connection }) => connection.get<TransferCounts>(countsStatement) as TransferCounts),
    write: ({ items, remove, guard }) =>
      steps.write((tx) => {
        if (guard !== undefined && !holdsRecord(tx, guard)) return "lost";
        for (const { kind, name } of remove) kinds[kind].remove(tx, name);
        for (const item of items) writeItem(tx, item);
        return "written";
      }),
  };
}

function holdsRecord({ connection }: Tx, { key, value }: { readonly key: string; readonly value: string }): boolean {
  const sql = "-- transfer.guard\nSELECT 1 AS found FROM punctual_records WHERE key = ? AND value = ?";
  return connection.get(sql, key, value) !== undefined;
}

const countsStatement = `-- transfer.counts
SELECT (SELECT count(*) FROM punctual_queues) AS queue,
  (SELECT count(*) FROM punctual_tenants) AS tenant,
  (SELECT count(*) FROM punctual_jobs) + (SELECT count(*) FROM punctual_finished) AS job,
  (SELECT count(*) FROM punctual_lanes) AS lane,
  (SELECT count(*) FROM punctual_idempotency) AS idempotency,
  (SELECT count(*) FROM punctual_records) AS record,
  (SELECT count(*) FROM punctual_events) AS event,
  1 AS eventSequence,
  (SELECT count(*) FROM punctual_schedules) AS schedule`;

function writeItem<Kind extends TransferKind>(tx: Tx, item: ItemOf<Kind>): void {
  const kind: Kind = item.kind;
  kinds[kind].write(tx, item);
}

interface QueueRow {
  readonly name: string;
  readonly paused: number;
  readonly concurrency: number | null;
  readonly rate: string | null;
  readonly rate_window: string | null;
}

const queueTransfer: KindTransfer<"queue"> = {
  read: ({ connection }, after, limit) =>
    connection
      .all<QueueRow>(
        "-- transfer.queues\nSELECT * FROM punctual_queues WHERE name > ? ORDER BY name LIMIT ?",
        beyond(after)[0],
        limit,
      )
      .map((row) =>
        readable(`queue ${row.name}`, () => ({
          kind: "queue",
          queue: {
            name: row.name,
            paused: row.paused === 1,
            concurrency: row.concurrency ?? undefined,
            rate: row.rate === null ? undefined : JSON.parse(row.rate),
          },
          window: row.rate_window === null ? [] : JSON.parse(row.rate_window),
        })),
      ),
  write: ({ connection }, { queue, window }) => {
    const sql =
      "-- transfer.queue\nINSERT OR REPLACE INTO punctual_queues (name, paused, concurrency, rate, rate_window) VALUES (?, ?, ?, ?, ?)";
    const rate = queue.rate === undefined ? null : JSON.stringify(queue.rate);
    const values = [queue.name, Number(queue.paused), queue.concurrency ?? null, rate, JSON.stringify(window)];
    connection.run(sql, ...values);
  },
  remove: ({ connection }, [name = ""]) => {
    connection.run("-- transfer.removeQueue\nDELETE FROM punctual_queues WHERE name = ?", name);
  },
};

const tenantTransfer: KindTransfer<"tenant"> = {
  read: ({ connection }, after, limit) =>
    tenantsAfter(connection, beyond(after)[0], limit).map((row) =>
      readable(`tenant ${row.id}`, () => {
        const { tenant, window } = wholeTenant(row);
        return { kind: "tenant", tenant, window };
      }),
    ),
  // Where its lanes stand in the fair share is known once its jobs are there: they re-enter it as lanes that fill do.
  write: (tx, { tenant, window }) => {
    saveTenant(tx.connection, tenant, tenantRoom(tenant, window, tx.lanes.activeOf(tenant.id), tx.now), true);
    tx.tenants.forget();
  },
  remove: (tx, [id = ""]) => {
    tx.connection.run("-- transfer.removeTenant\nDELETE FROM punctual_tenants WHERE id = ?", id);
    tx.tenants.forget();
  },
};

const scheduleTransfer: KindTransfer<"schedule"> = {
  read: ({ connection }, after, limit) => {
    const sql = `-- transfer.schedules
SELECT tenant, id, schedule FROM punctual_schedules WHERE (tenant, id) > (?, ?) ORDER BY tenant, id LIMIT ?`;
    type Row = { readonly tenant: string; readonly id: string; readonly schedule: string };
    return connection.all<Row>(sql, ...beyond(after), limit).map((row) =>
      readable(`schedule ${row.id} of tenant ${row.tenant}`, () => ({
        kind: "schedule",
        schedule: toSchedule(row),
      })),
    );
  },
  write: (tx, { schedule }) => saveSchedule(tx, schedule),
  remove: (tx, [tenant = "", id = ""]) => removeSchedule(tx, { tenant: String(tenant), id: String(id) }),
};

const kinds: { readonly [Kind in TransferKind]: KindTransfer<Kind> } = {
  queue: queueTransfer,
  tenant: tenantTransfer,
  job: jobTransfer,
  lane: laneTransfer,
  idempotency: idempotencyTransfer,
  record: recordTransfer,
  event: eventTransfer,
  eventSequence: eventSequenceTransfer,
  schedule: scheduleTransfer,
};

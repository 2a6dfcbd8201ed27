// Queues in SQLite: the contract's QueueStore, and what claims ask of a queue's record.
import { queueEvent } from "../../core/audit.ts";
import { defaults } from "../../core/defaults.ts";
import type { QueueStore } from "../../core/engine.ts";
import { changeQueue, everyQueue, type Queue, type QueueChange, type RateWindow } from "../../core/queue.ts";
import { readRate, readWindow } from "../../core/stored-limits.ts";
import type { Steps, Tx } from "./tx.ts";

const findStatement = `-- queues.find
SELECT name, paused, concurrency, rate, rate_window FROM punctual_queues WHERE name = ?`;

const saveStatement = `-- queues.save
INSERT INTO punctual_queues (name, paused, concurrency, rate) VALUES (?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET
  paused = excluded.paused, concurrency = excluded.concurrency, rate = excluded.rate`;

const spendStatement = "-- queues.spendRate\nUPDATE punctual_queues SET rate_window = ? WHERE name = ?";

const listStatement = `-- queues.list
SELECT name, paused, concurrency, rate, rate_window FROM punctual_queues
UNION ALL
SELECT DISTINCT queue, 0, NULL, NULL, NULL FROM punctual_lanes WHERE queue NOT IN (SELECT name FROM punctual_queues)
ORDER BY name`;

interface QueueRow {
  readonly name: string;
  readonly paused: number;
  readonly concurrency: number | null;
  readonly rate: string | null;
  readonly rate_window: string | null;
}

/** A queue's record with the claims that its rate limit counts. */
export interface StoredQueue {
  readonly queue: Queue;
  readonly window: RateWindow;
}

export function queueStore(steps: Steps): QueueStore {
  return {
    put: (changes, actor) => steps.write((tx) => changes.map((change) => put(tx, change, actor))),
    list: () => steps.read(({ connection }) => connection.all<QueueRow>(listStatement).map(toQueue)),
  };
}

export function findQueue({ connection }: Tx, name: string): StoredQueue | undefined {
  const row = connection.get<QueueRow>(findStatement, name);
  if (row === undefined) return undefined;
  return { queue: toQueue(row), window: readWindow(row.rate_window) };
}

export function saveWindow({ connection }: Tx, name: string, window: RateWindow): void {
  connection.run(spendStatement, JSON.stringify(window), name);
}

function put(tx: Tx, change: QueueChange, actor: string | undefined): Queue {
  const before = findQueue(tx, change.name)?.queue;
  const after = changeQueue(before, change);
  tx.connection.run(
    saveStatement,
    after.name,
    Number(after.paused),
    after.concurrency ?? null,
    after.rate === undefined ? null : JSON.stringify(after.rate),
  );
  tx.append(queueEvent(before, after, defaults.tenant, tx.now, actor));
  if (change.name === everyQueue) tx.everythingChanged();
  else tx.wake(change.name, tx.now);
  return after;
}

function toQueue(row: QueueRow): Queue {
  const rate = readRate(row.rate);
  return {
    name: row.name,
    // A limit that cannot be read must neither be ignored nor stop other queues: this one stands still until it is set anew.
    paused: row.paused === 1 || rate === "unreadable",
    concurrency: row.concurrency ?? undefined,
    rate: rate === "unreadable" ? undefined : rate,
  };
}

/** A place has become free: where claims are limited by it, someone may be waiting for it. */
export function wakeLimited(tx: Tx, queue: string): void {
  if (findQueue(tx, queue)?.queue.concurrency !== undefined) tx.wake(queue, tx.now);
}

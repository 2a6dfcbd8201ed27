// The table of queues' records: reading them whatever a row holds, and the writes of them.
import type { Queue, RateWindow } from "../../core/queue.ts";
import { readRate, readWindow } from "../../core/stored-limits.ts";
import type { Session } from "./connections.ts";

/** What to select for a `QueueRow`. */
export const queueColumns = "name, paused, concurrency, rate, rate_window";

const names = "SELECT value FROM json_array_elements_text($1::json)";

const findStatement = `-- queues.find
SELECT ${queueColumns} FROM punctual.queues WHERE name IN (${names}) ORDER BY name`;

const lockStatement = `-- queues.lock
SELECT ${queueColumns} FROM punctual.queues WHERE name IN (${names}) ORDER BY name FOR UPDATE`;

const createStatement = `-- queues.create
INSERT INTO punctual.queues (name, paused, concurrency, rate) VALUES ($1, $2::boolean, $3::integer, $4::text)`;

const updateStatement = `-- queues.update
UPDATE punctual.queues SET paused = $2::boolean, concurrency = $3::integer, rate = $4::text WHERE name = $1`;

export interface QueueRow {
  readonly name: string;
  readonly paused: boolean;
  readonly concurrency: number | null;
  readonly rate: string | null;
  readonly rate_window: string | null;
}

/** A queue's record with the claims that its rate limit counts. */
export interface StoredQueue {
  readonly queue: Queue;
  readonly window: RateWindow;
}

/** The records of queues, by name; those that have none are left out. @param lock until the transaction ends */
export async function findQueues(
  session: Session,
  queues: readonly string[],
  lock = false,
): Promise<Map<string, StoredQueue>> {
  const rows = (await session.run(lock ? lockStatement : findStatement, [JSON.stringify(queues)])) as QueueRow[];
  return new Map(rows.map((row) => [row.name, { queue: toQueue(row), window: readWindow(row.rate_window) }]));
}

/** Stores a record; what its rate has counted stays. @param isNew another that is made meanwhile repeats the step */
export async function saveQueue(session: Session, { name, paused, concurrency, rate }: Queue, isNew: boolean) {
  const limits = [concurrency ?? null, rate === undefined ? null : JSON.stringify(rate)];
  await session.run(isNew ? createStatement : updateStatement, [name, paused, ...limits]);
}

export function toQueue(row: QueueRow): Queue {
  const rate = readRate(row.rate);
  return {
    name: row.name,
    // A limit that cannot be read must neither be ignored nor stop other queues: this one stands still until it is set anew.
    paused: row.paused || rate === "unreadable",
    concurrency: row.concurrency ?? undefined,
    rate: rate === "unreadable" ? undefined : rate,
  };
}

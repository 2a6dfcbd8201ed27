// Retention (J10): trims finished jobs by count as they come, in amortised batches, and purges what is too old.
import type { Millis } from "../../core/clock.ts";
import { defaults } from "../../core/defaults.ts";
import type { PurgeAnswer, PurgeRequest, RetentionCounts } from "../../core/engine.ts";
import type { Connection } from "./database.ts";
import type { Lanes } from "./lanes.ts";
import type { Place } from "./rows.ts";

/** The part of a transaction that retention works with. */
interface Step {
  readonly connection: Connection;
  readonly lanes: Lanes;
  readonly now: Millis;
}

type Group = "completed" | "ended";

/** So many more than the limit may lie in a queue before they are trimmed together. */
const slack = 200;

const cutStatements: Readonly<Record<Group, string>> = {
  completed: `-- retention.cut
SELECT finished_at, seq FROM punctual_finished WHERE queue = ? AND place = 'completed'
ORDER BY finished_at DESC, seq DESC LIMIT 1 OFFSET ?`,
  ended: `-- retention.cut
SELECT finished_at, seq FROM punctual_finished WHERE queue = ? AND place <> 'completed'
ORDER BY finished_at DESC, seq DESC LIMIT 1 OFFSET ?`,
};

const trimStatements: Readonly<Record<Group, string>> = {
  completed: `-- retention.trim
DELETE FROM punctual_finished WHERE seq IN (
  SELECT seq FROM punctual_finished WHERE queue = ? AND place = 'completed' AND (finished_at, seq) <= (?, ?) LIMIT ?
) RETURNING queue, tenant, place`,
  ended: `-- retention.trim
DELETE FROM punctual_finished WHERE seq IN (
  SELECT seq FROM punctual_finished WHERE queue = ? AND place <> 'completed' AND (finished_at, seq) <= (?, ?) LIMIT ?
) RETURNING queue, tenant, place`,
};

const expireStatement = `-- retention.expire
DELETE FROM punctual_finished WHERE seq IN (
  SELECT seq FROM punctual_finished WHERE expires_at IS NOT NULL AND expires_at <= ? ORDER BY expires_at LIMIT ?
) RETURNING queue, tenant, place`;

const anyExpiredStatement = `-- retention.anyExpired
SELECT 1 AS found FROM punctual_finished WHERE expires_at IS NOT NULL AND expires_at <= ? LIMIT 1`;

const overfullStatements: Readonly<Record<Group, string>> = {
  completed: `-- retention.overfull
SELECT queue FROM punctual_lanes GROUP BY queue HAVING sum(completed) > ?`,
  ended: `-- retention.overfull
SELECT queue FROM punctual_lanes GROUP BY queue HAVING sum(failed + cancelled) > ?`,
};

const forgetKeysStatement = `-- retention.forgetKeys
DELETE FROM punctual_idempotency WHERE (tenant, key) IN (
  SELECT tenant, key FROM punctual_idempotency WHERE expires_at <= ? LIMIT ?)`;

const forgetRecordsStatement = `-- retention.forgetRecords
DELETE FROM punctual_records WHERE key IN (
  SELECT key FROM punctual_records WHERE expires_at IS NOT NULL AND expires_at <= ? LIMIT ?)`;

interface Dropped {
  readonly queue: string;
  readonly tenant: string;
  readonly place: Place;
}

/** Remembers how much this process has written to each queue's history since it last trimmed it. */
export class Retention {
  readonly counts: RetentionCounts;
  readonly #written = new Map<string, { readonly queue: string; readonly group: Group; count: number }>();
  #full = false;

  constructor(counts: RetentionCounts) {
    this.counts = counts;
  }

  /** `count` finished jobs have been stored. */
  add(queue: string, group: Group, count: number): void {
    const key = `${group}\n${queue}`;
    let written = this.#written.get(key);
    if (written === undefined) {
      // One process may end few jobs of a queue and leave: what it finds at its first is trimmed first.
      written = { queue, group, count: slack - 1 };
      this.#written.set(key, written);
    }
    written.count += count;
    if (written.count >= slack) this.#full = true;
  }

  /** Trims the queues that have grown by `slack` jobs. */
  trim(tx: Step): void {
    if (!this.#full) return;
    this.#full = false;
    for (const written of this.#written.values()) {
      if (written.count < slack) continue;
      written.count = 0;
      this.#cut(tx, written.queue, written.group, this.#max(written.group), defaults.purgeLimit);
    }
  }

  /** A bounded round of the janitor's work. */
  purge(tx: Step, request: PurgeRequest): PurgeAnswer {
    const { connection, now } = tx;
    tx.lanes.flush();
    let left = request.limit;
    left -= count(tx, connection.all<Dropped>(expireStatement, now, left));
    const limits = {
      completed: request.completedCountMax ?? this.counts.completedCountMax,
      ended: request.endedCountMax ?? this.counts.endedCountMax,
    };
    for (const group of ["completed", "ended"] as const) {
      for (const { queue } of this.#overfull(tx, group, limits[group])) {
        if (left > 0) left -= this.#cut(tx, queue, group, limits[group], left);
      }
    }
    const keys = connection.run(forgetKeysStatement, now, request.limit);
    const records = connection.run(forgetRecordsStatement, now, request.limit);
    tx.lanes.flush();
    const moreJobs =
      left <= 0 &&
      (connection.get(anyExpiredStatement, now) !== undefined ||
        this.#overfull(tx, "completed", limits.completed).length > 0 ||
        this.#overfull(tx, "ended", limits.ended).length > 0);
    return { deleted: request.limit - left, more: moreJobs || keys === request.limit || records === request.limit };
  }

  #max(group: Group): number {
    return group === "completed" ? this.counts.completedCountMax : this.counts.endedCountMax;
  }

  #overfull(tx: Step, group: Group, max: number): { readonly queue: string }[] {
    return tx.connection.all<{ queue: string }>(overfullStatements[group], max);
  }

  /** Deletes the queue's finished jobs beyond the newest `max`, `limit` of them at most. */
  #cut({ connection, lanes }: Step, queue: string, group: Group, max: number, limit: number): number {
    type Cut = { readonly finished_at: number; readonly seq: number };
    const cut = connection.get<Cut>(cutStatements[group], queue, max);
    if (cut === undefined) return 0;
    return count({ lanes }, connection.all<Dropped>(trimStatements[group], queue, cut.finished_at, cut.seq, limit));
  }
}

/** Takes dropped rows off their lanes' counters. */
function count({ lanes }: Pick<Step, "lanes">, dropped: readonly Dropped[]): number {
  for (const { queue, tenant, place } of dropped) lanes.add(queue, tenant, place, -1);
  return dropped.length;
}

// Retention (J10, N5): trims finished jobs by count and the audit log by age as they come, in amortised batches, so that
// both stay bounded where no janitor runs; and purges what is too old.

import { purgedEventsEvent } from "../../core/audit.ts";
import type { Millis } from "../../core/clock.ts";
import { defaults } from "../../core/defaults.ts";
import type { EventPurge, PurgeAnswer, PurgeRequest, RetentionCounts } from "../../core/engine.ts";
import type { NewEvent } from "../../core/events.ts";
import type { History } from "../../core/history.ts";
import type { Place } from "../../core/stored-job.ts";
import type { Connection } from "./database.ts";
import { purgeFinished } from "./finished-purge.ts";
import type { Group } from "./finished-sources.ts";
import type { Lanes } from "./lanes.ts";

/** The part of a transaction that retention works with. */
interface Step {
  readonly connection: Connection;
  readonly lanes: Lanes;
  readonly now: Millis;
  append(event: NewEvent): void;
}

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

const purgeEventsStatement = `-- events.purge
DELETE FROM punctual_events WHERE id IN (SELECT id FROM punctual_events WHERE at < ? ORDER BY at LIMIT ?)`;

const anyOldEventStatement = "-- events.anyOld\nSELECT 1 AS found FROM punctual_events WHERE at < ? LIMIT 1";

interface Dropped {
  readonly queue: string;
  readonly tenant: string;
  readonly place: Place;
}

/** Remembers how much this process has written to each queue's history since it last trimmed it. */
export class Retention {
  readonly history: History;
  readonly #written = new Map<string, { readonly queue: string; readonly group: Group; count: number }>();
  #full = false;
  /** As with jobs, what a process finds at its first event is trimmed first. */
  #events = defaults.eventTrimEvery - 1;

  constructor(history: History) {
    this.history = history;
  }

  get counts(): RetentionCounts {
    return this.history;
  }

  get keepsEvents(): boolean {
    return this.history.eventAgeMsMax > 0;
  }

  /** An event has been stored. */
  addEvent(): void {
    this.#events++;
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

  /** Trims the queues that have grown by `slack` jobs, and the audit log. */
  trim(tx: Step): void {
    if (this.#events >= defaults.eventTrimEvery) {
      this.#events = 0;
      const before = tx.now - this.history.eventAgeMsMax;
      tx.connection.run(purgeEventsStatement, before, 2 * defaults.eventTrimEvery);
    }
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
    if (request.finished !== undefined) return purgeFinished(tx, request.finished, request.limit);
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

  /** Deletes old events, those that came first before others. */
  purgeEvents(tx: Step, { named, olderThanMs, limit }: EventPurge): PurgeAnswer {
    const { connection, now } = tx;
    const before = named?.before ?? now - (olderThanMs ?? this.history.eventAgeMsMax);
    const deleted = connection.run(purgeEventsStatement, before, limit);
    const more = connection.get(anyOldEventStatement, before) !== undefined;
    if (named !== undefined && deleted > 0) tx.append(purgedEventsEvent(before, deleted, now, named.actor));
    return { deleted, more };
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

// Retention (J10, N5): trims finished jobs by count and the audit log by age as they come, in amortised batches, so that
// both stay bounded where no janitor runs; and purges what is too old.
import { purgedEventsEvent } from "../../core/audit.ts";
import { defaults } from "../../core/defaults.ts";
import type { EventPurge, PurgeAnswer, PurgeRequest, RetentionCounts } from "../../core/engine.ts";
import type { History } from "../../core/history.ts";
import type { Place } from "../../core/stored-job.ts";
import { LaneChanges } from "../../core/workspace/lane-changes.ts";
import { runAll } from "./connections.ts";
import { purgeFinished } from "./finished-purge.ts";
import { type Group, groupConditions } from "./finished-sources.ts";
import { eventStatements, laneStatements } from "./flush.ts";
import { ageLeases } from "./fresh-leases.ts";
import { exactLanes, foldLanes } from "./lanes.ts";
import type { Step, Steps, Trimming, Written } from "./steps.ts";

/** So many more than the limit may lie in a queue before they are trimmed together. */
const slack = 200;

/** Folds of a purge, at most: calls may count as fast as it folds. */
const foldRoundsMax = 1_000;

// Rows that someone else deletes at this moment are left to them.
const cutStatements: Readonly<Record<Group, string>> = { completed: cutOf("completed"), ended: cutOf("ended") };
const trimStatements: Readonly<Record<Group, string>> = { completed: trimOf("completed"), ended: trimOf("ended") };

/** Deletes finished jobs of queue $1 beyond the newest $2, $3 of them at most. */
function beyondNewest(group: Group): string {
  return `DELETE FROM punctual.finished WHERE seq IN (
  SELECT finished.seq FROM (
    SELECT finished_at, seq FROM punctual.finished WHERE queue = $1 AND ${groupConditions[group]}
    ORDER BY finished_at DESC, seq DESC LIMIT 1 OFFSET $2
  ) AS cut, punctual.finished AS finished
  WHERE queue = $1 AND ${groupConditions[group]} AND (finished.finished_at, finished.seq) <= (cut.finished_at, cut.seq)
  LIMIT $3 FOR UPDATE OF finished SKIP LOCKED
) RETURNING queue, tenant, place`;
}

function cutOf(group: Group): string {
  return `-- retention.cut\n${beyondNewest(group)}`;
}

// By itself and beside the calls that made the history grow: nobody waits for its commit to reach the disk.
function trimOf(group: Group): string {
  return `-- retention.trim
WITH relaxed AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) AS setting), gone AS (
${beyondNewest(group)}
), counted AS (
  INSERT INTO punctual.lane_deltas (queue, tenant, completed, failed, cancelled)
  SELECT queue, tenant, -count(*) FILTER (WHERE place = 'completed'), -count(*) FILTER (WHERE place = 'failed'),
    -count(*) FILTER (WHERE place = 'cancelled')
  FROM gone GROUP BY queue, tenant
)
SELECT setting, (SELECT count(*) FROM gone)::int4 AS gone FROM relaxed`;
}

const expireStatement = `-- retention.expire
DELETE FROM punctual.finished WHERE seq IN (
  SELECT seq FROM punctual.finished WHERE expires_at IS NOT NULL AND expires_at <= $1 ORDER BY expires_at LIMIT $2
  FOR UPDATE SKIP LOCKED
) RETURNING queue, tenant, place`;

const anyExpiredStatement = `-- retention.anyExpired
SELECT 1 AS found FROM punctual.finished WHERE expires_at IS NOT NULL AND expires_at <= $1 LIMIT 1`;

const overfullStatements: Readonly<Record<Group, string>> = {
  completed: `-- retention.overfull
SELECT queue FROM ${exactLanes} AS lanes GROUP BY queue HAVING sum(completed) > $1 ORDER BY queue`,
  ended: `-- retention.overfull
SELECT queue FROM ${exactLanes} AS lanes GROUP BY queue HAVING sum(failed + cancelled) > $1 ORDER BY queue`,
};

const forgetKeysStatement = `-- retention.forgetKeys
DELETE FROM punctual.idempotency WHERE (tenant, key) IN (
  SELECT tenant, key FROM punctual.idempotency WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED
) RETURNING 1 AS gone`;

const forgetRecordsStatement = `-- retention.forgetRecords
DELETE FROM punctual.records WHERE key IN (
  SELECT key FROM punctual.records WHERE expires_at IS NOT NULL AND expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED
) RETURNING 1 AS gone`;

const purgeEventsStatement = `-- events.purge
DELETE FROM punctual.events WHERE arrival IN (
  SELECT arrival FROM punctual.events WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED
) RETURNING 1 AS gone`;

const anyOldEventStatement = "-- events.anyOld\nSELECT 1 AS found FROM punctual.events WHERE at < $1 LIMIT 1";

const sweepReservationsStatement = `-- retention.reservations
DELETE FROM punctual.reservations
WHERE pg_visible_in_snapshot(xact, pg_current_snapshot()) OR pg_xact_status(xact) = 'aborted'`;

/** Remembers how much this process has written to each queue's history since it last trimmed it. */
export class Retention implements Trimming {
  readonly history: History;
  readonly #written = new Map<string, { readonly queue: string; readonly group: Group; count: number }>();
  /** As with jobs, what a process finds at its first event is trimmed first. */
  #events = defaults.eventTrimEvery - 1;
  #trimming: Promise<void> = Promise.resolve();

  constructor(history: History) {
    this.history = history;
  }

  get counts(): RetentionCounts {
    return this.history;
  }

  /** Trims the queues that have grown by `slack` jobs, and the audit log; after the transactions that made them grow. */
  async wrote(steps: Steps, ended: readonly Written[], events: number): Promise<void> {
    this.#events += events;
    const full: Written[] = [];
    for (const { queue, group, count } of ended) {
      const key = `${group}\n${queue}`;
      let written = this.#written.get(key);
      if (written === undefined) {
        // One process may end few jobs of a queue and leave: what it finds at its first is trimmed first.
        written = { queue, group, count: slack - 1 };
        this.#written.set(key, written);
      }
      written.count += count;
      if (written.count < slack) continue;
      written.count = 0;
      full.push(written);
    }
    const trimsEvents = this.#events >= defaults.eventTrimEvery;
    if (full.length === 0 && !trimsEvents) return;
    if (trimsEvents) this.#events = 0;
    // One at a time: whoever writes so fast that the last trim still goes on waits for it.
    await this.#trimming;
    this.#trimming = this.#trim(steps, full, trimsEvents).catch(() => {
      // The next one, or the janitor, trims what this one has left.
    });
  }

  /** Resolves when no trim goes on. */
  idle(): Promise<void> {
    return this.#trimming;
  }

  async #trim(steps: Steps, full: readonly Written[], trimsEvents: boolean): Promise<void> {
    for (const { queue, group } of full) {
      await steps.connections.run(trimStatements[group], [queue, this.#max(group), defaults.purgeLimit]);
    }
    if (!trimsEvents) return;
    const before = (await steps.now()) - this.history.eventAgeMsMax;
    await steps.connections.run(purgeEventsStatement, [before, 2 * defaults.eventTrimEvery]);
  }

  /** A bounded round of the janitor's work. */
  async purge(steps: Steps, request: PurgeRequest): Promise<PurgeAnswer> {
    const { finished, limit } = request;
    if (finished !== undefined) return steps.begin((step) => purgeFinished(step, finished, limit));
    await steps.connections.run(sweepReservationsStatement);
    await foldAll(steps);
    await ageLeases(steps.connections, steps.testNow);
    return steps.begin(async (step) => {
      const { session, now } = step;
      let left = limit;
      left -= await drop(step, (await session.run(expireStatement, [now, left])) as Dropped[]);
      const limits = {
        completed: request.completedCountMax ?? this.counts.completedCountMax,
        ended: request.endedCountMax ?? this.counts.endedCountMax,
      };
      for (const group of ["completed", "ended"] as const) {
        for (const { queue } of await session.run(overfullStatements[group], [limits[group]])) {
          if (left > 0) left -= await this.#cut(step, queue, group, limits[group], left);
        }
      }
      const keys = await session.run(forgetKeysStatement, [now, limit]);
      const records = await session.run(forgetRecordsStatement, [now, limit]);
      const moreJobs = left <= 0 && (await this.#isMore(step, limits));
      return { deleted: limit - left, more: moreJobs || keys.length === limit || records.length === limit };
    });
  }

  async #isMore({ session, now }: Step, limits: Readonly<Record<Group, number>>): Promise<boolean> {
    const found = await runAll(session, [
      [anyExpiredStatement, [now]],
      [overfullStatements.completed, [limits.completed]],
      [overfullStatements.ended, [limits.ended]],
    ]);
    return found.some((rows) => rows.length > 0);
  }

  /** Deletes old events, those that came first before others. */
  purgeEvents(steps: Steps, { named, olderThanMs, limit }: EventPurge): Promise<PurgeAnswer> {
    return steps.begin(async ({ session, now }) => {
      const before = named?.before ?? now - (olderThanMs ?? this.history.eventAgeMsMax);
      const gone = await session.run(purgeEventsStatement, [before, limit]);
      const [left] = await session.run(anyOldEventStatement, [before]);
      if (named !== undefined && gone.length > 0 && this.history.eventAgeMsMax > 0) {
        await runAll(session, eventStatements([purgedEventsEvent(before, gone.length, now, named.actor)]));
      }
      return { deleted: gone.length, more: left !== undefined };
    });
  }

  #max(group: Group): number {
    return group === "completed" ? this.counts.completedCountMax : this.counts.endedCountMax;
  }

  /** Deletes the queue's finished jobs beyond the newest `max`, `limit` of them at most. */
  async #cut(step: Step, queue: string, group: Group, max: number, limit: number): Promise<number> {
    return drop(step, (await step.session.run(cutStatements[group], [queue, max, limit])) as Dropped[]);
  }
}

/** What cannot be folded is folded later: it keeps nobody from deleting. */
async function foldAll({ connections }: Steps): Promise<void> {
  try {
    for (let rounds = 0; rounds < foldRoundsMax && (await foldLanes(connections)); rounds++);
  } catch {
    // The next purge, or anybody's claim, folds what this one has left.
  }
}

interface Dropped {
  readonly queue: string;
  readonly tenant: string;
  readonly place: Place;
}

/** Takes dropped rows off their lanes' counters. */
async function drop({ session }: Step, dropped: readonly Dropped[]): Promise<number> {
  const lanes = new LaneChanges();
  for (const { queue, tenant, place } of dropped) lanes.add(queue, tenant, place, -1);
  await runAll(session, laneStatements(lanes.rows()));
  return dropped.length;
}

// The counters of lanes. A call's changes are gathered here and written once per lane at its end, never row by row.
import type { LaneShare } from "../../core/queue.ts";
import type { Place } from "../../core/stored-job.ts";
import type { Tenant } from "../../core/tenant-record.ts";
import type { Connection } from "./database.ts";

/** What one call changes in a lane's counters. */
interface Change {
  readonly queue: string;
  readonly tenant: string;
  readonly places: Record<Place, number>;
  readonly totals: { completed: number; failed: number; cancelled: number };
}

type AddedRow = readonly [lane: number, hasReady: number, listed: number, pass: number];

/** A lane with ready jobs, as a claim shares them. */
export interface ReadyLane extends LaneShare {
  readonly lane: number;
}

const addStatement = `-- lanes.add
UPDATE punctual_lanes SET
  ready = ready + ?, deferred = deferred + ?, held = held + ?, active = active + ?,
  completed = completed + ?, failed = failed + ?, cancelled = cancelled + ?,
  completed_total = completed_total + ?, failed_total = failed_total + ?, cancelled_total = cancelled_total + ?
WHERE queue = ? AND tenant = ? RETURNING lane, ready > 0, listed, pass`;

const createStatement = `-- lanes.create
INSERT INTO punctual_lanes (queue, tenant, ready, deferred, held, active, completed, failed, cancelled,
  completed_total, failed_total, cancelled_total, listed, pass, weight)
VALUES (?, ?, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, coalesce((SELECT weight FROM punctual_tenants WHERE id = ?), 1))`;

// Only when a lane fills or empties: the counters alone touch no index.
const listStatement = "-- lanes.list\nUPDATE punctual_lanes SET listed = ?, pass = ? WHERE lane = ?";

// The queue is bound twice: node:sqlite of Node 22.14 and 24.0 does not take numbered parameters (`?1`).
const enteringPassStatement = `-- lanes.enteringPass
SELECT coalesce(
  (SELECT pass FROM punctual_lanes AS lanes WHERE queue = ? AND listed = 1 AND NOT EXISTS (
    SELECT 1 FROM punctual_tenants WHERE id = lanes.tenant AND passed_over = 1
  ) ORDER BY pass LIMIT 1),
  (SELECT max(pass) FROM punctual_lanes WHERE queue = ?)
) AS pass`;

const takeStatement = `-- lanes.take
UPDATE punctual_lanes SET ready = ready - ?, active = active + ?, listed = (ready > ?), pass = ? WHERE lane = ?`;

// No more than `limit` lanes can be served by `limit` claims, and those are the ones with the lowest passes.
const readyStatement = `-- lanes.ready
SELECT lane, tenant, ready, pass, weight FROM punctual_lanes WHERE queue = ? AND listed = 1 ORDER BY pass, lane LIMIT ?`;

const anyReadyStatement = `-- lanes.anyReady
SELECT 1 AS found FROM punctual_lanes WHERE queue = ? AND listed = 1 LIMIT 1`;

const lanesOfStatement = `-- lanes.ofTenant
SELECT lane, queue, pass FROM punctual_lanes WHERE tenant = ? AND listed = 1`;

const moveLimitedStatement = `-- lanes.moveLimited
UPDATE punctual_lanes SET pass = ?
WHERE queue = ? AND listed = 1 AND pass < ? AND tenant IN (SELECT id FROM punctual_tenants WHERE limited = 1)`;

const activeStatement = `-- lanes.active
SELECT coalesce(sum(active), 0) AS active FROM punctual_lanes WHERE queue = ?`;

const activeOfStatement = `-- lanes.activeOf
SELECT coalesce(sum(active), 0) AS active FROM punctual_lanes WHERE tenant = ?`;

const readyQueuesStatement = `-- lanes.readyQueues
SELECT queue FROM punctual_lanes WHERE tenant = ? AND listed = 1`;

const claimedQueuesStatement = `-- lanes.claimedQueues
SELECT queue FROM punctual_lanes WHERE tenant = ? AND (listed = 1 OR active > 0)`;

const reweighStatement = "-- lanes.reweigh\nUPDATE punctual_lanes SET weight = ? WHERE tenant = ? AND weight <> ?";

const unfinishedStatement = `-- lanes.unfinished
SELECT coalesce(sum(ready + deferred + held + active), 0) AS unfinished FROM punctual_lanes WHERE tenant = ?`;

/** The counters of lanes inside one transaction. */
export class Lanes {
  readonly #connection: Connection;
  readonly #changes = new Map<string, Map<string, Change>>();
  /** Tenants of which fewer jobs are active than before. */
  readonly freed = new Set<string>();
  #last: Change | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** `count` jobs of a lane more in a place, or fewer. */
  add(queue: string, tenant: string, place: Place, count: number): void {
    this.#change(queue, tenant).places[place] += count;
  }

  /** `count` jobs of a lane have ended so. */
  addEnded(queue: string, tenant: string, state: "completed" | "failed" | "cancelled", count: number): void {
    this.#change(queue, tenant).totals[state] += count;
  }

  /** Writes what was gathered; reads of this class do so first. */
  flush(): void {
    if (this.#last === undefined) return;
    for (const lanes of this.#changes.values()) for (const change of lanes.values()) this.#write(change);
    this.forget();
  }

  /** Drops what was gathered since the last flush: the rows it counted have been rolled back. */
  forget(): void {
    this.#changes.clear();
    this.#last = undefined;
  }

  /** The lanes that the next `limit` claims of a queue may be given to, in the order of their creation. */
  ready(queue: string, limit: number): ReadyLane[] {
    this.flush();
    return this.#connection.all<ReadyLane>(readyStatement, queue, limit).sort((a, b) => a.lane - b.lane);
  }

  hasReady(queue: string): boolean {
    this.flush();
    return this.#connection.get(anyReadyStatement, queue) !== undefined;
  }

  /** `count` of a lane's ready jobs have been claimed. */
  take({ lane }: ReadyLane, count: number, pass: number): void {
    this.#connection.run(takeStatement, count, count, count, pass, lane);
  }

  active(queue: string): number {
    this.flush();
    return this.#connection.get<{ active: number }>(activeStatement, queue)?.active ?? 0;
  }

  /** The tenant's active jobs, in all queues. */
  activeOf(tenant: string): number {
    this.flush();
    return this.#connection.get<{ active: number }>(activeOfStatement, tenant)?.active ?? 0;
  }

  /** The queues in which the tenant has ready jobs. */
  readyQueuesOf(tenant: string): string[] {
    this.flush();
    return this.#connection.all<{ queue: string }>(readyQueuesStatement, tenant).map(({ queue }) => queue);
  }

  /** The queues in which the tenant has ready or active jobs. */
  claimedQueuesOf(tenant: string): string[] {
    this.flush();
    return this.#connection.all<{ queue: string }>(claimedQueuesStatement, tenant).map(({ queue }) => queue);
  }

  /** A tenant's weight reaches the lanes that it has. */
  reweigh({ id, weight }: Tenant): void {
    this.flush();
    this.#connection.run(reweighStatement, weight, id, weight);
  }

  /** The tenant's pending and active jobs. */
  unfinished(tenant: string): number {
    this.flush();
    return this.#connection.get<{ unfinished: number }>(unfinishedStatement, tenant)?.unfinished ?? 0;
  }

  #change(queue: string, tenant: string): Change {
    const last = this.#last;
    if (last !== undefined && last.queue === queue && last.tenant === tenant) return last;
    let lanes = this.#changes.get(queue);
    if (lanes === undefined) {
      lanes = new Map();
      this.#changes.set(queue, lanes);
    }
    let change = lanes.get(tenant);
    if (change === undefined) {
      const places = { ready: 0, deferred: 0, held: 0, active: 0, completed: 0, failed: 0, cancelled: 0 };
      change = { queue, tenant, places, totals: { completed: 0, failed: 0, cancelled: 0 } };
      lanes.set(tenant, change);
    }
    this.#last = change;
    return change;
  }

  #write({ queue, tenant, places, totals }: Change): void {
    const values = [
      places.ready,
      places.deferred,
      places.held,
      places.active,
      places.completed,
      places.failed,
      places.cancelled,
      totals.completed,
      totals.failed,
      totals.cancelled,
      queue,
      tenant,
    ];
    let [row] = this.#connection.tuples<AddedRow>(addStatement, ...values);
    if (row === undefined) {
      this.#connection.run(createStatement, queue, tenant, tenant);
      [row] = this.#connection.tuples<AddedRow>(addStatement, ...values);
    }
    if (row === undefined) throw new Error(`the lane of ${tenant} in ${queue} could not be counted`);
    if (places.active < 0) this.freed.add(tenant);
    const [lane, hasReady, listed, pass] = row;
    if (hasReady === listed) return;
    this.#connection.run(listStatement, hasReady, hasReady === 1 ? this.#enteringPass(queue, pass) : pass, lane);
  }

  /** A tenant's lanes were passed over while its limit was reached: they re-enter as lanes that fill do. */
  reenter(tenant: string): void {
    this.flush();
    type Row = { readonly lane: number; readonly queue: string; readonly pass: number };
    for (const { lane, queue, pass } of this.#connection.all<Row>(lanesOfStatement, tenant)) {
      this.#connection.run(listStatement, 1, this.#enteringPass(queue, pass), lane);
    }
  }

  /** Lanes of limited tenants stand at a pass at least. */
  moveLimited(queue: string, pass: number): void {
    this.#connection.run(moveLimitedStatement, pass, queue, pass);
  }

  /**
   * A lane that was empty re-enters at the lowest pass of the queue's ready lanes, as shareLanes asks, but for those
   * passed over, whose own is of another day; where there is none, at the greatest pass there is, so that nobody saves
   * up over an idle moment.
   */
  #enteringPass(queue: string, pass: number): number {
    const row = this.#connection.get<{ pass: number | null }>(enteringPassStatement, queue, queue);
    return Math.max(pass, row?.pass ?? 0);
  }
}

// One contract call as one transaction: what it may use, and what it gathers to be written or told at its end.
import type { Millis } from "../../core/clock.ts";
import type { NewEvent } from "../../core/events.ts";
import { type JobId, jobIdFromBytes } from "../../core/id.ts";
import { isWorthSending, type Signal } from "../../core/signal.ts";
import type { Connection } from "./database.ts";
import { eventColumns, eventValues } from "./event-rows.ts";
import { Lanes } from "./lanes.ts";
import type { Retention } from "./retention.ts";
import { TenantLimits } from "./tenant-limits.ts";

const lastStatement = `-- jobs.last
SELECT (SELECT max(seq) FROM punctual_jobs) AS live_seq, (SELECT max(seq) FROM punctual_finished) AS finished_seq,
  (SELECT max(id) FROM punctual_jobs) AS live_id, (SELECT max(id) FROM punctual_finished) AS finished_id`;

interface LastRow {
  readonly live_seq: number | null;
  readonly finished_seq: number | null;
  readonly live_id: Uint8Array | null;
  readonly finished_id: Uint8Array | null;
}

const appendStatement = `-- events.append
INSERT INTO punctual_events (${eventColumns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`;

export class Tx {
  readonly connection: Connection;
  readonly now: Millis;
  readonly retention: Retention;
  readonly lanes: Lanes;
  readonly tenants: TenantLimits;
  /** Every transition of a job is recorded, not only changes. */
  readonly auditsAll: boolean;
  #wakes: Map<string, Millis> | undefined;
  #tickAt: Millis | undefined;
  #cancels: JobId[] = [];
  #changed = false;
  #last: { seq: number; readonly id: JobId } | undefined;

  constructor(connection: Connection, now: Millis, retention: Retention) {
    this.connection = connection;
    this.now = now;
    this.retention = retention;
    this.lanes = new Lanes(connection);
    this.tenants = new TenantLimits(connection, this.lanes, now);
    this.auditsAll = retention.history.auditsAll;
  }

  /** The next number in the order of insertion: above all that are stored in either table, as a revived job keeps its own. */
  nextSeq(): number {
    const last = this.#readLast();
    last.seq++;
    return last.seq;
  }

  /** The greatest id that was stored when this call began to ask. */
  greatestId(): JobId {
    return this.#readLast().id;
  }

  #readLast(): { seq: number; readonly id: JobId } {
    if (this.#last !== undefined) return this.#last;
    const row = this.connection.get<LastRow>(lastStatement);
    const live = row?.live_id == null ? "" : jobIdFromBytes(row.live_id);
    const finished = row?.finished_id == null ? "" : jobIdFromBytes(row.finished_id);
    this.#last = { seq: Math.max(row?.live_seq ?? 0, row?.finished_seq ?? 0), id: live > finished ? live : finished };
    return this.#last;
  }

  append(event: NewEvent | undefined): void {
    if (event === undefined || !this.retention.keepsEvents) return;
    this.retention.addEvent();
    this.connection.run(appendStatement, ...eventValues(event));
  }

  /** Jobs of the queue are due at an instant; told once per queue, with the earliest. */
  wake(queue: string, dueAt: Millis): void {
    if (!isWorthSending({ kind: "wake", queue, dueAt }, this.now)) return;
    this.#wakes ??= new Map();
    const at = this.#wakes.get(queue);
    if (at === undefined || dueAt < at) this.#wakes.set(queue, dueAt);
  }

  tick(dueAt: Millis): void {
    if (!isWorthSending({ kind: "tick", dueAt }, this.now)) return;
    if (this.#tickAt === undefined || dueAt < this.#tickAt) this.#tickAt = dueAt;
  }

  cancelling(id: JobId): void {
    this.#cancels.push(id);
  }

  everythingChanged(): void {
    this.#changed = true;
  }

  /** Runs a part that is undone by itself when it throws. */
  part<T>(work: () => T): T {
    const { connection, lanes } = this;
    lanes.flush();
    const wakes = this.#wakes && new Map(this.#wakes);
    const cancels = [...this.#cancels];
    connection.run("-- tx.part\nSAVEPOINT punctual_part");
    try {
      const answer = work();
      lanes.flush();
      connection.run("-- tx.part\nRELEASE punctual_part");
      return answer;
    } catch (error) {
      lanes.forget();
      this.#wakes = wakes;
      this.#cancels = cancels;
      this.#undoPart();
      throw error;
    }
  }

  #undoPart(): void {
    try {
      this.connection.run("-- tx.part\nROLLBACK TO punctual_part");
      this.connection.run("-- tx.part\nRELEASE punctual_part");
    } catch {
      // SQLite has rolled back the whole transaction by itself, as it does on a full disk: the savepoint is gone with it.
    }
  }

  /** Writes what was gathered, before the commit. */
  finish(): void {
    this.retention.trim(this);
    this.lanes.flush();
    if (this.lanes.freed.size > 0) this.tenants.wakeFreed((queue, dueAt) => this.wake(queue, dueAt));
  }

  /** What watchers are told, after the commit. */
  signals(): Signal[] {
    const signals: Signal[] = [];
    if (this.#changed) signals.push({ kind: "changed" });
    for (const [queue, dueAt] of this.#wakes ?? []) signals.push({ kind: "wake", queue, dueAt });
    if (this.#tickAt !== undefined) signals.push({ kind: "tick", dueAt: this.#tickAt });
    for (const id of this.#cancels) signals.push({ kind: "cancel", id });
    return signals;
  }
}

/** Runs contract calls, each as one transaction. */
export interface Steps {
  write<T>(work: (tx: Tx) => T): Promise<T>;
  /** As `write`, for work that changes nothing: all it reads is of one moment. */
  read<T>(work: (tx: Tx) => T): Promise<T>;
}

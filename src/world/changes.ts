// What rows of a world were before they were changed: enough to tell what has changed, and to take it back.
import type { Millis } from "../core/clock.ts";
import type { StoredEvent } from "../core/events.ts";
import type { JobId } from "../core/id.ts";
import type { Queue, RateWindow } from "../core/queue.ts";
import type { Schedule } from "../core/schedule.ts";
import type { UsedKey } from "./idempotency.ts";
import type { Lane, Stored } from "./lane.ts";
import type { StoredTenant } from "./tenant-book.ts";

/** A lane's own values. */
export interface LaneValues {
  readonly pass: number;
  readonly weight: number;
  readonly isShared: boolean;
  readonly totals: { readonly completed: number; readonly failed: number; readonly cancelled: number };
}

export interface RecordValue {
  readonly value: string;
  readonly revision: number;
  readonly expiresAt?: Millis;
}

/** The audit log as it was: the list, how many of it there were, and the last id that was given. */
export interface EventsBefore {
  readonly list: StoredEvent[];
  readonly length: number;
  readonly lastId: number;
}

export class Changes {
  readonly jobs = new Map<JobId, Stored | undefined>();
  readonly schedules = new Map<string, Schedule | undefined>();
  readonly queues = new Map<string, Queue | undefined>();
  readonly windows = new Map<string, RateWindow | undefined>();
  readonly tenants = new Map<string, StoredTenant | undefined>();
  readonly records = new Map<string, RecordValue | undefined>();
  readonly idempotency = new Map<string, UsedKey | undefined>();
  /** `undefined`: it was made. */
  readonly lanes = new Map<Lane, LaneValues | undefined>();
  events: EventsBefore | undefined;
  /** The last id of an event was set, though there is none of it. */
  setsEventId = false;
  /** The last place that was given in the order of insertion. */
  readonly seq: number;
  /** What no row shows: done the other way round, and last first. */
  readonly undo: (() => void)[] = [];

  constructor(seq: number) {
    this.seq = seq;
  }

  /** Takes in what was changed after. */
  add(later: Changes): void {
    addAll(this.jobs, later.jobs);
    addAll(this.schedules, later.schedules);
    addAll(this.queues, later.queues);
    addAll(this.windows, later.windows);
    addAll(this.tenants, later.tenants);
    addAll(this.records, later.records);
    addAll(this.idempotency, later.idempotency);
    addAll(this.lanes, later.lanes);
    this.events ??= later.events;
    this.setsEventId ||= later.setsEventId;
    this.undo.push(...later.undo);
  }
}

/** Remembers what a row was, the first time. */
export function note<Key, Value>(rows: Map<Key, Value>, key: Key, before: Value): void {
  if (!rows.has(key)) rows.set(key, before);
}

function addAll<Key, Value>(rows: Map<Key, Value>, later: ReadonlyMap<Key, Value>): void {
  for (const [key, before] of later) note(rows, key, before);
}

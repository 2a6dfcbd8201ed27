// All that a store holds, as values in memory, and the few writes everything goes through: `save` and `saveSchedule`.
import { cancellingEvent } from "../core/audit.ts";
import type { Clock, Millis } from "../core/clock.ts";
import { defaults } from "../core/defaults.ts";
import type { NewEvent, StoredEvent } from "../core/events.ts";
import type { History } from "../core/history.ts";
import type { JobId } from "../core/id.ts";
import { isFinished, type Job } from "../core/job.ts";
import type { Queue, RateWindow } from "../core/queue.ts";
import { isActive, type Schedule, type ScheduleRef, type Unfinished } from "../core/schedule.ts";
import { isWorthSending, type Signal } from "../core/signal.ts";
import { placeOf } from "../core/stored-job.ts";
import { Changes, note, type RecordValue } from "./changes.ts";
import { DueSchedules } from "./due-schedules.ts";
import { firstBeyond } from "./event-search.ts";
import { Heap } from "./heap.ts";
import type { UsedKey } from "./idempotency.ts";
import { InsertionOrder } from "./insertion-order.ts";
import { Lane, type Stored } from "./lane.ts";
import { NameOrder } from "./name-order.ts";
import { type StoredTenant, TenantBook } from "./tenant-book.ts";

/** The two slots of a key (T2). */
interface Slots {
  current?: JobId;
  successor?: JobId;
}

export class World {
  readonly clock: Clock;
  readonly retention: History;
  readonly jobs = new Map<JobId, Stored>();
  readonly insertionOrder = new InsertionOrder(({ seq, id }) => this.jobs.get(id)?.seq === seq);
  readonly lanes = new Map<string, Map<string, Lane>>();
  readonly leases = new Map<string, Heap<Stored>>();
  readonly keys = new Map<string, Slots>();
  /** From the id of the insert that replaced a job to the job. */
  readonly replacements = new Map<JobId, JobId>();
  readonly idempotency = new Map<string, UsedKey>();
  readonly schedules = new Map<string, Schedule>();
  readonly scheduleNames = new NameOrder((name) => this.schedules.has(name));
  readonly dueSchedules = new DueSchedules();
  readonly activeSchedules = new Map<string, number>();
  readonly queues = new Map<string, Queue>();
  readonly windows = new Map<string, RateWindow>();
  readonly tenants = new TenantBook(this);
  readonly records = new Map<string, RecordValue>();
  readonly watchers = new Set<(signal: Signal) => void>();
  readonly #unfinished = new Map<string, Set<JobId>>();
  readonly #ended = new Map<string, JobId[]>();
  /** Lanes whose ready jobs have come or gone since they were last arranged. */
  readonly #moved = new Set<Lane>();
  events: StoredEvent[] = [];
  #seq = 0;
  #eventId = 0;
  #signals: Signal[] = [];
  /** Where what is changed is noted, while it may have to be taken back. */
  #changes: Changes | undefined;
  #undo: (() => void)[] | undefined;

  constructor(clock: Clock, retention: History) {
    this.clock = clock;
    this.retention = retention;
  }

  /** Runs one contract call as one step, then tells the watchers what it signalled. */
  step<T>(work: (now: Millis) => T): T {
    const answer = work(this.clock.now());
    this.arrangeLanes();
    this.tell(this.#takeSignals());
    return answer;
  }

  /** Tells the watchers. */
  tell(signals: readonly Signal[]): void {
    for (const signal of signals) for (const watcher of this.watchers) watcher(signal);
  }

  #takeSignals(): Signal[] {
    const signals = this.#signals;
    this.#signals = [];
    return signals;
  }

  /**
   * Runs work as a step that can be taken back; tells nobody. What it throws it has undone.
   */
  attempt<T>(work: () => T): { readonly answer: T; readonly changes: Changes; readonly signals: readonly Signal[] } {
    const changes = new Changes(this.#seq);
    this.#changes = changes;
    try {
      const answer = work();
      this.arrangeLanes();
      return { answer, changes, signals: this.#takeSignals() };
    } catch (error) {
      this.#changes = undefined;
      this.#signals = [];
      this.takeBack(changes);
      throw error;
    } finally {
      this.#changes = undefined;
    }
  }

  /** Makes everything as it was before. The last attempt goes first. */
  takeBack(changes: Changes): void {
    for (const back of changes.undo.reverse()) back();
    // Lanes that were removed come back before their jobs.
    for (const [lane, before] of changes.lanes) {
      if (before !== undefined) this.#lanesOf(lane.queue).set(lane.tenant, lane);
    }
    // Slots of keys move between jobs: all leave theirs before any takes one.
    for (const [id, before] of changes.jobs) {
      if (before !== undefined && this.jobs.get(id)?.seq !== before.seq) this.insertionOrder.add(before.seq, id);
      this.drop(id);
    }
    for (const before of changes.jobs.values()) if (before !== undefined) this.#index({ ...before });
    this.#moved.clear();
    for (const [lane, before] of changes.lanes) {
      if (before === undefined) this.#dropLane(lane.queue, lane.tenant);
      else Object.assign(lane, { ...before, totals: { ...before.totals } });
    }
    for (const [key, before] of changes.schedules) {
      const present = this.schedules.get(key);
      if (before !== undefined) this.saveSchedule(before);
      else if (present !== undefined) this.removeSchedule(present);
    }
    putBack(this.queues, changes.queues);
    putBack(this.windows, changes.windows);
    putBack(this.records, changes.records);
    putBack(this.idempotency, changes.idempotency);
    for (const [id, before] of changes.tenants) this.tenants.putBack(id, before);
    if (changes.events !== undefined) {
      const { list, length, lastId } = changes.events;
      list.length = length;
      this.events = list;
      this.#eventId = lastId;
    }
    this.#seq = changes.seq;
  }

  /** Runs work whose saves are undone when it throws, and hands back what it threw. */
  allOrNothing<T>(work: () => T): T {
    const signalled = this.#signals.length;
    const undo: (() => void)[] = [];
    this.#undo = undo;
    try {
      return work();
    } catch (error) {
      this.#undo = undefined;
      for (const back of undo.reverse()) back();
      this.#signals.length = signalled;
      throw error;
    } finally {
      this.#undo = undefined;
    }
  }

  signal(signal: Signal, now: Millis): void {
    if (this.clock.patient === true || isWorthSending(signal, now)) this.#signals.push(signal);
  }

  append(event: NewEvent | undefined): void {
    if (event === undefined || this.retention.eventAgeMsMax === 0) return;
    this.#undo?.push(() => this.events.pop());
    this.#noteEvents();
    this.events.push({ ...event, id: ++this.#eventId });
    if (this.#eventId % defaults.eventTrimEvery === 0) {
      const from = this.clock.now() - this.retention.eventAgeMsMax;
      if ((this.events[0]?.at ?? from) < from) this.events = this.events.filter((one) => one.at >= from);
    }
  }

  /** Only these stay. */
  keepEvents(kept: StoredEvent[]): void {
    this.#noteEvents();
    this.events = kept;
  }

  /** Stores an event as another store had it. They come in order, so that all but a repeat go to the end. */
  restoreEvent(event: StoredEvent): void {
    if (event.id > (this.events.at(-1)?.id ?? 0)) {
      this.#noteEvents();
      this.events.push(event);
      return;
    }
    const events = [...this.events];
    const at = events.findLastIndex(({ id }) => id <= event.id);
    events.splice(at + 1, 0, event);
    if (events[at]?.id === event.id) events.splice(at, 1);
    this.keepEvents(events);
  }

  /** The event with an id. */
  eventAt(id: number): StoredEvent | undefined {
    const event = this.events[firstBeyond(this.events, id - 1)];
    return event?.id === id ? event : undefined;
  }

  #noteEvents(): void {
    if (this.#changes === undefined || this.#changes.events !== undefined) return;
    this.#changes.events = { list: this.events, length: this.events.length, lastId: this.#eventId };
  }

  lane(queue: string, tenant: string): Lane {
    const lanes = this.#lanesOf(queue);
    let lane = lanes.get(tenant);
    if (lane === undefined) {
      lane = new Lane(tenant, queue, this.isLive);
      lane.weight = this.tenants.weightOf(tenant);
      lanes.set(tenant, lane);
      if (this.#changes !== undefined) note(this.#changes.lanes, lane, undefined);
      this.#undo?.push(() => this.#dropLane(queue, tenant));
    }
    return lane;
  }

  #lanesOf(queue: string): Map<string, Lane> {
    const lanes = this.lanes.get(queue) ?? new Map<string, Lane>();
    this.lanes.set(queue, lanes);
    return lanes;
  }

  /** Removes a lane, as a copy of the store asks. */
  removeLane(queue: string, tenant: string): void {
    const lane = this.lanes.get(queue)?.get(tenant);
    if (lane === undefined) return;
    this.touchLane(lane);
    this.#dropLane(queue, tenant);
  }

  /** A lane whose own values are about to change. */
  touchLane(lane: Lane): Lane {
    if (this.#changes !== undefined && !this.#changes.lanes.has(lane)) {
      const { pass, weight, isShared, totals } = lane;
      this.#changes.lanes.set(lane, { pass, weight, isShared, totals: { ...totals } });
    }
    return lane;
  }

  #dropLane(queue: string, tenant: string): void {
    const lanes = this.lanes.get(queue);
    lanes?.delete(tenant);
    if (lanes?.size === 0) this.lanes.delete(queue);
  }

  /** Moves what has come due in a queue from deferred to ready, and answers the queue's lanes. */
  promote(queue: string, now: Millis): Lane[] {
    const lanes = [...(this.lanes.get(queue)?.values() ?? [])];
    for (const lane of lanes) {
      // A lane whose entry was taken back is ready, and not in the fair share.
      if (lane.promote(now) || (lane.counts.ready > 0 && !lane.isShared)) this.#moved.add(lane);
    }
    this.arrangeLanes();
    return lanes;
  }

  /**
   * Lanes that have filled since they were last arranged enter their queue's fair share. One that is emptied and filled
   * again meanwhile, as a change to its only job does, keeps its place.
   */
  arrangeLanes(): void {
    for (const lane of this.#moved) {
      const hasReady = lane.counts.ready > 0;
      this.touchLane(lane);
      if (hasReady && !lane.isShared) lane.pass = Math.max(lane.pass, this.enteringPass(lane.queue));
      lane.isShared = hasReady;
    }
    this.#moved.clear();
  }

  isLive = (stored: Stored): boolean => this.jobs.get(stored.job.id) === stored;

  slots(job: { readonly tenant: string; readonly queue: string; readonly key?: string | undefined }): Slots {
    return (job.key === undefined ? undefined : this.keys.get(slotKey(job))) ?? {};
  }

  /** The one write of a job: counters, indexes and slots follow the difference between before and after. */
  save(row: Job, now: Millis): void {
    const job = this.#asWritten(row);
    const before = this.jobs.get(job.id);
    this.#noteJob(job.id, before);
    if (before !== undefined) this.#unindex(before);
    else this.insertionOrder.add(this.#seq + 1, job.id);
    this.#index({ job, seq: before?.seq ?? ++this.#seq, place: placeOf(job, now) });
    this.insertionOrder.tidy();
    // A lane that was made for it goes after it.
    this.#undo?.push(() => this.#restore(before, job.id));
    if (before?.place === "active" && job.state !== "active") this.#tellPlaceIsFree(job.tenant, now);
    if (!isFinished(job.state) && job.state !== "active" && job.successor !== true) {
      this.signal({ kind: "wake", queue: job.queue, dueAt: job.dueAt }, now);
    }
  }

  /** Stores a job as another store had it, in its place in the order of insertion; tells nobody. */
  restore(job: Job, seq: number, now: Millis): void {
    this.drop(job.id);
    // Whoever has its key's slot is of another moment of that store: it is about to be written too, or removed.
    const holder = isFinished(job.state)
      ? undefined
      : this.slots(job)[job.successor === true ? "successor" : "current"];
    if (holder !== undefined) this.drop(holder);
    this.#noteJob(job.id, undefined);
    this.insertionOrder.add(seq, job.id);
    this.#index({ job, seq, place: placeOf(job, now) });
    this.insertionOrder.tidy();
    this.#seq = Math.max(this.#seq, seq);
  }

  /** A row that goes to other processes as JSON is here as it will be there. */
  #asWritten<Row extends object>(row: Row): Row {
    return this.#changes === undefined ? row : withoutAbsent(row);
  }

  #noteJob(id: JobId, before: Stored | undefined): void {
    if (this.#changes !== undefined) note(this.#changes.jobs, id, before);
  }

  /** The last place that was given in the order of insertion. */
  get lastSeq(): number {
    return this.#seq;
  }

  set lastSeq(seq: number) {
    this.#seq = seq;
  }

  /**
   * Puts rows of jobs in the place of those with their ids, and removes others, as another process has decided; tells
   * nobody, and leaves lanes their places in the fair share.
   */
  replaceJobs(rows: readonly { readonly seq: number; readonly job: Job }[], gone: readonly JobId[], now: Millis): void {
    for (const id of gone) this.drop(id);
    // Slots of keys move between jobs: all leave theirs before any takes one.
    for (const { seq, job } of rows) {
      const before = this.jobs.get(job.id);
      if (before?.seq !== seq) this.insertionOrder.add(seq, job.id);
      if (isFinished(job.state) && (before === undefined || !isFinished(before.job.state))) this.#follow(job);
      if (before !== undefined) this.drop(job.id);
    }
    for (const { seq, job } of rows) {
      this.#index({ job, seq, place: placeOf(job, now) });
      if (seq > this.#seq) this.#seq = seq;
    }
    this.insertionOrder.tidy();
    // Whether a lane is in the fair share the other process says too.
    this.#moved.clear();
  }

  /** The id of the last event that was ever appended. */
  get lastEventId(): number {
    return this.#eventId;
  }

  set lastEventId(id: number) {
    this.#noteEvents();
    if (this.#changes !== undefined) this.#changes.setsEventId = true;
    this.#eventId = id;
  }

  /** Remembers an idempotencyKey. */
  remember(key: string, used: UsedKey): void {
    const before = this.idempotency.get(key);
    this.#undo?.push(() => (before === undefined ? this.idempotency.delete(key) : this.idempotency.set(key, before)));
    if (this.#changes !== undefined) note(this.#changes.idempotency, key, before);
    this.idempotency.set(key, used);
  }

  /** Forgets an idempotencyKey. */
  forget(key: string): void {
    if (this.#changes !== undefined) note(this.#changes.idempotency, key, this.idempotency.get(key));
    this.idempotency.delete(key);
  }

  saveQueue(queue: Queue): void {
    if (this.#changes !== undefined) note(this.#changes.queues, queue.name, this.queues.get(queue.name));
    this.queues.set(queue.name, queue);
  }

  /** What a queue's rate has counted. */
  saveWindow(queue: string, window: RateWindow): void {
    if (this.#changes !== undefined) note(this.#changes.windows, queue, this.windows.get(queue));
    this.windows.set(queue, window);
  }

  removeQueue(name: string): void {
    if (this.#changes !== undefined) {
      note(this.#changes.queues, name, this.queues.get(name));
      note(this.#changes.windows, name, this.windows.get(name));
    }
    this.queues.delete(name);
    this.windows.delete(name);
  }

  saveRecord(key: string, record: RecordValue): void {
    if (this.#changes !== undefined) note(this.#changes.records, key, this.records.get(key));
    this.records.set(key, record);
  }

  removeRecord(key: string): void {
    if (this.#changes !== undefined) note(this.#changes.records, key, this.records.get(key));
    this.records.delete(key);
  }

  /** A tenant's record is about to change. */
  noteTenant(id: string, before: StoredTenant | undefined): void {
    if (this.#changes !== undefined) note(this.#changes.tenants, id, before);
  }

  /** Removes a job: a finished one, as retention asks, or one that is about to be restored. */
  drop(id: JobId): void {
    const stored = this.jobs.get(id);
    if (stored === undefined) return;
    this.#noteJob(id, stored);
    this.#unindex(stored);
  }

  saveSchedule(row: Schedule): void {
    const schedule = this.#asWritten(row);
    const key = scheduleKey(schedule);
    if (this.#changes !== undefined) note(this.#changes.schedules, key, this.schedules.get(key));
    this.#countActive(schedule.tenant, this.schedules.get(key), schedule);
    if (!this.schedules.has(key)) this.scheduleNames.add(key);
    this.schedules.set(key, schedule);
    this.dueSchedules.set(key, schedule.cursor.nextAt);
  }

  removeSchedule(schedule: Schedule): void {
    if (this.#changes !== undefined) note(this.#changes.schedules, scheduleKey(schedule), schedule);
    this.#countActive(schedule.tenant, schedule, undefined);
    this.schedules.delete(scheduleKey(schedule));
    this.dueSchedules.set(scheduleKey(schedule), undefined);
  }

  #countActive(tenant: string, before: Schedule | undefined, after: Schedule | undefined): void {
    const change = Number(after !== undefined && isActive(after)) - Number(before !== undefined && isActive(before));
    this.activeSchedules.set(tenant, (this.activeSchedules.get(tenant) ?? 0) + change);
  }

  countUnfinished(incarnation: string): number {
    return this.#unfinished.get(incarnation)?.size ?? 0;
  }

  /** In the order of insertion. */
  unfinishedOf(incarnation: string): Unfinished[] {
    const found = [...(this.#unfinished.get(incarnation) ?? [])].flatMap((id) => this.jobs.get(id) ?? []);
    return found
      .sort((a, b) => a.seq - b.seq)
      .flatMap(({ job: { id, state } }) => (state === "pending" || state === "active" ? [{ id, state }] : []));
  }

  askToCancel(job: Job, now: Millis, actor?: string): void {
    this.append(cancellingEvent(job, now, actor));
    this.save({ ...job, cancelRequested: true }, now);
    this.signal({ kind: "cancel", id: job.id }, now);
  }

  /** Something may be claimed in these queues. */
  wakeAll(queues: readonly string[], now: Millis): void {
    for (const queue of queues) this.signal({ kind: "wake", queue, dueAt: now }, now);
  }

  /** A place has become free: where claims are limited by it, someone may be waiting for it. */
  wakeLimited(queue: string, now: Millis): void {
    if (this.queues.get(queue)?.concurrency !== undefined) this.wakeAll([queue], now);
  }

  #tellPlaceIsFree(tenant: string, now: Millis): void {
    const { tenants } = this;
    if (tenants.isPassedOver(tenant) && tenants.roomOf(tenant, now).jobs > 0) {
      this.wakeAll(tenants.readyQueuesOf(tenant), now);
    }
  }

  #index(stored: Stored): void {
    const { job, place } = stored;
    const keep = !(job.expiresAt !== undefined && job.finishedAt !== undefined && job.expiresAt <= job.finishedAt);
    if (isFinished(job.state) && !keep) return;
    this.jobs.set(job.id, stored);
    const lane = this.lane(job.queue, job.tenant);
    lane.counts[place]++;
    if (place === "ready") {
      lane.ready.push(stored);
      this.#moved.add(lane);
    }
    if (place === "deferred") lane.deferred.push(stored);
    if (place === "active") this.#leaseHeap(job.queue).push(stored);
    if (job.replacedBy !== undefined) this.replacements.set(job.replacedBy, job.id);
    if (isFinished(job.state)) return;
    if (job.key !== undefined) this.#setSlot(job, job.id);
    if (job.schedule !== undefined) {
      const unfinished = this.#unfinished.get(job.schedule.incarnation) ?? new Set();
      this.#unfinished.set(job.schedule.incarnation, unfinished.add(job.id));
    }
  }

  #unindex({ job, place }: Stored): void {
    this.jobs.delete(job.id);
    const lane = this.lane(job.queue, job.tenant);
    lane.counts[place]--;
    if (place === "ready") this.#moved.add(lane);
    if (job.replacedBy !== undefined) this.replacements.delete(job.replacedBy);
    if (isFinished(job.state)) return;
    if (job.key !== undefined) this.#setSlot(job, undefined);
    if (job.schedule === undefined) return;
    const unfinished = this.#unfinished.get(job.schedule.incarnation);
    unfinished?.delete(job.id);
    if (unfinished?.size === 0) this.#unfinished.delete(job.schedule.incarnation);
  }

  #restore(before: Stored | undefined, id: JobId): void {
    const present = this.jobs.get(id);
    if (present !== undefined) this.#unindex(present);
    if (before === undefined) return;
    // Its entry may have been forgotten meanwhile.
    if (present === undefined) this.insertionOrder.add(before.seq, id);
    this.#index({ ...before });
  }

  #setSlot(job: Job, id: JobId | undefined): void {
    const slots: Slots = { ...this.slots(job) };
    const slot = job.successor === true ? "successor" : "current";
    if (id === undefined) delete slots[slot];
    else slots[slot] = id;
    if (slots.current === undefined && slots.successor === undefined) this.keys.delete(slotKey(job));
    else this.keys.set(slotKey(job), slots);
  }

  /**
   * The lowest pass of the queue's ready lanes, but for those passed over, whose own is of another day; where there is
   * none the greatest there is, so that nobody saves up.
   */
  enteringPass(queue: string): number {
    let lowest = Number.POSITIVE_INFINITY;
    let greatest = 0;
    for (const lane of this.lanes.get(queue)?.values() ?? []) {
      const isServed = lane.isShared && !this.tenants.isPassedOver(lane.tenant);
      if (isServed) lowest = Math.min(lowest, lane.pass);
      greatest = Math.max(greatest, lane.pass);
    }
    return Number.isFinite(lowest) ? lowest : greatest;
  }

  #leaseHeap(queue: string): Heap<Stored> {
    let heap = this.leases.get(queue);
    if (heap === undefined) {
      heap = new Heap<Stored>(
        (a, b) => (a.job.leaseUntil ?? 0) - (b.job.leaseUntil ?? 0) || a.seq - b.seq,
        this.isLive,
      );
      this.leases.set(queue, heap);
    }
    return heap;
  }

  /** J10: beyond the count, the oldest finished job of the queue goes as the newest comes. */
  trim(job: Job): void {
    const { completed, group, ids } = this.#remember(job);
    const max = completed ? this.retention.completedCountMax : this.retention.endedCountMax;
    if (ids.length < 2 * max + 100) return;
    const oldest = ids.splice(0, ids.length - max);
    this.#changes?.undo.push(() => this.#ended.set(group, oldest.concat(ids)));
    for (const id of oldest) {
      const found = this.jobs.get(id)?.job;
      if (found !== undefined && isFinished(found.state) && (found.state === "completed") === completed) this.drop(id);
    }
  }

  /** Another process has ended a job, and trims the queue: here it is only not forgotten in which order. */
  #follow(job: Job): void {
    const { completed, ids } = this.#remember(job);
    const max = completed ? this.retention.completedCountMax : this.retention.endedCountMax;
    if (ids.length >= 2 * (2 * max + 100)) ids.splice(0, ids.length - 2 * max - 100);
  }

  /** Brings finished jobs into the order in which they ended, after they were stored in another. */
  arrangeFinished(): void {
    const endedAt = (id: JobId) => this.jobs.get(id)?.job.finishedAt ?? 0;
    for (const [group, ids] of this.#ended) {
      const kept = [...new Set(ids)].filter((id) => this.jobs.has(id));
      this.#ended.set(
        group,
        kept.sort((a, b) => endedAt(a) - endedAt(b)),
      );
    }
  }

  /** Puts a finished job at the end of its queue's. */
  #remember(job: Job): { readonly completed: boolean; readonly group: string; readonly ids: JobId[] } {
    const completed = job.state === "completed";
    const group = `${completed ? "completed" : "ended"}\n${job.queue}`;
    const ids = this.#ended.get(group) ?? [];
    this.#ended.set(group, ids);
    ids.push(job.id);
    this.#changes?.undo.push(() => this.#ended.get(group)?.pop());
    return { completed, group, ids };
  }
}

export function scheduleKey({ tenant, id }: ScheduleRef): string {
  return `${tenant}\n${id}`;
}

function slotKey(job: { readonly tenant: string; readonly queue: string; readonly key?: string | undefined }): string {
  return `${job.tenant}\n${job.queue}\n${job.key}`;
}

/** The row without members that are undefined. Nothing is deleted from an object: V8 would keep it as a table, thrice as large. */
function withoutAbsent<Row extends object>(row: Row): Row {
  const members = row as Record<string, unknown>;
  const copy: Record<string, unknown> = {};
  let isWhole = true;
  for (const name in members) {
    const value = members[name];
    if (value === undefined) isWhole = false;
    else copy[name] = value;
  }
  return isWhole ? row : (copy as Row);
}

/** Makes rows as they were. */
function putBack<Value>(rows: Map<string, Value>, before: ReadonlyMap<string, Value | undefined>): void {
  for (const [key, value] of before) {
    if (value === undefined) rows.delete(key);
    else rows.set(key, value);
  }
}

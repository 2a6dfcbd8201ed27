// All that the memory engine stores, and the few writes everything goes through: `save` and `saveSchedule`.
import { cancellingEvent } from "../../core/audit.ts";
import type { Clock, Millis } from "../../core/clock.ts";
import { defaults } from "../../core/defaults.ts";
import type { NewEvent, StoredEvent } from "../../core/events.ts";
import type { History } from "../../core/history.ts";
import type { JobId } from "../../core/id.ts";
import { isFinished, type Job } from "../../core/job.ts";
import type { Queue, RateWindow } from "../../core/queue.ts";
import { isActive, type Schedule, type ScheduleRef, type Unfinished } from "../../core/schedule.ts";
import { isWorthSending, type Signal } from "../../core/signal.ts";
import { DueSchedules } from "./due-schedules.ts";
import { Heap } from "./heap.ts";
import { Lane, type Place, type Stored } from "./lane.ts";
import { TenantBook } from "./tenant-book.ts";

/** The two slots of a key (T2). */
interface Slots {
  current?: JobId;
  successor?: JobId;
}

/** An idempotencyKey that was used. */
export interface UsedKey {
  readonly body: string;
  readonly id: JobId;
  readonly dueAt: Millis;
  readonly expiresAt: Millis;
}

export class World {
  readonly clock: Clock;
  readonly retention: History;
  readonly jobs = new Map<JobId, Stored>();
  readonly lanes = new Map<string, Map<string, Lane>>();
  readonly leases = new Map<string, Heap<Stored>>();
  readonly keys = new Map<string, Slots>();
  /** From the id of the insert that replaced a job to the job. */
  readonly replacements = new Map<JobId, JobId>();
  readonly idempotency = new Map<string, UsedKey>();
  readonly schedules = new Map<string, Schedule>();
  readonly dueSchedules = new DueSchedules();
  readonly activeSchedules = new Map<string, number>();
  readonly queues = new Map<string, Queue>();
  readonly windows = new Map<string, RateWindow>();
  readonly tenants = new TenantBook(this);
  readonly records = new Map<string, { value: string; revision: number; expiresAt?: Millis }>();
  readonly watchers = new Set<(signal: Signal) => void>();
  readonly #unfinished = new Map<string, Set<JobId>>();
  readonly #ended = new Map<string, JobId[]>();
  /** Lanes whose ready jobs have come or gone since they were last arranged. */
  readonly #moved = new Set<Lane>();
  events: StoredEvent[] = [];
  #seq = 0;
  #eventId = 0;
  #signals: Signal[] = [];
  #undo: (() => void)[] | undefined;

  constructor(clock: Clock, retention: History) {
    this.clock = clock;
    this.retention = retention;
  }

  /** Runs one contract call as one step, then tells the watchers what it signalled. */
  step<T>(work: (now: Millis) => T): T {
    const answer = work(this.clock.now());
    this.arrangeLanes();
    const signals = this.#signals;
    this.#signals = [];
    for (const signal of signals) for (const watcher of this.watchers) watcher(signal);
    return answer;
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
    this.events.push({ ...event, id: ++this.#eventId });
    if (this.#eventId % defaults.eventTrimEvery === 0) {
      const from = this.clock.now() - this.retention.eventAgeMsMax;
      if ((this.events[0]?.at ?? from) < from) this.events = this.events.filter((one) => one.at >= from);
    }
  }

  lane(queue: string, tenant: string): Lane {
    let lanes = this.lanes.get(queue);
    if (lanes === undefined) {
      lanes = new Map();
      this.lanes.set(queue, lanes);
    }
    let lane = lanes.get(tenant);
    if (lane === undefined) {
      lane = new Lane(tenant, queue, this.isLive);
      lane.weight = this.tenants.weightOf(tenant);
      lanes.set(tenant, lane);
      this.#undo?.push(() => this.#dropLane(queue, tenant));
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
    for (const lane of lanes) if (lane.promote(now)) this.#moved.add(lane);
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
  save(job: Job, now: Millis): void {
    const before = this.jobs.get(job.id);
    if (before !== undefined) this.#unindex(before);
    this.#index({ job, seq: before?.seq ?? ++this.#seq, place: placeOf(job, now) });
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
    this.#index({ job, seq, place: placeOf(job, now) });
    this.#seq = Math.max(this.#seq, seq);
  }

  /** The id of the last event that was ever appended. */
  get lastEventId(): number {
    return this.#eventId;
  }

  set lastEventId(id: number) {
    this.#eventId = id;
  }

  /** Remembers an idempotencyKey. */
  remember(key: string, used: UsedKey): void {
    const before = this.idempotency.get(key);
    this.#undo?.push(() => (before === undefined ? this.idempotency.delete(key) : this.idempotency.set(key, before)));
    this.idempotency.set(key, used);
  }

  /** Removes a job: a finished one, as retention asks, or one that is about to be restored. */
  drop(id: JobId): void {
    const stored = this.jobs.get(id);
    if (stored !== undefined) this.#unindex(stored);
  }

  saveSchedule(schedule: Schedule): void {
    const key = scheduleKey(schedule);
    this.#countActive(schedule.tenant, this.schedules.get(key), schedule);
    this.schedules.set(key, schedule);
    this.dueSchedules.set(key, schedule.cursor.nextAt);
  }

  removeSchedule(schedule: Schedule): void {
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
    if (before !== undefined) this.#index({ ...before });
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
    const completed = job.state === "completed";
    const group = `${completed ? "completed" : "ended"}\n${job.queue}`;
    const max = completed ? this.retention.completedCountMax : this.retention.endedCountMax;
    const ids = this.#ended.get(group) ?? [];
    this.#ended.set(group, ids);
    ids.push(job.id);
    if (ids.length < 2 * max + 100) return;
    for (const id of ids.splice(0, ids.length - max)) {
      const found = this.jobs.get(id)?.job;
      if (found !== undefined && isFinished(found.state) && (found.state === "completed") === completed) this.drop(id);
    }
  }
}

export function scheduleKey({ tenant, id }: ScheduleRef): string {
  return `${tenant}\n${id}`;
}

function slotKey(job: { readonly tenant: string; readonly queue: string; readonly key?: string | undefined }): string {
  return `${job.tenant}\n${job.queue}\n${job.key}`;
}

function placeOf(job: Job, now: Millis): Place {
  if (job.state !== "pending") return job.state;
  if (job.successor === true) return "held";
  return job.dueAt <= now ? "ready" : "deferred";
}

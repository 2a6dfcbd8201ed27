// The ledger of a step for engines whose store is far away: rows that were loaded beforehand, and what the step makes of
// them. Nothing is written here; a step that asks for a row that is not loaded is run anew from its beginning.
import type { Millis } from "../clock.ts";
import type { NewEvent } from "../events.ts";
import { effectiveGuardrails, type Guardrails, type TenantGuardrails } from "../guardrails.ts";
import type { JobId } from "../id.ts";
import { type FinishedState, isFinished, type Job } from "../job.ts";
import type { KeyName, Ledger, Slots, StoredJob, UsedKey } from "../ledger.ts";
import type { Schedule, ScheduleRef, Unfinished } from "../schedule.ts";
import { isWorthSending, type Signal } from "../signal.ts";
import { isKept, type Place, placeOf, stateOf } from "../stored-job.ts";
import type { TenantId } from "../tenant.ts";
import { LaneChanges } from "./lane-changes.ts";
import { Missing, pairText, slotText } from "./names.ts";

/** A job with its order of insertion and its place. */
export interface Stored extends StoredJob {
  /** Below 0 for a job that is still to be inserted. */
  readonly seq: number;
  readonly place: Place;
}

/** What was loaded; `undefined` as a value says that there is none. */
export interface Loaded {
  readonly jobs: Map<JobId, Stored | undefined>;
  readonly replacedBy: Map<JobId, JobId | undefined>;
  readonly slots: Map<string, { readonly current?: JobId | undefined; readonly successor?: JobId | undefined }>;
  readonly unfinished: Map<string, readonly Unfinished[]>;
  /** Incarnations of which `unfinished` holds only some. */
  readonly partly: Set<string>;
  readonly schedules: Map<string, Schedule | "unreadable" | undefined>;
  readonly active: Map<TenantId, number>;
  readonly unfinishedCounts: Map<TenantId, number>;
  readonly tenants: Map<TenantId, TenantGuardrails | undefined>;
  readonly usedKeys: Map<string, UsedKey | undefined>;
  readonly fired: Map<JobId, boolean>;
  readonly limitedQueues: Map<string, boolean>;
}

export function nothingLoaded(): Loaded {
  return {
    jobs: new Map(),
    replacedBy: new Map(),
    slots: new Map(),
    unfinished: new Map(),
    partly: new Set(),
    schedules: new Map(),
    active: new Map(),
    unfinishedCounts: new Map(),
    tenants: new Map(),
    usedKeys: new Map(),
    fired: new Map(),
    limitedQueues: new Map(),
  };
}

/** What a step has made of the rows, beside the lanes' counters. */
interface Changes {
  readonly jobs: Map<JobId, Stored | undefined>;
  readonly replacedBy: Map<JobId, JobId | undefined>;
  readonly slots: Loaded["slots"];
  readonly unfinished: Map<string, readonly Unfinished[]>;
  readonly schedules: Map<string, { readonly ref: ScheduleRef; readonly schedule: Schedule | undefined }>;
  readonly unfinishedCounts: Map<TenantId, number>;
  readonly usedKeys: Map<string, RememberedKey>;
}

/** An idempotency key and what it was used for. */
export interface RememberedKey extends UsedKey {
  readonly tenant: TenantId;
  readonly key: string;
  readonly expiresAt: Millis;
}

export interface WorkspaceOptions {
  readonly now: Millis;
  readonly auditsAll: boolean;
  readonly keepsEvents: boolean;
  /** How many jobs of each tenant the step may insert, as far as it is known. */
  readonly inserting: ReadonlyMap<TenantId, number>;
}

export class Workspace implements Ledger<Stored> {
  readonly now: Millis;
  readonly auditsAll: boolean;
  readonly lanes = new LaneChanges();
  readonly #loaded: Loaded;
  readonly #keepsEvents: boolean;
  readonly #inserting: ReadonlyMap<TenantId, number>;
  #changes: Changes = noChanges();
  readonly #events: NewEvent[] = [];
  /** Tenants whose counts were asked for, and the limits that hold for them. */
  readonly #counted = { jobs: new Set<TenantId>(), schedules: new Set<TenantId>() };
  readonly #limits = new Map<TenantId, Guardrails>();
  #signals = new Map<string, Signal>();
  #inserted = 0;

  constructor(loaded: Loaded, { now, auditsAll, keepsEvents, inserting }: WorkspaceOptions) {
    this.#loaded = loaded;
    this.now = now;
    this.auditsAll = auditsAll;
    this.#keepsEvents = keepsEvents;
    this.#inserting = inserting;
  }

  // What was made of it all, for those who write it

  /** The jobs that were saved, as they lay before and as they are now; in the order of their first save. */
  changedJobs(): { readonly before: Stored | undefined; readonly after: Stored | undefined }[] {
    return [...this.#changes.jobs].map(([id, after]) => ({ before: this.#loaded.jobs.get(id), after }));
  }

  changedSchedules() {
    return [...this.#changes.schedules.values()];
  }

  /** The slots of keys that were moved, by the name that `slotText` gives them. */
  changedSlots(): Loaded["slots"] {
    return this.#changes.slots;
  }

  /**
   * The limits on counts that were looked at, of tenants that the step gives more: so many more there are, and no more than
   * so many may be. A store that has not locked the counts compares them again as it writes.
   */
  grownCounts(): {
    readonly tenant: TenantId;
    readonly kind: "jobs" | "schedules";
    by: number;
    readonly max: number;
  }[] {
    const grown: ReturnType<Workspace["grownCounts"]> = [];
    for (const tenant of this.#counted.jobs) {
      const max = this.#limits.get(tenant)?.maxPendingJobs;
      const by = this.#changes.unfinishedCounts.get(tenant) ?? 0;
      if (max !== undefined && by > 0) grown.push({ tenant, kind: "jobs", by, max });
    }
    for (const tenant of this.#counted.schedules) {
      const max = this.#limits.get(tenant)?.maxActiveSchedules;
      const by = this.countActive(tenant) - (this.#loaded.active.get(tenant) ?? 0);
      if (max !== undefined && by > 0) grown.push({ tenant, kind: "schedules", by, max });
    }
    return grown;
  }

  rememberedKeys(): readonly RememberedKey[] {
    return [...this.#changes.usedKeys.values()];
  }

  get events(): readonly NewEvent[] {
    return this.#events;
  }

  get signals(): readonly Signal[] {
    return [...this.#signals.values()];
  }

  // Jobs

  findLive(id: JobId): Stored | undefined {
    const stored = this.findJob(id);
    return stored === undefined || isFinished(stored.job.state) ? undefined : stored;
  }

  findJob(id: JobId): Stored | undefined {
    if (this.#changes.jobs.has(id)) return this.#changes.jobs.get(id);
    return given(this.#loaded.jobs, id, (names) => names.jobs.add(id));
  }

  findReplaced(id: JobId): Stored | undefined {
    const { replacedBy } = this.#changes;
    const replaced = replacedBy.has(id)
      ? replacedBy.get(id)
      : given(this.#loaded.replacedBy, id, (names) => names.replacedBy.add(id));
    return replaced === undefined ? undefined : this.findJob(replaced);
  }

  slotsOf(name: KeyName): Slots<Stored> {
    if (name.key === undefined) return {};
    const { current, successor } = this.#slots(name);
    return {
      current: current === undefined ? undefined : this.findLive(current),
      successor: successor === undefined ? undefined : this.findLive(successor),
    };
  }

  #slots(name: KeyName): { readonly current?: JobId | undefined; readonly successor?: JobId | undefined } {
    const text = slotText(name);
    return this.#changes.slots.get(text) ?? given(this.#loaded.slots, text, (names) => names.slot(name));
  }

  saveJob(job: Job, before?: Stored): void {
    const place = placeOf(job, this.now);
    const seq = before?.seq ?? -++this.#inserted;
    const wasUnfinished = before !== undefined && !isFinished(stateOf(before.place));
    const isUnfinished = !isFinished(job.state);
    // First everything that may be missing, then everything that changes.
    if (job.key !== undefined) this.#slots(job);
    if (job.schedule !== undefined) this.#unfinished(job.schedule.incarnation);
    if (before !== undefined) this.lanes.add(before.job.queue, before.job.tenant, before.place, -1);
    const isStored = isUnfinished || isKept(job);
    if (isStored) this.lanes.add(job.queue, job.tenant, place, 1);
    this.#changes.jobs.set(job.id, isStored ? { seq, place, job } : undefined);
    const by = before?.job.replacedBy;
    if (by !== undefined && by !== job.replacedBy) this.#changes.replacedBy.set(by, undefined);
    if (job.replacedBy !== undefined) this.#changes.replacedBy.set(job.replacedBy, job.id);
    this.#moveSlots(job, before);
    this.#countUnfinished(job, wasUnfinished, isUnfinished);
    if (place === "ready" || place === "deferred") this.wake(job.queue, job.dueAt);
  }

  #moveSlots(job: Job, before: Stored | undefined): void {
    if (job.key === undefined) return;
    let { current, successor } = this.#slots(job);
    if (before?.place === "held" && successor === job.id) successor = undefined;
    if (before !== undefined && before.place !== "held" && current === job.id) current = undefined;
    if (!isFinished(job.state)) {
      if (job.successor === true) successor = job.id;
      else current = job.id;
    }
    this.#changes.slots.set(slotText(job), { current, successor });
  }

  #countUnfinished(job: Job, was: boolean, is: boolean): void {
    const { tenant, schedule, id } = job;
    if (was !== is) {
      const counted = this.#changes.unfinishedCounts.get(tenant) ?? 0;
      this.#changes.unfinishedCounts.set(tenant, counted + (is ? 1 : -1));
    }
    if (schedule === undefined) return;
    const state = job.state === "active" ? "active" : "pending";
    const others = this.#unfinished(schedule.incarnation);
    const known = others.some((one) => one.id === id);
    const after = is
      ? known
        ? others.map((one) => (one.id === id ? { id, state } : one))
        : [...others, { id, state }]
      : others.filter((one) => one.id !== id);
    this.#changes.unfinished.set(schedule.incarnation, after as readonly Unfinished[]);
  }

  countEnded(queue: string, tenant: TenantId, state: FinishedState): void {
    this.lanes.addEnded(queue, tenant, state, 1);
  }

  placeFreed(queue: string): void {
    const isLimited = given(this.#loaded.limitedQueues, queue, (names) => names.queues.add(queue));
    if (isLimited) this.wake(queue, this.now);
  }

  // Schedules

  hasUnfinished(incarnation: string): boolean {
    const isAny = this.#unfinished(incarnation).length > 0;
    return isAny || this.unfinishedOf(incarnation).length > 0;
  }

  unfinishedOf(incarnation: string): readonly Unfinished[] {
    const { unfinished, partly } = this.#loaded;
    if (!unfinished.has(incarnation) || partly.has(incarnation)) {
      throw new Missing((names) => names.incarnations.add(incarnation));
    }
    return this.#unfinished(incarnation);
  }

  /** All that are unfinished, or some of them. */
  #unfinished(incarnation: string): readonly Unfinished[] {
    return (
      this.#changes.unfinished.get(incarnation) ??
      given(this.#loaded.unfinished, incarnation, (names) => names.someOf.add(incarnation))
    );
  }

  findSchedule(ref: ScheduleRef): Schedule | undefined {
    const found = this.#scheduleAt(ref);
    return found === "unreadable" ? undefined : found;
  }

  saveSchedule(schedule: Schedule): void {
    const { tenant, id } = schedule;
    this.#changes.schedules.set(pairText(tenant, id), { ref: { tenant, id }, schedule });
  }

  removeSchedule(ref: ScheduleRef): boolean {
    const { tenant, id } = ref;
    const found = this.#scheduleAt(ref);
    if (found !== undefined)
      this.#changes.schedules.set(pairText(tenant, id), { ref: { tenant, id }, schedule: undefined });
    return found !== undefined;
  }

  isUnmoved({ tenant, id, incarnation, revision, cursor }: Schedule): boolean {
    const stored = this.findSchedule({ tenant, id });
    return (
      stored !== undefined &&
      stored.incarnation === incarnation &&
      stored.revision === revision &&
      stored.cursor.after === cursor.after
    );
  }

  #scheduleAt({ tenant, id }: ScheduleRef): Schedule | "unreadable" | undefined {
    const text = pairText(tenant, id);
    const changed = this.#changes.schedules.get(text);
    if (changed !== undefined) return changed.schedule;
    return given(this.#loaded.schedules, text, (names) => names.schedule({ tenant, id }));
  }

  countActive(tenant: TenantId): number {
    let active = given(this.#loaded.active, tenant, (names) => names.activeOf.set(tenant, 1));
    this.#counted.schedules.add(tenant);
    for (const [text, { ref, schedule }] of this.#changes.schedules) {
      if (ref.tenant !== tenant) continue;
      const before = this.#loaded.schedules.get(text);
      if (before !== undefined && before !== "unreadable" && ticks(before)) active--;
      if (schedule !== undefined && ticks(schedule)) active++;
    }
    return active;
  }

  tick(dueAt: Millis): void {
    this.#tell("tick", { kind: "tick", dueAt });
  }

  hasFired(job: JobId): boolean {
    if (this.findJob(job) !== undefined) return true;
    return given(this.#loaded.fired, job, (names) => names.fired.add(job));
  }

  // Tenants

  guardrails(tenant: TenantId, limits: Guardrails | undefined): Guardrails {
    const own = given(this.#loaded.tenants, tenant, (names) => names.tenants.add(tenant));
    const effective = effectiveGuardrails(own, limits);
    this.#limits.set(tenant, effective);
    return effective;
  }

  unfinished(tenant: TenantId): number {
    const counted = given(this.#loaded.unfinishedCounts, tenant, (names) => {
      names.unfinishedOf.set(tenant, this.#inserting.get(tenant) ?? 1);
    });
    this.#counted.jobs.add(tenant);
    return counted + (this.#changes.unfinishedCounts.get(tenant) ?? 0);
  }

  usedKey(tenant: TenantId, key: string): UsedKey | undefined {
    const text = pairText(tenant, key);
    return (
      this.#changes.usedKeys.get(text) ?? given(this.#loaded.usedKeys, text, (names) => names.usedKey(tenant, key))
    );
  }

  rememberKey(tenant: TenantId, key: string, used: UsedKey, expiresAt: Millis): void {
    this.#changes.usedKeys.set(pairText(tenant, key), { ...used, tenant, key, expiresAt });
  }

  // What is told

  append(event: NewEvent | undefined): void {
    if (event !== undefined && this.#keepsEvents) this.#events.push(event);
  }

  cancelling(id: JobId): void {
    this.#signals.set(`cancel ${id}`, { kind: "cancel", id });
  }

  /** Jobs of a queue are due at an instant; told once per queue, with the earliest. */
  wake(queue: string, dueAt: Millis): void {
    this.#tell(`wake ${queue}`, { kind: "wake", queue, dueAt });
  }

  everythingChanged(): void {
    this.#signals.set("changed", { kind: "changed" });
  }

  #tell(name: string, signal: Signal & { readonly dueAt: Millis }): void {
    if (!isWorthSending(signal, this.now)) return;
    const told = this.#signals.get(name);
    if (told === undefined || ("dueAt" in told && signal.dueAt < told.dueAt)) this.#signals.set(name, signal);
  }

  part<T>(work: () => T): T {
    const changes = copied(this.#changes);
    const signals = new Map(this.#signals);
    const events = this.#events.length;
    const lanes = this.lanes.copy();
    try {
      return work();
    } catch (error) {
      this.#changes = changes;
      this.#signals = signals;
      this.#events.length = events;
      this.lanes.restore(lanes);
      throw error;
    }
  }
}

/** What was loaded under a name. @throws Missing when nothing was */
function given<Name, Value>(
  loaded: ReadonlyMap<Name, Value>,
  name: Name,
  ask: ConstructorParameters<typeof Missing>[0],
): Value {
  if (!loaded.has(name)) throw new Missing(ask);
  return loaded.get(name) as Value;
}

function ticks(schedule: Schedule): boolean {
  return schedule.enabled && schedule.cursor.nextAt !== undefined;
}

function noChanges(): Changes {
  return {
    jobs: new Map(),
    replacedBy: new Map(),
    slots: new Map(),
    unfinished: new Map(),
    schedules: new Map(),
    unfinishedCounts: new Map(),
    usedKeys: new Map(),
  };
}

function copied(changes: Changes): Changes {
  return {
    jobs: new Map(changes.jobs),
    replacedBy: new Map(changes.replacedBy),
    slots: new Map(changes.slots),
    unfinished: new Map(changes.unfinished),
    schedules: new Map(changes.schedules),
    unfinishedCounts: new Map(changes.unfinishedCounts),
    usedKeys: new Map(changes.usedKeys),
  };
}

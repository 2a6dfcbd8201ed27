// What the steps in src/core/steps ask of a store and do to it, inside one transaction of an engine. Engines whose
// statements are synchronous run them as they go; others load rows beforehand and write when the step has run through.
import type { Millis } from "./clock.ts";
import type { NewEvent } from "./events.ts";
import type { Guardrails } from "./guardrails.ts";
import type { JobId } from "./id.ts";
import type { FinishedState, Job } from "./job.ts";
import type { Schedule, ScheduleRef, Unfinished } from "./schedule.ts";
import type { TenantId } from "./tenant.ts";

/** A job as it lies in a store; an engine's own adds where. */
export interface StoredJob {
  readonly job: Job;
  /** Its counts and metadata cannot be read: it must not run, and ends where it would wait again. */
  readonly damaged?: boolean | undefined;
}

/** Names the two slots of a key; without a key there are none. */
export type KeyName = Pick<Job, "tenant" | "queue" | "key">;

/** The two slots of a key (T2). */
export interface Slots<S extends StoredJob = StoredJob> {
  readonly current?: S | undefined;
  readonly successor?: S | undefined;
}

/** What an idempotency key was used for. */
export interface UsedKey {
  readonly body: string;
  readonly job: JobId;
  readonly dueAt: Millis;
}

/**
 * One transaction as a step sees it: every read sees what was written before it in the same transaction.
 *
 * A read depends on the names it is given and nothing else. A ledger that loads rows beforehand may throw when one is
 * asked for that it lacks; what was written is dropped, and the step runs anew from its beginning once the row is there.
 * Steps therefore do nothing but through the ledger, and catch nothing but a `Refusal`.
 */
export interface Ledger<S extends StoredJob = StoredJob> {
  /** The store's instant, the same for all of one step. */
  readonly now: Millis;
  /** Every transition of a job goes to the audit log, not only changes. */
  readonly auditsAll: boolean;

  /** A pending or active job. */
  findLive(id: JobId): S | undefined;
  /** A job, ended ones as long as they are kept. */
  findJob(id: JobId): S | undefined;
  /** The job, ended ones too, whose `replacedBy` is this id. */
  findReplaced(id: JobId): S | undefined;
  slotsOf(name: KeyName): Slots<S>;
  /**
   * Stores a job as it now is: a new one at the end of the order of insertion, or over what was stored of it before,
   * which keeps its place in that order. One that has ended and is not to be kept is removed. The counts of its lane and
   * key follow, and whoever waits for its queue is told of a job that may be claimed.
   * @param before what is stored of it, as the ledger gave it last; absent for a new job
   */
  saveJob(job: Job, before?: S): void;
  /** Adds a job that has ended to its lane's totals. */
  countEnded(queue: string, tenant: TenantId, state: FinishedState): void;
  /** A place of a queue has become free: where its claims are limited, whoever may wait for one is told. */
  placeFreed(queue: string): void;
  /** An active job is to stop: its worker is told. */
  cancelling(id: JobId): void;

  /** Whether a schedule's incarnation has pending or active jobs. */
  hasUnfinished(incarnation: string): boolean;
  /** The pending and active jobs of a schedule's incarnation, in the order of their insertion. */
  unfinishedOf(incarnation: string): readonly Unfinished[];

  /** A schedule; one that cannot be read is as good as none. */
  findSchedule(ref: ScheduleRef): Schedule | undefined;
  /** Stores a schedule, over whatever there is of its name. */
  saveSchedule(schedule: Schedule): void;
  /** Removes a schedule, readable or not; whether there was one. */
  removeSchedule(ref: ScheduleRef): boolean;
  /** Whether the stored schedule has the incarnation, revision and cursor that were decided upon (S2). */
  isUnmoved(schedule: Schedule): boolean;
  /** A tenant's schedules that tick: enabled, and not at their end. */
  countActive(tenant: TenantId): number;
  /** A schedule is due at an instant: whoever waits for one is told. */
  tick(dueAt: Millis): void;
  /** Whether a schedule's job is stored, or the audit log has a `tick:fired` with its id (J15). */
  hasFired(job: JobId): boolean;

  /** The limits that hold for a tenant: its record's over those that were given. */
  guardrails(tenant: TenantId, given: Guardrails | undefined): Guardrails;
  /** A tenant's pending and active jobs. */
  unfinished(tenant: TenantId): number;

  /** What a tenant's idempotency key was used for, until it expires. */
  usedKey(tenant: TenantId, key: string): UsedKey | undefined;
  /** Keeps what an idempotency key was used for, over what has expired. */
  rememberKey(tenant: TenantId, key: string, used: UsedKey, expiresAt: Millis): void;

  /** Adds an event to the audit log; nothing when there is none to add. */
  append(event: NewEvent | undefined): void;
  /** Runs a part that is undone by itself when it throws; the error is thrown on. */
  part<T>(work: () => T): T;
}

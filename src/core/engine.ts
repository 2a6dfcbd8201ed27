// The engine contract: what a store must do for Punctual. Five folders under src/engines implement it; the suite in
// src/testing/conformance says, promise by promise, what each method means.
//
// Conventions. Every mutation takes a list and answers in the same order; one bad item never fails its neighbours.
// Races that are expected are values (`existing`, `lost`, `conflict`); an exception means that the store failed
// (NotWrittenError, OutcomeUnknownError) or that the caller erred. Requests carry durations: time is the store's.
// Each mutation writes its audit events in the same atomic step. Mutations called one after another take effect in that
// order; a read that does not wait for a mutation's answer may see the store as it was before it.
import type { SkippedTicks } from "./catch-up.ts";
import type { Millis } from "./clock.ts";
import type { EventFilter, EventPage, NewEvent, StoredEvent } from "./events.ts";
import type { Finding } from "./findings.ts";
import type { Guardrails, LimitHit } from "./guardrails.ts";
import type { JobId, Token } from "./id.ts";
import type { ClaimedJob, FinishedState, Job, JobChange, JobState, LogLine, NewJob } from "./job.ts";
import type { Lease } from "./lease.ts";
import type { Order, Page } from "./page.ts";
import type { LaneCounts, Queue, QueueChange } from "./queue.ts";
import type { HeldTick, OverlapPolicy, Schedule, SchedulePut, ScheduleRef } from "./schedule.ts";
import type { MigrationStep, SchemaState } from "./schema.ts";
import type { Settlement } from "./settling.ts";
import type { Signal } from "./signal.ts";
import type { JobStanding } from "./standing.ts";
import type { Decide, FiredTick } from "./step.ts";
import type { TenantId } from "./tenant.ts";
import type { Tenant, TenantChange, TenantFilter, TenantSummary } from "./tenant-record.ts";
import type { TransferCounts, TransferOutcome, TransferPage, TransferRequest, TransferWrite } from "./transfer.ts";

/**
 * A store. `Tx` is what a caller's own open transaction looks like (a `pg` client, a SQLite database); `never` where
 * the store has none to join.
 */
export interface Engine<Tx = never> {
  /**
   * Asked once opened, before any role starts.
   * @throws EngineNotConfiguredError when roles could do nothing here, ever: the store shows one tenant at a time
   */
  checkRoles?(): void;
  /** The engine's name as users know it: "memory", "sqlite", ... */
  readonly name: string;
  readonly capabilities: Capabilities;
  /** Connects; applies or checks migrations; refuses unsafe settings and newer stores. Again after `close`: opens anew. */
  open(): Promise<void>;
  /** Ends what `open` began; never closes a client that the user passed in. */
  close(): Promise<void>;
  /** The store's clock. */
  now(): Promise<Millis>;
  readonly jobs: JobStore;
  readonly schedules: ScheduleStore;
  readonly queues: QueueStore;
  readonly tenants: TenantStore;
  readonly records: RecordStore;
  readonly events: EventStore;
  readonly transfer: TransferStore;
  readonly inspection: InspectionStore;
  readonly migrations: MigrationStore;
  /** Calls back, after commit, with what `isWorthSending` (core/signal.ts). Polling alone is correct too. */
  watch?(onSignal: (signal: Signal) => void): Promise<Unwatch>;
  /**
   * Watchers are told of every instant, however far off, and before the call that wrote it returns: nobody need poll.
   * For engines inside a test's process, on a clock of its own.
   */
  readonly signalsAll?: boolean;
  /**
   * The same contract as one tenant's, once opened, where the store itself keeps tenants apart (N3): a tenant's handle
   * makes its calls through it. Absent: what names a tenant is all there is to it.
   */
  ofTenant?(
    tenant: TenantId,
  ): Pick<Engine, "jobs" | "schedules" | "queues" | "tenants" | "records" | "events" | "inspection" | "now">;
  /**
   * Calls travel to a server, and writes wait for its disk: twice as many jobs go with each, and while those of a full claim
   * run, the next claim is on its way. An engine inside the process would hold up its event loop with so many.
   */
  readonly travels?: boolean;
  /**
   * Calls are done in the order in which they were made, however far the store is: a claim that follows an insert finds its
   * jobs, and need not wait for its answer.
   */
  readonly inOrder?: boolean;
  /** The same contract inside the caller's open transaction: nothing is seen, and nobody woken, before it commits. */
  using?(
    tx: Tx,
  ): Pick<Engine, "name" | "capabilities" | "jobs" | "schedules" | "queues" | "tenants" | "records" | "events" | "now">;
}

/** Flags only where a user sees the difference. */
export interface Capabilities {
  /** Cancellation and wake-ups reach other processes at once, not with the next extension or poll. */
  readonly push: boolean;
  /** `using(tx)` and `ctx.complete(tx)` work. */
  readonly transactions: boolean;
}

export type Unwatch = () => Promise<void>;

/** How many finished jobs an engine keeps per queue; options of every engine, defaults in core. */
export interface RetentionCounts {
  readonly completedCountMax: number;
  /** Failed and cancelled ones. */
  readonly endedCountMax: number;
}

export interface JobStore {
  /** Each insert is all or nothing; the list is not. The same id again answers what the first call answered (J15). */
  insert(inserts: readonly Insert[]): Promise<InsertAnswer[]>;
  /** Gives due jobs to a worker: each to exactly one, attempt + 1 (J2, J5). */
  claim(request: ClaimRequest): Promise<ClaimAnswer>;
  /**
   * Lengthens leases from now on and stores what the attempts report; stale ones change nothing (J3). Never waits for a
   * job that another transaction has in hand: that one is `unextended`.
   */
  extend(extensions: readonly Extension[], leaseMs: number): Promise<ExtendOutcome[]>;
  /**
   * Records how attempts ended. `settled` also answers the exact repeat of the settlement that ended the job;
   * `unknown` means that the store no longer knows the job.
   */
  settle(settlements: readonly Settlement[]): Promise<SettleAnswer[]>;
  /** Changes by people and programs that hold no lease, within the limits of each job's tenant. */
  change(changes: readonly Change[], guardrails?: Guardrails): Promise<ChangeAnswer[]>;
  /** A job, finished ones as long as retention keeps them; undefined for another tenant's when a tenant is named. */
  get(id: JobId, tenant?: TenantId): Promise<Job | undefined>;
  list(filter: JobFilter, page: JobPage): Promise<Page<Job>>;
  /** Counts per lane, from counters: never a scan of the backlog (J14). */
  stats(filter: StatsFilter): Promise<LaneCounts[]>;
  /**
   * Deletes what retention no longer keeps, or with `finished` what an operator names, a bounded number of rows a call;
   * call again while `more`. Counts follow exactly; totals stay.
   */
  purge(request: PurgeRequest): Promise<PurgeAnswer>;
}

/**
 * Jobs that are inserted together or not at all (T5), with the limits that hold for every tenant; their own tenant's
 * record is read over these in the same step. All are of one tenant.
 */
export interface Insert {
  readonly jobs: readonly NewJob[];
  readonly guardrails?: Guardrails | undefined;
}

export type InsertAnswer =
  | { readonly outcome: "inserted"; readonly jobs: readonly InsertedJob[] }
  /** A job said `onConflict: "error"` and its key is taken by `id`. */
  | { readonly outcome: "key-in-use"; readonly index: number; readonly id: JobId }
  /** The idempotencyKey was used with another body, or the id is a job of another tenant. */
  | { readonly outcome: "idempotency-mismatch"; readonly index: number }
  | ({ readonly outcome: "limit" } & LimitHit);

/** `successor`: the job waits for the key's current one to end (T2). */
export interface InsertedJob {
  readonly outcome: "created" | "existing" | "replaced";
  readonly id: JobId;
  readonly dueAt: Millis;
  readonly successor?: boolean | undefined;
}

export interface ClaimRequest {
  /** Minted per claim; becomes the leases' token. */
  readonly claimId: Token;
  /** The answer to a claim with this id was lost: what it took is given again, before anything new. */
  readonly repeat?: boolean | undefined;
  readonly worker: string;
  readonly leaseMs: number;
  /** Queues in the order they are to be looked at, each with the most it may give. */
  readonly wants: readonly { readonly queue: string; readonly limit: number }[];
  /** Most jobs in all. */
  readonly limit: number;
  /** So many of them start at once: the store marks them started; those beyond are prefetched. With 0 nothing is recovered. */
  readonly starts: number;
  /** Input bytes after which no more is taken; the first job always is. */
  readonly bytesMax: number;
}

export interface ClaimAnswer {
  /** In the order to start them. A job whose lease had ended comes alone, so that poison kills no neighbours (J4). */
  readonly jobs: readonly ClaimedJob[];
  /** When the wanted queues next have something to claim, as far as the store knows; absent: nothing waits. */
  readonly nextDueAt?: Millis | undefined;
  /** Wanted queues that are paused: release what was prefetched from them (J11). */
  readonly paused: readonly string[];
  /** Wanted queues whose claims are limited: prefetch nothing from them (J12). */
  readonly limited: readonly string[];
  /** Jobs of limited tenants are ready that only a free slot is given: a claim with `starts` above 0 (J12). */
  readonly slotsWanted?: boolean | undefined;
}

export interface Extension {
  readonly lease: Lease;
  /** The handler has been called since the claim. */
  readonly started?: boolean | undefined;
  readonly progress?: number | undefined;
  readonly log?: readonly LogLine[] | undefined;
}

/**
 * `cancelling`: held and extended, and someone asked for its cancellation. `unextended`: held as far as can be seen, but
 * not to be counted on for longer than before, nor is the report stored, as another transaction has the job in hand; only
 * stores whose writers work side by side answer it.
 */
export type ExtendOutcome = "held" | "lost" | "cancelling" | "unextended";

export interface SettleAnswer {
  readonly outcome: "settled" | "lost" | "unknown";
  /** The job's state afterwards, when it was settled: `failed` for a retry that was superseded (T3). */
  readonly state?: JobState | undefined;
  /** The schedule of the job was paused by this failure (S9). */
  readonly schedulePaused?: ScheduleRef | undefined;
}

/** Names a job by id, or by its key. */
export type JobName =
  | { readonly id: JobId; readonly tenant?: TenantId | undefined }
  | { readonly tenant: TenantId; readonly queue: string; readonly key: string };

export interface Change {
  readonly name: JobName;
  readonly change: JobChange;
  readonly actor?: string | undefined;
}

/**
 * `changed`: done. `cancelling`: asked of the worker. `active` / `finished`: not changed, as it is in that state.
 * `key-in-use`: a job to revive has a key which another unfinished job holds. `limit`: a guardrail of its tenant forbids
 * it, and `hit` says which. `unknown`: no such job.
 */
export interface ChangeAnswer {
  readonly outcome: "changed" | "cancelling" | "active" | "finished" | "key-in-use" | "limit" | "unknown";
  readonly id?: JobId | undefined;
  readonly state?: JobState | undefined;
  /** With a key whose successor was changed: the active job that was left alone. */
  readonly activeId?: JobId | undefined;
  readonly hit?: (LimitHit & { readonly tenant: TenantId }) | undefined;
}

export interface JobFilter {
  readonly tenant?: TenantId | undefined;
  readonly queue?: string | undefined;
  readonly task?: string | undefined;
  readonly schedule?: string | undefined;
  readonly states?: readonly JobState[] | undefined;
  /** Of pending jobs, only those that are due and claimable, or only the others. */
  readonly pending?: "waiting" | "delayed" | undefined;
  readonly keyPrefix?: string | undefined;
  /** Only jobs with a key. */
  readonly keyed?: boolean | undefined;
  readonly dueFrom?: Millis | undefined;
  readonly dueBefore?: Millis | undefined;
  readonly createdFrom?: Millis | undefined;
  readonly createdBefore?: Millis | undefined;
  /** With either of these two, only finished jobs. */
  readonly finishedFrom?: Millis | undefined;
  readonly finishedBefore?: Millis | undefined;
}

/**
 * The order of a listing of jobs. `newest` (the default) and `oldest`: by insertion. `finished`: finished jobs only, the
 * one that ended last first.
 */
export type JobSort = Order | "finished";

/** Which page of a listing of jobs. A cursor is a position: jobs that come or go meanwhile repeat and hide no others. */
export interface JobPage {
  readonly limit: number;
  readonly cursor?: string | undefined;
  readonly sort?: JobSort | undefined;
}

export interface StatsFilter {
  readonly tenant?: TenantId | undefined;
  readonly queue?: string | undefined;
}

/** Per queue, the newest so many finished jobs stay (the engine's own counts when absent); what is past its age goes. */
export interface PurgeRequest {
  readonly completedCountMax?: number | undefined;
  readonly endedCountMax?: number | undefined;
  /** Only these go, whatever retention says. */
  readonly finished?: FinishedPurge | undefined;
  /** Rows deleted at most. */
  readonly limit: number;
}

/** Finished jobs that someone wants deleted: those that ended before an instant. */
export interface FinishedPurge {
  readonly before: Millis;
  readonly states?: readonly FinishedState[] | undefined;
  readonly queue?: string | undefined;
  readonly tenant?: TenantId | undefined;
  readonly actor?: string | undefined;
  /** Deletes nothing and answers how many it would. */
  readonly dryRun?: boolean | undefined;
  /** The `next` of the call before. */
  readonly cursor?: string | undefined;
}

export interface PurgeAnswer {
  readonly deleted: number;
  readonly more: boolean;
  /** Where a purge of finished jobs goes on. */
  readonly next?: string | undefined;
}

export interface ScheduleStore {
  /** Saves definitions as core's `planPut` decides, each by itself, in one atomic step with its guardrails. */
  put(puts: readonly SchedulePut[], guardrails?: Guardrails): Promise<PutAnswer[]>;
  get(ref: ScheduleRef): Promise<Schedule | undefined>;
  /** By tenant and id. */
  list(filter: ScheduleFilter, page: { readonly limit: number; readonly cursor?: string }): Promise<Page<Schedule>>;
  remove(removals: readonly ScheduleRemoval[]): Promise<RemoveOutcome[]>;
  /**
   * Fires due schedules: reads them, lets `decide` (pure, synchronous) make steps, and applies each step if the
   * schedule's incarnation, revision and cursor are still as they were read (S2). A store that cannot serialise reads
   * and writes compares a version that every write of the schedule moves, as settles and triggers change `held` beside
   * the cursor. `only` names schedules whether due or not (a trigger); the step of a trigger whose `operationJob` is
   * stored, or has a `tick:fired` in the audit log, is answered as applied and changes nothing (J15); if not and the step
   * is `refused`, the call throws `limitError` and changes nothing.
   */
  fire(request: FireRequest): Promise<FireAnswer>;
}

export type PutAnswer =
  | { readonly outcome: "created" | "updated" | "unchanged"; readonly schedule: Schedule }
  | { readonly outcome: "conflict" }
  | { readonly outcome: "absent" }
  | ({ readonly outcome: "limit" } & LimitHit);

export interface ScheduleFilter {
  readonly tenant?: TenantId | undefined;
  readonly task?: string | undefined;
  readonly queue?: string | undefined;
  readonly enabled?: boolean | undefined;
  readonly idPrefix?: string | undefined;
}

export interface ScheduleRemoval extends ScheduleRef {
  readonly expected?: number | undefined;
  /** A removal of this incarnation only. */
  readonly of?: string | undefined;
  /** Its jobs that have not started are cancelled in the same step. */
  readonly cancelPending?: boolean | undefined;
  readonly actor?: string | undefined;
}

export type RemoveOutcome = "removed" | "absent" | "conflict";

export interface FireRequest {
  /** Schedules looked at, at most. */
  readonly limit: number;
  readonly decide: Decide;
  readonly only?: readonly ScheduleRef[] | undefined;
  /** What every tenant is limited to; with a `maxPendingJobs` each due schedule is told the room that is left. */
  readonly guardrails?: Guardrails | undefined;
  /** The overlap policy that the decision looks with, when it is not the schedule's own (a backfill's). */
  readonly overlap?: OverlapPolicy | undefined;
}

export interface FireAnswer {
  readonly fired: readonly FireResult[];
  /** The earliest next tick of any schedule; in the past when there is more to fire. */
  readonly nextDueAt?: Millis | undefined;
}

/** A step that was applied. */
export interface FireResult extends ScheduleRef {
  readonly ticks: readonly FiredTick[];
  readonly skipped: readonly SkippedTicks[];
  readonly held?: HeldTick | undefined;
  readonly disabledReason?: string | undefined;
}

export interface QueueStore {
  put(changes: readonly QueueChange[], actor?: string): Promise<Queue[]>;
  /** Queues with a record or with jobs, by name; `everyQueue` stands for a pause of the whole deployment. */
  list(): Promise<Queue[]>;
}

/** What is kept of tenants: their limits and their share. Inserts, puts, fires, changes and claims read it in their own step. */
export interface TenantStore {
  put(changes: readonly TenantChange[], actor?: string): Promise<Tenant[]>;
  get(ids: readonly TenantId[]): Promise<(Tenant | undefined)[]>;
  /** Tenants with a record, schedules, or a lane (they have or had jobs), by id. */
  list(filter: TenantFilter, page: { readonly limit: number; readonly cursor?: string }): Promise<Page<TenantSummary>>;
}

/** A small value under a key, for what is read by key and seldom: tenants, API keys, live workers. */
export interface StoredRecord {
  readonly key: string;
  /** JSON text. */
  readonly value: string;
  readonly revision: number;
  readonly expiresAt?: Millis | undefined;
}

export interface RecordStore {
  get(keys: readonly string[]): Promise<(StoredRecord | undefined)[]>;
  /** `conflict` when the record is not as expected: `absent`, a revision, or `any`. */
  put(records: readonly RecordPut[]): Promise<(StoredRecord | "conflict")[]>;
  /** By key. */
  list(prefix: string, page: { readonly limit: number; readonly cursor?: string }): Promise<Page<StoredRecord>>;
  remove(keys: readonly string[]): Promise<void>;
}

export interface RecordPut {
  readonly key: string;
  readonly value: string;
  readonly expected: number | "absent" | "any";
  /** It is gone so long after now; absent: kept. */
  readonly ttlMs?: number | undefined;
}

/**
 * The audit log. Ids are seen in their order: once an event has been listed, none with a smaller id appears, so that a
 * reader that asks for what is beyond the last id it saw misses nothing. A store whose writers commit side by side
 * holds an event back until every smaller id is decided.
 */
export interface EventStore {
  /** For what no mutation carries: a worker's errors. */
  append(events: readonly NewEvent[]): Promise<void>;
  list(filter: EventFilter, page: EventPage): Promise<Page<StoredEvent>>;
  /** Deletes old events, a bounded number a call; call again while `more`. Ids are never given anew. */
  purge(request: EventPurge): Promise<PurgeAnswer>;
}

/** Which events go: those past an age (the engine's own when absent), or those before an instant that someone named. */
export interface EventPurge {
  readonly olderThanMs?: number | undefined;
  readonly named?: { readonly before: Millis; readonly actor?: string | undefined } | undefined;
  /** Rows deleted at most. */
  readonly limit: number;
}

/** The whole store as values, for copies from one engine to another (O6). */
export interface TransferStore {
  /** What is stored, in the order of core's `comparePositions`, a page at a time; what has expired is left out. */
  read(request: TransferRequest): Promise<TransferPage>;
  /** How many items there are of each kind; what has expired may be counted. */
  counts(): Promise<TransferCounts>;
  /**
   * Removes and stores items as they are, in one atomic step: ids, order of insertion, instants, revisions, totals. The
   * same again changes nothing. Counters follow exactly; no limit holds, no event is written, nobody is woken. An
   * unfinished job takes its key's slot from the one that has it: that one is about to be written too, or removed.
   */
  write(request: TransferWrite): Promise<TransferOutcome>;
}

/** For people who ask why: what no other method tells, or not at one moment. */
export interface InspectionStore {
  /** What stands between a job and its run, of one moment; undefined when the job is not stored. */
  standing(id: JobId, request: { readonly aheadMax: number }): Promise<JobStanding | undefined>;
  /** `due`: schedules whose next tick has come, the longest overdue first. `disabled`: those that do not fire. */
  schedules(which: "due" | "disabled", limit: number): Promise<Schedule[]>;
  /** What only the engine knows of its health: settings, files, damaged rows, what retention has left. Bounded. */
  findings(): Promise<Finding[]>;
}

/** The steps of the store's schema. Works before `open`, and changes nothing but in `apply`. */
export interface MigrationStore {
  state(): Promise<SchemaState>;
  /** Applies what is missing, once however many processes do so together; answers the steps that it has applied. */
  apply(): Promise<MigrationStep[]>;
}

// Jobs: what is stored of one, which transitions are legal, and how a new one begins.
import type { Millis } from "./clock.ts";
import type { JobId, Token } from "./id.ts";
import type { TenantId } from "./tenant.ts";

/** The five stored states. `pending` is shown as `waiting` (due) or `delayed` (not yet due). */
export type JobState = "pending" | "active" | "completed" | "failed" | "cancelled";

/** A state that a job has ended in. */
export type FinishedState = Exclude<JobState, "pending" | "active">;

/** A state as people see it. */
export type ShownState = "waiting" | "delayed" | Exclude<JobState, "pending">;

/** Everything that moves a job, with the states it may move from and the one it moves to. Nothing else does. */
export const transitions = {
  insert: { from: [], to: "pending" },
  /** From `active` only when the lease has ended: crash recovery is claim. */
  claim: { from: ["pending", "active"], to: "active" },
  complete: { from: ["active"], to: "completed" },
  fail: { from: ["active"], to: "failed" },
  retry: { from: ["active"], to: "pending" },
  release: { from: ["active"], to: "pending" },
  /** From `active` only by its own worker, or by whoever claims it after its lease has ended. */
  cancel: { from: ["pending", "active"], to: "cancelled" },
  /** A current job that would wait again beside its successor ends instead (T3). */
  supersede: { from: ["active"], to: "failed" },
  /** An operator runs an ended job again. */
  revive: { from: ["failed", "cancelled"], to: "pending" },
} as const satisfies Record<string, { readonly from: readonly JobState[]; readonly to: JobState }>;

export type Transition = keyof typeof transitions;

/** Whether a job in `state` may take that transition. */
export function allows(transition: Transition, state: JobState): boolean {
  const from: readonly JobState[] = transitions[transition].from;
  return from.includes(state);
}

/** Whether nothing can happen to a job in this state any more, but for an operator's revive. */
export function isFinished(state: JobState): boolean {
  return state === "completed" || state === "failed" || state === "cancelled";
}

/** Why a job ended without completing, for programs; `reason` says it to people. */
export type EndCause =
  | "attempts" // the last attempt failed
  | "permanent" // the handler threw PermanentError, or the retry policy said no
  | "policy" // the retry policy itself threw
  | "input" // the stored input does not fit the worker's schema
  | "crashes" // too many started attempts ended with their worker
  | "superseded" // it would have waited again while its successor existed
  | "cancelled" // asked for by a person or a program
  | "replaced"; // a schedule with overlap "replace" put a newer tick in its place

/** How one attempt ended. `lost`: its lease ended first. `deferred`: RetryAt. */
export type AttemptOutcome = "completed" | "failed" | "timed-out" | "cancelled" | "released" | "deferred" | "lost";

/** What is kept of an error, cut and redacted. */
export interface ErrorRecord {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  readonly code?: string;
  /** The retry policy's own error, when it threw. */
  readonly policyError?: string;
}

/** One attempt as a record (J7). */
export interface AttemptRecord {
  readonly attempt: number;
  readonly worker: string;
  readonly startedAt: Millis;
  readonly endedAt?: Millis;
  readonly outcome: AttemptOutcome;
  readonly error?: ErrorRecord;
}

/** A line a handler logged. */
export interface LogLine {
  readonly at: Millis;
  readonly attempt: number;
  readonly text: string;
}

/** The tick that made a job. */
export interface JobOrigin {
  readonly id: string;
  readonly incarnation: string;
  /** The nominal instant, before jitter. */
  readonly tick: Millis;
  /** Ticks not fired since the last one that was. */
  readonly missed: number;
}

/** A job as stored. Input, output and metadata are JSON texts. */
export interface Job {
  readonly id: JobId;
  readonly tenant: TenantId;
  readonly queue: string;
  readonly task: string;
  readonly input: string;
  /** 1 to 10, lower first. */
  readonly priority: number;
  readonly state: JobState;
  /** When it may be claimed; for an active job, when it was due. */
  readonly dueAt: Millis;
  readonly createdAt: Millis;
  /** Claims so far; part of the lease's name, never reset. */
  readonly attempt: number;
  /** Attempts that failed: what the retry policy counts. */
  readonly failures: number;
  /** Started attempts whose lease ended: what guards against a job that kills its worker. */
  readonly crashes: number;
  /** Releases in a row: what makes an unknown task wait longer each time. */
  readonly releases: number;
  /** Attempts allowed, when the job says it itself; else the task's policy decides. */
  readonly attemptsMax?: number | undefined;
  readonly key?: string | undefined;
  /** The second slot of a key: pending, and not claimable until the current job ends (T2). */
  readonly successor?: boolean | undefined;
  readonly schedule?: JobOrigin | undefined;
  readonly metadata?: string | undefined;
  /** The caller's id of the last insert that replaced this job, so that its repeat is recognised (J15). */
  readonly replacedBy?: JobId | undefined;

  /** The lease of an active job. */
  readonly token?: Token | undefined;
  readonly worker?: string | undefined;
  readonly leaseUntil?: Millis | undefined;
  readonly claimedAt?: Millis | undefined;
  /** Whether this attempt's handler is known to have been called. */
  readonly started?: boolean | undefined;
  readonly cancelRequested?: boolean | undefined;

  /** 0 to 1, as the handler says. */
  readonly progress?: number | undefined;
  readonly output?: string | undefined;
  readonly finishedAt?: Millis | undefined;
  readonly endCause?: EndCause | undefined;
  readonly reason?: string | undefined;
  /** When retention removes it for its age; absent: only the count limits it. */
  readonly expiresAt?: Millis | undefined;
  readonly attempts: readonly AttemptRecord[];
  readonly log: readonly LogLine[];
}

/** When a new job is due: at an instant, or so long after the store's now. */
export type Due = { readonly at: Millis } | { readonly afterMs: number };

/** What an insert does when its key is taken by an unfinished job. */
export type OnConflict = "ignore" | "replace" | "error";

/** A job to insert. Ids are minted by the caller: inserting the same id again finds the first. */
export interface NewJob {
  readonly id: JobId;
  readonly tenant: TenantId;
  readonly queue: string;
  readonly task: string;
  readonly input: string;
  readonly priority: number;
  readonly due: Due;
  readonly key?: string | undefined;
  readonly onConflict?: OnConflict | undefined;
  readonly attemptsMax?: number | undefined;
  readonly metadata?: string | undefined;
  readonly schedule?: JobOrigin | undefined;
  readonly idempotency?: Idempotency | undefined;
}

/** A caller's key for one request, kept 24 h; `body` tells a repeat from another request under the same key. */
export interface Idempotency {
  readonly key: string;
  readonly body: string;
}

/** Where an engine finds a leased job again: means something to that engine alone, and survives JSON (a row number, a reply subject). */
export type LeaseRef = number | string;

/** What people and programs that hold no lease do to a job. */
export type JobChange =
  /** `unleased`: an active job is left to finish (T4); else it is asked to stop (J8). */
  | { readonly kind: "cancel"; readonly unleased?: boolean | undefined }
  /** A failed or cancelled job runs again; a pending one is due now. */
  | { readonly kind: "retry" }
  | { readonly kind: "reschedule"; readonly due: Due }
  | { readonly kind: "update"; readonly input: string };

/** A claimed job with the lease that names its holder. */
export interface ClaimedJob extends Job {
  readonly state: "active";
  readonly token: Token;
  readonly worker: string;
  readonly leaseUntil: Millis;
  readonly claimedAt: Millis;
  /** Its last lease ended without a word: claimed alone, started at once. */
  readonly recovered: boolean;
  /** See Lease. */
  readonly ref?: LeaseRef | undefined;
}

/** The instant a new job is due; the past means now. */
export function dueInstant(due: Due, now: Millis): Millis {
  return "at" in due ? Math.max(due.at, now) : now + due.afterMs;
}

/** The stored form of a new job. */
export function beginJob(job: NewJob, now: Millis): Job {
  return {
    id: job.id,
    tenant: job.tenant,
    queue: job.queue,
    task: job.task,
    input: job.input,
    priority: job.priority,
    state: "pending",
    dueAt: dueInstant(job.due, now),
    createdAt: now,
    attempt: 0,
    failures: 0,
    crashes: 0,
    releases: 0,
    attemptsMax: job.attemptsMax,
    key: job.key,
    schedule: job.schedule,
    metadata: job.metadata,
    attempts: [],
    log: [],
  };
}

/** A pending job after a replace: it takes input, due time, priority and fresh failures, and keeps its id (T2). */
export function replaceJob(job: Job, by: NewJob, now: Millis): Job {
  return {
    ...job,
    task: by.task,
    input: by.input,
    priority: by.priority,
    metadata: by.metadata,
    attemptsMax: by.attemptsMax,
    dueAt: dueInstant(by.due, now),
    failures: 0,
    crashes: 0,
    releases: 0,
    replacedBy: by.id,
  };
}

/** What people call a job's state at `now`. */
export function shownState(job: Pick<Job, "state" | "dueAt" | "successor">, now: Millis): ShownState {
  if (job.state !== "pending") return job.state;
  return job.successor !== true && job.dueAt <= now ? "waiting" : "delayed";
}

/** J5: priority, then due time; the store's insertion order settles the rest. */
export function compareDue(a: Pick<Job, "priority" | "dueAt">, b: Pick<Job, "priority" | "dueAt">): number {
  return a.priority - b.priority || a.dueAt - b.dueAt;
}

// What a job becomes, as the store makes it: claimed, settled, superseded, cancelled, revived. Pure; the fence, keys and
// counters are the caller's.
import type { Millis } from "./clock.ts";
import { defaults } from "./defaults.ts";
import type { Token } from "./id.ts";
import {
  type AttemptRecord,
  type ClaimedJob,
  type Due,
  dueInstant,
  type EndCause,
  type Job,
  type LeaseRef,
  type LogLine,
} from "./job.ts";
import type { Keep, Settlement } from "./settling.ts";

/** Whose lease a claim begins, and how long it is. */
export interface Claim {
  readonly token: Token;
  readonly worker: string;
  readonly leaseMs: number;
  readonly startsNow: boolean;
}

/**
 * A job after a claim at `now` (J2). One whose lease had ended is recovered, one whose lease was given up too: it may
 * have crashed its worker.
 */
export function applyClaim(job: Job, claim: Claim, now: Millis, ref?: LeaseRef): ClaimedJob {
  const recovered = job.state === "active";
  return {
    ...job,
    state: "active",
    attempt: job.attempt + 1,
    crashes: job.crashes + (recovered && job.started === true ? 1 : 0),
    attempts: recovered ? appendAttempt(job.attempts, lostAttempt(job)) : job.attempts,
    token: claim.token,
    worker: claim.worker,
    claimedAt: now,
    leaseUntil: now + claim.leaseMs,
    started: claim.startsNow,
    recovered: recovered || isLost(job),
    ref,
  };
}

/** Whether nobody knows how a job's last attempt ended: it may have crashed its worker, and is claimed alone (J4). */
export function isLost({ attempts }: Job): boolean {
  return attempts.at(-1)?.outcome === "lost";
}

/**
 * A job whose lease ended and was given up, as its place is wanted: it waits again, or ends, as one that its worker
 * gives back. Without its token: what that worker may yet say is no repeat of this.
 */
export function giveUpLease(job: Job, now: Millis, hasSuccessor: boolean): Job {
  const { id, queue, attempt, token = "" } = job;
  const lease = { id, queue, attempt, token };
  const given: Settlement = { lease, outcome: "release", record: lostAttempt(job), keep: {} };
  const crashes = job.crashes + (job.started === true ? 1 : 0);
  return { ...applySettlement(job, given, now, hasSuccessor), token: undefined, crashes };
}

function lostAttempt(job: Job): AttemptRecord {
  return { attempt: job.attempt, worker: job.worker ?? "", startedAt: job.claimedAt ?? job.dueAt, outcome: "lost" };
}

/**
 * A job after its settlement at `now`; the caller has checked the fence. With a successor waiting, a job that would
 * be pending again ends as superseded instead (T3), whatever brought it there.
 */
export function applySettlement(job: Job, settlement: Settlement, now: Millis, hasSuccessor: boolean): Job {
  // The token stays, so that the repeat of this very settlement is recognised.
  const unleased = withoutLease(job, settlement.lease.token);
  const attempts = settlement.record === undefined ? job.attempts : appendAttempt(job.attempts, settlement.record);
  const log = appendLog(job.log, settlement.log ?? []);
  const progress = settlement.progress ?? job.progress;
  const failures =
    job.failures + (settlement.record?.outcome === "failed" || settlement.record?.outcome === "timed-out" ? 1 : 0);
  const base = { ...unleased, attempts, log, progress, failures };
  const { outcome } = settlement;
  if (outcome === "retry" || outcome === "release") {
    if (job.cancelRequested === true) {
      return endJob(
        base,
        { state: "cancelled", cause: "cancelled", reason: "cancelled while active", keep: settlement.keep },
        now,
      );
    }
    if (hasSuccessor) return supersede(base, settlement.keep, now);
    const releases = settlement.record === undefined ? job.releases + (isDelayed(settlement.due) ? 1 : 0) : 0;
    return {
      ...base,
      state: "pending",
      releases,
      // What is given back without a time keeps its place in the line.
      dueAt: settlement.due === undefined ? Math.min(job.dueAt, now) : dueInstant(settlement.due, now),
      reason: settlement.reason,
    };
  }
  if (outcome === "complete") {
    return { ...base, ...ended("completed", settlement.keep, now), output: settlement.output, reason: undefined };
  }
  return endJob(
    base,
    {
      state: outcome === "fail" ? "failed" : "cancelled",
      cause: settlement.endCause,
      reason: settlement.reason,
      keep: settlement.keep,
    },
    now,
  );
}

/** What was given back unstarted comes at once; only an unknown task waits, longer each time. */
function isDelayed(due: Due | undefined): boolean {
  return due !== undefined && "afterMs" in due && due.afterMs > 0;
}

/** A job whose lease has ended and whose successor takes its place: it ends instead of being claimed again (T3). */
export function supersedeExpired(job: Job, now: Millis): Job {
  return supersede({ ...withoutLease(job), attempts: appendAttempt(job.attempts, lostAttempt(job)) }, {}, now);
}

function supersede(job: Job, keep: Keep, now: Millis): Job {
  return endJob(
    job,
    { state: "failed", cause: "superseded", reason: "a newer job with the same key took its place", keep },
    now,
  );
}

/** A job that is not leased, cancelled. */
export function cancelJob(job: Job, cause: "cancelled" | "replaced", reason: string, now: Millis): Job {
  return endJob(withoutLease(job), { state: "cancelled", cause, reason, keep: {} }, now);
}

/** A job of which a store cannot read what it needs to run: it ends, to be looked at and retried by a person. */
export function failDamaged(job: Job, reason: string, now: Millis): Job {
  return endJob(withoutLease(job), { state: "failed", cause: "input", reason, keep: {} }, now);
}

function endJob(
  job: Job,
  end: {
    readonly state: "failed" | "cancelled";
    readonly cause: EndCause | undefined;
    readonly reason: string | undefined;
    readonly keep: Keep;
  },
  now: Millis,
): Job {
  return { ...job, ...ended(end.state, end.keep, now), endCause: end.cause, reason: end.reason };
}

/** An ended job run again by an operator: pending now, its failures forgotten, its attempts still counted on. */
export function reviveJob(job: Job, now: Millis): Job {
  return {
    ...withoutLease(job),
    state: "pending",
    dueAt: now,
    failures: 0,
    crashes: 0,
    releases: 0,
    finishedAt: undefined,
    expiresAt: undefined,
    endCause: undefined,
    reason: undefined,
    cancelRequested: undefined,
    progress: undefined,
  };
}

function ended(state: "completed" | "failed" | "cancelled", keep: Keep, now: Millis) {
  const ageMs = keep === "nothing" ? 0 : keep.ageMs;
  return { state, finishedAt: now, expiresAt: ageMs === undefined ? undefined : now + ageMs, successor: undefined };
}

function withoutLease(job: Job, token?: Token): Job {
  return { ...job, token, worker: undefined, leaseUntil: undefined, claimedAt: undefined, started: undefined };
}

/** Attempt records with one more; beyond the limit the oldest go. */
function appendAttempt(attempts: readonly AttemptRecord[], record: AttemptRecord): readonly AttemptRecord[] {
  return [...attempts, record].slice(-defaults.attemptRecordsMax);
}

/** Log lines with some more; beyond the limit the oldest go. */
export function appendLog(log: readonly LogLine[], lines: readonly LogLine[]): readonly LogLine[] {
  return lines.length === 0 ? log : [...log, ...lines].slice(-defaults.logLinesMax);
}

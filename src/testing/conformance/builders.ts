// Builders of what facts hand to an engine, each with plain defaults that a fact overrides by name. The small calls
// that ask an engine for one thing and unwrap the answer are in calls.ts.
import type { ClaimRequest } from "../../core/engine.ts";
import { type Entropy, mintJobId, mintToken, type Token } from "../../core/id.ts";
import type { AttemptOutcome, AttemptRecord, ClaimedJob, NewJob } from "../../core/job.ts";
import { type Backfill, decideBackfill, decideTrigger } from "../../core/operations.ts";
import type { Rule } from "../../core/rule.ts";
import type { ScheduleDefinition, SchedulePut } from "../../core/schedule.ts";
import { leaseOf, type Settlement } from "../../core/settling.ts";
import type { Decide } from "../../core/step.ts";
import { start } from "./harness.ts";

export const secondMs = 1_000;
export const minuteMs = 60_000;
export const hourMs = 3_600_000;
export const dayMs = 86_400_000;
export const leaseMs = 30_000;

export const tenant = "acme";
export const queue = "mail";

let drawn = 0;

/** Two words that never repeat; the first is scattered, so that ids made in a row do not sort in a row. */
function entropy(): Entropy {
  drawn++;
  return [Math.imul(drawn, 0x9e3779b1) >>> 0, drawn];
}

export function token(): Token {
  return mintToken(entropy());
}

/** A job of task "send" in queue "mail" of tenant "acme", due at once. */
export function newJob(parts: Partial<NewJob> = {}): NewJob {
  return {
    id: mintJobId(parts.tenant ?? tenant, start, entropy()),
    tenant,
    queue,
    task: "send",
    input: "{}",
    priority: 5,
    due: { afterMs: 0 },
    ...parts,
  };
}

/** A claim of up to 100 jobs of queue "mail" for 30 s, all of which start at once. */
export function claimRequest(parts: Partial<ClaimRequest> = {}): ClaimRequest {
  return {
    claimId: token(),
    worker: "worker-1",
    leaseMs,
    wants: [{ queue, limit: 100 }],
    limit: 100,
    starts: 100,
    bytesMax: 8 * 1024 * 1024,
    ...parts,
  };
}

export function attemptRecord(job: ClaimedJob, outcome: AttemptOutcome, message?: string): AttemptRecord {
  const error = message === undefined ? {} : { error: { name: "Error", message } };
  const { attempt, worker, claimedAt } = job;
  return { attempt, worker, startedAt: claimedAt, endedAt: claimedAt, outcome, ...error };
}

export function completion(job: ClaimedJob, parts: Partial<Settlement> = {}): Settlement {
  const record = attemptRecord(job, "completed");
  return { lease: leaseOf(job), outcome: "complete", output: "null", record, keep: {}, ...parts };
}

/** A failed attempt that is tried again in a second. */
export function retrying(job: ClaimedJob, parts: Partial<Settlement> = {}): Settlement {
  const record = attemptRecord(job, "failed", "boom");
  return {
    lease: leaseOf(job),
    outcome: "retry",
    due: { afterMs: secondMs },
    reason: "boom",
    record,
    keep: {},
    ...parts,
  };
}

/** A started attempt given back at a shutdown, due at once. */
export function release(job: ClaimedJob, parts: Partial<Settlement> = {}): Settlement {
  const record = attemptRecord(job, "released");
  return { lease: leaseOf(job), outcome: "release", due: { afterMs: 0 }, record, keep: {}, ...parts };
}

/** The last attempt's failure. */
export function failure(job: ClaimedJob, parts: Partial<Settlement> = {}): Settlement {
  const record = attemptRecord(job, "failed", "boom");
  return { lease: leaseOf(job), outcome: "fail", endCause: "attempts", reason: "boom", record, keep: {}, ...parts };
}

/** A worker's answer to a cancellation. */
export function cancellation(job: ClaimedJob, parts: Partial<Settlement> = {}): Settlement {
  const record = attemptRecord(job, "cancelled");
  const reason = "cancelled while active";
  return { lease: leaseOf(job), outcome: "cancel", endCause: "cancelled", reason, record, keep: {}, ...parts };
}

/** Ticks at every full minute. */
export const everyMinute: Rule = { kind: "every", everyMs: minuteMs, anchor: start };

/** Every minute, no jitter, overlap `allow`, catch-up `latest` inside an hour. */
export function definition(parts: Partial<ScheduleDefinition> = {}): ScheduleDefinition {
  return {
    rule: everyMinute,
    task: "send",
    queue,
    input: "{}",
    priority: 5,
    jitterMs: 0,
    overlap: "allow",
    catchUp: { policy: "latest", windowMs: hourMs, limit: 1_000 },
    ...parts,
  };
}

/** A put of schedule "report" of tenant "acme", whatever is stored. */
export function schedulePut(parts: Partial<SchedulePut> = {}): SchedulePut {
  return { tenant, id: "report", incarnation: token(), definition: definition(), expected: "any", ...parts };
}

/** What a trigger is made of: a decision cannot travel to another process, its parts can. */
export interface TriggerParts {
  readonly operation: string;
  readonly tick?: number | undefined;
}

const triggers = new WeakMap<Decide, TriggerParts>();

/** core's `decideTrigger`, remembered by its parts. */
export function triggerDecision(operation: string, tick?: number): Decide {
  const decide = decideTrigger(operation, tick);
  triggers.set(decide, { operation, tick });
  return decide;
}

/** The parts of a decision that `triggerDecision` made. */
export function triggerParts(decide: Decide): TriggerParts | undefined {
  return triggers.get(decide);
}

const backfills = new WeakMap<Decide, Backfill>();

/** core's `decideBackfill`, remembered by its parts. */
export function backfillDecision(backfill: Backfill): Decide {
  const decide = decideBackfill(backfill);
  backfills.set(decide, backfill);
  return decide;
}

/** The parts of a decision that `backfillDecision` made. */
export function backfillOf(decide: Decide): Backfill | undefined {
  return backfills.get(decide);
}

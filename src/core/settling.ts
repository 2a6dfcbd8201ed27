// Settling, as a pure decision at the worker: (job, policy, how the attempt ended) -> settlement. What the store makes
// of it is in transitions.ts.
import type { Millis } from "./clock.ts";
import { defaults } from "./defaults.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { hasCode } from "./errors.ts";
import type { AttemptOutcome, AttemptRecord, ClaimedJob, Due, EndCause, ErrorRecord, Job, LogLine } from "./job.ts";
import type { Lease } from "./lease.ts";
import { type RetryPolicy, retryDelayMs } from "./retry.ts";

/** What becomes of the job: three ends, or pending again with (`retry`) or without (`release`) a failure counted. */
type SettleOutcome = "complete" | "fail" | "cancel" | "retry" | "release";

/** How an attempt ended, as the store applies it. */
export interface Settlement {
  readonly lease: Lease;
  readonly outcome: SettleOutcome;
  /** For retry and release: when it is due again; absent: at once, in its old place in the line. */
  readonly due?: Due | undefined;
  readonly endCause?: EndCause | undefined;
  readonly reason?: string | undefined;
  /** JSON text of what the handler returned. */
  readonly output?: string | undefined;
  /** Absent for a prefetched job that was never started: no attempt took place. */
  readonly record?: AttemptRecord | undefined;
  readonly log?: readonly LogLine[] | undefined;
  readonly progress?: number | undefined;
  readonly keep: Keep;
}

/** What retention keeps of a job that ends: nothing, or until an age; counts are the queue's business. */
export type Keep = { readonly ageMs?: number | undefined } | "nothing";

/** What the worker knows of how an attempt ended. */
export type AttemptEnd =
  | { readonly kind: "completed"; readonly output: string }
  | { readonly kind: "threw"; readonly error: unknown }
  | { readonly kind: "timed-out"; readonly error: unknown }
  | { readonly kind: "cancelled" }
  | { readonly kind: "input-refused"; readonly error: unknown }
  | { readonly kind: "crashed-too-often" }
  | { readonly kind: "aborted" } // the shutdown deadline passed while it ran
  | { readonly kind: "unstarted" } // prefetched, then given back
  | { readonly kind: "unknown-task" };

/** The policies of a task that settling looks at. */
export interface SettlePolicy {
  readonly retry: RetryPolicy;
  readonly keepCompleted: Keep;
  readonly keepFailed: Keep;
}

/** The circumstances of an attempt. */
export interface AttemptFrame {
  readonly startedAt: Millis;
  readonly endedAt: Millis;
  /** 0 ≤ random < 1, for the retry curve's jitter. */
  readonly random: number;
  readonly redact?: ((error: ErrorRecord) => ErrorRecord) | undefined;
}

/** The lease of a claimed job. */
export function leaseOf(job: Pick<ClaimedJob, "id" | "queue" | "attempt" | "token" | "ref">): Lease {
  return { id: job.id, queue: job.queue, attempt: job.attempt, token: job.token, ref: job.ref };
}

/** How many attempts a job has, its own word first. */
function attemptsAllowed(job: Pick<Job, "attemptsMax">, policy: Pick<RetryPolicy, "attempts">): number {
  return job.attemptsMax ?? policy.attempts;
}

/** J4: whether a job has been claimed often enough by workers that then died; it ends without its handler. */
export function crashedTooOften(job: Pick<Job, "attemptsMax" | "crashes" | "failures">, policy: RetryPolicy): boolean {
  return job.crashes + job.failures >= attemptsAllowed(job, policy) + defaults.crashesAllowed;
}

/** The worker's decision: what the end of an attempt makes of the job (J6, J7). */
export function settle(job: ClaimedJob, policy: SettlePolicy, end: AttemptEnd, frame: AttemptFrame): Settlement {
  if (end.kind === "completed") return completion(job, policy, end.output, frame);
  const base = { lease: leaseOf(job) };
  const record = (outcome: AttemptOutcome, error?: ErrorRecord): AttemptRecord => ({
    attempt: job.attempt,
    worker: job.worker,
    startedAt: frame.startedAt,
    endedAt: frame.endedAt,
    outcome,
    ...(error === undefined ? {} : { error }),
  });
  const fail = (endCause: EndCause, reason: string, attempt?: AttemptRecord): Settlement => ({
    ...base,
    outcome: "fail",
    endCause,
    reason,
    record: attempt,
    keep: policy.keepFailed,
  });
  switch (end.kind) {
    case "cancelled":
      return {
        ...base,
        outcome: "cancel",
        endCause: "cancelled",
        reason: "cancelled while active",
        record: record("cancelled"),
        keep: policy.keepFailed,
      };
    case "aborted":
      return { ...base, outcome: "release", record: record("released"), keep: policy.keepFailed };
    case "unstarted":
      return { ...base, outcome: "release", keep: policy.keepFailed };
    case "unknown-task":
      return {
        ...base,
        outcome: "release",
        due: { afterMs: unknownTaskDelayMs(job.releases) },
        keep: policy.keepFailed,
      };
    case "crashed-too-often":
      return fail("crashes", `${job.crashes} attempts ended with their worker; it was not started again`);
    case "input-refused": {
      const error = describeError(end.error, frame.redact);
      return fail(
        "input",
        `the stored input does not fit the task's schema: ${error.message}`,
        record("failed", error),
      );
    }
    case "threw":
    case "timed-out":
      break;
  }
  const error = describeError(end.error, frame.redact);
  const retryAt = retryInstant(end.error);
  if (retryAt !== undefined) {
    return {
      ...base,
      outcome: "release",
      due: { at: retryAt },
      record: record("deferred"),
      keep: policy.keepFailed,
    };
  }
  const outcome = end.kind === "timed-out" ? "timed-out" : "failed";
  if (hasCode(end.error, "PERMANENT")) return fail("permanent", error.message, record(outcome, error));
  const failures = job.failures + 1;
  if (failures >= attemptsAllowed(job, policy.retry)) return fail("attempts", error.message, record(outcome, error));
  const wait = retryWait(policy.retry, failures, end.error, frame);
  if (wait.kind === "threw") {
    return fail("policy", error.message, record(outcome, { ...error, policyError: wait.message }));
  }
  if (wait.kind === "stop") return fail("permanent", error.message, record(outcome, error));
  return {
    ...base,
    outcome: "retry",
    due: { afterMs: wait.delayMs },
    reason: error.message,
    record: record(outcome, error),
    keep: policy.keepFailed,
  };
}

function completion(job: ClaimedJob, policy: SettlePolicy, output: string, frame: AttemptFrame): Settlement {
  const { attempt, worker } = job;
  const { startedAt, endedAt } = frame;
  return {
    lease: leaseOf(job),
    outcome: "complete",
    output,
    record: { attempt, worker, startedAt, endedAt, outcome: "completed" },
    keep: policy.keepCompleted,
  };
}

/** The instant that a thrown RetryAt names. Whatever was thrown, and whatever its getters do, this does not throw. */
function retryInstant(thrown: unknown): Millis | undefined {
  try {
    if (!hasCode(thrown, "RETRY_AT") || !("at" in thrown) || !(thrown.at instanceof Date)) return undefined;
    const at = thrown.at.getTime();
    return Number.isNaN(at) ? undefined : at;
  } catch {
    return undefined;
  }
}

type Wait =
  | { readonly kind: "retry"; readonly delayMs: number }
  | { readonly kind: "stop" }
  | { readonly kind: "threw"; readonly message: string };

function retryWait({ backoff }: RetryPolicy, failures: number, error: unknown, frame: AttemptFrame): Wait {
  if (typeof backoff !== "function") return { kind: "retry", delayMs: retryDelayMs(backoff, failures, frame.random) };
  try {
    const answer = backoff({ failures, error });
    return answer === false ? { kind: "stop" } : { kind: "retry", delayMs: parseDuration(answer, "retry.backoff()") };
  } catch (thrown) {
    return { kind: "threw", message: describeError(thrown, frame.redact).message };
  }
}

/** J13: 5 s, 10 s, 20 s ... 5 min. */
function unknownTaskDelayMs(releases: number): number {
  return Math.min(defaults.unknownTaskDelayMs * 2 ** Math.min(releases, 30), defaults.unknownTaskDelayMsMax);
}

/**
 * What is kept of a thrown value: cut to size, then through the user's redaction. Whatever was thrown, and whatever the
 * redaction does, there is a record; a redaction that throws keeps nothing.
 */
export function describeError(thrown: unknown, redact?: (error: ErrorRecord) => ErrorRecord): ErrorRecord {
  const record = recordOf(thrown);
  if (redact === undefined) return record;
  const { name } = record;
  try {
    return (
      checkRedacted(redact(record)) ?? { name, message: "(the redaction hook answered no error; nothing was kept)" }
    );
  } catch {
    return { name, message: "(the redaction hook threw; nothing was kept)" };
  }
}

/** A hook of the user's may answer anything, or nothing: what is no text of an error is left out. */
function checkRedacted(answer: unknown): ErrorRecord | undefined {
  if (typeof answer !== "object" || answer === null) return undefined;
  const { name, message, stack, code }: { readonly [Member in keyof ErrorRecord]?: unknown } = answer;
  if (typeof name !== "string" || typeof message !== "string") return undefined;
  return {
    name,
    message,
    ...(typeof stack === "string" ? { stack } : {}),
    ...(typeof code === "string" ? { code } : {}),
  };
}

function recordOf(thrown: unknown): ErrorRecord {
  try {
    if (!(thrown instanceof Error)) {
      const text = typeof thrown === "object" ? (JSON.stringify(thrown) ?? String(thrown)) : String(thrown);
      return { name: "Error", message: text.slice(0, defaults.messageCharsMax) };
    }
    const code: unknown = "code" in thrown ? thrown.code : undefined;
    return {
      name: String(thrown.name).slice(0, 200),
      message: String(thrown.message).slice(0, defaults.messageCharsMax),
      ...(typeof thrown.stack === "string" ? { stack: thrown.stack.slice(0, defaults.stackCharsMax) } : {}),
      ...(typeof code === "string" ? { code: code.slice(0, 200) } : {}),
    };
  } catch {
    return { name: "Error", message: "a value that cannot be shown was thrown" };
  }
}

/** The message of a timeout. */
export function timeoutMessage(timeoutMs: number): string {
  return `the attempt took longer than ${formatDuration(timeoutMs)}`;
}

// Inserting jobs, one after another: repeats, idempotency keys, the two slots of a key, limits.
import { scheduledEvent } from "../audit.ts";
import type { Millis } from "../clock.ts";
import { defaults } from "../defaults.ts";
import type { InsertAnswer, InsertedJob } from "../engine.ts";
import { countLimit, type Guardrails, shapeLimit } from "../guardrails.ts";
import { beginJob, type Job, type NewJob, replaceJob } from "../job.ts";
import type { Ledger, StoredJob } from "../ledger.ts";
import { Refusal } from "../refusal.ts";

/** Whether any of the limits can refuse a job; without one, a job that has no key of any kind need not be looked at. */
export function limitsJobs({ maxPendingJobs, maxHorizonMs, payloadBytesMax }: Guardrails): boolean {
  return maxPendingJobs !== undefined || maxHorizonMs !== undefined || payloadBytesMax !== undefined;
}

/** Inserts jobs of one tenant together or not at all (T5). @param guardrails those that hold for the tenant */
export function insertTogether<S extends StoredJob>(
  ledger: Ledger<S>,
  jobs: readonly NewJob[],
  guardrails: Guardrails,
): InsertAnswer {
  let index = 0;
  const insertEach = (): InsertAnswer => {
    const inserted: InsertedJob[] = [];
    for (; index < jobs.length; index++) {
      const job = jobs[index];
      if (job !== undefined) inserted.push(insertJob(ledger, job, guardrails));
    }
    return { outcome: "inserted", jobs: inserted };
  };
  try {
    // A single job is refused before anything of it is written.
    return jobs.length === 1 ? insertEach() : ledger.part(insertEach);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return error.answer(index);
  }
}

/**
 * @param guardrails those that hold for its tenant; absent for what a schedule makes, which its firing has allowed
 * @throws Refusal, before anything is written
 */
export function insertJob<S extends StoredJob>(
  ledger: Ledger<S>,
  job: NewJob,
  guardrails: Guardrails | undefined,
): InsertedJob {
  const repeated = ledger.findJob(job.id);
  if (repeated !== undefined) {
    if (repeated.job.tenant !== job.tenant) throw new Refusal({ outcome: "idempotency-mismatch" });
    return insertedAs("created", repeated.job);
  }
  const replaced = ledger.findReplaced(job.id);
  if (replaced !== undefined) return insertedAs("replaced", replaced.job);

  const used = usedKey(ledger, job);
  if (used !== undefined) return used;

  const { current, successor } = ledger.slotsOf(job);
  const inserted =
    current === undefined
      ? create(ledger, job, guardrails)
      : resolveConflict(ledger, job, guardrails, current, successor);
  if (job.idempotency !== undefined) {
    const { key, body } = job.idempotency;
    const { id, dueAt } = inserted;
    ledger.rememberKey(job.tenant, key, { body, job: id, dueAt }, ledger.now + defaults.idempotencyMs);
  }
  return inserted;
}

function resolveConflict<S extends StoredJob>(
  ledger: Ledger<S>,
  job: NewJob,
  guardrails: Guardrails | undefined,
  current: S,
  successor: S | undefined,
): InsertedJob {
  if (job.onConflict === "error") throw new Refusal({ outcome: "key-in-use", id: current.job.id });
  if (job.onConflict !== "replace") return insertedAs("existing", current.job);
  if (current.job.state === "pending") return replace(ledger, job, guardrails, current);
  return successor === undefined ? create(ledger, job, guardrails, true) : replace(ledger, job, guardrails, successor);
}

function replace<S extends StoredJob>(
  ledger: Ledger<S>,
  job: NewJob,
  guardrails: Guardrails | undefined,
  before: S,
): InsertedJob {
  const { now } = ledger;
  checkShape(job, guardrails, now);
  const after = replaceJob(before.job, job, now);
  ledger.saveJob(after, before);
  if (ledger.auditsAll) ledger.append(scheduledEvent(after, "replaced", now));
  return insertedAs("replaced", after);
}

function create(ledger: Ledger, job: NewJob, guardrails: Guardrails | undefined, successor?: true): InsertedJob {
  const { now } = ledger;
  checkShape(job, guardrails, now);
  if (guardrails?.maxPendingJobs !== undefined) {
    const hit = countLimit("maxPendingJobs", guardrails, ledger.unfinished(job.tenant) + 1);
    if (hit !== undefined) throw new Refusal({ outcome: "limit", ...hit });
  }
  const created = { ...beginJob(job, now), successor };
  ledger.saveJob(created);
  if (ledger.auditsAll) ledger.append(scheduledEvent(created, "created", now));
  return insertedAs("created", created);
}

function checkShape(job: NewJob, guardrails: Guardrails | undefined, now: Millis): void {
  const hit = shapeLimit(job, guardrails, now);
  if (hit !== undefined) throw new Refusal({ outcome: "limit", ...hit });
}

function usedKey(ledger: Ledger, job: NewJob): InsertedJob | undefined {
  if (job.idempotency === undefined) return undefined;
  const used = ledger.usedKey(job.tenant, job.idempotency.key);
  if (used === undefined) return undefined;
  if (used.body !== job.idempotency.body) throw new Refusal({ outcome: "idempotency-mismatch" });
  return { outcome: "existing", id: used.job, dueAt: used.dueAt };
}

/** The answer to an insert: the job that it made or found. */
export function insertedAs(outcome: InsertedJob["outcome"], job: Job): InsertedJob {
  return { outcome, id: job.id, dueAt: job.dueAt, ...(job.successor === true ? { successor: true } : {}) };
}

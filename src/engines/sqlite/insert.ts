// Inserting jobs: repeats, idempotency keys, the two slots of a key, limits; and the straight path of those that have none.
import { scheduledEvent } from "../../core/audit.ts";
import { defaults } from "../../core/defaults.ts";
import type { Insert, InsertAnswer, InsertedJob } from "../../core/engine.ts";
import { countLimit, type Guardrails, shapeLimit } from "../../core/guardrails.ts";
import { type JobId, jobIdFromBytes, jobIdToBytes } from "../../core/id.ts";
import { beginJob, type Job, type NewJob, replaceJob } from "../../core/job.ts";
import { Refusal } from "../../core/refusal.ts";
import { BulkInsert, bulkStatements } from "./bulk-insert.ts";
import { findJob, findReplaced, isStored, saveJob, slotsOf } from "./job-table.ts";
import { detailOf, placeOf, type Stored } from "./rows.ts";
import type { Tx } from "./tx.ts";

const straightStatements = bulkStatements("jobs.insert", "punctual_jobs", [
  "seq",
  "id",
  "tenant",
  "queue",
  "task",
  "input",
  "priority",
  "place",
  "due_at",
  "created_at",
  "attempt",
  "schedule",
  "incarnation",
  "detail",
]);

const usedKeyStatement = `-- idempotency.find
SELECT body, job, due_at FROM punctual_idempotency WHERE tenant = ? AND key = ? AND expires_at > ?`;

const rememberStatement = `-- idempotency.remember
INSERT INTO punctual_idempotency (tenant, key, body, job, due_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (tenant, key) DO UPDATE SET
  body = excluded.body, job = excluded.job, due_at = excluded.due_at, expires_at = excluded.expires_at`;

/** Inserts each entry's jobs together or not at all. */
export function insertAll(tx: Tx, inserts: readonly Insert[]): InsertAnswer[] {
  const straight = new StraightInsert(tx);
  const answers = inserts.map(({ jobs, guardrails: given }): InsertAnswer => {
    const guardrails = tx.tenants.guardrails(jobs[0]?.tenant ?? "", given);
    if (!limitsJobs(guardrails) && jobs.every((job) => straight.takes(job))) {
      return { outcome: "inserted", jobs: jobs.map((job) => straight.insert(job)) };
    }
    straight.mix();
    return insertTogether(tx, jobs, guardrails);
  });
  straight.flush();
  return answers;
}

function limitsJobs({ maxPendingJobs, maxHorizonMs, payloadBytesMax }: Guardrails): boolean {
  return maxPendingJobs !== undefined || maxHorizonMs !== undefined || payloadBytesMax !== undefined;
}

/**
 * Jobs without a key or a limit, that nothing stored can refuse: several rows to a statement. Ids begin with the time
 * they were minted, so one above the greatest that is stored is new without a look at the tables.
 */
class StraightInsert {
  readonly #tx: Tx;
  readonly #greatest: JobId;
  readonly #own = new Set<JobId>();
  readonly #rows: BulkInsert;
  #mixed = false;

  constructor(tx: Tx) {
    this.#tx = tx;
    this.#greatest = tx.greatestId();
    this.#rows = new BulkInsert(tx.connection, straightStatements);
  }

  takes({ key, idempotency, id }: NewJob): boolean {
    return key === undefined && idempotency === undefined && !this.#isStored(id);
  }

  insert(job: NewJob): InsertedJob {
    const tx = this.#tx;
    if (this.#own.has(job.id)) {
      // The same id twice in one list: the second finds the first.
      this.flush();
      const repeated = findJob(tx, job.id);
      if (repeated !== undefined) return answer("created", repeated.job);
    }
    this.#own.add(job.id);
    const created = beginJob(job, tx.now);
    this.#add(created);
    return { outcome: "created", id: created.id, dueAt: created.dueAt };
  }

  #isStored(id: JobId): boolean {
    if (this.#own.has(id)) return true;
    return (this.#mixed || id <= this.#greatest) && isStored(this.#tx, id);
  }

  /** Others are about to insert in the same call: from here on, every id is looked for. */
  mix(): void {
    this.flush();
    this.#mixed = true;
  }

  flush(): void {
    this.#rows.flush();
  }

  #add(job: Job): void {
    const tx = this.#tx;
    const place = placeOf(job, tx.now);
    this.#rows.add(
      tx.nextSeq(),
      jobIdToBytes(job.id),
      job.tenant,
      job.queue,
      job.task,
      job.input,
      job.priority,
      place,
      job.dueAt,
      job.createdAt,
      0,
      job.schedule?.id ?? null,
      job.schedule?.incarnation ?? null,
      job.attemptsMax === undefined && job.metadata === undefined && job.schedule === undefined ? null : detailOf(job),
    );
    tx.lanes.add(job.queue, job.tenant, place, 1);
    tx.wake(job.queue, job.dueAt);
    if (tx.auditsAll) tx.append(scheduledEvent(job, "created", tx.now));
  }
}

function insertTogether(tx: Tx, jobs: readonly NewJob[], guardrails: Guardrails | undefined): InsertAnswer {
  let index = 0;
  const insertEach = (): InsertAnswer => {
    const inserted: InsertedJob[] = [];
    for (; index < jobs.length; index++) {
      const job = jobs[index];
      if (job !== undefined) inserted.push(insertJob(tx, job, guardrails));
    }
    return { outcome: "inserted", jobs: inserted };
  };
  try {
    // A single job is refused before anything of it is written.
    return jobs.length === 1 ? insertEach() : tx.part(insertEach);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return error.answer(index);
  }
}

/**
 * @param guardrails those that hold for its tenant; absent for what a schedule makes, which its firing has allowed
 * @throws Refusal, before anything is written
 */
export function insertJob(tx: Tx, job: NewJob, guardrails: Guardrails | undefined): InsertedJob {
  const repeated = findJob(tx, job.id);
  if (repeated !== undefined) {
    if (repeated.job.tenant !== job.tenant) throw new Refusal({ outcome: "idempotency-mismatch" });
    return answer("created", repeated.job);
  }
  const replaced = findReplaced(tx, job.id);
  if (replaced !== undefined) return answer("replaced", replaced.job);

  const used = usedKey(tx, job);
  if (used !== undefined) return used;

  const { current, successor } = slotsOf(tx, job);
  const inserted =
    current === undefined ? create(tx, job, guardrails) : resolveConflict(tx, job, guardrails, current, successor);
  if (job.idempotency !== undefined) {
    tx.connection.run(
      rememberStatement,
      job.tenant,
      job.idempotency.key,
      job.idempotency.body,
      jobIdToBytes(inserted.id),
      inserted.dueAt,
      tx.now + defaults.idempotencyMs,
    );
  }
  return inserted;
}

function resolveConflict(
  tx: Tx,
  job: NewJob,
  guardrails: Guardrails | undefined,
  current: Stored,
  successor: Stored | undefined,
): InsertedJob {
  if (job.onConflict === "error") throw new Refusal({ outcome: "key-in-use", id: current.job.id });
  if (job.onConflict !== "replace") return answer("existing", current.job);
  if (current.job.state === "pending") return replace(tx, job, guardrails, current);
  return successor === undefined ? create(tx, job, guardrails, true) : replace(tx, job, guardrails, successor);
}

function replace(tx: Tx, job: NewJob, guardrails: Guardrails | undefined, before: Stored): InsertedJob {
  checkShape(tx, job, guardrails);
  const after = replaceJob(before.job, job, tx.now);
  saveJob(tx, after, before);
  if (tx.auditsAll) tx.append(scheduledEvent(after, "replaced", tx.now));
  return answer("replaced", after);
}

function create(tx: Tx, job: NewJob, guardrails: Guardrails | undefined, successor?: true): InsertedJob {
  checkShape(tx, job, guardrails);
  if (guardrails?.maxPendingJobs !== undefined) {
    const hit = countLimit("maxPendingJobs", guardrails, tx.lanes.unfinished(job.tenant) + 1);
    if (hit !== undefined) throw new Refusal({ outcome: "limit", ...hit });
  }
  const created = { ...beginJob(job, tx.now), successor };
  saveJob(tx, created);
  if (tx.auditsAll) tx.append(scheduledEvent(created, "created", tx.now));
  return answer("created", created);
}

function checkShape(tx: Tx, job: NewJob, guardrails: Guardrails | undefined): void {
  const hit = shapeLimit(job, guardrails, tx.now);
  if (hit !== undefined) throw new Refusal({ outcome: "limit", ...hit });
}

function usedKey(tx: Tx, job: NewJob): InsertedJob | undefined {
  if (job.idempotency === undefined) return undefined;
  type Row = { readonly body: string; readonly job: Uint8Array; readonly due_at: number };
  const used = tx.connection.get<Row>(usedKeyStatement, job.tenant, job.idempotency.key, tx.now);
  if (used === undefined) return undefined;
  if (used.body !== job.idempotency.body) throw new Refusal({ outcome: "idempotency-mismatch" });
  return { outcome: "existing", id: jobIdFromBytes(used.job), dueAt: used.due_at };
}

function answer(outcome: InsertedJob["outcome"], job: Job): InsertedJob {
  return { outcome, id: job.id, dueAt: job.dueAt, ...(job.successor === true ? { successor: true } : {}) };
}

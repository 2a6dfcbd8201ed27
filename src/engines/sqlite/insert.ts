// Inserting jobs: those without a key or a limit straight, many rows at once; all others step by step.
import { scheduledEvent } from "../../core/audit.ts";
import type { Insert, InsertAnswer, InsertedJob } from "../../core/engine.ts";
import { type JobId, jobIdToBytes } from "../../core/id.ts";
import { beginJob, type Job, type NewJob } from "../../core/job.ts";
import { insertedAs, insertTogether, limitsJobs } from "../../core/steps/insert.ts";
import { detailOf, placeOf } from "../../core/stored-job.ts";
import { BulkInsert, bulkStatements } from "./bulk-insert.ts";
import { findJob, isStored } from "./job-table.ts";
import { ledgerOf } from "./ledger.ts";
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

/** Inserts each entry's jobs together or not at all. */
export function insertAll(tx: Tx, inserts: readonly Insert[]): InsertAnswer[] {
  const straight = new StraightInsert(tx);
  const ledger = ledgerOf(tx);
  const answers = inserts.map(({ jobs, guardrails: given }): InsertAnswer => {
    const guardrails = tx.tenants.guardrails(jobs[0]?.tenant ?? "", given);
    if (!limitsJobs(guardrails) && jobs.every((job) => straight.takes(job))) {
      return { outcome: "inserted", jobs: jobs.map((job) => straight.insert(job)) };
    }
    straight.mix();
    return insertTogether(ledger, jobs, guardrails);
  });
  straight.flush();
  return answers;
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
      if (repeated !== undefined) return insertedAs("created", repeated.job);
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

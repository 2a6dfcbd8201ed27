// Inserting jobs. Those without a key of any kind and without a limit go in together, as one statement of whoever waits;
// anything that this statement does not take goes the way of core's steps.
import type { Insert, InsertAnswer } from "../../core/engine.ts";
import { dueInstant, type NewJob } from "../../core/job.ts";
import { answersOf } from "../../core/partial-failure.ts";
import type { Signal } from "../../core/signal.ts";
import { insertTogether, limitsJobs } from "../../core/steps/insert.ts";
import { detailOf } from "../../core/stored-job.ts";
import type { TransactionOptions } from "./connections.ts";
import { isOfData } from "./faults.ts";
import { Gatherer } from "./gatherer.ts";
import { plainArray, textArray } from "./lists.ts";
import type { Names } from "./names.ts";
import { nowOf } from "./sql.ts";
import type { Steps } from "./steps.ts";
import { eachAlone } from "./together.ts";

// A repeat whose first call is just being completed sees its job and leaves it: were the index alone to tell, the insert
// would wait for that end, and then find the id free.
const insertStatement = `-- jobs.insertPlain
WITH at AS MATERIALIZED (SELECT ${nowOf("$1")} AS now),
new AS MATERIALIZED (
  SELECT ord, id, tenant, queue, task, input, priority, detail, schedule, incarnation,
    (CASE WHEN at_ms IS NULL THEN now + after_ms ELSE greatest(at_ms, now) END)::bigint AS due_at, now
  FROM at, unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::smallint[], $8::bigint[], $9::bigint[],
    $10::text[], $11::text[], $12::text[])
    WITH ORDINALITY AS new (id, tenant, queue, task, input, priority, at_ms, after_ms, detail, schedule, incarnation, ord)
), inserted AS (
  INSERT INTO punctual.jobs (id, tenant, queue, task, input, priority, place, due_at, created_at, attempt, detail, schedule,
    incarnation)
  SELECT id, tenant, queue, task, input, priority, CASE WHEN due_at <= now THEN 'ready' ELSE 'deferred' END, due_at, now, 0,
    detail, schedule, incarnation
  FROM new WHERE NOT EXISTS (SELECT 1 FROM punctual.finished WHERE finished.id = new.id)
    AND NOT EXISTS (SELECT 1 FROM punctual.jobs AS seen WHERE seen.id = new.id)
    AND NOT EXISTS (SELECT 1 FROM punctual.tenants WHERE tenants.id = new.tenant AND guardrails IS NOT NULL)
  ORDER BY ord ON CONFLICT (id) DO NOTHING
  RETURNING queue, tenant, place
), counted AS (
  INSERT INTO punctual.lane_deltas (queue, tenant, ready, deferred)
  SELECT queue, tenant, count(*) FILTER (WHERE place = 'ready'), count(*) FILTER (WHERE place = 'deferred')
  FROM inserted GROUP BY queue, tenant ORDER BY queue, tenant
)
SELECT (SELECT count(*) FROM inserted)::int4 AS inserted, (SELECT now FROM at)::float8 AS now`;

/** Jobs of one statement, at most. */
const batchMax = 1_000;

/** Statements on their way at once, at most: while one commits, the next gathers. */
const inFlightMax = 2;

/** Inserts, each all or nothing; those of one moment together. */
export class Inserter {
  readonly #steps: Steps;
  readonly #plain: Gatherer<Insert, InsertAnswer>;

  constructor(steps: Steps) {
    this.#steps = steps;
    this.#plain = new Gatherer((inserts) => insertPlain(steps, inserts), {
      sizeOf: ({ jobs }) => jobs.length,
      sizeMax: batchMax,
      inFlightMax,
      isOfOne: isOfData,
    });
  }

  async insert(inserts: readonly Insert[]): Promise<InsertAnswer[]> {
    const { connections, context } = this.#steps;
    const goesPlain = (one: Insert) => !connections.joined && !context.history.auditsAll && isPlain(one);
    if (inserts.every(goesPlain)) {
      const settled = await Promise.allSettled(inserts.map((one) => this.#plain.add(one)));
      return answersOf(
        settled.map((one) => (one.status === "fulfilled" ? { answer: one.value } : { error: one.reason })),
      );
    }
    // In order: a later one may find what an earlier one made.
    return eachAlone(inserts, (some, options) => insertCarefully(this.#steps, some, options));
  }
}

function isPlain({ jobs, guardrails = {} }: Insert): boolean {
  if (limitsJobs(guardrails)) return false;
  const ids = new Set(jobs.map(({ id }) => id));
  return (
    ids.size === jobs.length && jobs.every(({ key, idempotency }) => key === undefined && idempotency === undefined)
  );
}

async function insertPlain(steps: Steps, inserts: readonly Insert[]): Promise<InsertAnswer[]> {
  const jobs = inserts.flatMap((insert) => insert.jobs);
  const { lanes } = steps.context;
  const unknown = lanes.unknown(jobs);
  if (unknown.length > 0) {
    await lanes.create(steps.connections, unknown);
    lanes.learn(unknown);
  }
  const [row] = await steps.connections.run(insertStatement, [steps.testNow, ...valuesOf(jobs)]);
  // Someone has inserted one of these ids before, or a tenant has limits of its own.
  if (row?.["inserted"] !== jobs.length)
    return eachAlone(inserts, (some, options) => insertCarefully(steps, some, options));
  const now: number = row["now"];
  const signals = new Map<string, Signal & { readonly dueAt: number }>();
  const answers = inserts.map(
    (insert): InsertAnswer => ({
      outcome: "inserted",
      jobs: insert.jobs.map(({ id, queue, due }) => {
        const dueAt = dueInstant(due, now);
        const told = signals.get(queue);
        if (told === undefined || dueAt < told.dueAt) signals.set(queue, { kind: "wake", queue, dueAt });
        return { outcome: "created", id, dueAt };
      }),
    }),
  );
  await steps.tell([...signals.values()], now);
  return answers;
}

function valuesOf(jobs: readonly NewJob[]): string[] {
  return [
    plainArray(jobs.map(({ id }) => id)),
    textArray(jobs.map(({ tenant }) => tenant)),
    textArray(jobs.map(({ queue }) => queue)),
    textArray(jobs.map(({ task }) => task)),
    textArray(jobs.map(({ input }) => input)),
    plainArray(jobs.map(({ priority }) => priority)),
    plainArray(jobs.map(({ due }) => ("at" in due ? Math.trunc(due.at) : null))),
    plainArray(jobs.map(({ due }) => ("at" in due ? null : Math.trunc(due.afterMs)))),
    textArray(jobs.map(newDetail)),
    textArray(jobs.map(({ schedule }) => schedule?.id ?? null)),
    textArray(jobs.map(({ schedule }) => schedule?.incarnation ?? null)),
  ];
}

const blank = { failures: 0, crashes: 0, releases: 0, attempts: [], log: [] };

function newDetail(job: NewJob): string | null {
  const { attemptsMax, metadata, schedule } = job;
  if (attemptsMax === undefined && metadata === undefined && schedule === undefined) return null;
  return detailOf({ ...blank, attemptsMax, metadata, schedule });
}

function insertCarefully(
  steps: Steps,
  inserts: readonly Insert[],
  options: TransactionOptions,
): Promise<InsertAnswer[]> {
  return steps.run(
    (names) => {
      for (const { jobs } of inserts) for (const job of jobs) nameJob(names, job);
    },
    (workspace) =>
      inserts.map(({ jobs, guardrails }) =>
        insertTogether(workspace, jobs, workspace.guardrails(jobs[0]?.tenant ?? "", guardrails)),
      ),
    options,
  );
}

/** Names all that the insert of a job asks for. */
function nameJob(names: Names, job: NewJob): void {
  const { id, tenant, idempotency } = job;
  names.jobs.add(id);
  names.replacedBy.add(id);
  names.slot(job);
  names.tenants.add(tenant);
  names.inserting.set(tenant, (names.inserting.get(tenant) ?? 0) + 1);
  if (idempotency !== undefined) names.usedKey(tenant, idempotency.key);
  if (job.schedule !== undefined) names.incarnations.add(job.schedule.incarnation);
}

// Inserting jobs. Those without a key of any kind and without a limit go in together, as one statement of whoever waits;
// anything that this statement does not take goes the way of core's steps.
import type { Insert, InsertAnswer } from "../../core/engine.ts";
import { dueInstant, type NewJob } from "../../core/job.ts";
import { answersOf, type Outcome, outcomesOf } from "../../core/partial-failure.ts";
import type { Signal } from "../../core/signal.ts";
import { insertTogether, limitsJobs } from "../../core/steps/insert.ts";
import { detailOf } from "../../core/stored-job.ts";
import type { Names } from "../../core/workspace/names.ts";
import { Gatherer } from "../../remote/gatherer.ts";
import type { TransactionOptions } from "./connections.ts";
import { isOfData, isWorthRepeating } from "./faults.ts";
import { heldAmong } from "./held-rows.ts";
import { missingLanesOf } from "./lanes.ts";
import { plainArray, textArray } from "./lists.ts";
import { nowOf } from "./sql.ts";
import type { Steps } from "./steps.ts";
import { asRefused, eachAlone } from "./together.ts";

// Each insert is all or nothing (T5): none of its jobs goes in when one is refused, as its id is known or its tenant has
// limits of its own. An id that someone takes at this very moment fails the statement as a whole.
// A repeat whose first call is just being completed sees its job and leaves it: were the index alone to tell, the insert
// would wait for that end, and then find the id free.
// A lane's row that is not there is made with its first job: whatever is known of it may be of a store that was restored.
const insertStatement = `-- jobs.insertPlain
WITH at AS MATERIALIZED (SELECT ${nowOf("$1")} AS now),
new AS MATERIALIZED (
  SELECT ord, call, id, tenant, queue, task, input, priority, detail, schedule, incarnation,
    (CASE WHEN at_ms IS NULL THEN now + after_ms ELSE greatest(at_ms, now) END)::bigint AS due_at, now
  FROM at, unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::smallint[], $8::bigint[], $9::bigint[],
    $10::text[], $11::text[], $12::text[], $13::integer[])
    WITH ORDINALITY AS new (id, tenant, queue, task, input, priority, at_ms, after_ms, detail, schedule, incarnation, call, ord)
), refused AS MATERIALIZED (
  SELECT DISTINCT call FROM new WHERE coalesce(
    (SELECT true FROM punctual.finished WHERE finished.id = new.id),
    (SELECT true FROM punctual.jobs AS seen WHERE seen.id = new.id),
    (SELECT true FROM punctual.tenants WHERE tenants.id = new.tenant AND guardrails IS NOT NULL)
  )
), inserted AS (
  INSERT INTO punctual.jobs (id, tenant, queue, task, input, priority, place, due_at, created_at, attempt, detail, schedule,
    incarnation)
  SELECT id, tenant, queue, task, input, priority, CASE WHEN due_at <= now THEN 'ready' ELSE 'deferred' END, due_at, now, 0,
    detail, schedule, incarnation
  FROM new WHERE call NOT IN (SELECT call FROM refused) ORDER BY ord
  RETURNING queue, tenant, place
), lanes AS MATERIALIZED (
  SELECT queue, tenant, count(*) FILTER (WHERE place = 'ready') AS ready, count(*) FILTER (WHERE place = 'deferred') AS deferred
  FROM inserted GROUP BY queue, tenant ORDER BY queue, tenant
), made AS (
  ${missingLanesOf("lanes")}
), counted AS (
  INSERT INTO punctual.lane_deltas (queue, tenant, ready, deferred) SELECT queue, tenant, ready, deferred FROM lanes
)
SELECT (SELECT json_agg(call)::text FROM refused) AS refused, (SELECT now FROM at)::float8 AS now`;

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
    return insertEach(this.#steps, inserts);
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
  const carefully = (some: readonly Insert[]) => insertEach(steps, some);
  const plain = await tryPlain(steps, inserts);
  if (plain === undefined) return carefully(inserts);
  const { now, refused } = plain;
  const signals = new Map<string, Signal & { readonly dueAt: number }>();
  const made = (insert: Insert): InsertAnswer => ({
    outcome: "inserted",
    jobs: insert.jobs.map(({ id, queue, due }) => {
      const dueAt = dueInstant(due, now);
      const told = signals.get(queue);
      if (told === undefined || dueAt < told.dueAt) signals.set(queue, { kind: "wake", queue, dueAt });
      return { outcome: "created", id, dueAt };
    }),
  });
  const outcomes: Outcome<InsertAnswer>[] = inserts.map((insert, call) =>
    refused.has(call) ? { error: undefined } : { answer: made(insert) },
  );
  await steps.tell([...signals.values()], now);
  // Those that went in are in, whatever becomes of the others.
  const left = [...refused].sort((a, b) => a - b);
  if (left.length > 0) {
    const some = left.flatMap((call) => inserts[call] ?? []);
    const careful = await outcomesOf(some.length, () => carefully(some));
    for (const [index, outcome] of careful.entries()) outcomes[left[index] ?? 0] = outcome;
  }
  return answersOf(outcomes);
}

/** Writes what is plain; undefined when another transaction took one of the ids meanwhile, and nothing was written. */
async function tryPlain(
  steps: Steps,
  inserts: readonly Insert[],
): Promise<{ readonly now: number; readonly refused: ReadonlySet<number> } | undefined> {
  try {
    const [row] = await steps.connections.run(insertStatement, [steps.testNow, ...valuesOf(inserts)]);
    return { now: row?.["now"], refused: new Set<number>(JSON.parse(row?.["refused"] ?? "[]")) };
  } catch (error) {
    if (isWorthRepeating(error)) return undefined;
    throw inserts.length === 1 ? asRefused(error) : error;
  }
}

function valuesOf(inserts: readonly Insert[]): string[] {
  const jobs = inserts.flatMap((insert) => insert.jobs);
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
    plainArray(inserts.flatMap((insert, call) => insert.jobs.map(() => call))),
  ];
}

const blank = { failures: 0, crashes: 0, releases: 0, attempts: [], log: [] };

function newDetail(job: NewJob): string | null {
  const { attemptsMax, metadata, schedule } = job;
  if (attemptsMax === undefined && metadata === undefined && schedule === undefined) return null;
  return detailOf({ ...blank, attemptsMax, metadata, schedule });
}

/** In order, and those that another transaction holds up by themselves. */
function insertEach(steps: Steps, inserts: readonly Insert[]): Promise<InsertAnswer[]> {
  return eachAlone(inserts, (some, options) => insertCarefully(steps, some, options), heldAmong(steps, nameInsert));
}

function insertCarefully(
  steps: Steps,
  inserts: readonly Insert[],
  options: TransactionOptions,
): Promise<InsertAnswer[]> {
  return steps.run(
    (names) => {
      for (const insert of inserts) nameInsert(names, insert);
    },
    (workspace) =>
      inserts.map(({ jobs, guardrails }) =>
        insertTogether(workspace, jobs, workspace.guardrails(jobs[0]?.tenant ?? "", guardrails)),
      ),
    options,
  );
}

function nameInsert(names: Names, { jobs }: Insert): void {
  for (const job of jobs) nameJob(names, job);
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

// Settling attempts. Plain completions, of jobs without key or schedule, go in one statement; all others the way of core's
// steps. Of each queue only the newest completions are written to the history: retention would delete the others (J10).
import { defaults } from "../../core/defaults.ts";
import type { SettleAnswer } from "../../core/engine.ts";
import type { Job } from "../../core/job.ts";
import { answersOf, outcomesOf } from "../../core/partial-failure.ts";
import type { Settlement } from "../../core/settling.ts";
import { settleJob } from "../../core/steps/settle.ts";
import { detailOf, isKept } from "../../core/stored-job.ts";
import { applySettlement } from "../../core/transitions.ts";
import type { TransactionOptions } from "./connections.ts";
import { heldUp, isLockTimeout, isWorthRepeating } from "./faults.ts";
import { type FindHeld, heldAmong } from "./held-rows.ts";
import { plainArray, textArray } from "./lists.ts";
import type { Names } from "./names.ts";
import { nowOf } from "./sql.ts";
import type { Steps } from "./steps.ts";
import { eachAlone } from "./together.ts";

// The fence of core's `holds` as conditions. A row that a caller's transaction holds is not waited for. The rows
// are found by their number, one for each end, whatever the statistics say: no condition is of the jobs alone, as the planner
// then took them for few, and read all of them for each end.
const completeStatement = `-- jobs.complete
WITH at AS MATERIALIZED (SELECT ${nowOf("$1")} AS now, set_config('lock_timeout', '100', true) AS patience),
ends AS MATERIALIZED (
  SELECT * FROM unnest($2::bigint[], $3::uuid[], $4::text[], $5::integer[], $6::boolean[], $7::bigint[], $8::text[])
    WITH ORDINALITY AS ends (seq, id, token, attempt, keep, age_ms, detail, ord)
), held AS MATERIALIZED (
  SELECT ends.*, jobs.place_id, at.now, 'active' AS held_place FROM at, ends CROSS JOIN LATERAL (
    SELECT ctid AS place_id FROM punctual.jobs AS jobs
    WHERE jobs.seq = ends.seq AND key IS NULL AND schedule IS NULL OFFSET 0
  ) AS jobs
), done AS MATERIALIZED (
  DELETE FROM punctual.jobs AS jobs USING held AS ends
  WHERE jobs.ctid = ends.place_id AND jobs.id = ends.id AND jobs.place = ends.held_place AND jobs.token = ends.token
    AND jobs.attempt = ends.attempt AND (NOT keep OR jobs.detail IS NULL)
  RETURNING queue, tenant, ends.ord, ends.keep, ends.seq, ends.age_ms, ends.detail, ends.now
), lanes AS MATERIALIZED (
  SELECT queue, tenant, count(*) AS ended, count(*) FILTER (WHERE keep) AS kept FROM done GROUP BY queue, tenant
), counted AS (
  INSERT INTO punctual.lane_deltas (queue, tenant, active, completed, completed_total)
  SELECT queue, tenant, -ended, kept, ended FROM lanes
), kept AS (
  INSERT INTO punctual.finished (seq, id, tenant, queue, task, input, priority, place, due_at, created_at, attempt, token,
    cancel_requested, replaced_by, finished_at, expires_at, detail)
  SELECT jobs.seq, jobs.id, jobs.tenant, jobs.queue, task, input, priority, 'completed', due_at, created_at, jobs.attempt,
    jobs.token, cancel_requested, replaced_by, done.now, done.now + done.age_ms, done.detail
  FROM done JOIN punctual.jobs AS jobs ON jobs.seq = done.seq WHERE done.keep
)
SELECT coalesce(sum(ended), 0)::int4 AS ended,
  CASE WHEN coalesce(sum(ended), 0) < $9::int4 THEN (SELECT json_agg(ord)::text FROM done) END AS ords,
  (SELECT json_agg(name)::text FROM punctual.queues WHERE concurrency IS NOT NULL AND name IN (SELECT queue FROM lanes))
    AS limited,
  (SELECT json_agg(id)::text FROM punctual.tenants WHERE limited AND passed_over AND id IN (SELECT tenant FROM lanes))
    AS passed_over
FROM lanes`;

const settled: SettleAnswer = { outcome: "settled", state: "completed" };

/** Records how attempts ended, in the order of the list. */
export async function settleAll(steps: Steps, settlements: readonly Settlement[]): Promise<SettleAnswer[]> {
  const findHeld = heldAmong(steps, nameSettlement);
  const { done, held } = await settlePlainly(steps, settlements, findHeld);
  const left = settlements.filter((one) => !done.has(one) && !held.has(one));
  if (left.length + held.size === 0) return settlements.map(() => settled);
  const careful = await outcomesOf(left.length, () =>
    eachAlone(left, (some, options) => settleCarefully(steps, some, options), findHeld),
  );
  const outcomes = new Map(left.map((one, index) => [one, careful[index]]));
  return answersOf(
    settlements.map((one) => outcomes.get(one) ?? (held.has(one) ? { error: held.get(one) } : { answer: settled })),
  );
}

/** What was settled by one statement, and what cannot be: another transaction holds it. */
interface Plainly {
  readonly done: ReadonlySet<Settlement>;
  readonly held: ReadonlyMap<Settlement, unknown>;
}

const nothing: Plainly = { done: new Set(), held: new Map() };

async function settlePlainly(
  steps: Steps,
  settlements: readonly Settlement[],
  findHeld: FindHeld<Settlement>,
): Promise<Plainly> {
  if (steps.connections.joined || steps.context.history.auditsAll) return nothing;
  try {
    return { ...nothing, done: await completePlain(steps, settlements) };
  } catch (error) {
    // The careful way repeats what was in the way of another, and finds an id that the history has already.
    if (isWorthRepeating(error)) return nothing;
    if (!isLockTimeout(error)) throw error;
    const found = await findHeld(settlements);
    const held = new Map([...found].map((one) => [one, heldUp(error)]));
    if (held.size === 0) return nothing;
    const free = settlements.filter((one) => !held.has(one));
    return { done: await completePlain(steps, free).catch(carefully), held };
  }
}

/** What a plain statement could not do is left to the careful way. */
function carefully(error: unknown): ReadonlySet<Settlement> {
  if (isWorthRepeating(error) || isLockTimeout(error)) return nothing.done;
  throw error;
}

function nameSettlement(names: Names, { lease }: Settlement): void {
  names.jobs.add(lease.id);
  names.queues.add(lease.queue);
}

function settleCarefully(
  steps: Steps,
  settlements: readonly Settlement[],
  options: TransactionOptions,
): Promise<SettleAnswer[]> {
  return steps.run(
    (names) => {
      for (const settlement of settlements) nameSettlement(names, settlement);
    },
    (workspace) => settlements.map((settlement) => settleJob(workspace, settlement)),
    // Others of the worker wait for this one: it is settled again later instead.
    steps.connections.joined ? options : { patienceMs: defaults.postgres.batchPatienceMs, ...options },
  );
}

/** Ends the jobs of those completions that are plain and hold; returns which. @throws when one of them is held up */
async function completePlain(steps: Steps, settlements: readonly Settlement[]): Promise<ReadonlySet<Settlement>> {
  const placed = placedCompletions(settlements);
  if (placed.length === 0) return new Set();
  const keep = newestOf(placed, steps.context.history.completedCountMax);
  const values = [steps.testNow, ...valuesOf(placed, keep), placed.length];
  const [row] = await steps.connections.run(completeStatement, values);
  const ords = typeof row?.["ords"] === "string" ? (JSON.parse(row["ords"]) as (number | null)[]) : undefined;
  const done =
    ords === undefined && row?.["ended"] === placed.length
      ? placed
      : (ords ?? []).flatMap((ord) => (ord === null ? [] : (placed[ord - 1] ?? [])));
  await steps.completed({
    ended: done.filter((one) => keep.has(one)).map(({ lease }) => lease.queue),
    limited: listOf(row?.["limited"]),
    passedOver: listOf(row?.["passed_over"]),
  });
  return new Set(done);
}

function listOf(text: unknown): readonly string[] {
  return typeof text === "string" ? (JSON.parse(text) as readonly string[]) : [];
}

/** The second of two that name one row is a repeat, and goes the careful way. */
function placedCompletions(settlements: readonly Settlement[]): Settlement[] {
  const seen = new Set<number>();
  return settlements.filter(({ outcome, lease }) => {
    if (outcome !== "complete" || typeof lease.ref !== "number" || seen.has(lease.ref)) return false;
    seen.add(lease.ref);
    return true;
  });
}

/** Those that retention would keep: the newest of each queue. */
function newestOf(placed: readonly Settlement[], max: number): ReadonlySet<Settlement> {
  const counts = new Map<string, number>();
  const kept = new Set<Settlement>();
  for (const settlement of [...placed].reverse()) {
    const { queue } = settlement.lease;
    const count = counts.get(queue) ?? 0;
    if (count >= max || settlement.keep === "nothing" || settlement.keep.ageMs === 0) continue;
    counts.set(queue, count + 1);
    kept.add(settlement);
  }
  return kept;
}

function valuesOf(placed: readonly Settlement[], keep: ReadonlySet<Settlement>): string[] {
  return [
    plainArray(placed.map(({ lease }) => lease.ref as number)),
    plainArray(placed.map(({ lease }) => lease.id)),
    textArray(placed.map(({ lease }) => lease.token)),
    plainArray(placed.map(({ lease }) => lease.attempt)),
    plainArray(placed.map((one) => keep.has(one))),
    plainArray(placed.map((one) => (one.keep === "nothing" ? null : (one.keep.ageMs ?? null)))),
    textArray(placed.map((one) => (keep.has(one) ? detailAfter(one) : null))),
  ];
}

/** The detail of a job that had none, after a completion. */
function detailAfter(settlement: Settlement): string | null {
  const { id, queue, attempt, token } = settlement.lease;
  const blank: Job = {
    ...{
      id,
      queue,
      attempt,
      token,
      tenant: "",
      task: "",
      input: "",
      priority: 0,
      state: "active",
      dueAt: 0,
      createdAt: 0,
    },
    ...{ failures: 0, crashes: 0, releases: 0, attempts: [], log: [] },
  };
  const job = applySettlement(blank, settlement, 0, false);
  return isKept(job) ? detailOf(job) : null;
}

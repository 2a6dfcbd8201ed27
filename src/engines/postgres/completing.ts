// Plain completions, of jobs without key or schedule: one statement ends them, those of one claim together. Of each queue
// only the newest are written to the history: retention would delete the others (J10).
import type { Job } from "../../core/job.ts";
import type { Settlement } from "../../core/settling.ts";
import { detailOf, isKept } from "../../core/stored-job.ts";
import { applySettlement } from "../../core/transitions.ts";
import { isActive } from "./fresh-leases.ts";
import { plainArray, textArray } from "./lists.ts";
import { nowOf, type Row, type Value } from "./sql.ts";
import type { Steps } from "./steps.ts";

const at = `at AS MATERIALIZED (SELECT ${nowOf("$1")} AS now, set_config('lock_timeout', '100', true) AS patience)`;

const historyColumns = `seq, id, tenant, queue, task, input, priority, place, due_at, created_at, attempt, token, cancel_requested,
    replaced_by, finished_at, expires_at, detail`;

// Who waits for places is told.
const waiting = `(SELECT json_agg(name)::text FROM punctual.queues WHERE concurrency IS NOT NULL AND name IN (SELECT queue FROM lanes))
    AS limited,
  (SELECT json_agg(id)::text FROM punctual.tenants WHERE limited AND passed_over AND id IN (SELECT tenant FROM lanes))
    AS passed_over`;

// $2 numbers, $3 token, $4 attempt; $5 to $7 what is kept of which; $8 how many there are. A token is of one claim: with a
// job's number it names the attempt. The planner cannot look into the lists, which takes it longer than all else. $9 and $10,
// with the last of a claim: where its row is.
/** Completions of one claim. */
export const ofClaimStatement = `-- jobs.completeOfClaim
WITH ${at},
done AS MATERIALIZED (
  DELETE FROM punctual.jobs AS jobs USING at
  WHERE jobs.seq = ANY (ARRAY(SELECT unnest($2::bigint[]))) AND jobs.token = $3 AND jobs.attempt = $4 AND ${isActive}
    AND key IS NULL AND schedule IS NULL AND (detail IS NULL OR jobs.seq <> ALL (ARRAY(SELECT unnest($5::bigint[]))))
    AND at.patience IS NOT NULL
  RETURNING jobs.seq, queue, tenant
), kept AS (
  INSERT INTO punctual.finished (${historyColumns})
  SELECT jobs.seq, id, tenant, queue, task, input, priority, 'completed', due_at, created_at, attempt, token,
    cancel_requested, replaced_by, at.now, at.now + keep.age_ms, keep.detail
  FROM at, unnest($5::bigint[], $6::bigint[], $7::text[]) AS keep (seq, age_ms, detail) CROSS JOIN LATERAL (
    SELECT * FROM punctual.jobs AS jobs WHERE jobs.seq = keep.seq OFFSET 0
  ) AS jobs WHERE (keep.seq IN (SELECT seq FROM done)) IS TRUE
  RETURNING queue, tenant
), lanes AS MATERIALIZED (
  SELECT queue, tenant, sum(ended) AS ended, sum(kept) AS kept FROM (
    SELECT queue, tenant, count(*) AS ended, 0 AS kept FROM done GROUP BY queue, tenant
    UNION ALL SELECT queue, tenant, 0, count(*) FROM kept GROUP BY queue, tenant
  ) AS parts GROUP BY queue, tenant
), counted AS (
  INSERT INTO punctual.lane_deltas (queue, tenant, active, completed, completed_total)
  SELECT queue, tenant, -ended, kept, ended FROM lanes
), closed AS (
  DELETE FROM punctual.claims WHERE queue = $9 AND ends_at = $10::bigint AND token = $3
    AND (SELECT sum(ended) FROM lanes) = $8::int4
)
SELECT coalesce(sum(ended), 0)::int4 AS ended,
  CASE WHEN coalesce(sum(ended), 0) < $8::int4 THEN (SELECT json_agg(seq)::text FROM done) END AS seqs,
  ${waiting}
FROM lanes`;

// The fence of core's `holds` as conditions. A row that a caller's transaction holds is not waited for. The rows
// are found by their number, one for each end, whatever the statistics say: no condition is of the jobs alone, as the planner
// then took them for few, and read all of them for each end.
const mixedStatement = `-- jobs.complete
WITH ${at},
ends AS MATERIALIZED (
  SELECT * FROM unnest($2::bigint[], $3::uuid[], $4::text[], $5::integer[], $6::boolean[], $7::bigint[], $8::text[])
    AS ends (seq, id, token, attempt, keep, age_ms, detail)
), held AS MATERIALIZED (
  SELECT ends.*, jobs.place_id, at.now, 'active' AS held_place FROM at, ends CROSS JOIN LATERAL (
    SELECT ctid AS place_id FROM punctual.jobs AS jobs
    WHERE jobs.seq = ends.seq AND key IS NULL AND schedule IS NULL OFFSET 0
  ) AS jobs
), done AS MATERIALIZED (
  DELETE FROM punctual.jobs AS jobs USING held AS ends
  WHERE jobs.ctid = ends.place_id AND jobs.id = ends.id AND (jobs.place = ends.held_place OR fresh_until IS NOT NULL)
    AND jobs.token = ends.token AND jobs.attempt = ends.attempt AND (NOT keep OR jobs.detail IS NULL)
  RETURNING queue, tenant, ends.keep, ends.seq, ends.age_ms, ends.detail, ends.now
), lanes AS MATERIALIZED (
  SELECT queue, tenant, count(*) AS ended, count(*) FILTER (WHERE keep) AS kept FROM done GROUP BY queue, tenant
), counted AS (
  INSERT INTO punctual.lane_deltas (queue, tenant, active, completed, completed_total)
  SELECT queue, tenant, -ended, kept, ended FROM lanes
), kept AS (
  INSERT INTO punctual.finished (${historyColumns})
  SELECT jobs.seq, jobs.id, jobs.tenant, jobs.queue, task, input, priority, 'completed', due_at, created_at, jobs.attempt,
    jobs.token, cancel_requested, replaced_by, done.now, done.now + done.age_ms, done.detail
  FROM done JOIN punctual.jobs AS jobs ON jobs.seq = done.seq WHERE done.keep
)
SELECT coalesce(sum(ended), 0)::int4 AS ended,
  CASE WHEN coalesce(sum(ended), 0) < $9::int4 THEN (SELECT json_agg(seq)::text FROM done) END AS seqs,
  ${waiting}
FROM lanes`;

/** Settlements that one statement may end. */
export interface Batch {
  readonly settlements: readonly Settlement[];
  /** They are all of one claim, and of one attempt. */
  readonly ofClaim: boolean;
}

/** Claims of which completions go apart, at most; those of more go in one mixed statement. */
const claimsApartMax = 3;

/** The plain completions among settlements, as statements can end them. The second of two that name one row is a repeat. */
export function plainBatches(settlements: readonly Settlement[]): Batch[] {
  const seen = new Set<number>();
  const placed: Settlement[] = [];
  const claims = new Map<string, Settlement[]>();
  for (const settlement of settlements) {
    const { outcome, lease } = settlement;
    if (outcome !== "complete" || typeof lease.ref !== "number" || seen.has(lease.ref)) continue;
    seen.add(lease.ref);
    placed.push(settlement);
    const name = `${lease.attempt} ${lease.token}`;
    const claim = claims.get(name);
    if (claim === undefined) claims.set(name, [settlement]);
    else claim.push(settlement);
  }
  if (placed.length === 0) return [];
  if (claims.size > claimsApartMax) return [{ settlements: placed, ofClaim: false }];
  return [...claims.values()].map((one) => ({ settlements: one, ofClaim: true }));
}

/** Ends the jobs of those completions that are plain and hold; returns which. @throws when one of them is held up */
export async function completePlain(steps: Steps, batch: Batch): Promise<readonly Settlement[]> {
  const { settlements, ofClaim } = batch;
  if (settlements.length === 0) return [];
  const keep = newestOf(settlements, steps.context.history.completedCountMax);
  const [row = {}] = await (ofClaim
    ? completeOfClaim(steps, settlements, keep)
    : completeMixed(steps, settlements, keep));
  const done = doneOf(settlements, row);
  const { token } = settlements[0]?.lease ?? {};
  if (ofClaim && token !== undefined) steps.context.fresh.completed(token, done.length);
  await steps.completed({
    ended: done.filter((one) => keep.has(one)).map(({ lease }) => lease.queue),
    limited: listOf(row["limited"]),
    passedOver: listOf(row["passed_over"]),
  });
  return done;
}

function completeOfClaim(
  steps: Steps,
  settlements: readonly Settlement[],
  keep: ReadonlySet<Settlement>,
): Promise<Row[]> {
  const { token = "", attempt = 0 } = settlements[0]?.lease ?? {};
  const claim = steps.context.fresh.of(token);
  const isLast = claim !== undefined && claim.left === settlements.length;
  const kept = [...keep];
  return steps.connections.run(ofClaimStatement, [
    steps.testNow,
    plainArray(settlements.map(refOf)),
    token,
    attempt,
    plainArray(kept.map(refOf)),
    plainArray(kept.map(ageOf)),
    textArray(kept.map(detailAfter)),
    settlements.length,
    ...(isLast ? [claim.queue, claim.endsAt] : [null, null]),
  ]);
}

function completeMixed(
  steps: Steps,
  settlements: readonly Settlement[],
  keep: ReadonlySet<Settlement>,
): Promise<Row[]> {
  return steps.connections.run(mixedStatement, [
    steps.testNow,
    plainArray(settlements.map(refOf)),
    plainArray(settlements.map(({ lease }) => lease.id)),
    textArray(settlements.map(({ lease }) => lease.token)),
    plainArray(settlements.map(({ lease }) => lease.attempt)),
    plainArray(settlements.map((one) => keep.has(one))),
    plainArray(settlements.map(ageOf)),
    textArray(settlements.map((one) => (keep.has(one) ? detailAfter(one) : null))),
    settlements.length,
  ]);
}

function refOf({ lease }: Settlement): number {
  return lease.ref as number;
}

function ageOf({ keep }: Settlement): number | null {
  return keep === "nothing" ? null : (keep.ageMs ?? null);
}

/** Those that an answer says are done: all of them, or those it names. */
function doneOf(settlements: readonly Settlement[], row: Row): readonly Settlement[] {
  if (row["ended"] === settlements.length) return settlements;
  const seqs = new Set(listOf(row["seqs"]));
  return settlements.filter((one) => seqs.has(refOf(one)));
}

function listOf<Item>(text: Value | undefined): readonly Item[] {
  return typeof text === "string" ? (JSON.parse(text) as readonly Item[]) : [];
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

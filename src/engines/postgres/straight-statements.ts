// The statements of straight claims. Each looks for itself whether nothing stands in the way, takes the next jobs in the
// order of their index, and answers one row; a lane is absent from it where the claim must go the general way.
import { defaults } from "../../core/defaults.ts";
import { everyQueue } from "../../core/queue.ts";
import { claimedText } from "./claimed-text.ts";
import { isReady } from "./fresh-leases.ts";
import { epochHolds } from "./migrations/migrate.ts";
import { nowOf } from "./sql.ts";

const at = `at AS MATERIALIZED (SELECT ${nowOf("$1")} AS now)`;

// A queue's only lane, where none of its claims need be counted or shared.
const plainLane = `SELECT min(tenant) AS tenant FROM punctual.lanes WHERE queue = $2 AND ${epochHolds}
    AND NOT EXISTS (SELECT 1 FROM punctual.queues WHERE name IN ($2, '${everyQueue}') AND (paused OR limited))
    AND NOT EXISTS (SELECT 1 FROM punctual.tenants WHERE limited)
  HAVING count(*) = 1`;

const noted = `, noted AS (
  INSERT INTO punctual.claims (ends_at, queue, tenant, token, jobs)
  SELECT at.now + $7::bigint, $2, open.tenant, $5, taken.seqs FROM at, open, taken WHERE taken.count > 0
)`;

// $2 queue, $3 most jobs, $4 most bytes, $5 token, $6 worker, $7 lease, $8 how many start; from the beginning, $9 whether
// what has come due was moved just now; behind a mark, from $9 on the mark.
// A job that may have crashed its worker is claimed alone, by the general way. Rows are numbered in the order in which they
// were locked, which is the index's: nothing here is sorted. What was ready gets a fresh lease; what was deferred leaves its
// index in any case.
const claim = (from: "ready" | "deferred", which: string) => `ready AS MATERIALIZED (
  SELECT place_id, seq, detail, octet_length(input) AS bytes, ${claimedText} AS job FROM (
    SELECT jobs.ctid AS place_id, jobs.seq, id, task, input, jobs.priority, jobs.due_at, created_at, attempt, key, schedule,
      incarnation, replaced_by, detail
    FROM punctual.jobs AS jobs WHERE ${which}
    ORDER BY jobs.priority, jobs.due_at, jobs.seq LIMIT $3 FOR UPDATE OF jobs SKIP LOCKED
  ) AS locked
), numbered AS MATERIALIZED (
  SELECT place_id, seq, job, bytes, row_number() OVER () AS nr
  FROM ready WHERE NOT EXISTS (SELECT 1 FROM ready WHERE detail LIKE '%"lost"%' OR detail NOT LIKE '{%}')
), given AS NOT MATERIALIZED (
  SELECT place_id, seq, job, nr FROM numbered WHERE (SELECT sum(bytes) FROM ready) <= $4 OR nr = 1
    OR (SELECT sum(before.bytes) FROM numbered AS before WHERE before.nr <= numbered.nr) <= $4
), claimed AS (
  UPDATE punctual.jobs AS jobs SET attempt = attempt + 1, token = $5, worker = $6, claimed_at = at.now,
    ${from === "ready" ? "fresh_until" : "place = 'active', lease_until"} = at.now + $7::bigint, started = given.nr <= $8
  FROM at, given WHERE jobs.ctid = given.place_id
  RETURNING 1
), taken AS MATERIALIZED (
  SELECT (SELECT count(*) FROM claimed) AS count, string_agg(job, E'\\x1e') AS jobs, array_agg(seq) AS seqs FROM given
), counted AS (
  INSERT INTO punctual.lane_deltas (queue, tenant, ${from}, active)
  SELECT $2, open.tenant, -taken.count, taken.count FROM open, taken WHERE taken.count > 0
)${from === "ready" ? noted : ""}`;

const ofLane = "jobs.queue = $2 AND jobs.tenant = (SELECT tenant FROM open)";

// One row, and the jobs as one text (claimed-text.ts).
const answer = `at.now::float8 AS now, (SELECT tenant FROM open) AS lane, (SELECT count(*) FROM ready)::int4 AS seen,
  taken.count::int4 AS taken, taken.jobs`;

/** A claim from the beginning of a queue. */
export const fullStatement = `-- jobs.claimPlain
WITH ${at}, look AS MATERIALIZED (
  SELECT (SELECT lease_until FROM punctual.jobs WHERE queue = $2 AND place = 'active' ORDER BY lease_until LIMIT 1) AS lease_until,
    (SELECT ends_at FROM punctual.claims WHERE queue = $2 ORDER BY ends_at LIMIT 1) AS claim_until,
    (SELECT due_at FROM punctual.jobs WHERE queue = $2 AND place = 'deferred' ORDER BY due_at LIMIT 1) AS deferred_until
), open AS MATERIALIZED (
  SELECT lane.tenant FROM (${plainLane}) AS lane, look, at
  WHERE coalesce(least(look.lease_until, look.claim_until) > at.now, true) AND ($9::boolean OR coalesce(look.deferred_until > at.now, true))
), ${claim("ready", `${ofLane} AND ${isReady}`)}
SELECT ${answer}, least(look.lease_until, look.claim_until)::float8 AS first_lease,
  look.claim_until::float8 AS first_claim, look.deferred_until::float8 AS first_deferred,
  CASE WHEN NOT EXISTS (SELECT 1 FROM ready) THEN (
    SELECT at.now FROM punctual.jobs AS jobs WHERE queue = $2 AND tenant = (SELECT tenant FROM open) AND ${isReady}
    ORDER BY priority, jobs.due_at, seq LIMIT 1
  ) + ${defaults.postgres.heldRetryMs} END::float8 AS held_until
FROM at, look, taken`;

/** A claim behind a mark. */
export const onwardStatement = `-- jobs.claimOnward
WITH ${at}, open AS MATERIALIZED (${plainLane}),
${claim(
  "ready",
  `${ofLane} AND ${isReady}
    AND (jobs.priority, jobs.due_at, jobs.seq) > ($9::smallint, $10::bigint, $11::bigint)`,
)}
SELECT ${answer} FROM at, taken`;

/** What has come due is claimed as it lies, the most urgent of so many that came due first, while nothing else is ready. */
const dueMax = 1_000;

// The place is compared again once a row is locked, and in such a way that no index of one place serves.
export const dueStatement = `-- jobs.claimDue
WITH ${at}, open AS MATERIALIZED (
  SELECT lane.tenant FROM (${plainLane}) AS lane, at WHERE NOT EXISTS (
    SELECT 1 FROM punctual.jobs AS jobs WHERE jobs.queue = $2 AND jobs.tenant = lane.tenant AND ${isReady}
  ) AND NOT EXISTS (
    SELECT 1 FROM punctual.jobs AS jobs WHERE jobs.queue = $2 AND place = 'active' AND lease_until <= at.now
  ) AND NOT EXISTS (SELECT 1 FROM punctual.claims WHERE queue = $2 AND ends_at <= at.now)
), ${claim(
  "deferred",
  `${ofLane} AND jobs.place || '' = 'deferred' AND jobs.ctid = ANY (ARRAY(
    SELECT due.ctid FROM punctual.jobs AS due WHERE due.queue = $2 AND place = 'deferred'
      AND due.due_at <= (SELECT now FROM at) ORDER BY due.due_at, due.seq LIMIT ${dueMax}))`,
)}
SELECT ${answer} FROM at, taken`;

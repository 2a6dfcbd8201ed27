// What has come due: moved from deferred to ready by the claims of its queue.
import type { Millis } from "../../core/clock.ts";
import type { Statement } from "./connections.ts";
import type { Row } from "./sql.ts";

/** Rows that one claim moves from deferred to ready in one queue, at most. */
const promotedMax = 1_000;

const promoteStatement = `-- jobs.promote
WITH due AS MATERIALIZED (
  SELECT due.seq FROM json_array_elements_text($1::json) AS wanted CROSS JOIN LATERAL (
    SELECT seq FROM punctual.jobs AS jobs WHERE jobs.queue = wanted.value AND place = 'deferred' AND due_at <= $2::bigint
    ORDER BY due_at, seq LIMIT ${promotedMax} FOR UPDATE SKIP LOCKED
  ) AS due
), promoted AS (
  UPDATE punctual.jobs SET place = 'ready' WHERE seq = ANY (ARRAY(SELECT seq FROM due)) RETURNING queue, tenant
)
INSERT INTO punctual.lane_deltas (queue, tenant, deferred, ready)
SELECT queue, tenant, -count(*), count(*) FROM promoted GROUP BY queue, tenant ORDER BY queue, tenant
RETURNING queue, ready`;

/** Moves what has come due in queues, a bounded number of rows each; to be folded then. */
export function promoteOf(queues: readonly string[], now: Millis): Statement[] {
  return queues.length === 0 ? [] : [[promoteStatement, [JSON.stringify(queues), now]]];
}

/** The queues of which so much was moved that there may be more. */
export function fullOf(promoted: readonly Row[]): ReadonlySet<string> {
  const counts = new Map<string, number>();
  for (const { queue, ready } of promoted) counts.set(queue, (counts.get(queue) ?? 0) + ready);
  return new Set([...counts].filter(([, count]) => count >= promotedMax).map(([queue]) => queue));
}

// Extending leases: those that still hold are lengthened, and what their attempts report is stored. A row that someone's
// transaction holds is passed by and reported as held: one open `complete(tx)` must not cost others their leases.
import type { ExtendOutcome, Extension } from "../../core/engine.ts";
import { extendLease } from "../../core/steps/extend.ts";
import { plainArray, textArray } from "./lists.ts";
import { nowOf } from "./sql.ts";
import type { Steps } from "./steps.ts";
import { eachAlone, isHeldUp } from "./together.ts";

// The conditions are the fence of core's `holds`, and such that the rows are found by their ids. Nobody was promised an extension that a crash of the server undoes.
const extendStatement = `-- jobs.extend
WITH at AS MATERIALIZED (SELECT ${nowOf("$1")} AS now, set_config('synchronous_commit', 'off', true) AS relaxed),
wanted AS MATERIALIZED (
  SELECT * FROM unnest($2::uuid[], $3::text[], $4::integer[], $5::boolean[])
    WITH ORDINALITY AS wanted (id, token, attempt, started, ord)
), held AS MATERIALIZED (
  SELECT jobs.seq, jobs.id, jobs.cancel_requested, wanted.ord FROM wanted JOIN punctual.jobs AS jobs
    ON jobs.id = wanted.id AND jobs.place || '' = 'active' AND jobs.token = wanted.token AND jobs.attempt = wanted.attempt
), free AS MATERIALIZED (
  SELECT jobs.seq, wanted.started FROM wanted JOIN punctual.jobs AS jobs
    ON jobs.id = wanted.id AND jobs.place || '' = 'active' AND jobs.token = wanted.token AND jobs.attempt = wanted.attempt
  FOR UPDATE OF jobs SKIP LOCKED
), extended AS (
  UPDATE punctual.jobs AS jobs SET lease_until = at.now + $6::bigint, started = coalesce(jobs.started, false) OR free.started
  FROM at, (SELECT seq, bool_or(started) AS started FROM free GROUP BY seq) AS free WHERE jobs.seq = free.seq
)
SELECT ord::int4 AS ord, coalesce(cancel_requested, false) AS cancelling FROM held`;

export async function extendAll(
  steps: Steps,
  extensions: readonly Extension[],
  leaseMs: number,
): Promise<ExtendOutcome[]> {
  if (extensions.length === 0) return [];
  const rows = await steps.connections.run(extendStatement, [
    steps.testNow,
    plainArray(extensions.map(({ lease }) => lease.id)),
    textArray(extensions.map(({ lease }) => lease.token)),
    plainArray(extensions.map(({ lease }) => lease.attempt)),
    plainArray(extensions.map(({ started }) => started === true)),
    leaseMs,
  ]);
  const outcomes: ExtendOutcome[] = extensions.map(() => "lost");
  for (const { ord, cancelling } of rows) outcomes[ord - 1] = cancelling ? "cancelling" : "held";
  const reports = extensions.filter(
    ({ progress, log = [] }, index) => outcomes[index] !== "lost" && (progress !== undefined || log.length > 0),
  );
  if (reports.length > 0) await report(steps, reports, leaseMs);
  return outcomes;
}

async function report(steps: Steps, reports: readonly Extension[], leaseMs: number): Promise<void> {
  try {
    await eachAlone(reports, (some) =>
      steps.run(
        (names) => {
          for (const { lease } of some) names.jobs.add(lease.id);
        },
        (workspace) => some.map((extension) => extendLease(workspace, extension, leaseMs)),
      ),
    );
  } catch (error) {
    // The leases are held all the same; progress is told again.
    if (!isHeldUp(error)) throw error;
  }
}

// Extending leases: those that still hold are lengthened, and what their attempts report is stored. A row that someone's
// transaction holds is passed by and answered as unextended: one open `complete(tx)` must not cost others their leases.
import type { ExtendOutcome, Extension } from "../../core/engine.ts";
import { type Outcome, outcomesOf } from "../../core/partial-failure.ts";
import { extendLease } from "../../core/steps/extend.ts";
import { isActive } from "./fresh-leases.ts";
import { heldAmong } from "./held-rows.ts";
import { plainArray, textArray } from "./lists.ts";
import { nowOf } from "./sql.ts";
import type { Steps } from "./steps.ts";
import { eachAlone, isHeldUp } from "./together.ts";

// The conditions are the fence of core's `holds`, and such that the rows are found by their ids.
const extendStatement = `-- jobs.extend
WITH at AS MATERIALIZED (SELECT ${nowOf("$1")} AS now),
wanted AS MATERIALIZED (
  SELECT * FROM unnest($2::uuid[], $3::text[], $4::integer[], $5::boolean[])
    WITH ORDINALITY AS wanted (id, token, attempt, started, ord)
), held AS MATERIALIZED (
  SELECT jobs.seq, jobs.cancel_requested, wanted.ord FROM wanted CROSS JOIN LATERAL (
    SELECT * FROM punctual.jobs AS jobs WHERE jobs.id = wanted.id OFFSET 0
  ) AS jobs WHERE ${isActive} AND jobs.token = wanted.token AND jobs.attempt = wanted.attempt
), free AS MATERIALIZED (
  SELECT jobs.seq, wanted.started FROM wanted CROSS JOIN LATERAL (
    SELECT jobs.seq FROM punctual.jobs AS jobs
    WHERE jobs.id = wanted.id AND (jobs.place || '' = 'active' OR fresh_until IS NOT NULL) AND jobs.token = wanted.token AND jobs.attempt = wanted.attempt
    FOR UPDATE SKIP LOCKED
  ) AS jobs
), extended AS (
  UPDATE punctual.jobs AS jobs SET place = 'active', lease_until = at.now + $6::bigint,
    fresh_until = NULL, started = coalesce(jobs.started, false) OR free.started
  FROM at, (SELECT seq, bool_or(started) AS started FROM free GROUP BY seq) AS free WHERE jobs.seq = free.seq
  RETURNING jobs.seq
)
SELECT ord::int4 AS ord, coalesce(cancel_requested, false) AS cancelling,
  seq IN (SELECT seq FROM extended) AS extended FROM held`;

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
  for (const { ord, cancelling, extended } of rows) {
    outcomes[ord - 1] = !extended ? "unextended" : cancelling ? "cancelling" : "held";
  }
  const reporting = [...extensions.keys()].filter((index) => reports(extensions[index]) && isExtended(outcomes[index]));
  const told = await report(
    steps,
    reporting.flatMap((index) => extensions[index] ?? []),
    leaseMs,
  );
  for (const [place, index] of reporting.entries()) {
    const outcome = told[place];
    if (outcome === undefined || "answer" in outcome) continue;
    // Someone took the job in hand between the two: the lease is longer than that says, and the report is told again.
    if (isHeldUp(outcome.error)) outcomes[index] = "unextended";
    else throw outcome.error;
  }
  return outcomes;
}

function reports(extension: Extension | undefined): boolean {
  return extension?.progress !== undefined || (extension?.log?.length ?? 0) > 0;
}

function isExtended(outcome: ExtendOutcome | undefined): boolean {
  return outcome === "held" || outcome === "cancelling";
}

/** What became of each report. */
async function report(
  steps: Steps,
  extensions: readonly Extension[],
  leaseMs: number,
): Promise<readonly Outcome<ExtendOutcome>[]> {
  if (extensions.length === 0) return [];
  return await outcomesOf(extensions.length, () =>
    eachAlone(
      extensions,
      (some, options) =>
        steps.run(
          (names) => {
            for (const { lease } of some) names.jobs.add(lease.id);
          },
          (workspace) => some.map((extension) => extendLease(workspace, extension, leaseMs)),
          options,
        ),
      heldAmong(steps, (names, { lease }: Extension) => names.jobs.add(lease.id)),
    ),
  );
}

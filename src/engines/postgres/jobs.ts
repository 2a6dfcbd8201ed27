// Jobs in PostgreSQL: the contract's JobStore.
import type { Change, ChangeAnswer, JobStore, StatsFilter } from "../../core/engine.ts";
import type { Guardrails } from "../../core/guardrails.ts";
import type { LaneCounts } from "../../core/queue.ts";
import { changeJob } from "../../core/steps/change.ts";
import { counters } from "../../core/workspace/lane-changes.ts";
import type { Names } from "../../core/workspace/names.ts";
import { claimGenerally } from "./claim.ts";
import type { TransactionOptions } from "./connections.ts";
import { extendAll } from "./extend.ts";
import { heldAmong } from "./held-rows.ts";
import { Inserter } from "./insert.ts";
import { listJobs } from "./job-listing.ts";
import { exactLanes } from "./lanes.ts";
import { finishedColumns, type JobRow, jobColumns, toJob } from "./rows.ts";
import { settleAll } from "./settle.ts";
import { nowOf } from "./sql.ts";
import type { Steps } from "./steps.ts";
import type { StraightClaims } from "./straight-claim.ts";
import { eachAlone } from "./together.ts";

/** Deferred jobs that came due unobserved are counted up to here (J14). */
const dueCountMax = 10_000;

const findStatement = `-- jobs.find
SELECT ${jobColumns} FROM punctual.jobs WHERE id = $1::uuid
UNION ALL
SELECT ${finishedColumns} FROM punctual.finished WHERE id = $1::uuid`;

// Of each queue that has deferred jobs, those that have come due and wait for the next claim to move them.
const statsStatement = `-- jobs.stats
WITH lanes AS MATERIALIZED (
  SELECT exact.* FROM ${exactLanes} AS exact
  WHERE ($1::text IS NULL OR tenant = $1) AND ($2::text IS NULL OR queue = $2)
), due AS (
  SELECT queue, tenant, count(*)::float8 AS due FROM (
    SELECT jobs.queue, jobs.tenant FROM punctual.jobs AS jobs
    WHERE place = 'deferred' AND due_at <= ${nowOf("$3")}
      AND jobs.queue IN (SELECT queue FROM lanes WHERE deferred > 0)
    LIMIT ${dueCountMax}
  ) AS found GROUP BY queue, tenant
)
SELECT lanes.*, coalesce(due.due, 0) AS due
FROM lanes JOIN punctual.lanes AS made USING (queue, tenant) LEFT JOIN due USING (queue, tenant)
WHERE ${counters.map((counter) => `lanes.${counter} <> 0`).join(" OR ")}
ORDER BY made.lane`;

/** @param straight the quick way of claims; absent inside a caller's transaction */
export function jobStore(steps: Steps, straight?: StraightClaims): JobStore {
  const inserter = new Inserter(steps);
  return {
    insert: (inserts) => inserter.insert(inserts),
    claim: async (request) => (await straight?.claim(request)) ?? claimGenerally(steps, request),
    extend: (extensions, leaseMs) => extendAll(steps, extensions, leaseMs),
    settle: (settlements) => settleAll(steps, settlements),
    change: (changes, guardrails) =>
      eachAlone(changes, (some, options) => changeAll(steps, some, guardrails, options), heldAmong(steps, nameChange)),
    get: async (id, tenant) => {
      const [row] = (await steps.connections.run(findStatement, [id])) as JobRow[];
      return row === undefined || (tenant !== undefined && row.tenant !== tenant) ? undefined : toJob(row);
    },
    list: (filter, page) => listJobs(steps, filter, page),
    stats: (filter) => stats(steps, filter),
    purge: (request) => steps.context.retention.purge(steps, request),
  };
}

function changeAll(
  steps: Steps,
  changes: readonly Change[],
  guardrails: Guardrails | undefined,
  options: TransactionOptions,
): Promise<ChangeAnswer[]> {
  return steps.run(
    (names) => {
      for (const change of changes) nameChange(names, change);
    },
    (workspace) => changes.map((change) => changeJob(workspace, change, guardrails)),
    options,
  );
}

function nameChange(names: Names, { name }: Change): void {
  if ("id" in name) names.jobs.add(name.id);
  else names.slot(name);
}

async function stats(steps: Steps, { tenant, queue }: StatsFilter): Promise<LaneCounts[]> {
  const rows = await steps.connections.run(statsStatement, [tenant ?? null, queue ?? null, steps.testNow]);
  return rows.map((lane) => ({
    tenant: lane["tenant"],
    queue: lane["queue"],
    waiting: lane["ready"] + lane["due"],
    delayed: lane["deferred"] - lane["due"] + lane["held"],
    active: lane["active"],
    completed: lane["completed"],
    failed: lane["failed"],
    cancelled: lane["cancelled"],
    totals: { completed: lane["completed_total"], failed: lane["failed_total"], cancelled: lane["cancelled_total"] },
  }));
}

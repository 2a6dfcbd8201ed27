// Jobs in SQLite: the contract's JobStore.
import type { Millis } from "../../core/clock.ts";
import type { JobStore, StatsFilter } from "../../core/engine.ts";
import type { LaneCounts } from "../../core/queue.ts";
import { changeJob } from "../../core/steps/change.ts";
import { claim, nothingToClaim } from "./claim.ts";
import { extendAll } from "./extend.ts";
import { insertAll } from "./insert.ts";
import { listJobs } from "./job-listing.ts";
import { findJob } from "./job-table.ts";
import { ledgerOf } from "./ledger.ts";
import { filterOf, whenGiven } from "./listing.ts";
import { settleAll } from "./settle.ts";
import type { Steps, Tx } from "./tx.ts";

/** Deferred jobs that came due unobserved are counted up to here (J14). */
const dueCountMax = 10_000;

const statsStatement = `-- jobs.stats
${filterOf(["of_tenant", "of_queue"])}
SELECT * FROM punctual_lanes
WHERE ${whenGiven("of_tenant", (tenant) => `tenant = ${tenant}`)}
  AND ${whenGiven("of_queue", (queue) => `queue = ${queue}`)}
ORDER BY lane`;

const dueStatement = `-- jobs.countDue
SELECT tenant, count(*) AS due FROM (
  SELECT tenant FROM punctual_jobs WHERE queue = ? AND place = 'deferred' AND due_at <= ? ORDER BY due_at LIMIT ?
) GROUP BY tenant`;

interface LaneRow {
  readonly queue: string;
  readonly tenant: string;
  readonly ready: number;
  readonly deferred: number;
  readonly held: number;
  readonly active: number;
  readonly completed: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly completed_total: number;
  readonly failed_total: number;
  readonly cancelled_total: number;
}

export function jobStore(steps: Steps): JobStore {
  let idle = false;
  return {
    insert: (inserts) => {
      // There will be something to claim.
      idle = false;
      return steps.write((tx) => insertAll(tx, inserts));
    },
    claim: async (request) => {
      // After a claim that found nothing, the next ones look before they take the write lock.
      const nothing = idle ? await steps.read((tx) => nothingToClaim(tx, request)) : undefined;
      const answer = nothing ?? (await steps.write((tx) => claim(tx, request)));
      idle = answer.jobs.length === 0;
      return answer;
    },
    extend: (extensions, leaseMs) => steps.write((tx) => extendAll(tx, extensions, leaseMs)),
    settle: (settlements) => steps.write((tx) => settleAll(tx, settlements)),
    change: (changes, guardrails) =>
      steps.write((tx) => {
        const ledger = ledgerOf(tx);
        return changes.map((one) => changeJob(ledger, one, guardrails));
      }),
    get: (id, tenant) =>
      steps.read((tx) => {
        const job = findJob(tx, id)?.job;
        return tenant === undefined || job?.tenant === tenant ? job : undefined;
      }),
    list: (filter, page) => listJobs(steps, filter, page),
    stats: (filter) => steps.read((tx) => stats(tx, filter)),
    purge: (request) => steps.write((tx) => tx.retention.purge(tx, request)),
  };
}

function stats(tx: Tx, filter: StatsFilter): LaneCounts[] {
  const lanes = tx.connection.all<LaneRow>(statsStatement, filter.tenant ?? null, filter.queue ?? null);
  const due = new Map<string, ReadonlyMap<string, number>>();
  let left = dueCountMax;
  for (const { queue, deferred } of lanes) {
    if (deferred === 0 || due.has(queue)) continue;
    const counted = countDue(tx, queue, tx.now, left);
    due.set(queue, counted);
    for (const count of counted.values()) left -= count;
  }
  return lanes.map((lane) => laneCounts(lane, due.get(lane.queue)?.get(lane.tenant) ?? 0));
}

/** Deferred jobs that have come due and wait for the next claim to move them. */
function countDue({ connection }: Tx, queue: string, now: Millis, limit: number): ReadonlyMap<string, number> {
  const rows = connection.all<{ tenant: string; due: number }>(dueStatement, queue, now, limit);
  return new Map(rows.map(({ tenant, due }) => [tenant, due]));
}

function laneCounts(lane: LaneRow, due: number): LaneCounts {
  return {
    tenant: lane.tenant,
    queue: lane.queue,
    waiting: lane.ready + due,
    delayed: lane.deferred - due + lane.held,
    active: lane.active,
    completed: lane.completed,
    failed: lane.failed,
    cancelled: lane.cancelled,
    totals: { completed: lane.completed_total, failed: lane.failed_total, cancelled: lane.cancelled_total },
  };
}

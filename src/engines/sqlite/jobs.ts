// Jobs in SQLite: the contract's JobStore.
import type { Millis } from "../../core/clock.ts";
import type { JobFilter, JobStore, StatsFilter } from "../../core/engine.ts";
import type { Job } from "../../core/job.ts";
import type { Page } from "../../core/page.ts";
import type { LaneCounts } from "../../core/queue.ts";
import { change } from "./change.ts";
import { claim, nothingToClaim } from "./claim.ts";
import type { Value } from "./database.ts";
import { extendAll } from "./extend.ts";
import { insertAll } from "./insert.ts";
import { findJob } from "./job-table.ts";
import { filterOf, filterValue, readNewest, whenGiven } from "./listing.ts";
import { finishedColumns, type JobRow, jobColumns, type Place, toJob } from "./rows.ts";
import { settleAll } from "./settle.ts";
import type { Steps, Tx } from "./tx.ts";

/** Deferred jobs that came due unobserved are counted up to here (J14). */
const dueCountMax = 10_000;

const filter = filterOf([
  "of_tenant",
  "of_queue",
  "of_task",
  "of_schedule",
  "of_places",
  "of_pending",
  "at_now",
  "of_keyed",
  "of_prefix",
  "due_from",
  "due_before",
]);

/** Which half of the pending jobs a row is of: due and claimable, or not. */
const pendingHalf = `CASE WHEN place = 'ready' OR (place = 'deferred' AND due_at <= ${filterValue("at_now")})
  THEN 'waiting' ELSE 'delayed' END`;

const conditions = [
  "seq < ? AND seq >= ?",
  whenGiven("of_tenant", (tenant) => `tenant = ${tenant}`),
  whenGiven("of_queue", (queue) => `queue = ${queue}`),
  whenGiven("of_task", (task) => `task = ${task}`),
  whenGiven("of_schedule", (schedule) => `schedule = ${schedule}`),
  whenGiven("of_places", (places) => `place IN (SELECT value FROM json_each(${places}))`),
  whenGiven("of_pending", (half) => `place NOT IN ('ready', 'deferred', 'held') OR ${half} = ${pendingHalf}`),
  whenGiven("of_keyed", () => "key IS NOT NULL"),
  whenGiven("of_prefix", (prefix) => `substr(key, 1, length(${prefix})) = ${prefix}`),
  whenGiven("due_from", (from) => `due_at >= ${from}`),
  whenGiven("due_before", (before) => `due_at < ${before}`),
].join("\n  AND ");

const finishedPart = `UNION ALL
SELECT ${finishedColumns} FROM punctual_finished WHERE ${conditions}
ORDER BY seq DESC LIMIT ?`;

const listStatement = `-- jobs.list
${filter}
SELECT ${jobColumns} FROM punctual_jobs WHERE ${conditions}
${finishedPart}`;

// Without pending jobs, however many there are, a listing is short.
const listStartedStatement = `-- jobs.listStarted
${filter}
SELECT ${jobColumns} FROM punctual_jobs INDEXED BY punctual_jobs_active WHERE place = 'active' AND ${conditions}
${finishedPart}`;

const stepStatement = `-- jobs.listStep
SELECT seq FROM punctual_jobs WHERE seq < ? ORDER BY seq DESC LIMIT 1 OFFSET ?`;

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
    insert: (inserts) => steps.write((tx) => insertAll(tx, inserts)),
    claim: async (request) => {
      // After a claim that found nothing, the next ones look before they take the write lock.
      const nothing = idle ? await steps.read((tx) => nothingToClaim(tx, request)) : undefined;
      const answer = nothing ?? (await steps.write((tx) => claim(tx, request)));
      idle = answer.jobs.length === 0;
      return answer;
    },
    extend: (extensions, leaseMs) => steps.write((tx) => extendAll(tx, extensions, leaseMs)),
    settle: (settlements) => steps.write((tx) => settleAll(tx, settlements)),
    change: (changes) => steps.write((tx) => changes.map((one) => change(tx, one))),
    get: (id, tenant) =>
      steps.read((tx) => {
        const job = findJob(tx, id)?.job;
        return tenant === undefined || job?.tenant === tenant ? job : undefined;
      }),
    list: (filter, page) => list(steps, filter, page),
    stats: (filter) => steps.read((tx) => stats(tx, filter)),
    purge: (request) => steps.write((tx) => tx.retention.purge(tx, request)),
  };
}

async function list(
  steps: Steps,
  filter: JobFilter,
  page: { readonly limit: number; readonly cursor?: string },
): Promise<Page<Job>> {
  const values = filterValues(filter, await steps.read(({ now }) => now));
  const withPending = filter.states === undefined || filter.states.includes("pending");
  const { rows, next } = await readNewest<JobRow>(steps, page, {
    stepStatement: withPending ? stepStatement : undefined,
    read: (connection, span, limit) =>
      connection.tuples(withPending ? listStatement : listStartedStatement, ...values, ...span, ...span, limit),
    numberOf: ([seq]) => seq,
  });
  return { items: rows.map(toJob), ...(next === undefined ? {} : { next }) };
}

function filterValues(filter: JobFilter, now: Millis): Value[] {
  const places = filter.states?.flatMap((state): Place[] =>
    state === "pending" ? ["ready", "deferred", "held"] : [state],
  );
  return [
    filter.tenant ?? null,
    filter.queue ?? null,
    filter.task ?? null,
    filter.schedule ?? null,
    places === undefined ? null : JSON.stringify(places),
    filter.pending ?? null,
    now,
    filter.keyed === true ? 1 : null,
    filter.keyPrefix ?? null,
    filter.dueFrom ?? null,
    filter.dueBefore ?? null,
  ];
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

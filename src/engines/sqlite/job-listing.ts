// Listings of jobs in SQLite: pages by insertion, from either end. By when they ended: finished-listing.ts.
import type { JobFilter, JobPage } from "../../core/engine.ts";
import type { Job } from "../../core/job.ts";
import type { Page } from "../../core/page.ts";
import { listByEnd } from "./finished-listing.ts";
import { filterValues, finishedConditions, jobConditions, jobFilter, narrow } from "./job-filter.ts";
import { inBothOrders, readPage } from "./listing.ts";
import { finishedColumns, type JobRow, jobColumns, toJob } from "./rows.ts";
import type { Steps } from "./tx.ts";

const inSpan = "seq > ? AND seq < ?";

const finishedPart = `UNION ALL
SELECT ${finishedColumns} FROM punctual_finished WHERE ${inSpan} AND ${finishedConditions}
ORDER BY seq`;

const listStatements = inBothOrders(
  (direction) => `-- jobs.list
${jobFilter}
SELECT ${jobColumns} FROM punctual_jobs WHERE ${inSpan} AND ${jobConditions}
${finishedPart} ${direction} LIMIT ?`,
);

// Without pending jobs, however many there are, a listing is short.
const listStartedStatements = inBothOrders(
  (direction) => `-- jobs.listStarted
${jobFilter}
SELECT ${jobColumns} FROM punctual_jobs INDEXED BY punctual_jobs_active
WHERE place = 'active' AND ${inSpan} AND ${jobConditions}
${finishedPart} ${direction} LIMIT ?`,
);

const stepStatements = inBothOrders((direction) => stepIn("punctual_jobs", direction));
const finishedStepStatements = inBothOrders((direction) => stepIn("punctual_finished", direction));

function stepIn(table: string, direction: "ASC" | "DESC"): string {
  return `-- jobs.listStep
SELECT seq FROM ${table} WHERE ${inSpan} ORDER BY seq ${direction} LIMIT 1 OFFSET ?`;
}

export async function listJobs(steps: Steps, filter: JobFilter, page: JobPage): Promise<Page<Job>> {
  const { sort = "newest" } = page;
  const narrowed = narrow(filter, sort === "finished");
  const values = filterValues(narrowed, await steps.read(({ now }) => now));
  if (sort === "finished") return await listByEnd(steps, narrowed, values, page);
  const withPending = narrowed.states === undefined || narrowed.states.includes("pending");
  const statement = (withPending ? listStatements : listStartedStatements)[sort];
  const { rows, next } = await readPage<JobRow>(steps, page, {
    order: sort,
    findStep: (connection, span, rows) => {
      const finished = connection.get<{ seq: number }>(finishedStepStatements[sort], ...span, rows)?.seq;
      const live = withPending ? connection.get<{ seq: number }>(stepStatements[sort], ...span, rows)?.seq : undefined;
      return nearest(live, finished, sort === "newest");
    },
    read: (connection, span, limit) => connection.tuples(statement, ...values, ...span, ...span, limit),
    numberOf: ([seq]) => seq,
  });
  return { items: rows.map(toJob), ...(next === undefined ? {} : { next }) };
}

/** Of the steps of two tables the one that comes first. */
function nearest(a: number | undefined, b: number | undefined, fromTheTop: boolean): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return fromTheTop ? Math.max(a, b) : Math.min(a, b);
}

// Finished jobs by when they ended: one page merged from the index of each queue's history, last ended first.
import { setImmediate } from "node:timers/promises";
import type { JobFilter } from "../../core/engine.ts";
import type { Job } from "../../core/job.ts";
import { decodePosition, encodePosition, type Page } from "../../core/page.ts";
import type { Value } from "./database.ts";
import { type End, findSources, type Group, groupConditions } from "./finished-sources.ts";
import { finishedConditions, jobFilter } from "./job-filter.ts";
import type { PageAsked } from "./listing.ts";
import { finishedColumns, type JobRow, toJob } from "./rows.ts";
import type { Steps } from "./tx.ts";

/** Rows that one step looks at: fewer than in the order of insertion, as each lies somewhere else. */
const stepRowsMax = 2_000;

const between = "(finished_at, seq) < (?, ?) AND (finished_at, seq) > (?, ?)";

const listStatements = forEachGroup(
  (group) => `-- jobs.listFinished
${jobFilter}
SELECT ${finishedColumns} FROM punctual_finished WHERE queue = ? AND ${group} AND ${between} AND ${finishedConditions}
ORDER BY finished_at DESC, seq DESC LIMIT ?`,
);

const stepStatements = forEachGroup(
  (group) => `-- jobs.listFinishedStep
SELECT finished_at, seq FROM punctual_finished WHERE queue = ? AND ${group} AND ${between}
ORDER BY finished_at DESC, seq DESC LIMIT 1 OFFSET ?`,
);

function forEachGroup(write: (condition: string) => string): Readonly<Record<Group, string>> {
  return { completed: write(groupConditions.completed), ended: write(groupConditions.ended) };
}

/** The listing in the order `finished`; `values` are those of `jobFilter`. */
export async function listByEnd(
  steps: Steps,
  filter: JobFilter,
  values: readonly Value[],
  page: PageAsked,
): Promise<Page<Job>> {
  const top = startOf(filter, page);
  const merged = new Merged(page.limit + 1, [filter.finishedFrom ?? -1, 0]);
  const sources = await steps.read(({ connection }) => findSources(connection, filter));
  for (const { queue, group } of sources) {
    for (let below: End | undefined = top; below !== undefined; ) {
      const from: End = below;
      below = await steps.read(({ connection }) => {
        const { lowest, limit } = merged;
        const span = [queue, ...from, ...lowest] as const;
        const [step] = connection.tuples<End>(stepStatements[group], ...span, stepRowsMax);
        // Up to the step and with it.
        const part: End = step === undefined ? lowest : [step[0], step[1] - 1];
        merged.add(connection.tuples<JobRow>(listStatements[group], ...values, queue, ...from, ...part, limit));
        return step;
      });
      await setImmediate();
    }
  }
  const rows = merged.rows.slice(0, page.limit);
  const last = rows.at(-1);
  const items = rows.map(toJob);
  if (merged.rows.length <= page.limit || last === undefined) return { items };
  return { items, next: encodePosition("finished", endOf(last)) };
}

/** Where the page begins: nothing at or above it is listed. */
function startOf({ finishedBefore }: JobFilter, { cursor }: PageAsked): End {
  const bound: End = [finishedBefore ?? Number.MAX_SAFE_INTEGER, 0];
  if (cursor === undefined) return bound;
  const [finishedAt = 0, seq = 0] = decodePosition(cursor, "finished", 2);
  return finishedAt < bound[0] ? [finishedAt, seq] : bound;
}

/** The first rows of several lists in the order of ends. */
class Merged {
  readonly limit: number;
  /** Rows at or below it have no place any more. */
  lowest: End;
  rows: JobRow[] = [];

  constructor(limit: number, lowest: End) {
    this.limit = limit;
    this.lowest = lowest;
  }

  add(rows: readonly JobRow[]): void {
    if (rows.length === 0) return;
    this.rows = [...this.rows, ...rows].sort((a, b) => compareEnds(endOf(b), endOf(a))).slice(0, this.limit);
    const last = this.rows.at(-1);
    if (this.rows.length === this.limit && last !== undefined) this.lowest = endOf(last);
  }
}

function endOf(row: JobRow): End {
  return [row[22] ?? 0, row[0]];
}

function compareEnds([atA, seqA]: End, [atB, seqB]: End): number {
  return atA - atB || seqA - seqB;
}

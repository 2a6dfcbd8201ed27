// Finished jobs by when they ended: one page merged from the index of each queue's history, last ended first.
import type { JobFilter } from "../../core/engine.ts";
import type { Job } from "../../core/job.ts";
import { decodePosition, encodePosition, type Page } from "../../core/page.ts";
import { type End, findSources, type Group, groupConditions } from "./finished-sources.ts";
import { finishedConditions } from "./job-filter.ts";
import { type PageAsked, whole } from "./listing.ts";
import { finishedColumns, type JobRow, toJob } from "./rows.ts";
import type { Value } from "./sql.ts";
import type { Steps } from "./steps.ts";

/** Rows of a queue that one step looks at: fewer than in the order of insertion, as each lies somewhere else. */
const stepRowsMax = 1_000;

/** Queues that one step looks at. */
const queuesMax = 20;

const listStatements: Readonly<Record<Group, string>> = { completed: listOf("completed"), ended: listOf("ended") };

// Beyond the filter's parameters: $16 the queues, each with where it is to be read on; $17 and $18 what lies at or below
// has no place any more; $19 the rows to look at, $20 those to answer.
function listOf(group: Group): string {
  const between = `job.queue = source.name AND ${groupConditions[group]}
    AND (job.finished_at, job.seq) < (source.at, source.number) AND (job.finished_at, job.seq) > ($17::bigint, $18::bigint)`;
  return `-- jobs.listFinished
WITH source AS MATERIALIZED (
  SELECT source.*, step.last_at, step.last_number
  FROM json_to_recordset($16::json) AS source (name text, at bigint, number bigint) LEFT JOIN LATERAL (
    SELECT job.finished_at AS last_at, job.seq AS last_number FROM punctual.finished AS job WHERE ${between}
    ORDER BY job.finished_at DESC, job.seq DESC LIMIT 1 OFFSET $19::bigint
  ) AS step ON true
), rest AS MATERIALIZED (
  SELECT json_agg(json_build_object('name', name, 'at', last_at, 'number', last_number))::text AS rest
  FROM source WHERE last_at IS NOT NULL
)
SELECT CASE WHEN row_number() OVER () = 1 THEN rest END AS rest, found.* FROM rest LEFT JOIN LATERAL (
  SELECT part.* FROM source CROSS JOIN LATERAL (
    SELECT ${finishedColumns} FROM punctual.finished AS job WHERE ${between}
      AND (job.finished_at, job.seq) >= (coalesce(source.last_at, 0), coalesce(source.last_number, 0))
      AND ${finishedConditions}
    ORDER BY job.finished_at DESC, job.seq DESC LIMIT $20
  ) AS part ORDER BY part.finished_at DESC, part.seq DESC LIMIT $20
) AS found ON true`;
}

/** A queue's history, and where it is to be read on: nothing at or above it is listed. */
interface Source {
  readonly name: string;
  readonly at: number;
  readonly number: number;
}

type FoundRow = JobRow & { readonly rest: string | null };

/** The listing in the order `finished`; `values` are those of the filter. */
export async function listByEnd(
  steps: Steps,
  filter: JobFilter,
  values: readonly Value[],
  page: PageAsked,
): Promise<Page<Job>> {
  const [at, number] = startOf(filter, page);
  const merged = new Merged(page.limit + 1, [filter.finishedFrom ?? -1, 0]);
  const sources = await findSources(steps.connections, filter);
  for (const group of ["completed", "ended"] as const) {
    let left: readonly Source[] = sources.flatMap((one) =>
      one.group === group ? [{ name: one.queue, at, number }] : [],
    );
    while (left.length > 0) {
      const own = [JSON.stringify(left.slice(0, queuesMax)), ...merged.lowest, stepRowsMax, merged.limit];
      const rows = (await steps.connections.run(listStatements[group], [...values, ...own])) as FoundRow[];
      merged.add(rows.filter(({ seq }) => seq !== null));
      left = [...(JSON.parse(rows[0]?.rest ?? "[]") as Source[]), ...left.slice(queuesMax)];
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
  const [finishedAt = 0, seq = 0] = decodePosition(cursor, "finished", 2).map(whole);
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

function endOf({ finished_at, seq }: JobRow): End {
  return [finished_at ?? 0, seq];
}

function compareEnds([atA, seqA]: End, [atB, seqB]: End): number {
  return atA - atB || seqA - seqB;
}

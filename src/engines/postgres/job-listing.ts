// Listings of jobs in PostgreSQL: pages by insertion, from either end. By when they ended: finished-listing.ts.
import type { JobFilter, JobPage } from "../../core/engine.ts";
import { isFinished, type Job } from "../../core/job.ts";
import type { Page } from "../../core/page.ts";
import { listByEnd } from "./finished-listing.ts";
import { filterValues, narrow } from "./job-filter.ts";
import { fewMax, fewStatement, listingStatement, type Way } from "./job-pages.ts";
import { type Part, readPage } from "./listing.ts";
import { type JobRow, toJob } from "./rows.ts";
import type { Row } from "./sql.ts";
import type { Steps } from "./steps.ts";

export async function listJobs(steps: Steps, filter: JobFilter, page: JobPage): Promise<Page<Job>> {
  const { sort = "newest" } = page;
  const narrowed = narrow(filter, sort === "finished");
  const values = filterValues(narrowed, narrowed.pending === undefined ? null : await steps.now());
  if (sort === "finished") return await listByEnd(steps, narrowed, values, page);
  const withEnded = narrowed.states?.some(isFinished) ?? true;
  const ways = new Ways(steps, narrowed);
  const { rows, next } = await readPage<JobRow>(page, {
    order: sort,
    read: async (span, looksAt, limit) => {
      const way = await ways.next();
      const own = [...span, looksAt, limit, withEnded, ...(way === "keys" ? [afterPrefix(narrowed.keyPrefix)] : [])];
      return partOf(await steps.connections.run(listingStatement(way, sort), [...values, ...own]));
    },
    numberOf: ({ seq }) => seq,
  });
  return { items: rows.map(toJob), ...(next === undefined ? {} : { next }) };
}

/** A step always answers a row: one without a job when it finds none. */
function partOf(answer: readonly Row[]): Part<JobRow> {
  const rows = answer as readonly (JobRow & { readonly step_end: number | null })[];
  return { end: rows[0]?.step_end ?? undefined, rows: rows.filter(({ seq }) => seq !== null) };
}

/** Decides in which way live jobs are looked at: most pages are full after a first step, so only then it is asked. */
class Ways {
  readonly #steps: Steps;
  readonly #filter: JobFilter;
  #step = 0;
  #way: Way = "steps";

  constructor(steps: Steps, filter: JobFilter) {
    this.#steps = steps;
    this.#filter = filter;
    if (filter.states?.includes("pending") === false) this.#way = "active";
  }

  async next(): Promise<Way> {
    if (++this.#step === 2 && this.#way === "steps") this.#way = await this.#cheapest();
    return this.#way;
  }

  async #cheapest(): Promise<Way> {
    const { tenant = null, queue = null, keyPrefix } = this.#filter;
    if (tenant === null && queue === null) return "steps";
    const after = afterPrefix(keyPrefix);
    const [row] = await this.#steps.connections.run(fewStatement, [tenant, queue, keyPrefix ?? null, after]);
    if (tenant !== null && queue !== null && after !== null && row?.["keys"] <= fewMax) return "keys";
    return row?.["live"] <= fewMax && row?.["beside"] <= 10 * fewMax ? "lanes" : "steps";
  }
}

/** The first text, in the order of bytes, behind all that begin with a prefix; null when there is none. */
export function afterPrefix(prefix: string | undefined): string | null {
  const points = [...(prefix ?? "")].map((character) => character.codePointAt(0) ?? 0);
  while (points.at(-1) === 0x10ffff) points.pop();
  const last = points.pop();
  if (last === undefined) return null;
  // No text holds what lies between: surrogates.
  return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1);
}

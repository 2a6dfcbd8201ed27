// All that can be seen of a store at one moment, by every method of the contract that shows something.
import type { Engine, JobFilter, JobSort } from "../../src/core/engine.ts";
import type { Job } from "../../src/core/job.ts";
import type { LaneCounts } from "../../src/core/queue.ts";
import type { TransferItem } from "../../src/core/transfer.ts";
import { walk } from "./walk.ts";

const many = 1_000;

/** Which listings of jobs are looked at; each at its own page length, as cursors are what goes wrong. */
function listings(
  now: number,
): readonly { readonly filter: JobFilter; readonly sort: JobSort; readonly limit: number }[] {
  return [
    { filter: {}, sort: "newest", limit: many },
    { filter: {}, sort: "oldest", limit: 3 },
    { filter: {}, sort: "finished", limit: 4 },
    { filter: { states: ["pending"], pending: "waiting" }, sort: "newest", limit: many },
    { filter: { states: ["pending"], pending: "delayed" }, sort: "oldest", limit: 2 },
    { filter: { keyed: true, states: ["pending", "active"] }, sort: "newest", limit: many },
    { filter: { dueBefore: now + 1, states: ["pending", "active"] }, sort: "oldest", limit: many },
  ];
}

/** What was seen, by what shows it; some of it is looked into before it is compared. */
export interface Observation extends Readonly<Record<string, unknown>> {
  readonly now: number;
  readonly items: readonly TransferItem[];
  readonly stats: readonly LaneCounts[];
}

/** Everything that a store shows. */
export async function observe(engine: Engine): Promise<Observation> {
  const { jobs, schedules, queues, tenants, records, events, inspection, transfer } = engine;
  const now = await engine.now();
  const items = await walk<TransferItem>((cursor) => transfer.read({ limit: 7, ...cursor }));
  const stored = items.flatMap((item) => (item.kind === "job" ? [item.job] : []));
  const [standings, lists, stats, ...others] = await Promise.all([
    Promise.all(standingsOf(stored).map(({ id }) => inspection.standing(id, { aheadMax: 3 }))),
    Promise.all(
      listings(now).map(({ filter, sort, limit }) => walk((cursor) => jobs.list(filter, { limit, sort, ...cursor }))),
    ),
    jobs.stats({}),
    Promise.all(stored.map(({ id }) => jobs.get(id))),
    walk((cursor) => schedules.list({}, { limit: 2, ...cursor })),
    inspection.schedules("due", many),
    inspection.schedules("disabled", many),
    queues.list(),
    walk((cursor) => tenants.list({}, { limit: 2, ...cursor })),
    walk((cursor) => records.list("", { limit: 2, ...cursor })),
    walk((cursor) => events.list({}, { limit: many, order: "oldest", ...cursor })),
    walk((cursor) => events.list({}, { limit: 9, order: "newest", ...cursor })),
  ]);
  const names = ["get", "schedules", "due", "disabled", "queues", "tenants", "records", "events", "newest"];
  return {
    now,
    items,
    standings,
    lists,
    stats,
    ...Object.fromEntries(names.map((name, index) => [name, others[index]])),
  };
}

/** Those that something may stand before, and one that is over. */
function standingsOf(jobs: readonly Job[]): readonly Job[] {
  const unfinished = jobs.filter(({ state }) => state === "pending" || state === "active");
  return [...unfinished, ...jobs.filter((job) => !unfinished.includes(job)).slice(-1)];
}

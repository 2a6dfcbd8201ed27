// What may be asked of finished and unfinished jobs: listings and purges, checked.
import { shown } from "../core/duration.ts";
import type { FinishedPurge, JobFilter, JobPage, JobSort } from "../core/engine.ts";
import { InvalidInputError } from "../core/errors.ts";
import { checkInstant } from "../core/instant.ts";
import type { FinishedState, JobState, ShownState } from "../core/job.ts";
import { checkFlag, refuseUnknown } from "../core/options.ts";
import { checkPage, type PageRequest } from "../core/page.ts";
import { boundTenant, checkName } from "./client-host.ts";

/** Which jobs a listing shows. Times: `From` is included, `Before` is not. */
export interface JobQuery extends PageRequest {
  /** By insertion, "newest" first (default) or "oldest"; "finished": finished jobs only, the one that ended last first. */
  readonly sort?: JobSort;
  readonly tenant?: string;
  readonly queue?: string;
  readonly task?: string;
  readonly schedule?: string;
  /** One state or several, as people see them. */
  readonly state?: ShownState | readonly ShownState[];
  readonly keyPrefix?: string;
  readonly dueFrom?: Date | string;
  readonly dueBefore?: Date | string;
  readonly createdFrom?: Date | string;
  readonly createdBefore?: Date | string;
  /** With either of these two, only finished jobs. */
  readonly finishedFrom?: Date | string;
  readonly finishedBefore?: Date | string;
}

/** Which finished jobs are deleted. */
export interface JobPurge {
  /** Those that ended before this instant. */
  readonly before: Date | string;
  /** One state or several; all three by default. */
  readonly state?: FinishedState | readonly FinishedState[];
  readonly queue?: string;
  readonly tenant?: string;
  /** Deletes nothing and answers how many it would. */
  readonly dryRun?: boolean;
  readonly actor?: string;
}

/** A listing as the engine is asked for it. @param bound a handle's own tenant @throws InvalidInputError */
export function checkJobQuery(
  query: JobQuery,
  bound: string | undefined,
): { readonly filter: JobFilter; readonly asked: JobPage } {
  refuseUnknown(query, jobQueryOptions, "");
  return { filter: filterOf(query, bound), asked: { ...checkPage(query), sort: checkSort(query.sort) } };
}

/** A purge as the engine is asked for it. @param bound a handle's own tenant @throws InvalidInputError */
export function checkJobPurge(options: JobPurge, bound: string | undefined): FinishedPurge {
  refuseUnknown(options, ["before", "state", "queue", "tenant", "dryRun", "actor"], "");
  return {
    before: checkInstant(options.before, "before"),
    states: options.state === undefined ? undefined : [options.state].flat().map(checkFinishedState),
    queue: checkName(options.queue, "queue"),
    tenant: boundTenant(bound, options.tenant),
    dryRun: checkFlag(options.dryRun, "dryRun"),
    actor: checkName(options.actor, "actor"),
  };
}

function filterOf(query: JobQuery, bound: string | undefined): JobFilter {
  const states = query.state === undefined ? undefined : [query.state].flat().map(checkState);
  const waiting = states?.includes("waiting") === true;
  const delayed = states?.includes("delayed") === true;
  return {
    tenant: boundTenant(bound, query.tenant),
    queue: checkName(query.queue, "queue"),
    task: checkName(query.task, "task"),
    schedule: checkName(query.schedule, "schedule"),
    keyPrefix: checkName(query.keyPrefix, "keyPrefix"),
    states: states && [...new Set(states.map(storedState))],
    pending: waiting === delayed ? undefined : waiting ? "waiting" : "delayed",
    ...Object.fromEntries(
      jobTimes.map((name) => {
        const at = query[name];
        return [name, at === undefined ? undefined : checkInstant(at, name)];
      }),
    ),
  };
}

const jobTimes = [
  "dueFrom",
  "dueBefore",
  "createdFrom",
  "createdBefore",
  "finishedFrom",
  "finishedBefore",
] as const satisfies readonly (keyof JobQuery & keyof JobFilter)[];

const jobQueryOptions: readonly string[] = [
  ...["tenant", "queue", "task", "schedule", "state", "keyPrefix", "sort", "limit", "cursor"],
  ...jobTimes,
];

const sorts: readonly JobSort[] = ["newest", "oldest", "finished"];

function checkSort(value: unknown): JobSort {
  const found = value === undefined ? "newest" : sorts.find((sort) => sort === value);
  if (found !== undefined) return found;
  throw new InvalidInputError(`sort must be of ${sorts.join(", ")}, got ${shown(value)}`, { field: "sort" });
}

const finishedStates: readonly FinishedState[] = ["completed", "failed", "cancelled"];

function checkFinishedState(value: unknown): FinishedState {
  const found = finishedStates.find((state) => state === value);
  if (found !== undefined) return found;
  throw new InvalidInputError(`state must be of ${finishedStates.join(", ")}, got ${shown(value)}`, { field: "state" });
}

const shownStates: readonly ShownState[] = ["waiting", "delayed", "active", "completed", "failed", "cancelled"];

function checkState(value: unknown): ShownState {
  const found = shownStates.find((state) => state === value);
  if (found !== undefined) return found;
  throw new InvalidInputError(`state must be of ${shownStates.join(", ")}, got ${shown(value)}`, { field: "state" });
}

function storedState(state: ShownState): JobState {
  return state === "waiting" || state === "delayed" ? "pending" : state;
}

// Where finished jobs lie: each queue's history in two halves, each with an index by when they ended.
import type { JobState } from "../../core/job.ts";
import type { Session } from "./connections.ts";
import { exactLanes } from "./lanes.ts";

/** The two halves of a queue's history, each with an index of its own. */
export type Group = "completed" | "ended";

/** Where a row stands in the order of ends. */
export type End = readonly [finishedAt: number, seq: number];

/** How a statement names a group, so that its index serves. */
export const groupConditions: Readonly<Record<Group, string>> = {
  completed: "place = 'completed'",
  ended: "place <> 'completed'",
};

const sourcesStatement = `-- jobs.finishedSources
SELECT queue, sum(completed)::float8 AS completed, sum(failed + cancelled)::float8 AS ended FROM ${exactLanes} AS lanes
WHERE ($1::text IS NULL OR queue = $1) AND ($2::text IS NULL OR tenant = $2) GROUP BY queue ORDER BY queue`;

/** One half of one queue's history. */
export interface Source {
  readonly queue: string;
  readonly group: Group;
}

/** The halves that hold anything of what is asked for, by the lanes' counters. */
export async function findSources(
  session: Session,
  { tenant = null, queue = null, states }: SourceFilter,
): Promise<readonly Source[]> {
  const wants = (group: Group) =>
    states === undefined || states.some((state) => (state === "completed") === (group === "completed"));
  const rows = await session.run(sourcesStatement, [queue, tenant]);
  return rows.flatMap((row) =>
    (["completed", "ended"] as const)
      .filter((group) => wants(group) && row[group] > 0)
      .map((group) => ({ queue: row["queue"], group })),
  );
}

interface SourceFilter {
  readonly tenant?: string | null | undefined;
  readonly queue?: string | null | undefined;
  readonly states?: readonly JobState[] | undefined;
}

// Deleting the finished jobs that an operator names: queue by queue along the index of their ends, oldest first.
import { purgedJobsEvent } from "../../core/audit.ts";
import type { FinishedPurge, PurgeAnswer } from "../../core/engine.ts";
import { decodeCursor, encodeCursor } from "../../core/page.ts";
import { type Place, stateOf } from "../../core/stored-job.ts";
import { LaneChanges } from "../../core/workspace/lane-changes.ts";
import { runAll } from "./connections.ts";
import { type End, findSources, type Group, groupConditions, type Source } from "./finished-sources.ts";
import { eventStatements, laneStatements } from "./flush.ts";
import type { Step } from "./steps.ts";

/** How far a purge has come: a source, and in it the last row that was looked at. */
interface Position extends Source {
  readonly after: End;
}

/** Looking for rows where there are none costs as much as looking at so many. */
const sourceCost = 5;

const rangeStatements: Readonly<Record<Group, string>> = {
  completed: rangeOf("completed"),
  ended: rangeOf("ended"),
};

function rangeOf(group: Group): string {
  return `-- jobs.purgeRange
SELECT finished_at::float8 AS finished_at, seq::float8 AS seq, tenant, place FROM punctual.finished
WHERE queue = $1 AND ${groupConditions[group]} AND (finished_at, seq) > ($2::bigint, $3::bigint) AND finished_at < $4
ORDER BY finished.finished_at, finished.seq LIMIT $5`;
}

interface RangeRow {
  readonly finished_at: number;
  readonly seq: number;
  readonly tenant: string;
  readonly place: Place;
}

const deleteStatement = `-- jobs.purgeFinished
DELETE FROM punctual.finished WHERE seq IN (SELECT value::bigint FROM json_array_elements_text($1::json))
RETURNING seq::float8 AS seq`;

/** One bounded round: `limit` rows are looked at, and so deleted, at most. */
export async function purgeFinished(step: Step, purge: FinishedPurge, limit: number): Promise<PurgeAnswer> {
  const { session, now, keepsEvents } = step;
  const start = purge.cursor === undefined ? undefined : positionOf(purge.cursor);
  let left = limit;
  let deleted = 0;
  let next: Position | undefined;
  for (const source of await findSources(session, purge)) {
    const order = start === undefined ? 1 : compare(source, start);
    if (order < 0) continue;
    const from: Position = { ...source, after: order === 0 && start !== undefined ? start.after : [-1, 0] };
    if (left <= 0) {
      next = from;
      break;
    }
    const values = [source.queue, ...from.after, purge.before, left];
    const rows = (await session.run(rangeStatements[source.group], values)) as RangeRow[];
    deleted += await remove(step, purge, source.queue, rows);
    const last = rows.at(-1);
    if (last !== undefined && rows.length === left) {
      next = { ...source, after: [last.finished_at, last.seq] };
      break;
    }
    left -= rows.length + sourceCost;
  }
  if (deleted > 0 && purge.dryRun !== true && keepsEvents) {
    await runAll(session, eventStatements([purgedJobsEvent(purge, deleted, now)]));
  }
  return next === undefined ? { deleted, more: false } : { deleted, more: true, next: encode(next) };
}

/** Deletes those of a queue's rows that are named, or only counts them. */
async function remove(step: Step, purge: FinishedPurge, queue: string, rows: readonly RangeRow[]): Promise<number> {
  const { tenant, states, dryRun } = purge;
  const doomed = rows.filter((row) => {
    const state = stateOf(row.place);
    const isState = states === undefined || states.some((wanted) => wanted === state);
    return isState && (tenant === undefined || tenant === row.tenant);
  });
  if (dryRun === true || doomed.length === 0) return doomed.length;
  const gone = await step.session.run(deleteStatement, [JSON.stringify(doomed.map(({ seq }) => seq))]);
  const deleted = new Set(gone.map((row) => row["seq"]));
  const lanes = new LaneChanges();
  for (const row of doomed) if (deleted.has(row.seq)) lanes.add(queue, row.tenant, row.place, -1);
  await runAll(step.session, laneStatements(lanes.rows()));
  return deleted.size;
}

/** Below 0 when a source comes before another in the order of `findSources`. */
function compare(a: Source, b: Source): number {
  if (a.queue !== b.queue) return a.queue < b.queue ? -1 : 1;
  return a.group === b.group ? 0 : a.group < b.group ? -1 : 1;
}

function encode({ queue, group, after }: Position): string {
  return encodeCursor([queue, group, ...after]);
}

function positionOf(cursor: string): Position {
  const [queue, group, finishedAt, seq] = decodeCursor(cursor, 4);
  return {
    queue: String(queue),
    group: group === "ended" ? "ended" : "completed",
    after: [Number(finishedAt), Number(seq)],
  };
}

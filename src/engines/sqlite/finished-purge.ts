// Deleting the finished jobs that an operator names: queue by queue along the index of their ends, oldest first.
import { purgedJobsEvent } from "../../core/audit.ts";
import type { FinishedPurge, PurgeAnswer } from "../../core/engine.ts";
import type { NewEvent } from "../../core/events.ts";
import { decodeCursor, encodeCursor } from "../../core/page.ts";
import { type Place, stateOf } from "../../core/stored-job.ts";
import type { Connection } from "./database.ts";
import { type End, findSources, type Group, groupConditions, type Source } from "./finished-sources.ts";
import type { Lanes } from "./lanes.ts";

/** The part of a transaction that a purge works with. */
interface Step {
  readonly connection: Connection;
  readonly lanes: Lanes;
  readonly now: number;
  append(event: NewEvent): void;
}

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
SELECT finished_at, seq, tenant, place FROM punctual_finished
WHERE queue = ? AND ${groupConditions[group]} AND (finished_at, seq) > (?, ?) AND finished_at < ?
ORDER BY finished_at, seq LIMIT ?`;
}

type RangeRow = readonly [finishedAt: number, seq: number, tenant: string, place: Place];

const deleteStatement = `-- jobs.purgeFinished
DELETE FROM punctual_finished WHERE seq IN (SELECT value FROM json_each(?))`;

/** One bounded round: `limit` rows are looked at, and so deleted, at most. */
export function purgeFinished(tx: Step, purge: FinishedPurge, limit: number): PurgeAnswer {
  tx.lanes.flush();
  const start = purge.cursor === undefined ? undefined : positionOf(purge.cursor);
  let left = limit;
  let deleted = 0;
  let next: Position | undefined;
  for (const source of findSources(tx.connection, purge)) {
    const order = start === undefined ? 1 : compare(source, start);
    if (order < 0) continue;
    const from: Position = { ...source, after: order === 0 && start !== undefined ? start.after : [-1, 0] };
    if (left <= 0) {
      next = from;
      break;
    }
    const rows = tx.connection.tuples<RangeRow>(
      rangeStatements[source.group],
      ...[source.queue, ...from.after, purge.before, left],
    );
    deleted += remove(tx, purge, source.queue, rows);
    const last = rows.at(-1);
    if (last !== undefined && rows.length === left) {
      next = { ...source, after: [last[0], last[1]] };
      break;
    }
    left -= rows.length + sourceCost;
  }
  if (deleted > 0 && purge.dryRun !== true) tx.append(purgedJobsEvent(purge, deleted, tx.now));
  return next === undefined ? { deleted, more: false } : { deleted, more: true, next: encode(next) };
}

/** Deletes those of a queue's rows that are named, or only counts them. */
function remove(tx: Step, purge: FinishedPurge, queue: string, rows: readonly RangeRow[]): number {
  const { tenant, states, dryRun } = purge;
  const doomed = rows.filter(([, , of, place]) => {
    const state = stateOf(place);
    const isState = states === undefined || states.some((wanted) => wanted === state);
    return isState && (tenant === undefined || tenant === of);
  });
  if (dryRun === true || doomed.length === 0) return doomed.length;
  tx.connection.run(deleteStatement, `[${doomed.map(([, seq]) => seq).join(",")}]`);
  for (const [, , of, place] of doomed) tx.lanes.add(queue, of, place, -1);
  return doomed.length;
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

// Writes what a step has made of its workspace: each kind of change as one statement, however many rows.
import type { NewEvent } from "../../core/events.ts";
import { isFinished } from "../../core/job.ts";
import { stateOf } from "../../core/stored-job.ts";
import { counters, type LaneDelta } from "../../core/workspace/lane-changes.ts";
import { pairText } from "../../core/workspace/names.ts";
import type { Loaded, RememberedKey, Stored, Workspace } from "../../core/workspace/workspace.ts";
import { runAll, type Session, type Statement } from "./connections.ts";
import { missingLanesOf } from "./lanes.ts";
import { endedColumns, jobJson, jobRecord, liveColumns } from "./rows.ts";
import { scheduleColumns, scheduleJson, scheduleRecord } from "./schedule-rows.ts";

const seqs = "SELECT value::bigint FROM json_array_elements_text($1::json)";

const deleteStatement = `-- jobs.delete\nDELETE FROM punctual.jobs WHERE seq IN (${seqs})`;
const reviveStatement = `-- jobs.revive\nDELETE FROM punctual.finished WHERE seq IN (${seqs}) RETURNING 1 AS gone`;

// What changes in a row that stays; a job's id, tenant, queue, schedule and key are what they are.
const changing = [
  ...["task", "input", "priority", "place", "due_at", "attempt", "token", "cancel_requested", "replaced_by", "detail"],
  ...["worker", "claimed_at", "lease_until", "started"],
];

const updateStatement = `-- jobs.update
UPDATE punctual.jobs AS jobs SET ${changing.map((column) => `${column} = new.${column}`).join(", ")}, fresh_until = NULL
FROM json_to_recordset($1::json) AS new (${jobRecord}) WHERE jobs.seq = new.seq`;

const insertStatement = `-- jobs.insert
INSERT INTO punctual.jobs (seq, ${liveColumns})
SELECT coalesce(seq, nextval('punctual.jobs_seq')), ${liveColumns}
FROM (SELECT * FROM json_to_recordset($1::json) AS new (ord integer, ${jobRecord}) ORDER BY ord) AS ordered`;

// An id that the history has already (its job was inserted a second time while the first was just ending) stays as it is,
// and is counted once.
const finishStatement = `-- jobs.finish
WITH new AS MATERIALIZED (
  SELECT coalesce(seq, nextval('punctual.jobs_seq')) AS seq, ${endedColumns.replace("seq, ", "")}
  FROM json_to_recordset($1::json) AS new (${jobRecord})
), kept AS (
  INSERT INTO punctual.finished (${endedColumns}) SELECT ${endedColumns} FROM new ON CONFLICT (id) DO NOTHING RETURNING id
)
INSERT INTO punctual.lane_deltas (queue, tenant, completed, failed, cancelled)
SELECT queue, tenant, -count(*) FILTER (WHERE place = 'completed'), -count(*) FILTER (WHERE place = 'failed'),
  -count(*) FILTER (WHERE place = 'cancelled')
FROM new WHERE id NOT IN (SELECT id FROM kept) GROUP BY queue, tenant`;

const createSchedulesStatement = `-- schedules.create
INSERT INTO punctual.schedules (${scheduleColumns})
SELECT ${scheduleColumns} FROM json_to_recordset($1::json) AS new (${scheduleRecord}) ORDER BY tenant, id`;

const updateSchedulesStatement = `-- schedules.save
UPDATE punctual.schedules AS schedules SET incarnation = new.incarnation, revision = new.revision, task = new.task,
  queue = new.queue, enabled = new.enabled, cursor_after = new.cursor_after, next_at = new.next_at, schedule = new.schedule
FROM json_to_recordset($1::json) AS new (${scheduleRecord})
WHERE schedules.tenant = new.tenant AND schedules.id = new.id`;

const removeSchedulesStatement = `-- schedules.remove
DELETE FROM punctual.schedules AS schedules USING json_to_recordset($1::json) AS gone (tenant text, id text)
WHERE schedules.tenant = gone.tenant AND schedules.id = gone.id`;

const rememberStatement = `-- idempotency.remember
INSERT INTO punctual.idempotency AS used (tenant, key, body, job, due_at, expires_at)
SELECT tenant, key, body, job, due_at, expires_at
FROM json_to_recordset($1::json) AS new (tenant text, key text, body text, job uuid, due_at bigint, expires_at bigint)
ORDER BY tenant, key
ON CONFLICT (tenant, key) DO UPDATE SET
  body = excluded.body, job = excluded.job, due_at = excluded.due_at, expires_at = excluded.expires_at
WHERE used.expires_at <= $2::bigint
RETURNING 1 AS remembered`;

const appendStatement = `-- events.append
INSERT INTO punctual.events (type, tenant, at, job, schedule, queue, actor, data)
SELECT type, tenant, at, job, schedule, queue, actor, data FROM (
  SELECT * FROM json_to_recordset($1::json) AS new (ord integer, type text, tenant text, at bigint, job uuid,
    schedule text, queue text, actor text, data text) ORDER BY ord
) AS ordered`;

const countedLanes = `SELECT queue, tenant, ${counters.join(", ")}
FROM json_to_recordset($1::json) AS new (queue text, tenant text, ${counters.map((name) => `${name} integer`).join(", ")})`;

const countStatement = `-- lanes.count
INSERT INTO punctual.lane_deltas (queue, tenant, ${counters.join(", ")})
${countedLanes}`;

// A lane without a row is none for claims.
const countAndMakeStatement = `-- lanes.countAndMake
WITH lanes AS MATERIALIZED (
${countedLanes} ORDER BY queue, tenant
), made AS (
  ${missingLanesOf("lanes")}
)
INSERT INTO punctual.lane_deltas (queue, tenant, ${counters.join(", ")})
SELECT queue, tenant, ${counters.join(", ")} FROM lanes`;

/** Another call remembered the key, or moved the finished job, meanwhile: the step is run anew, and finds it. */
class TakenMeanwhile extends Error {
  /** As a unique violation: the runner repeats the step. */
  readonly code = "23505";
}

/** Writes everything. What makes room in a unique index comes first. @param makesLanes makes rows of lanes without one */
export async function flush(
  session: Session,
  workspace: Workspace,
  loaded: Loaded,
  makesLanes: boolean,
): Promise<void> {
  const keys = workspace.rememberedKeys();
  const remembering = rememberKeys(keys, workspace.now);
  const statements = [
    ...remembering,
    ...jobStatements(workspace),
    ...scheduleStatements(workspace, loaded),
    ...eventStatements(workspace.events),
    ...listing(makesLanes ? countAndMakeStatement : countStatement, workspace.lanes.rows()),
  ];
  const answers = await runAll(session, statements);
  if (keys.length > 0 && (answers[0]?.length ?? 0) < keys.length) {
    throw new TakenMeanwhile("an idempotency key was used by another call meanwhile");
  }
  // The history is read without a lock: a trim, a purge or another retry may have taken the row.
  const revived = [...workspace.changedJobs()].filter(({ before }) => tableOf(before) === "ended").length;
  const gone = answers[statements.findIndex(([text]) => text === reviveStatement)]?.length ?? 0;
  if (gone < revived) throw new TakenMeanwhile("a finished job was taken by another call meanwhile");
}

/** What becomes of a row: in the hot table, in the history, or nowhere. */
function tableOf(stored: Stored | undefined): "live" | "ended" | undefined {
  if (stored === undefined) return undefined;
  return isFinished(stateOf(stored.place)) ? "ended" : "live";
}

function jobStatements(workspace: Workspace): Statement[] {
  const gone: { live: number[]; ended: number[] } = { live: [], ended: [] };
  const updated: Stored[] = [];
  const inserted: Stored[] = [];
  const ended: Stored[] = [];
  for (const { before, after } of workspace.changedJobs()) {
    const from = tableOf(before);
    const to = tableOf(after);
    if (from === "live" && to === "live" && after !== undefined) updated.push(after);
    else {
      if (before !== undefined && from !== undefined) gone[from].push(before.seq);
      if (after !== undefined) (to === "live" ? inserted : ended).push(after);
    }
  }
  return [
    ...listing(deleteStatement, gone.live),
    ...listing(reviveStatement, gone.ended),
    ...listing(updateStatement, updated.map(jobJson)),
    ...listing(
      insertStatement,
      inserted.map((stored, ord) => ({ ord, ...jobJson(stored) })),
    ),
    ...listing(finishStatement, ended.map(jobJson)),
  ];
}

function scheduleStatements(workspace: Workspace, loaded: Loaded): Statement[] {
  const wasThere = ({ tenant, id }: { readonly tenant: string; readonly id: string }) =>
    loaded.schedules.get(pairText(tenant, id)) !== undefined;
  const changed = workspace.changedSchedules();
  const gone = changed.flatMap(({ ref, schedule }) => (schedule === undefined && wasThere(ref) ? [ref] : []));
  const saved = changed.flatMap(({ schedule }) => schedule ?? []);
  return [
    ...listing(removeSchedulesStatement, gone),
    ...listing(updateSchedulesStatement, saved.filter(wasThere).map(scheduleJson)),
    ...listing(createSchedulesStatement, saved.filter((schedule) => !wasThere(schedule)).map(scheduleJson)),
  ];
}

function rememberKeys(keys: readonly RememberedKey[], now: number): Statement[] {
  const rows = keys.map(({ dueAt, expiresAt, ...key }) => ({ ...key, due_at: dueAt, expires_at: expiresAt }));
  return rows.length === 0 ? [] : [[rememberStatement, [JSON.stringify(rows), now]]];
}

/** Adds events to the audit log. */
export function eventStatements(events: readonly NewEvent[]): Statement[] {
  const rows = events.map(({ data, ...event }, ord) => ({
    ...event,
    ord,
    data: data === undefined ? null : JSON.stringify(data),
  }));
  return listing(appendStatement, rows);
}

/** Adds to the counters of lanes. */
export function laneStatements(rows: readonly LaneDelta[]): Statement[] {
  return listing(countStatement, rows);
}

/** A statement that takes one list; none for an empty one. */
function listing(text: string, rows: readonly unknown[]): Statement[] {
  return rows.length === 0 ? [] : [[text, [JSON.stringify(rows)]]];
}

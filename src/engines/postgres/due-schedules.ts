// What is due: found in the order of the next tick and locked, but for what another transaction holds.
import type { Millis } from "../../core/clock.ts";
import type { NewEvent } from "../../core/events.ts";
import type { TenantGuardrails } from "../../core/guardrails.ts";
import type { Schedule } from "../../core/schedule.ts";
import type { TenantId } from "../../core/tenant.ts";
import type { Session } from "./connections.ts";
import { readGuardrails } from "./load.ts";
import { readableSchedule, type ScheduleRow } from "./schedule-rows.ts";

const due = "next_at IS NOT NULL AND next_at <= $1::bigint ORDER BY next_at LIMIT $2";

const tenantsStatement = `-- schedules.dueTenants
SELECT DISTINCT due.tenant, tenants.guardrails
FROM (SELECT tenant FROM punctual.schedules WHERE ${due}) AS due LEFT JOIN punctual.tenants AS tenants ON tenants.id = due.tenant`;

const lockStatement = `-- schedules.lockDue
SELECT tenant, id, schedule, incarnation, revision, cursor_after::float8 AS cursor_after
FROM punctual.schedules WHERE ${due} FOR NO KEY UPDATE SKIP LOCKED`;

const incarnations = "SELECT value FROM json_array_elements_text($1::json)";

const heldStatement = `-- schedules.heldJobs
WITH free AS MATERIALIZED (
  SELECT seq FROM punctual.jobs WHERE incarnation IN (${incarnations}) FOR UPDATE SKIP LOCKED
)
SELECT DISTINCT incarnation FROM punctual.jobs
WHERE incarnation IN (${incarnations}) AND seq NOT IN (SELECT seq FROM free)`;

const disableStatement = `-- schedules.disableUnreadable
UPDATE punctual.schedules AS schedules SET enabled = false, next_at = NULL
FROM json_to_recordset($1::json) AS broken (tenant text, id text)
WHERE schedules.tenant = broken.tenant AND schedules.id = broken.id`;

interface DueRow extends ScheduleRow {
  readonly incarnation: string;
  readonly revision: number;
  readonly cursor_after: Millis;
}

/** What is due and locked. */
export interface Due {
  readonly found: readonly Schedule[];
  /** How many rows were looked at. */
  readonly seen: number;
  /** What is to be told of rows that cannot be read: they have been disabled, so that they stop nobody else (S8). */
  readonly broken: readonly NewEvent[];
}

/** The tenants of what is due, with their own limits. Nothing is locked. */
export async function dueTenants(
  session: Session,
  now: Millis,
  limit: number,
): Promise<[TenantId, TenantGuardrails | undefined][]> {
  const rows = await session.run(tenantsStatement, [now, limit]);
  return rows.map(({ tenant, guardrails }) => [tenant, guardrails === null ? undefined : readGuardrails(guardrails)]);
}

/** Locks what is due, but for what another transaction holds: the schedule, or a job whose place it would take. */
export async function lockDue(session: Session, now: Millis, limit: number): Promise<Due> {
  const rows = (await session.run(lockStatement, [now, limit])) as DueRow[];
  const readable: Schedule[] = [];
  const broken: NewEvent[] = [];
  for (const row of rows) {
    const schedule = readableSchedule(row);
    if (schedule !== undefined && isAsItsColumns(schedule, row)) readable.push(schedule);
    else {
      const data = { reason: "its row cannot be read" };
      broken.push({ type: "schedule:disabled", tenant: row.tenant, schedule: row.id, at: now, data });
    }
  }
  if (broken.length > 0) {
    const refs = broken.map(({ tenant, schedule }) => ({ tenant, id: schedule }));
    await session.run(disableStatement, [JSON.stringify(refs)]);
  }
  return { found: await withoutHeld(session, readable), seen: rows.length, broken };
}

/** What a fire compares. A row that says one thing in its columns and another in its JSON would stay due for ever. */
function isAsItsColumns({ incarnation, revision, cursor }: Schedule, row: DueRow): boolean {
  return incarnation === row.incarnation && revision === row.revision && cursor.after === row.cursor_after;
}

/** A caller's transaction may hold a job for long: a tick that would cancel it waits by itself, and stays due. */
async function withoutHeld(session: Session, schedules: readonly Schedule[]): Promise<readonly Schedule[]> {
  const replacing = schedules.filter(({ definition }) => definition.overlap === "replace");
  if (replacing.length === 0) return schedules;
  const named = replacing.map(({ incarnation }) => incarnation);
  const held = new Set((await session.run(heldStatement, [JSON.stringify(named)])).map((row) => row["incarnation"]));
  return held.size === 0
    ? schedules
    : schedules.filter(({ definition, incarnation }) => definition.overlap !== "replace" || !held.has(incarnation));
}

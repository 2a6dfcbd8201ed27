// Loads and locks the rows that a step names. The order of locks is the same everywhere, so that steps wait for each
// other and not in a ring: counts of tenants, schedules by name, jobs by their order of insertion.
import { isGuardrails, type TenantGuardrails } from "../../core/guardrails.ts";
import type { JobId } from "../../core/id.ts";
import { isFinished } from "../../core/job.ts";
import { parsedJson } from "../../core/stored-limits.ts";
import type { TenantId } from "../../core/tenant.ts";
import { type Names, pairText, slotText } from "../../core/workspace/names.ts";
import type { Loaded, Stored } from "../../core/workspace/workspace.ts";
import type { Session } from "./connections.ts";
import { isActive } from "./fresh-leases.ts";
import { lockFreeKeys } from "./key-locks.ts";
import { finishedColumns, type JobRow, jobColumns, toStored } from "./rows.ts";
import { readableSchedule, type ScheduleRow } from "./schedule-rows.ts";
import type { Row } from "./sql.ts";

/** A count that limits hold, and the tenants' rows that it counts. */
export type CountKind = "jobs" | "schedules";

/** Counts what tenants have, under the lock of that count; with each is given what the step may add. */
export type Count = (
  session: Session,
  kind: CountKind,
  wanted: ReadonlyMap<TenantId, number>,
) => Promise<ReadonlyMap<TenantId, number>>;

const ids = (parameter: string) => `SELECT value::uuid FROM json_array_elements_text(${parameter}::json)`;
const texts = (parameter: string) => `SELECT value FROM json_array_elements_text(${parameter}::json)`;
const slotRecords = (parameter: string) =>
  `json_to_recordset(${parameter}::json) AS wanted (tenant text, queue text, key text)`;

const knownStatement = `-- steps.known
SELECT id::text AS id FROM punctual.jobs WHERE id IN (${ids("$1")})
UNION ALL SELECT id::text FROM punctual.finished WHERE id IN (${ids("$1")})
UNION ALL SELECT replaced_by::text FROM punctual.jobs WHERE replaced_by IN (${ids("$1")})
UNION ALL SELECT replaced_by::text FROM punctual.finished WHERE replaced_by IN (${ids("$1")})`;

const namedColumns = "tenant, queue, key, schedule, incarnation";

const lookStatement = `-- steps.look
SELECT ${namedColumns} FROM punctual.jobs WHERE (key IS NOT NULL OR schedule IS NOT NULL) AND id IN (${ids("$1")})
UNION ALL
SELECT ${namedColumns} FROM punctual.finished WHERE (key IS NOT NULL OR schedule IS NOT NULL) AND id IN (${ids("$1")})
UNION ALL
SELECT ${namedColumns} FROM punctual.jobs WHERE (key IS NOT NULL OR schedule IS NOT NULL) AND replaced_by IN (${ids("$2")})
UNION ALL
SELECT jobs.tenant, jobs.queue, jobs.key, schedule, incarnation
FROM ${slotRecords("$3")} JOIN punctual.jobs AS jobs USING (tenant, queue, key) WHERE schedule IS NOT NULL`;

interface NamedRow {
  readonly tenant: string;
  readonly queue: string;
  readonly key: string | null;
  readonly schedule: string | null;
  readonly incarnation: string | null;
}

const lockSchedulesStatement = `-- schedules.lock
SELECT tenant, id, schedule FROM punctual.schedules
WHERE (tenant, id) IN (SELECT tenant, id FROM json_to_recordset($1::json) AS wanted (tenant text, id text))
ORDER BY tenant, id FOR NO KEY UPDATE`;

// Beside the jobs that live, those that the history has in the same snapshot: one that is revived between two looks would
// be in neither. One that ends while its lock is waited for is found by the look that follows.
const lockJobsStatement = `-- jobs.lock
WITH wanted AS MATERIALIZED (
  SELECT seq FROM punctual.jobs WHERE id IN (${ids("$1")})
  UNION SELECT seq FROM punctual.jobs WHERE replaced_by IN (${ids("$2")})
  UNION SELECT seq FROM ${slotRecords("$3")} JOIN punctual.jobs AS jobs USING (tenant, queue, key)
), live AS MATERIALIZED (
  SELECT ${jobColumns} FROM punctual.jobs AS jobs WHERE jobs.seq IN (SELECT seq FROM wanted)
  ORDER BY jobs.seq FOR UPDATE OF jobs
)
SELECT live.* FROM live
UNION ALL SELECT ${finishedColumns} FROM punctual.finished WHERE id IN (${ids("$1")})
UNION ALL
SELECT ${finishedColumns} FROM punctual.finished WHERE replaced_by IN (${ids("$2")}) AND id NOT IN (${ids("$1")})`;

const lockSlotsStatement = `-- jobs.lockSlots
SELECT ${jobColumns} FROM punctual.jobs AS jobs WHERE jobs.seq IN (
  SELECT seq FROM ${slotRecords("$1")} JOIN punctual.jobs AS jobs USING (tenant, queue, key)
)
ORDER BY jobs.seq FOR UPDATE OF jobs`;

const finishedStatement = `-- jobs.findFinished
SELECT ${finishedColumns} FROM punctual.finished WHERE id IN (${ids("$1")})
UNION ALL
SELECT ${finishedColumns} FROM punctual.finished WHERE replaced_by IN (${ids("$2")}) AND id NOT IN (${ids("$1")})`;

const unfinishedStatement = `-- jobs.unfinished
SELECT incarnation, id::text AS id, ${isActive} AS active FROM punctual.jobs
WHERE incarnation IN (${texts("$1")}) ORDER BY seq`;

// A schedule whose policy is to allow overlap may have very many.
const someUnfinishedStatement = `-- jobs.someUnfinished
SELECT wanted.value AS incarnation, id, active FROM json_array_elements_text($1::json) AS wanted, LATERAL (
  SELECT seq, id::text AS id, ${isActive} AS active FROM punctual.jobs AS jobs WHERE jobs.incarnation = wanted.value LIMIT $2
) AS few
ORDER BY seq`;

const tenantsStatement = `-- tenants.guardrails
SELECT id, guardrails FROM punctual.tenants WHERE guardrails IS NOT NULL AND id IN (${texts("$1")})`;

const usedKeysStatement = `-- idempotency.find
SELECT used.tenant, used.key, body, job::text AS job, due_at::float8 AS due_at
FROM json_to_recordset($1::json) AS wanted (tenant text, key text) JOIN punctual.idempotency AS used USING (tenant, key)
WHERE expires_at > $2::bigint`;

const firedStatement = `-- schedules.firedBefore
SELECT DISTINCT job::text AS job FROM punctual.events WHERE type = 'tick:fired' AND job IN (${ids("$1")})`;

const limitedQueuesStatement = `-- queues.limited
SELECT name FROM punctual.queues WHERE concurrency IS NOT NULL AND name IN (${texts("$1")})`;

/** Loads what is named into what is loaded; what belongs to a named job comes with it. */
export async function load(
  session: Session,
  names: Names,
  loaded: Loaded,
  now: number,
  { count, locksKeysFirst }: { readonly count: Count; readonly locksKeysFirst: boolean },
): Promise<void> {
  await nameKnown(session, names, loaded);
  await nameRelated(session, names, loaded);
  if (names.unfinishedOf.size > 0) {
    if (locksKeysFirst) await lockFreeKeys(session, loaded);
    const counts = await count(session, "jobs", names.unfinishedOf);
    for (const [tenant, unfinished] of counts) loaded.unfinishedCounts.set(tenant, unfinished);
  }
  if (names.activeOf.size > 0) {
    const counts = await count(session, "schedules", names.activeOf);
    for (const [tenant, active] of counts) loaded.active.set(tenant, active);
  }
  await lockSchedules(session, names, loaded);
  await loadJobs(session, names, loaded);
  await loadUnfinished(session, names, loaded);
  await loadTenants(session, names, loaded);
  await loadUsedKeys(session, names, loaded, now);
  await loadFired(session, names, loaded);
  await loadQueues(session, names, loaded);
}

async function nameKnown(session: Session, { fresh, jobs, replacedBy }: Names, loaded: Loaded): Promise<void> {
  if (fresh.size === 0) return;
  const known = new Set((await session.run(knownStatement, [JSON.stringify([...fresh])])).map((row) => row["id"]));
  for (const id of fresh) {
    if (known.has(id)) {
      jobs.add(id);
      replacedBy.add(id);
    } else {
      loaded.jobs.set(id, undefined);
      loaded.replacedBy.set(id, undefined);
    }
  }
}

/** A job's key, schedule and queue, which its end may touch. They never change, so this look takes no lock. */
async function nameRelated(session: Session, names: Names, loaded: Loaded): Promise<void> {
  const { jobs, replacedBy, slots } = names;
  if (jobs.size + replacedBy.size + slots.size === 0) return;
  const values = [JSON.stringify([...jobs]), JSON.stringify([...replacedBy]), JSON.stringify([...slots.values()])];
  const rows = (await session.run(lookStatement, values)) as NamedRow[];
  for (const { tenant, queue, key, schedule, incarnation } of rows) {
    if (key !== null && !loaded.slots.has(slotText({ tenant, queue, key }))) names.slot({ tenant, queue, key });
    if (schedule === null || incarnation === null) continue;
    if (!loaded.schedules.has(pairText(tenant, schedule))) names.schedule({ tenant, id: schedule });
    if (!loaded.unfinished.has(incarnation)) names.someOf.add(incarnation);
  }
}

async function lockSchedules(session: Session, { schedules }: Names, loaded: Loaded): Promise<void> {
  if (schedules.size === 0) return;
  const rows = await session.run(lockSchedulesStatement, [JSON.stringify([...schedules.values()])]);
  for (const text of schedules.keys()) loaded.schedules.set(text, undefined);
  for (const row of rows as ScheduleRow[]) {
    loaded.schedules.set(pairText(row.tenant, row.id), readableSchedule(row) ?? "unreadable");
  }
}

async function loadJobs(session: Session, names: Names, loaded: Loaded): Promise<void> {
  const { jobs, replacedBy, slots } = names;
  if (jobs.size + replacedBy.size + slots.size === 0) return;
  const values = [JSON.stringify([...jobs]), JSON.stringify([...replacedBy]), JSON.stringify([...slots.values()])];
  const found = ((await session.run(lockJobsStatement, values)) as JobRow[]).map(toStored);
  const live = found.filter(isLive);
  if (slots.size > 0) {
    // A lock that was waited for leaves the statement with an old look at the other slot. Nobody changes a key's slots
    // without the lock of what is in them, so that now a new look tells.
    const again = await session.run(lockSlotsStatement, [JSON.stringify([...slots.values()])]);
    const inSlots = (again as JobRow[]).map(toStored);
    const seen = new Set(inSlots.map(({ job }) => job.id));
    live.splice(0, live.length, ...live.filter(({ job }) => job.key === undefined || !seen.has(job.id)), ...inSlots);
  }
  for (const stored of [...live, ...found.filter((one) => !isLive(one))]) add(loaded, stored);
  for (const [text, name] of slots) {
    const both = live.filter(({ job }) => job.key !== undefined && slotText(job as typeof name) === text);
    loaded.slots.set(text, {
      current: both.find(({ place }) => place !== "held")?.job.id,
      successor: both.find(({ place }) => place === "held")?.job.id,
    });
  }
  const unseen = [...jobs].filter((id) => loaded.jobs.get(id) === undefined);
  const unreplaced = [...replacedBy].filter((id) => loaded.replacedBy.get(id) === undefined);
  if (unseen.length + unreplaced.length > 0) {
    const rows = await session.run(finishedStatement, [JSON.stringify(unseen), JSON.stringify(unreplaced)]);
    for (const row of rows as JobRow[]) add(loaded, toStored(row));
  }
  for (const id of jobs) if (!loaded.jobs.has(id)) loaded.jobs.set(id, undefined);
  for (const id of replacedBy) if (!loaded.replacedBy.has(id)) loaded.replacedBy.set(id, undefined);
}

function isLive({ job }: Stored): boolean {
  return !isFinished(job.state);
}

function add(loaded: Loaded, stored: Stored): void {
  const { id, replacedBy, state } = stored.job;
  const known = loaded.jobs.get(id);
  // A live row is locked; what the history says of the same job is of an earlier moment.
  if (known !== undefined && !isFinished(known.job.state) && isFinished(state)) return;
  loaded.jobs.set(id, stored);
  if (replacedBy !== undefined) loaded.replacedBy.set(replacedBy, id);
}

async function loadUnfinished(session: Session, names: Names, loaded: Loaded): Promise<void> {
  const { incarnations, someOf, jobs } = names;
  if (incarnations.size > 0) {
    const rows = await session.run(unfinishedStatement, [JSON.stringify([...incarnations])]);
    keepUnfinished(incarnations, rows, loaded);
    for (const incarnation of incarnations) loaded.partly.delete(incarnation);
  }
  const some = [...someOf].filter((incarnation) => !incarnations.has(incarnation));
  if (some.length === 0) return;
  // No more than the named jobs end in the step: of so many and one, one is left.
  const enough = jobs.size + 1;
  const rows = await session.run(someUnfinishedStatement, [JSON.stringify(some), enough]);
  keepUnfinished(some, rows, loaded);
  for (const incarnation of some) {
    if (loaded.unfinished.get(incarnation)?.length === enough) loaded.partly.add(incarnation);
  }
}

function keepUnfinished(incarnations: Iterable<string>, rows: readonly Row[], loaded: Loaded): void {
  const found = new Map<string, { id: JobId; state: "active" | "pending" }[]>();
  for (const incarnation of incarnations) found.set(incarnation, []);
  for (const { incarnation, id, active } of rows) {
    found.get(incarnation)?.push({ id, state: active === true ? "active" : "pending" });
  }
  for (const [incarnation, unfinished] of found) loaded.unfinished.set(incarnation, unfinished);
}

async function loadTenants(session: Session, { tenants }: Names, loaded: Loaded): Promise<void> {
  if (tenants.size === 0) return;
  const rows = await session.run(tenantsStatement, [JSON.stringify([...tenants])]);
  for (const tenant of tenants) loaded.tenants.set(tenant, undefined);
  for (const { id, guardrails } of rows) loaded.tenants.set(id, readGuardrails(guardrails));
}

/** Unreadable ones leave the scheduler's, which are there to hold for everyone; the findings name the row. */
export function readGuardrails(text: string): TenantGuardrails | undefined {
  const guardrails = parsedJson(text);
  return isGuardrails(guardrails) ? (guardrails as TenantGuardrails) : undefined;
}

async function loadUsedKeys(session: Session, { usedKeys }: Names, loaded: Loaded, now: number): Promise<void> {
  if (usedKeys.size === 0) return;
  const wanted = [...usedKeys.values()].map(([tenant, key]) => ({ tenant, key }));
  const rows = await session.run(usedKeysStatement, [JSON.stringify(wanted), now]);
  for (const text of usedKeys.keys()) loaded.usedKeys.set(text, undefined);
  for (const { tenant, key, body, job, due_at } of rows) {
    loaded.usedKeys.set(pairText(tenant, key), { body, job, dueAt: due_at });
  }
}

async function loadFired(session: Session, { fired }: Names, loaded: Loaded): Promise<void> {
  if (fired.size === 0) return;
  const rows = await session.run(firedStatement, [JSON.stringify([...fired])]);
  for (const job of fired) loaded.fired.set(job, false);
  for (const { job } of rows) loaded.fired.set(job, true);
}

async function loadQueues(session: Session, { queues }: Names, loaded: Loaded): Promise<void> {
  if (queues.size === 0) return;
  const rows = await session.run(limitedQueuesStatement, [JSON.stringify([...queues])]);
  for (const queue of queues) loaded.limitedQueues.set(queue, false);
  for (const { name } of rows) loaded.limitedQueues.set(name, true);
}

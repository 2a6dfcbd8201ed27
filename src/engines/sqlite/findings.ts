// What only SQLite knows of a store's health: settings, file, damaged rows, counters, what retention has left.
import { statfsSync, statSync } from "node:fs";
import { defaults } from "../../core/defaults.ts";
import { formatDuration } from "../../core/duration.ts";
import { type Finding, fine } from "../../core/findings.ts";
import { jobIdFromBytes, jobIdFromHex } from "../../core/id.ts";
import { isDamaged } from "../../core/stored-job.ts";
import type { Connection } from "./database.ts";
import { readableSchedule, type ScheduleRow } from "./schedule-table.ts";
import type { Tx } from "./tx.ts";

/** Files up to this size are read through. */
const checkedBytesMax = 256 * 1024 * 1024;
/** A log of this size was not folded into the file for long: somebody keeps a transaction open. */
const logBytesMax = 64 * 1024 * 1024;
/** Empty pages are worth a word when they are this much and half of the file. */
const freeBytesMin = 64 * 1024 * 1024;
/** Tables up to so many rows are looked through. */
const rowsMax = 2_000_000;
/** ... and this many are read as closely as a claim does. */
const shapedMax = 20_000;
/** A janitor goes round every minute: what should be gone for longer was left by nobody's coming. */
const leftMs = 10 * defaults.janitorMs;
/** Finished jobs of one queue that may lie beyond what retention keeps, as they are trimmed together. */
const slack = 1_000;

const synchronousNames = ["off", "normal", "full", "extra"];

export function findings(tx: Tx): Finding[] {
  return [...settings(tx), ...file(tx), ...integrity(tx), ...damage(tx), ...counters(tx), ...leftovers(tx)];
}

function settings({ connection }: Tx): Finding[] {
  const mode = connection.get<{ journal_mode: string }>("-- findings.mode\nPRAGMA journal_mode")?.journal_mode;
  const level =
    connection.get<{ synchronous: number }>("-- findings.synchronous\nPRAGMA synchronous")?.synchronous ?? 0;
  const name = synchronousNames[level] ?? String(level);
  const said = `journal_mode ${mode}, synchronous ${name}`;
  if (mode !== "wal" && mode !== "memory") {
    const mend = "Close every process, then: PRAGMA journal_mode = WAL.";
    return [{ check: "settings", status: "problem", what: `${said}: readers and writers block each other`, mend }];
  }
  if (level === 0) {
    const mend = "Leave out `synchronous`, or set it to full where power may fail.";
    return [{ check: "settings", status: "problem", what: `${said}: a power cut may destroy the file`, mend }];
  }
  const survives = level === 1 ? "a killed process; at a power cut the last commits may go" : "a power cut";
  return [fine("settings", `${said}: what is committed survives ${survives}`)];
}

function file({ connection }: Tx): Finding[] {
  const path = connection.get<{ file: string }>("-- findings.file\nSELECT file FROM pragma_database_list")?.file ?? "";
  if (path === "") return [fine("file", "the database is in memory, and ends with its process")];
  const { page_size = 0 } = connection.get<{ page_size: number }>("-- findings.size\nPRAGMA page_size") ?? {};
  const free = connection.get<{ freelist_count: number }>("-- findings.free\nPRAGMA freelist_count");
  const bytes = sizeOf(path);
  const freeBytes = (free?.freelist_count ?? 0) * page_size;
  const logBytes = sizeOf(`${path}-wal`);
  const found: Finding[] = [fine("file", `${path}: ${megabytes(bytes)}, its log ${megabytes(logBytes)}`)];
  if (logBytes > logBytesMax) {
    found.push({
      check: "log",
      status: "warn",
      what: `the write-ahead log is ${megabytes(logBytes)}`,
      mend: "Some process keeps a read transaction open, so the log cannot be folded in: end it, or restart the oldest.",
    });
  }
  if (freeBytes > freeBytesMin && freeBytes > bytes / 2) {
    found.push({
      check: "free pages",
      status: "warn",
      what: `${megabytes(freeBytes)} of the file are empty pages`,
      mend: "They are used again. To shrink the file, stop every process and run VACUUM.",
    });
  }
  const { bavail, bsize } = statfsSync(path);
  if (bavail * bsize < bytes / 10 + logBytesMax) {
    const what = `the disk has ${megabytes(bavail * bsize)} left`;
    found.push({ check: "disk", status: "problem", what, mend: "Free some space: on a full disk nothing is written." });
  }
  return found;
}

function integrity({ connection }: Tx): Finding[] {
  const size = connection.get<{ bytes: number }>(
    "-- findings.bytes\nSELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()",
  );
  const bytes = size?.bytes ?? 0;
  if (bytes > checkedBytesMax) {
    return [
      fine("integrity", `not checked, as the file is ${megabytes(bytes)}; PRAGMA quick_check does it at leisure`),
    ];
  }
  const rows = connection.all<{ quick_check: string }>("-- findings.check\nPRAGMA quick_check(5)");
  if (rows.length === 1 && rows[0]?.quick_check === "ok") return [fine("integrity", "every page and row can be read")];
  const what = `the file is damaged: ${rows.map((row) => row.quick_check).join("; ")}`;
  const mend = "Stop every process, keep a copy, and restore a backup, or try `sqlite3 FILE .recover`.";
  return [{ check: "integrity", status: "problem", what, mend }];
}

/** Texts that should be JSON, with what names their row. */
const texts = [
  { what: "job", table: "punctual_jobs", column: "input", name: "id", key: "seq" },
  { what: "job", table: "punctual_jobs", column: "detail", name: "id", key: "seq" },
  { what: "finished job", table: "punctual_finished", column: "input", name: "id", key: "seq" },
  { what: "finished job", table: "punctual_finished", column: "detail", name: "id", key: "seq" },
  { what: "schedule", table: "punctual_schedules", column: "schedule", name: "tenant || '/' || id", key: "rowid" },
  { what: "queue", table: "punctual_queues", column: "rate", name: "name", key: "name" },
  { what: "queue", table: "punctual_queues", column: "rate_window", name: "name", key: "name" },
  { what: "tenant", table: "punctual_tenants", column: "rate", name: "id", key: "id" },
  { what: "tenant", table: "punctual_tenants", column: "rate_window", name: "id", key: "id" },
  { what: "tenant", table: "punctual_tenants", column: "guardrails", name: "id", key: "id" },
  { what: "event", table: "punctual_events", column: "data", name: "id", key: "id" },
] as const;

function damage({ connection }: Tx): Finding[] {
  const found: Finding[] = [];
  for (const { what, table, column, name, key } of texts) {
    const sql = `-- findings.damage
SELECT ${name} AS name, ${column} AS text FROM (SELECT * FROM ${table} ORDER BY ${key} LIMIT ${rowsMax})
WHERE ${column} IS NOT NULL AND NOT json_valid(${column}) LIMIT 20`;
    const rows = connection.all<{ name: Uint8Array | string | number; text: string }>(sql);
    // SQLite reads fewer levels of nesting than JavaScript.
    for (const row of rows.filter(({ text }) => !isJson(text))) {
      const named = row.name instanceof Uint8Array ? jobIdFromBytes(row.name) : String(row.name);
      found.push({
        check: "rows",
        status: "problem",
        what: `${what} ${named} is damaged: its ${column} is no JSON (table ${table})`,
        mend: `Mend or delete the row; a backup may have it whole.`,
      });
    }
  }
  found.push(...misshapen(connection));
  return found.length === 0 ? [fine("rows", "every stored text can be read")] : found;
}

/** What is JSON and yet not what was written, among the first rows: each stops itself, see damage.test.ts. */
function misshapen(connection: Connection): Finding[] {
  const mend = "Mend or delete the row; a backup may have it whole.";
  const details = connection.all<{ id: string; detail: string }>(detailsStatement, shapedMax);
  const schedules = connection.all<ScheduleRow>(schedulesStatement, shapedMax);
  const what = [
    ...details
      .filter(({ detail }) => isDamaged(detail))
      .map(({ id }) => `job ${jobIdFromHex(id)} is damaged: its detail is not a job's (table punctual_jobs)`),
    ...schedules
      .filter((row) => readableSchedule(row) === undefined)
      .map(({ tenant, id }) => `schedule ${tenant}/${id} is damaged: it is not whole (table punctual_schedules)`),
  ];
  return what.slice(0, 20).map((one): Finding => ({ check: "rows", status: "problem", what: one, mend }));
}

const detailsStatement = `-- findings.details
SELECT lower(hex(id)) AS id, detail FROM punctual_jobs WHERE detail IS NOT NULL AND json_valid(detail) LIMIT ?`;

const schedulesStatement = `-- findings.schedules
SELECT tenant, id, schedule FROM punctual_schedules WHERE json_valid(schedule) LIMIT ?`;

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const countedStatement = `-- findings.counters
SELECT queue, tenant, sum(counted) AS counted, sum(stored) AS stored FROM (
  SELECT queue, tenant, ready + deferred + held + active + completed + failed + cancelled AS counted, 0 AS stored
  FROM punctual_lanes
  UNION ALL SELECT queue, tenant, 0, count(*) FROM punctual_jobs GROUP BY queue, tenant
  UNION ALL SELECT queue, tenant, 0, count(*) FROM punctual_finished GROUP BY queue, tenant
) GROUP BY queue, tenant HAVING sum(counted) <> sum(stored) LIMIT 20`;

function counters({ connection }: Tx): Finding[] {
  const { rows = 0 } =
    connection.get<{ rows: number }>("-- findings.jobs\nSELECT coalesce(max(seq), 0) AS rows FROM punctual_jobs") ?? {};
  if (rows > rowsMax && countLanes(connection) > rowsMax)
    return [fine("counters", "not compared: there are too many jobs")];
  type Row = { readonly queue: string; readonly tenant: string; readonly counted: number; readonly stored: number };
  const wrong = connection.all<Row>(countedStatement);
  if (wrong.length === 0) return [fine("counters", "the counts of every queue agree with its jobs")];
  return wrong.map(({ queue, tenant, counted, stored }) => ({
    check: "counters",
    status: "problem",
    what: `queue ${queue} of tenant ${tenant} counts ${counted} jobs and holds ${stored}`,
    mend: "Rows were changed by other means than Punctual. `punctual copy` into a new file counts anew.",
  }));
}

function countLanes(connection: Tx["connection"]): number {
  const sql =
    "-- findings.backlog\nSELECT coalesce(sum(ready + deferred + held + active), 0) AS jobs FROM punctual_lanes";
  return connection.get<{ jobs: number }>(sql)?.jobs ?? 0;
}

/** What a janitor would have deleted. */
function leftovers({ connection, now, retention }: Tx): Finding[] {
  const { completedCountMax, endedCountMax, eventAgeMsMax } = retention.history;
  const reasons: string[] = [];
  const expired = connection.get<{ at: number | null }>(
    "-- findings.expired\nSELECT min(expires_at) AS at FROM punctual_finished WHERE expires_at IS NOT NULL",
  )?.at;
  if (expired != null && expired < now - leftMs) {
    reasons.push(`finished jobs whose time ended ${formatDuration(wholeSeconds(now - expired))} ago`);
  }
  const full = connection.all<{ queue: string }>(
    "-- findings.overfull\nSELECT queue FROM punctual_lanes GROUP BY queue HAVING sum(completed) > ? OR sum(failed + cancelled) > ?",
    completedCountMax + slack,
    endedCountMax + slack,
  );
  if (full.length > 0) reasons.push(`more finished jobs than are kept in ${full.map(({ queue }) => queue).join(", ")}`);
  const event = connection.get<{ at: number | null }>(
    "-- findings.event\nSELECT min(at) AS at FROM punctual_events",
  )?.at;
  if (event != null && event < now - eventAgeMsMax - leftMs) {
    reasons.push(`events of ${formatDuration(wholeSeconds(now - event))} ago`);
  }
  if (reasons.length === 0) return [fine("retention", "nothing is kept beyond its time")];
  return [
    {
      check: "retention",
      status: "warn",
      what: `there are ${reasons.join("; ")}`,
      mend: "Run a process with the role janitor: punctual serve --roles janitor.",
    },
  ];
}

function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1_000) * 1_000;
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function megabytes(bytes: number): string {
  return `${(bytes / (1024 * 1024)).toFixed(1)} MiB`;
}

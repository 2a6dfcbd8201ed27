// What the wanted queues of a claim are like at one moment, in one statement: enough to know that there is nothing to claim.
import type { Millis } from "../../core/clock.ts";
import type { ClaimRequest } from "../../core/engine.ts";
import { everyQueue, isLimited, type Queue, type RateWindow, rateAllowance, spendRate } from "../../core/queue.ts";
import { readWindow } from "../../core/stored-limits.ts";
import type { Statement } from "./connections.ts";
import { isReady } from "./fresh-leases.ts";
import { latestKnown, refuseNewer } from "./migrations/migrate.ts";
import { type QueueRow, toQueue } from "./queue-rows.ts";
import { nowOf, type Row } from "./sql.ts";

const newer = `FROM punctual.migrations WHERE id > ${latestKnown} AND breaking ORDER BY id LIMIT 1`;

/** A lease whose tenant has used up its rate is as good as not ended before it is regained. */
const openLease = `SELECT min(greatest(lease_until, coalesce(blocked_until, 0)))
  FROM punctual.jobs AS jobs LEFT JOIN punctual.tenants AS tenants ON tenants.id = jobs.tenant
  WHERE place = 'active' AND jobs.queue = wants.queue`;

const openClaim = `SELECT min(greatest(ends_at, coalesce(blocked_until, 0)))
  FROM punctual.claims AS claims LEFT JOIN punctual.tenants AS tenants ON tenants.id = claims.tenant
  WHERE claims.queue = wants.queue`;

const firstLease = `SELECT lease_until FROM punctual.jobs AS jobs
  WHERE place = 'active' AND jobs.queue = wants.queue ORDER BY lease_until, seq LIMIT 1`;

const firstClaim = `SELECT ends_at FROM punctual.claims AS claims WHERE claims.queue = wants.queue ORDER BY ends_at LIMIT 1`;

// The rows themselves are looked at, not the counters: these may not be folded yet. Sorted as their index is, so that
// it is used whatever the statistics say.
const lookStatement = `-- claim.look
WITH at AS MATERIALIZED (SELECT ${nowOf("$2")} AS now),
known AS MATERIALIZED (
  SELECT now, coalesce((SELECT paused FROM punctual.queues WHERE name = '${everyQueue}'), false) AS all_paused,
    EXISTS (SELECT 1 FROM punctual.tenants WHERE limited) AS limit_any,
    EXISTS (SELECT 1 FROM punctual.tenants WHERE blocked_until > now) AS block_any,
    (SELECT id ${newer}) AS newer_id, (SELECT name ${newer}) AS newer_name
  FROM at
)
SELECT known.now::float8 AS now, all_paused, limit_any, block_any, newer_id, newer_name, wants.queue AS name,
  coalesce(queues.paused, false) AS paused, concurrency, rate, rate_window, queues.name IS NOT NULL AS recorded,
  (CASE WHEN block_any THEN least((${openLease}), (${openClaim})) ELSE least((${firstLease}), (${firstClaim})) END)::float8
    AS lease_until,
  (SELECT due_at FROM punctual.jobs AS jobs WHERE place = 'deferred' AND jobs.queue = wants.queue
    ORDER BY due_at, seq LIMIT 1)::float8 AS deferred_until,
  (SELECT count(*) FROM (
    SELECT 1 FROM punctual.jobs AS jobs WHERE ${isReady} AND jobs.queue = wants.queue
    ORDER BY tenant, priority, due_at, seq LIMIT wants.most
  ) AS few)::int4 AS ready,
  CASE WHEN concurrency IS NULL THEN 0 ELSE (
    SELECT coalesce(sum(active), 0) FROM punctual.lanes WHERE lanes.queue = wants.queue
  ) + (
    SELECT coalesce(sum(active), 0) FROM punctual.lane_deltas WHERE lane_deltas.queue = wants.queue
  ) END::float8 AS active
FROM known, json_to_recordset($1::json) AS wants (ord integer, queue text, most integer)
LEFT JOIN punctual.queues AS queues ON queues.name = wants.queue
ORDER BY ord`;

interface LookRow extends QueueRow {
  readonly recorded: boolean;
  readonly now: Millis;
  readonly all_paused: boolean;
  readonly limit_any: boolean;
  readonly newer_id: number | null;
  readonly newer_name: string | null;
  readonly lease_until: Millis | null;
  readonly deferred_until: Millis | null;
  readonly ready: number;
  readonly active: number;
}

/** A wanted queue that is not paused, with what is known of it while the claim goes on. */
export interface OpenQueue {
  readonly name: string;
  /** The most that this claim may give of it. */
  readonly limit: number;
  readonly record: Queue | undefined;
  /** What its rate limit has counted, this claim's own jobs included. */
  window: RateWindow;
  /** Its active jobs; counted only where its concurrency is limited. */
  active: number;
  /** Its ready rows, counted up to the limit. */
  readonly ready: number;
  /** When its first lease ends. */
  leaseUntil: Millis | undefined;
  /** When its first deferred job is due. */
  deferredUntil: Millis | undefined;
}

/** The wanted queues at one moment. */
export interface Look {
  readonly now: Millis;
  readonly open: readonly OpenQueue[];
  readonly paused: readonly string[];
  readonly limited: readonly string[];
  /** Whether claims of any tenant are limited. */
  readonly limitAny: boolean;
}

/** A queue that is wanted, and how much of it. */
export type Want = ClaimRequest["wants"][number];

/** The statement whose rows `toLook` reads. */
export function lookOf(wants: readonly Want[], limit: number, now: Millis | null): Statement {
  const list = wants.map((want, ord) => ({ ord, queue: want.queue, most: mostOf(want, limit) }));
  return [lookStatement, [JSON.stringify(list), now]];
}

/** What a queue may give at most. */
export function mostOf(want: Want, limit: number): number {
  return Math.max(0, Math.min(want.limit, limit));
}

/** @throws StoreTooNewError when a newer version has made the store another one (O3) */
export function toLook(wants: readonly Want[], rows: readonly Row[]): Look {
  const found = rows as readonly LookRow[];
  const [first] = found;
  if (typeof first?.newer_id === "number") refuseNewer(first.newer_id, first.newer_name ?? "");
  const open: OpenQueue[] = [];
  const paused: string[] = [];
  const limited: string[] = [];
  for (const [index, row] of found.entries()) {
    const record = row.recorded ? toQueue(row) : undefined;
    if (isLimited(record)) limited.push(row.name);
    if (row.all_paused || record?.paused === true) paused.push(row.name);
    else open.push(toOpen(row, record, wants[index]?.limit ?? 0));
  }
  return { now: first?.now ?? 0, open, paused, limited, limitAny: first?.limit_any === true };
}

function toOpen(row: LookRow, record: Queue | undefined, limit: number): OpenQueue {
  return {
    name: row.name,
    limit,
    record,
    window: readWindow(row.rate_window),
    active: row.active,
    ready: row.ready,
    leaseUntil: row.lease_until ?? undefined,
    deferredUntil: row.deferred_until ?? undefined,
  };
}

/** What a queue may give to one claim. */
export interface Allowance {
  readonly limit: number;
  /** When a rate limit gives again. */
  readonly regainAt?: Millis | undefined;
}

/** What a queue's rate and concurrency leave to be claimed. */
export function allowance(queue: OpenQueue, now: Millis): Allowance {
  const rate = rateLeft(queue, now);
  const concurrency = queue.record?.concurrency;
  if (concurrency === undefined) return rate;
  return { ...rate, limit: Math.min(rate.limit, concurrency - queue.active) };
}

/** What a queue's rate leaves to be claimed. */
export function rateLeft(queue: OpenQueue, now: Millis): Allowance {
  const rate = queue.record?.rate;
  if (rate === undefined) return { limit: Number.POSITIVE_INFINITY };
  const { allowed, window, regainAt } = rateAllowance(rate, queue.window, now);
  queue.window = window;
  return { limit: allowed, regainAt };
}

/** Counts claims of a queue; whether its window is to be stored. */
export function spend(queue: OpenQueue, claims: number, now: Millis): boolean {
  const rate = queue.record?.rate;
  if (rate === undefined) return false;
  queue.window = spendRate(rate, rateAllowance(rate, queue.window, now).window, claims, now);
  return true;
}

/** The earliest of some instants. */
export function earliest(instants: readonly (Millis | undefined)[]): Millis | undefined {
  let first: Millis | undefined;
  for (const at of instants) if (at !== undefined && (first === undefined || at < first)) first = at;
  return first;
}

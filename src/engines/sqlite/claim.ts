// Claiming: expired leases first and alone, then due jobs by lane, priority, due time and insertion.
import { claimedEvent } from "../../core/audit.ts";
import type { Millis } from "../../core/clock.ts";
import type { ClaimAnswer, ClaimRequest } from "../../core/engine.ts";
import type { ClaimedJob } from "../../core/job.ts";
import { everyQueue, isLimited, type Queue, type RateWindow, rateAllowance, spendRate } from "../../core/queue.ts";
import { endJob } from "../../core/steps/ending.ts";
import { recoverLease } from "../../core/steps/recovery.ts";
import { damagedReason } from "../../core/stored-job.ts";
import { applyClaim, type Claim, failDamaged, isLost } from "../../core/transitions.ts";
import { giveUpAt, giveUpPlaces } from "./held-places.ts";
import { earliest } from "./job-table.ts";
import { ledgerOf } from "./ledger.ts";
import { checkEpoch } from "./migrations/migrate.ts";
import { findQueue, saveWindow } from "./queues.ts";
import { type JobRow, jobColumns, type Stored, toJob, toStored } from "./rows.ts";
import { countTaken, hasClaimable, inTurn, isSlotWanted, shareReady, waitingRegainAt } from "./sharing.ts";
import type { Tx } from "./tx.ts";

/** Rows that one claim moves from deferred to ready in one queue, at most. */
const promotedMax = 1_000;

const repeatStatement = `-- jobs.claimedBy
SELECT ${jobColumns} FROM punctual_jobs WHERE place = 'active' AND token = ? AND worker = ? ORDER BY priority, due_at, seq`;

const firstLeaseStatement = `-- jobs.firstLease
SELECT lease_until AS at FROM punctual_jobs WHERE queue = ? AND place = 'active' ORDER BY lease_until, seq LIMIT 1`;

const expiredStatement = `-- jobs.expired
SELECT ${jobColumns} FROM punctual_jobs WHERE queue = ? AND place = 'active' AND lease_until <= ?
ORDER BY lease_until, seq LIMIT 1`;

const firstDeferredStatement = `-- jobs.firstDeferred
SELECT due_at AS at FROM punctual_jobs WHERE queue = ? AND place = 'deferred' ORDER BY due_at, seq LIMIT 1`;

// A lease whose tenant has used up its rate is as good as not ended before it is regained.
const blockedUntil = "coalesce((SELECT blocked_until FROM punctual_tenants WHERE id = tenant), 0)";

const firstOpenLeaseStatement = `-- jobs.firstOpenLease
SELECT min(max(lease_until, ${blockedUntil})) AS at FROM punctual_jobs WHERE queue = ? AND place = 'active'`;

const expiredOpenStatement = `-- jobs.expiredOpen
SELECT ${jobColumns} FROM punctual_jobs WHERE queue = ? AND place = 'active' AND lease_until <= ? AND ${blockedUntil} <= ?
ORDER BY lease_until, seq LIMIT 1`;

const promoteStatement = `-- jobs.promote
UPDATE punctual_jobs SET place = 'ready' WHERE seq IN (
  SELECT seq FROM punctual_jobs WHERE queue = ? AND place = 'deferred' AND due_at <= ? ORDER BY due_at, seq LIMIT ?
) RETURNING tenant`;

// What applyClaim changes in a job that has no lease to recover, for many at once.
const claimStatement = `-- jobs.claim
UPDATE punctual_jobs
SET place = 'active', attempt = attempt + 1, token = ?, worker = ?, claimed_at = ?, lease_until = ?, started = ?
WHERE seq IN (SELECT value FROM json_each(?))`;

/** A wanted queue that is not paused, with what is known of it while the claim goes on. */
interface OpenQueue {
  readonly name: string;
  readonly limit: number;
  readonly record: Queue | undefined;
  /** What its rate limit has counted, this claim's own jobs included. */
  window: RateWindow;
  /** When its first lease ends. */
  leaseUntil: Millis | undefined;
  /** When its first deferred job is due. */
  deferredUntil: Millis | undefined;
}

export function claim(tx: Tx, request: ClaimRequest): ClaimAnswer {
  checkEpoch(tx.connection);
  if (request.repeat === true) {
    const again = claimedBefore(tx, request);
    if (again.length > 0) return { jobs: again, nextDueAt: tx.now, paused: [], limited: [] };
  }
  const { open, paused, limited } = lookAt(tx, request);
  const recovered = recoverOne(tx, open, request);
  for (const queue of open) queue.deferredUntil = promote(tx, queue);
  if (recovered === undefined && giveUpPlaces(tx, namesOf(open), request)) {
    for (const queue of open) {
      queue.leaseUntil = firstLease(tx, queue.name);
      queue.deferredUntil = firstDeferred(tx, queue.name);
    }
  }
  const jobs = recovered === undefined ? take(tx, open, request) : [recovered];
  if (tx.auditsAll) for (const job of jobs) tx.append(claimedEvent(job, tx.now));
  return { jobs, ...standing(tx, open, request), paused, limited };
}

/** What is left to be claimed. */
function standing(tx: Tx, open: readonly OpenQueue[], request: ClaimRequest) {
  return {
    nextDueAt: earliest([...open.map((queue) => nextDue(tx, queue, request)), giveUpAt(tx, namesOf(open), request)]),
    slotsWanted: open.some(({ name }) => isSlotWanted(tx, name)),
  };
}

function namesOf(open: readonly OpenQueue[]): string[] {
  return open.map(({ name }) => name);
}

/** The answer to a claim that finds nothing; undefined when there may be something. Takes no write lock. */
export function nothingToClaim(tx: Tx, request: ClaimRequest): ClaimAnswer | undefined {
  if (request.repeat === true) return undefined;
  checkEpoch(tx.connection);
  const { open, paused, limited } = lookAt(tx, request);
  const waits = open.flatMap(({ leaseUntil, deferredUntil }) => [leaseUntil, deferredUntil]);
  const nextDueAt = earliest(waits);
  const isDue = nextDueAt !== undefined && nextDueAt <= tx.now;
  if (isDue || open.some(({ name }) => hasClaimable(tx, name, request.starts))) return undefined;
  const left = standing(tx, open, request);
  if (left.nextDueAt !== undefined && left.nextDueAt <= tx.now) return undefined;
  return { jobs: [], ...left, paused, limited };
}

/** What the wanted queues are like as the claim begins. */
function lookAt(tx: Tx, { wants }: ClaimRequest) {
  const allPaused = findQueue(tx, everyQueue)?.queue.paused === true;
  const paused: string[] = [];
  const limited: string[] = [];
  const open: OpenQueue[] = [];
  for (const { queue: name, limit } of wants) {
    const stored = findQueue(tx, name);
    if (isLimited(stored?.queue)) limited.push(name);
    if (allPaused || stored?.queue.paused === true) paused.push(name);
    else {
      const leaseUntil = firstLease(tx, name);
      const deferredUntil = firstDeferred(tx, name);
      open.push({ name, limit, record: stored?.queue, window: stored?.window ?? [], leaseUntil, deferredUntil });
    }
  }
  return { open, paused, limited };
}

function claimedBefore({ connection }: Tx, { claimId, worker }: ClaimRequest): ClaimedJob[] {
  return connection.tuples<JobRow>(repeatStatement, claimId, worker).map((row) => {
    const job = toJob(row) as ClaimedJob;
    return { ...job, recovered: job.attempts.at(-1)?.outcome === "lost", ref: row[0] };
  });
}

/** A job whose lease has ended, alone. One with a successor ends instead, and the next is looked at. */
function recoverOne(tx: Tx, open: readonly OpenQueue[], request: ClaimRequest): ClaimedJob | undefined {
  if (request.starts < 1) return undefined;
  for (const queue of open) {
    // It is started again, so the rates count it; it is active already, so no concurrency does.
    if (queue.limit < 1 || request.limit < 1 || rateLeft(tx, queue).limit < 1) continue;
    while (queue.leaseUntil !== undefined && queue.leaseUntil <= tx.now) {
      const stored = expired(tx, queue.name);
      if (stored === undefined) break;
      const recovered = recoverLease(ledgerOf(tx), stored, leaseFor(request, true), stored.seq);
      if (recovered !== undefined) {
        spend(tx, queue, 1);
        tx.tenants.spend(recovered.tenant, 1);
      }
      queue.leaseUntil = firstLease(tx, queue.name);
      if (recovered !== undefined) return recovered;
      // It has ended: its key's successor waits in its place.
      queue.deferredUntil = firstDeferred(tx, queue.name);
    }
  }
  return undefined;
}

/** The lease of a queue that ended first, of a tenant whose rate allows it to be recovered. */
function expired({ connection, tenants, now }: Tx, queue: string): Stored | undefined {
  for (;;) {
    const [row] = tenants.blockAny
      ? connection.tuples<JobRow>(expiredOpenStatement, queue, now, now)
      : connection.tuples<JobRow>(expiredStatement, queue, now);
    const stored = row && toStored(row);
    if (stored === undefined || tenants.allowsRecovery(stored.job.tenant)) return stored;
  }
}

function leaseFor({ claimId, worker, leaseMs }: ClaimRequest, startsNow: boolean): Claim {
  return { token: claimId, worker, leaseMs, startsNow };
}

/** When a queue's first lease can be recovered. */
function firstLease({ connection, tenants }: Tx, queue: string): Millis | undefined {
  const statement = tenants.blockAny ? firstOpenLeaseStatement : firstLeaseStatement;
  return connection.get<{ at: Millis | null }>(statement, queue)?.at ?? undefined;
}

function firstDeferred({ connection }: Tx, queue: string): Millis | undefined {
  return connection.get<{ at: Millis }>(firstDeferredStatement, queue)?.at;
}

/** Moves what has come due from deferred to ready, a bounded number of rows; returns when the next is due. */
function promote(tx: Tx, { name, deferredUntil }: OpenQueue): Millis | undefined {
  const { connection, lanes, now } = tx;
  if (deferredUntil === undefined || deferredUntil > now) return deferredUntil;
  for (const { tenant } of connection.all<{ tenant: string }>(promoteStatement, name, now, promotedMax)) {
    lanes.add(name, tenant, "deferred", -1);
    lanes.add(name, tenant, "ready", 1);
  }
  return firstDeferred(tx, name);
}

function take(tx: Tx, open: readonly OpenQueue[], request: ClaimRequest): ClaimedJob[] {
  const jobs: ClaimedJob[] = [];
  const starting: number[] = [];
  const prefetched: number[] = [];
  let bytes = 0;
  for (const queue of open) {
    const room = Math.min(queue.limit, request.limit - jobs.length, allowance(tx, queue).limit);
    if (room <= 0) continue;
    const before = jobs.length;
    const lanes = shareReady(tx, queue.name, request.starts - before, room);
    const turns = inTurn(lanes);
    const lost = turns.find(({ job, damaged }) => !damaged && isLost(job));
    if (lost !== undefined && before > 0) continue;
    for (const { seq, job, damaged } of lost === undefined ? turns : [lost]) {
      if (damaged) {
        endJob(ledgerOf(tx), failDamaged(job, damagedReason, tx.now), { seq, place: "ready", job });
        continue;
      }
      bytes += job.input.length;
      if (jobs.length > 0 && bytes > request.bytesMax) break;
      const startsNow = jobs.length < request.starts;
      jobs.push(applyClaim(job, leaseFor(request, startsNow), tx.now, seq));
      (startsNow ? starting : prefetched).push(seq);
    }
    const taken = jobs.slice(before);
    countTaken(tx, queue.name, lanes, taken);
    if (taken.length === 0) continue;
    queue.leaseUntil = earliest([queue.leaseUntil, tx.now + request.leaseMs]);
    spend(tx, queue, taken.length);
    if (lost !== undefined) break;
  }
  markClaimed(tx, request, starting, true);
  markClaimed(tx, request, prefetched, false);
  return jobs;
}

function markClaimed(tx: Tx, request: ClaimRequest, seqs: readonly number[], startsNow: boolean): void {
  if (seqs.length === 0) return;
  const { claimId, worker, leaseMs } = request;
  const started = Number(startsNow);
  tx.connection.run(claimStatement, claimId, worker, tx.now, tx.now + leaseMs, started, `[${seqs.join(",")}]`);
}

/** What a queue may give to one claim. */
interface Allowance {
  readonly limit: number;
  /** When a rate limit gives again. */
  readonly regainAt?: Millis | undefined;
}

function allowance(tx: Tx, queue: OpenQueue): Allowance {
  const rate = rateLeft(tx, queue);
  const concurrency = queue.record?.concurrency;
  if (concurrency === undefined) return rate;
  return { ...rate, limit: Math.min(rate.limit, concurrency - tx.lanes.active(queue.name)) };
}

function rateLeft({ now }: Tx, queue: OpenQueue): Allowance {
  const rate = queue.record?.rate;
  if (rate === undefined) return { limit: Number.POSITIVE_INFINITY };
  const { allowed, window, regainAt } = rateAllowance(rate, queue.window, now);
  queue.window = window;
  return { limit: allowed, regainAt };
}

function spend(tx: Tx, queue: OpenQueue, claims: number): void {
  const rate = queue.record?.rate;
  if (rate === undefined) return;
  queue.window = spendRate(rate, queue.window, claims, tx.now);
  saveWindow(tx, queue.name, queue.window);
}

/** When the queue next has something to claim, after this claim. */
function nextDue(tx: Tx, queue: OpenQueue, { starts }: ClaimRequest): Millis | undefined {
  const { leaseUntil, deferredUntil } = queue;
  const recoverAt = rateLeft(tx, queue).regainAt ?? 0;
  const waits = [leaseUntil === undefined ? undefined : Math.max(leaseUntil, recoverAt), deferredUntil];
  const tenantsRegainAt = waitingRegainAt(tx, queue.name);
  if (!hasClaimable(tx, queue.name, starts)) return earliest([...waits, tenantsRegainAt]);
  const { limit, regainAt } = allowance(tx, queue);
  return earliest([...waits, tenantsRegainAt, limit > 0 ? tx.now : regainAt]);
}

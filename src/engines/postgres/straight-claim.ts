// Claiming where nothing stands in the way: of one queue that has one tenant's lane, no limit, no ended lease and nothing
// deferred that is due, the next jobs in one statement. It looks for itself whether this is so; where it is not, it takes
// nothing, and the claim goes the general way.
//
// The watermark. With a snapshot held open somewhere, rows that were claimed cannot be vacuumed and stay at the head of the
// index: each claim would read past all of them. So while claims come back full, the next goes on behind the last job that
// was claimed, and does not look for ended leases and deferred jobs either. A more urgent job that comes meanwhile lies
// before that mark: a wake, a claim that is not full, or a quarter of a second (more where a full look takes long) puts the
// mark back to the beginning.
import type { Millis } from "../../core/clock.ts";
import { defaults } from "../../core/defaults.ts";
import type { ClaimAnswer, ClaimRequest } from "../../core/engine.ts";
import type { ClaimedJob } from "../../core/job.ts";
import { everyQueue } from "../../core/queue.ts";
import type { Signal } from "../../core/signal.ts";
import { endJob } from "../../core/steps/ending.ts";
import { damagedReason, fromDetail, isDamaged, originOf } from "../../core/stored-job.ts";
import { failDamaged } from "../../core/transitions.ts";
import { earliest } from "./claim-look.ts";
import { claimedText, readClaimed, type TakenJob } from "./claimed-text.ts";
import { ageLeases, isReady } from "./fresh-leases.ts";
import { epochHolds } from "./migrations/migrate.ts";
import { promoteOf } from "./promoting.ts";
import { nowOf, type Value } from "./sql.ts";
import type { Steps } from "./steps.ts";

const at = `at AS MATERIALIZED (SELECT ${nowOf("$1")} AS now)`;

// A queue's only lane, where none of its claims need be counted or shared.
const plainLane = `SELECT min(tenant) AS tenant FROM punctual.lanes WHERE queue = $2 AND ${epochHolds}
    AND NOT EXISTS (SELECT 1 FROM punctual.queues WHERE name IN ($2, '${everyQueue}') AND (paused OR limited))
    AND NOT EXISTS (SELECT 1 FROM punctual.tenants WHERE limited)
  HAVING count(*) = 1`;

// $2 queue, $3 most jobs, $4 most bytes, $5 token, $6 worker, $7 lease, $8 how many start; from the beginning, $9 whether
// what has come due was moved just now; behind a mark, from $9 on the mark.
// A job that may have crashed its worker is claimed alone, by the general way. Rows are numbered in the order in which they
// were locked, which is the index's: nothing here is sorted.
const claim = (from: "ready" | "deferred", which: string) => `ready AS MATERIALIZED (
  SELECT jobs.ctid AS place_id, jobs.seq, jobs.detail, octet_length(jobs.input) AS bytes, ${claimedText} AS job
  FROM punctual.jobs AS jobs
  WHERE ${which}
  ORDER BY jobs.priority, jobs.due_at, jobs.seq LIMIT $3 FOR UPDATE OF jobs SKIP LOCKED
), numbered AS MATERIALIZED (
  SELECT place_id, seq, job, bytes, row_number() OVER () AS nr
  FROM ready WHERE NOT EXISTS (SELECT 1 FROM ready WHERE detail LIKE '%"lost"%' OR detail NOT LIKE '{%}')
), given AS NOT MATERIALIZED (
  SELECT place_id, seq, job, nr FROM numbered WHERE (SELECT sum(bytes) FROM ready) <= $4 OR nr = 1
    OR (SELECT sum(before.bytes) FROM numbered AS before WHERE before.nr <= numbered.nr) <= $4
), claimed AS (
  UPDATE punctual.jobs AS jobs SET ${from === "ready" ? "" : "place = 'ready', "}attempt = attempt + 1, token = $5, worker = $6,
    claimed_at = at.now, fresh_until = at.now + $7::bigint, started = given.nr <= $8
  FROM at, given WHERE jobs.ctid = given.place_id
  RETURNING 1
), taken AS MATERIALIZED (
  SELECT (SELECT count(*) FROM claimed) AS count, string_agg(job, E'\\x1e') AS jobs, array_agg(seq) AS seqs FROM given
), counted AS (
  INSERT INTO punctual.lane_deltas (queue, tenant, ${from}, active)
  SELECT $2, open.tenant, -taken.count, taken.count FROM open, taken WHERE taken.count > 0
), noted AS (
  INSERT INTO punctual.claims (ends_at, queue, tenant, token, jobs)
  SELECT at.now + $7::bigint, $2, open.tenant, $5, taken.seqs FROM at, open, taken WHERE taken.count > 0
)`;

const ofLane = "jobs.queue = $2 AND jobs.tenant = (SELECT tenant FROM open)";

// One row, and the jobs as one text (claimed-text.ts).
const answer = `at.now::float8 AS now, (SELECT tenant FROM open) AS lane, (SELECT count(*) FROM ready)::int4 AS seen,
  taken.count::int4 AS taken, taken.jobs`;

/** A claim from the beginning of a queue. */
export const fullStatement = `-- jobs.claimPlain
WITH ${at}, look AS MATERIALIZED (
  SELECT (SELECT lease_until FROM punctual.jobs WHERE queue = $2 AND place = 'active' ORDER BY lease_until LIMIT 1) AS lease_until,
    (SELECT ends_at FROM punctual.claims WHERE queue = $2 ORDER BY ends_at LIMIT 1) AS claim_until,
    (SELECT due_at FROM punctual.jobs WHERE queue = $2 AND place = 'deferred' ORDER BY due_at LIMIT 1) AS deferred_until
), open AS MATERIALIZED (
  SELECT lane.tenant FROM (${plainLane}) AS lane, look, at
  WHERE coalesce(least(look.lease_until, look.claim_until) > at.now, true) AND ($9::boolean OR coalesce(look.deferred_until > at.now, true))
), ${claim("ready", `${ofLane} AND ${isReady}`)}
SELECT ${answer}, least(look.lease_until, look.claim_until)::float8 AS first_lease,
  look.claim_until::float8 AS first_claim, look.deferred_until::float8 AS first_deferred,
  CASE WHEN NOT EXISTS (SELECT 1 FROM ready) THEN (
    SELECT at.now FROM punctual.jobs AS jobs WHERE queue = $2 AND tenant = (SELECT tenant FROM open) AND ${isReady}
    ORDER BY priority, jobs.due_at, seq LIMIT 1
  ) + ${defaults.postgres.heldRetryMs} END::float8 AS held_until
FROM at, look, taken`;

/** A claim behind a mark. */
export const onwardStatement = `-- jobs.claimOnward
WITH ${at}, open AS MATERIALIZED (${plainLane}),
${claim(
  "ready",
  `${ofLane} AND ${isReady}
    AND (jobs.priority, jobs.due_at, jobs.seq) > ($9::smallint, $10::bigint, $11::bigint)`,
)}
SELECT ${answer} FROM at, taken`;

/** What has come due is claimed as it lies, the most urgent of so many that came due first, while nothing else is ready. */
const dueMax = 1_000;

// The place is compared again once a row is locked, and in such a way that no index of one place serves.
const dueStatement = `-- jobs.claimDue
WITH ${at}, open AS MATERIALIZED (
  SELECT lane.tenant FROM (${plainLane}) AS lane, at WHERE NOT EXISTS (
    SELECT 1 FROM punctual.jobs AS jobs WHERE jobs.queue = $2 AND jobs.tenant = lane.tenant AND ${isReady}
  ) AND NOT EXISTS (
    SELECT 1 FROM punctual.jobs AS jobs WHERE jobs.queue = $2 AND place = 'active' AND lease_until <= at.now
  ) AND NOT EXISTS (SELECT 1 FROM punctual.claims WHERE queue = $2 AND ends_at <= at.now)
), ${claim(
  "deferred",
  `${ofLane} AND jobs.place || '' = 'deferred' AND jobs.ctid = ANY (ARRAY(
    SELECT due.ctid FROM punctual.jobs AS due WHERE due.queue = $2 AND place = 'deferred'
      AND due.due_at <= (SELECT now FROM at) ORDER BY due.due_at, due.seq LIMIT ${dueMax}))`,
)}
SELECT ${answer} FROM at, taken`;

/** Full looks are at most so far apart, in ms, while they are quick. */
const fullEveryMs = 250;

/** Full looks take at most one in so many parts of the time. */
const fullShare = 5;

/** The last job that was claimed of a queue whose claims come back full. */
interface Mark {
  readonly priority: number;
  readonly dueAt: Millis;
  readonly seq: number;
  /** When the mark must be put back, by `performance.now()`. */
  readonly until: number;
}

/** What a claim answers. */
interface ClaimRow {
  readonly now: Millis;
  /** Absent: the claim must go the general way. */
  readonly lane: string | null;
  readonly seen: number;
  readonly taken: number;
  readonly jobs: string | null;
  readonly first_lease?: Millis | null;
  /** When the first fresh lease ends, or would have ended. */
  readonly first_claim?: Millis | null;
  readonly first_deferred?: Millis | null;
  /** They were claimed as they came due: there may be more, and nothing is known of what comes next. */
  readonly isOfDue?: boolean;
  /** When to look again for ready jobs that another transaction has in hand; absent while there are others. */
  readonly held_until?: Millis | null;
}

export class StraightClaims {
  readonly #steps: Steps;
  readonly #again: (request: ClaimRequest) => Promise<ClaimAnswer>;
  readonly #marks = new Map<string, Mark>();

  /** @param again the general way, for a claim that is to be given what it has taken */
  constructor(steps: Steps, again: (request: ClaimRequest) => Promise<ClaimAnswer>) {
    this.#steps = steps;
    this.#again = again;
  }

  /** What has become due in a queue may lie before the mark. */
  told(signal: Signal): void {
    if (signal.kind === "wake") this.#marks.delete(signal.queue);
    else if (signal.kind === "changed") this.#marks.clear();
  }

  /** Claims from one queue; undefined when the claim must go the general way. */
  async claim(request: ClaimRequest): Promise<ClaimAnswer | undefined> {
    const [want, ...others] = request.wants;
    if (want === undefined || others.length > 0 || request.repeat === true || this.#steps.context.history.auditsAll) {
      return undefined;
    }
    const { queue } = want;
    const limit = Math.min(want.limit, request.limit);
    if (limit < 1 || request.starts < 0) return undefined;
    const mark = this.#mark(queue);
    const { claimId, worker, leaseMs, starts, bytesMax } = request;
    const values = [this.#steps.testNow, queue, limit, bytesMax, claimId, worker, leaseMs, starts];
    const sentAt = performance.now();
    const row = await (mark === undefined ? this.#claimFull(queue, values) : this.#claimBehind(mark, values));
    if (row === undefined || row.lane === null) return this.#detour(queue);
    const { now, lane } = row;
    const taken = row.jobs === null ? [] : readClaimed(row.jobs, row.taken);
    // What cannot be told apart is ours all the same: the general way gives again what this claim has taken.
    if (taken === undefined) return await this.#again({ ...request, repeat: true });
    // The general way ends what is damaged, and claims alone what may have crashed its worker.
    if (taken.length === 0 && row.seen > 0) return this.#detour(queue);
    if (taken.length > 0) this.#remember(queue, request, row);
    const jobs = taken.map((job, index) => claimed(job, { queue, lane, now, startsNow: index < starts }, request));
    const last = taken.at(-1);
    const isFull = taken.length === limit;
    if (last !== undefined && isFull && row.isOfDue !== true)
      this.#move(queue, last, mark?.until ?? nextFullAt(sentAt));
    else this.#marks.delete(queue);
    // Behind a mark that found less than it might, there may be more before it.
    const looksOn =
      isFull || mark !== undefined || taken.length < row.seen || (row.isOfDue === true && taken.length > 0);
    const ends = jobs.length === 0 ? undefined : now + leaseMs;
    const { first_lease, first_deferred, held_until } = row;
    const waits = [first_lease ?? undefined, first_deferred ?? undefined, held_until ?? undefined, ends];
    const nextDueAt = looksOn ? now : earliest(waits);
    const whole = await this.#endDamaged(jobs, taken);
    return { jobs: whole, nextDueAt, paused: [], limited: [] };
  }

  /** From the beginning; what has come due is claimed as it lies, or moved first. */
  async #claimFull(queue: string, values: readonly Value[]): Promise<ClaimRow | undefined> {
    const { connections } = this.#steps;
    let [row] = (await connections.run(fullStatement, [...values, false])) as ClaimRow[];
    const isDue = (at: Millis | null | undefined) => typeof at === "number" && row !== undefined && at <= row.now;
    if (isDue(row?.first_claim)) {
      await ageLeases(connections, this.#steps.testNow, [queue]);
      [row] = (await connections.run(fullStatement, [...values, false])) as ClaimRow[];
    }
    if (row === undefined || row.lane !== null || isDue(row.first_lease) || !isDue(row.first_deferred)) return row;
    const [due] = (await connections.run(dueStatement, values)) as ClaimRow[];
    if (due !== undefined && due.lane !== null) return { ...due, isOfDue: true };
    for (const [text, parameters] of promoteOf([queue], row.now)) await connections.run(text, parameters);
    const [again] = (await connections.run(fullStatement, [...values, true])) as ClaimRow[];
    return again;
  }

  async #claimBehind(mark: Mark, values: readonly Value[]): Promise<ClaimRow | undefined> {
    const { priority, dueAt, seq } = mark;
    const [row] = await this.#steps.connections.run(onwardStatement, [...values, priority, dueAt, seq]);
    return row as ClaimRow | undefined;
  }

  /** A foreign hand may have left anything in a row: such a job ends, and is not run. */
  async #endDamaged(jobs: readonly ClaimedJob[], taken: readonly TakenJob[]): Promise<readonly ClaimedJob[]> {
    const ids = new Set(taken.flatMap(({ id, detail }) => (isDamaged(detail) ? [id] : [])));
    if (ids.size === 0) return jobs;
    try {
      await this.#steps.run(
        (names) => {
          for (const id of ids) names.jobs.add(id);
        },
        (workspace) => {
          for (const id of ids) {
            const stored = workspace.findLive(id);
            if (stored !== undefined) endJob(workspace, failDamaged(stored.job, damagedReason, workspace.now), stored);
          }
        },
      );
    } catch {
      // The others are claimed all the same. Whoever finds these after their lease ends them.
    }
    return jobs.filter(({ id }) => !ids.has(id));
  }

  #remember(queue: string, { claimId, leaseMs }: ClaimRequest, { now, taken }: ClaimRow): void {
    this.#steps.context.fresh.opened(claimId, { queue, endsAt: now + leaseMs, left: taken });
  }

  #mark(queue: string): Mark | undefined {
    const mark = this.#marks.get(queue);
    if (mark !== undefined && performance.now() > mark.until) this.#marks.delete(queue);
    return this.#marks.get(queue);
  }

  #move(queue: string, { seq, priority, dueAt }: TakenJob, until: number): void {
    this.#marks.set(queue, { priority, dueAt, seq, until });
  }

  #detour(queue: string): undefined {
    this.#marks.delete(queue);
    return undefined;
  }
}

function nextFullAt(sentAt: number): number {
  const now = performance.now();
  return now + Math.max(fullEveryMs, fullShare * (now - sentAt));
}

/** Where and when a job was claimed. */
interface Taking {
  readonly queue: string;
  readonly lane: string;
  readonly now: Millis;
  readonly startsNow: boolean;
}

// Each property by its name: spreading one object into another takes several times as long, and there is one for every job.
function claimed(job: TakenJob, { queue, lane, now, startsNow }: Taking, request: ClaimRequest): ClaimedJob {
  const stored = fromDetail(job.detail);
  return {
    id: job.id,
    tenant: lane,
    queue,
    task: job.task,
    input: job.input,
    priority: job.priority,
    state: "active",
    dueAt: job.dueAt,
    createdAt: job.createdAt,
    attempt: job.attempt,
    key: job.key ?? undefined,
    schedule: job.schedule === null ? undefined : originOf(job.schedule, job.incarnation, job.detail),
    replacedBy: job.replacedBy ?? undefined,
    token: request.claimId,
    worker: request.worker,
    claimedAt: now,
    leaseUntil: now + request.leaseMs,
    started: startsNow,
    recovered: false,
    ref: job.seq,
    failures: stored.failures,
    crashes: stored.crashes,
    releases: stored.releases,
    attemptsMax: stored.attemptsMax,
    metadata: stored.metadata,
    progress: stored.progress,
    output: stored.output,
    reason: stored.reason,
    endCause: stored.endCause,
    attempts: stored.attempts,
    log: stored.log,
  };
}

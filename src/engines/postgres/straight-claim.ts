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
import type { ClaimAnswer, ClaimRequest } from "../../core/engine.ts";
import type { ClaimedJob } from "../../core/job.ts";
import { everyQueue } from "../../core/queue.ts";
import type { Signal } from "../../core/signal.ts";
import { endJob } from "../../core/steps/ending.ts";
import { damagedReason, isDamaged } from "../../core/stored-job.ts";
import { failDamaged } from "../../core/transitions.ts";
import { earliest } from "./claim-look.ts";
import { epochHolds } from "./migrations/migrate.ts";
import { type ReadyRow, readyColumns, readyJob } from "./rows.ts";
import { nowOf } from "./sql.ts";
import type { Steps } from "./steps.ts";

const at = `at AS MATERIALIZED (SELECT ${nowOf("$1")} AS now, set_config('synchronous_commit', 'off', true) AS relaxed)`;

// A queue's only lane, where none of its claims need be counted or shared.
const plainLane = `SELECT min(tenant) AS tenant FROM punctual.lanes WHERE queue = $2 AND ${epochHolds}
    AND NOT EXISTS (SELECT 1 FROM punctual.queues WHERE name IN ($2, '${everyQueue}') AND (paused OR limited))
    AND NOT EXISTS (SELECT 1 FROM punctual.tenants WHERE limited)
  HAVING count(*) = 1`;

// $2 queue, $3 most jobs, $4 most bytes, $5 token, $6 worker, $7 lease, $8 how many start, from $9 on the watermark.
// A job that may have crashed its worker is claimed alone, by the general way.
const claim = (behind: string) => `ready AS MATERIALIZED (
  SELECT jobs.seq, jobs.priority, jobs.due_at, jobs.detail, octet_length(jobs.input) AS bytes
  FROM punctual.jobs AS jobs
  WHERE jobs.queue = $2 AND jobs.tenant = (SELECT tenant FROM open) AND place = 'ready'${behind}
  ORDER BY jobs.priority, jobs.due_at, jobs.seq LIMIT $3 FOR UPDATE OF jobs SKIP LOCKED
), numbered AS MATERIALIZED (
  SELECT seq, row_number() OVER w AS nr, sum(bytes) OVER w AS bytes
  FROM ready WHERE NOT EXISTS (SELECT 1 FROM ready WHERE detail LIKE '%"lost"%' OR detail NOT LIKE '{%}')
  WINDOW w AS (ORDER BY priority, due_at, seq)
), claimed AS (
  UPDATE punctual.jobs AS jobs SET place = 'active', attempt = attempt + 1, token = $5, worker = $6, claimed_at = at.now,
    lease_until = at.now + $7::bigint, started = numbered.nr <= $8
  FROM at, numbered WHERE jobs.seq = numbered.seq AND (nr = 1 OR numbered.bytes <= $4)
  RETURNING jobs.*
), counted AS (
  INSERT INTO punctual.lane_deltas (queue, tenant, ready, active)
  SELECT $2, open.tenant, -count(*), count(*) FROM open, claimed GROUP BY open.tenant HAVING count(*) > 0
)`;

const answer = `(SELECT tenant FROM open) AS lane, (SELECT count(*) FROM ready)::int4 AS seen, at.now::float8 AS now,
  ${readyColumns}`;

const fullStatement = `-- jobs.claimPlain
WITH ${at}, look AS MATERIALIZED (
  SELECT (SELECT lease_until FROM punctual.jobs WHERE queue = $2 AND place = 'active' ORDER BY lease_until LIMIT 1) AS lease_until,
    (SELECT due_at FROM punctual.jobs WHERE queue = $2 AND place = 'deferred' ORDER BY due_at LIMIT 1) AS deferred_until
), open AS MATERIALIZED (
  SELECT lane.tenant FROM (${plainLane}) AS lane, look, at
  WHERE coalesce(look.lease_until > at.now, true) AND coalesce(look.deferred_until > at.now, true)
), ${claim("")}
SELECT ${answer}, look.lease_until::float8 AS first_lease, look.deferred_until::float8 AS first_deferred
FROM at CROSS JOIN look LEFT JOIN claimed ON true ORDER BY claimed.priority, claimed.due_at, claimed.seq`;

const onwardStatement = `-- jobs.claimOnward
WITH ${at}, open AS MATERIALIZED (${plainLane}),
${claim(`
    AND (jobs.priority, jobs.due_at, jobs.seq) > ($9::smallint, $10::bigint, $11::bigint)`)}
SELECT ${answer} FROM at LEFT JOIN claimed ON true ORDER BY claimed.priority, claimed.due_at, claimed.seq`;

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

/** The rows of a claim; without a job there is one all the same. */
interface ClaimRow {
  readonly seq: number | null;
  readonly lane: string | null;
  readonly seen: number;
  readonly now: Millis;
  readonly first_lease?: Millis | null;
  readonly first_deferred?: Millis | null;
}

/** A row that holds a job. */
type TakenRow = ClaimRow & ReadyRow & { readonly lane: string };

export class StraightClaims {
  readonly #steps: Steps;
  readonly #marks = new Map<string, Mark>();

  constructor(steps: Steps) {
    this.#steps = steps;
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
    const rows = (await this.#steps.connections.run(
      mark === undefined ? fullStatement : onwardStatement,
      mark === undefined ? values : [...values, mark.priority, mark.dueAt, mark.seq],
    )) as ClaimRow[];
    const [first] = rows;
    if (first === undefined || first.lane === null) return this.#detour(queue);
    const taken = first.seq === null ? [] : (rows as TakenRow[]);
    const jobs = taken.map((row, index) => claimed(row, index, request));
    // The general way ends what is damaged, and claims alone what may have crashed its worker.
    if (jobs.length === 0 && first.seen > 0) return this.#detour(queue);
    const last = taken.at(-1);
    if (last !== undefined && taken.length === limit) this.#move(queue, last, mark?.until ?? nextFullAt(sentAt));
    else this.#marks.delete(queue);
    const isFull = taken.length === limit;
    // Behind a mark that found less than it might, there may be more before it.
    const looksOn = isFull || mark !== undefined || jobs.length < first.seen;
    const ends = jobs.length === 0 ? undefined : first.now + leaseMs;
    const nextDueAt = looksOn
      ? first.now
      : earliest([first.first_lease ?? undefined, first.first_deferred ?? undefined, ends]);
    const whole = await this.#endDamaged(jobs, taken);
    return { jobs: whole, nextDueAt, paused: [], limited: [] };
  }

  /** A foreign hand may have left anything in a row: such a job ends, and is not run. */
  async #endDamaged(jobs: readonly ClaimedJob[], rows: readonly ReadyRow[]): Promise<readonly ClaimedJob[]> {
    const ids = new Set(rows.flatMap(({ id, detail }) => (isDamaged(detail) ? [id] : [])));
    if (ids.size === 0) return jobs;
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
    return jobs.filter(({ id }) => !ids.has(id));
  }

  #mark(queue: string): Mark | undefined {
    const mark = this.#marks.get(queue);
    if (mark !== undefined && performance.now() > mark.until) this.#marks.delete(queue);
    return this.#marks.get(queue);
  }

  #move(queue: string, last: ReadyRow, until: number): void {
    this.#marks.set(queue, { priority: last.priority, dueAt: last.due_at, seq: last.seq, until });
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

function claimed(row: TakenRow, index: number, { wants, claimId, worker, leaseMs, starts }: ClaimRequest): ClaimedJob {
  return {
    ...readyJob(row, wants[0]?.queue ?? "", row.lane),
    state: "active",
    token: claimId,
    worker,
    claimedAt: row.now,
    leaseUntil: row.now + leaseMs,
    started: index < starts,
    recovered: false,
    ref: row.seq,
  };
}

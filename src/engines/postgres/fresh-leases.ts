// Fresh leases. Jobs that a straight claim gives stay among the ready ones, with `fresh_until` set: no column of an index
// changes, so PostgreSQL writes no entry of any index (a heap-only update), and a claim costs half. What else becomes of
// such a job makes an ordinary one of it: its end, its first extension, or the end of its lease. For the last, `claims`
// has a row for each claim, which says when and which; it may stay behind its jobs, and is never missing.
import type { Millis } from "../../core/clock.ts";
import type { Session } from "./connections.ts";
import { nowOf } from "./sql.ts";

/** A row of punctual.jobs that waits for its claim. */
export const isReady = "place = 'ready' AND fresh_until IS NULL";

/** A row of punctual.jobs with a lease. */
export const isActive = "(place = 'active' OR fresh_until IS NOT NULL)";

/** Where a row of punctual.jobs stands. */
export const placeOfRow = "CASE WHEN fresh_until IS NULL THEN place ELSE 'active' END";

/** The jobs with fresh leases, wherever they are; the columns of punctual.jobs. */
export const freshJobs = `SELECT leased.* FROM punctual.claims AS claims CROSS JOIN LATERAL unnest(claims.jobs) AS given (seq)
  CROSS JOIN LATERAL (
    SELECT * FROM punctual.jobs AS jobs
    WHERE jobs.seq = given.seq AND jobs.token = claims.token AND fresh_until IS NOT NULL OFFSET 0
  ) AS leased`;

/** Rows of claims that are looked at at once, of one queue. */
const agedMax = 100;

/** What ends within so many ms is looked at, too: rows that their jobs have left are not met one by one. */
const aheadMs = 5_000;

// A job that another transaction holds is left to it, and its claim's row stays for the next look.
const ageStatement = `-- claims.age
WITH at AS MATERIALIZED (SELECT ${nowOf("$1")} AS now),
wanted AS MATERIALIZED (
  SELECT value AS queue FROM json_array_elements_text($2::json)
  UNION SELECT queue FROM punctual.claims WHERE $2 IS NULL
), seen AS MATERIALIZED (
  SELECT seen.* FROM at, wanted CROSS JOIN LATERAL (
    SELECT claims.ctid AS place_id, token, jobs FROM punctual.claims AS claims
    WHERE claims.queue = wanted.queue AND ends_at <= at.now + ${aheadMs}
    ORDER BY claims.ends_at LIMIT ${agedMax} FOR UPDATE OF claims SKIP LOCKED
  ) AS seen
), leased AS MATERIALIZED (
  SELECT seen.place_id, given.seq, jobs.fresh_until FROM seen CROSS JOIN LATERAL unnest(seen.jobs) AS given (seq)
  CROSS JOIN LATERAL (
    SELECT fresh_until FROM punctual.jobs AS jobs
    WHERE jobs.seq = given.seq AND jobs.token = seen.token AND fresh_until IS NOT NULL OFFSET 0
  ) AS jobs
), free AS MATERIALIZED (
  SELECT jobs.seq FROM at, leased CROSS JOIN LATERAL (
    SELECT seq FROM punctual.jobs AS jobs WHERE jobs.seq = leased.seq AND fresh_until <= at.now FOR UPDATE SKIP LOCKED
  ) AS jobs WHERE leased.fresh_until <= at.now
), aged AS (
  UPDATE punctual.jobs AS jobs SET place = 'active', lease_until = fresh_until, fresh_until = NULL
  WHERE seq = ANY (ARRAY(SELECT seq FROM free)) RETURNING seq
), dropped AS (
  DELETE FROM punctual.claims WHERE ctid = ANY (ARRAY(
    SELECT place_id FROM seen WHERE place_id NOT IN (
      SELECT place_id FROM leased WHERE seq NOT IN (SELECT seq FROM aged)
    )
  ))
)
SELECT count(*)::int4 AS aged FROM aged`;

/** Makes fresh leases that have ended ordinary ones, of some queues or of all; a bounded number of claims of each. */
export async function ageLeases(session: Session, testNow: Millis | null, queues?: readonly string[]): Promise<void> {
  await session.run(ageStatement, [testNow, queues === undefined ? null : JSON.stringify(queues)]);
}

/** A claim of this process whose row is in the store. */
export interface FreshClaim {
  readonly queue: string;
  readonly endsAt: Millis;
  /** Its jobs that this process has not completed. */
  left: number;
}

/** Claims that are remembered; of the others the rows go when their time comes. */
const rememberedMax = 1_000;

/** What this process has claimed: whoever completes the last job of a claim deletes its row, too. */
export class FreshClaims {
  readonly #open = new Map<string, FreshClaim>();

  opened(token: string, claim: FreshClaim): void {
    if (this.#open.size >= rememberedMax) this.#open.delete(this.#open.keys().next().value ?? "");
    this.#open.set(token, claim);
  }

  of(token: string): FreshClaim | undefined {
    return this.#open.get(token);
  }

  /** So many of a claim's jobs were deleted as completed, for sure. */
  completed(token: string, jobs: number): void {
    const claim = this.#open.get(token);
    if (claim === undefined) return;
    claim.left -= jobs;
    if (claim.left <= 0) this.#open.delete(token);
  }
}

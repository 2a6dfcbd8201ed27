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
import type { Signal } from "../../core/signal.ts";
import { endJob } from "../../core/steps/ending.ts";
import { damagedReason, fromDetail, isDamaged, originOf } from "../../core/stored-job.ts";
import { failDamaged } from "../../core/transitions.ts";
import { earliest } from "./claim-look.ts";
import { readClaimed, type TakenJob } from "./claimed-text.ts";
import { ageLeases } from "./fresh-leases.ts";
import { promoteOf } from "./promoting.ts";
import type { Value } from "./sql.ts";
import type { Steps } from "./steps.ts";
import { dueStatement, fullStatement, onwardStatement } from "./straight-statements.ts";

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
  /** Queues of which more has come due than the last claim could take. */
  readonly #dueQueues = new Set<string>();

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
    if (taken.length > 0 && row.isOfDue !== true) this.#remember(queue, request, row);
    const jobs = taken.map((job, index) => claimed(job, { queue, lane, now, startsNow: index < starts }, request));
    const last = taken.at(-1);
    const isFull = taken.length === limit;
    if (last !== undefined && isFull && row.isOfDue !== true)
      this.#move(queue, last, mark?.until ?? nextFullAt(sentAt));
    else this.#marks.delete(queue);
    if (isFull && row.isOfDue === true) this.#dueQueues.add(queue);
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
    if (this.#dueQueues.delete(queue)) {
      const more = await this.#claimDue(values);
      if (more !== undefined && more.taken > 0) return more;
    }
    let [row] = (await connections.run(fullStatement, [...values, false])) as ClaimRow[];
    const isDue = (at: Millis | null | undefined) => typeof at === "number" && row !== undefined && at <= row.now;
    if (isDue(row?.first_claim)) {
      await ageLeases(connections, this.#steps.testNow, [queue]);
      [row] = (await connections.run(fullStatement, [...values, false])) as ClaimRow[];
    }
    if (row === undefined || row.lane !== null || isDue(row.first_lease) || !isDue(row.first_deferred)) return row;
    const due = await this.#claimDue(values);
    if (due !== undefined) return due;
    for (const [text, parameters] of promoteOf([queue], row.now)) await connections.run(text, parameters);
    const [again] = (await connections.run(fullStatement, [...values, true])) as ClaimRow[];
    return again;
  }

  /** What has come due as it lies; undefined where something stands before it. */
  async #claimDue(values: readonly Value[]): Promise<ClaimRow | undefined> {
    const [due] = (await this.#steps.connections.run(dueStatement, values)) as ClaimRow[];
    return due === undefined || due.lane === null ? undefined : { ...due, isOfDue: true };
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

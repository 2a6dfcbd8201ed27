// Plain completions, many at once: jobs without key or schedule, whose end touches their queue's history and counters
// alone. Of each queue only the newest are written to the history: retention would delete the others at once (J10).
import type { Millis } from "../../core/clock.ts";
import type { Job } from "../../core/job.ts";
import { holds } from "../../core/lease.ts";
import type { Settlement } from "../../core/settling.ts";
import { detailOf, fromDetail, isKept } from "../../core/stored-job.ts";
import { applySettlement } from "../../core/transitions.ts";
import { type Fence, readFencesAt } from "./fence.ts";
import { wakeLimited } from "./queues.ts";
import type { Tx } from "./tx.ts";

// What a completion leaves as it was is copied where it lies.
const keepStatement = `-- jobs.keepCompleted
INSERT INTO punctual_finished (seq, id, tenant, queue, task, input, priority, place, due_at, created_at, attempt, token,
  cancel_requested, replaced_by, finished_at, expires_at, detail)
SELECT seq, jobs.id, tenant, queue, task, input, priority, 'completed', due_at, created_at, attempt, token,
  cancel_requested, replaced_by, ?, ends.value ->> 1, ends.value ->> 2
FROM json_each(?) AS ends CROSS JOIN punctual_jobs AS jobs WHERE jobs.seq = ends.value ->> 0`;

// The fence of core's `holds` as a condition; the plus signs keep the planner with the rows that are named.
const plainAndHeld = `+place = 'active' AND token = ? AND attempt = ? AND +queue = ? AND +key IS NULL AND schedule IS NULL`;

const completeStatement = `-- jobs.complete
DELETE FROM punctual_jobs WHERE seq IN (SELECT value FROM json_each(?)) AND ${plainAndHeld} RETURNING seq, tenant`;

// Jobs that were inserted one after another lie side by side: a range is found in two thirds of the time.
const completeRangeStatement = `-- jobs.completeRange
DELETE FROM punctual_jobs WHERE seq BETWEEN ? AND ? AND ${plainAndHeld} RETURNING seq, tenant`;

/** A completion whose lease says where its job lies. */
interface Placed {
  readonly settlement: Settlement;
  readonly seq: number;
}

/** Ends the jobs of those completions that are plain and hold; returns which. All others are for the straight way. */
export function complete(tx: Tx, settlements: readonly Settlement[]): ReadonlySet<Settlement> {
  const done = new Set<Settlement>();
  const queues = new Map<string, Placed[]>();
  for (const placed of placedCompletions(settlements)) {
    const { queue } = placed.settlement.lease;
    const list = queues.get(queue);
    if (list === undefined) queues.set(queue, [placed]);
    else list.push(placed);
  }
  for (const [queue, placed] of queues) {
    const before = done.size;
    completeQueue(tx, queue, placed, done);
    if (done.size > before) wakeLimited(tx, queue);
  }
  return done;
}

/** The second of two that name one row is a repeat, and goes the straight way. */
function placedCompletions(settlements: readonly Settlement[]): Placed[] {
  const seen = new Set<number>();
  const placed: Placed[] = [];
  for (const settlement of settlements) {
    const { ref } = settlement.lease;
    if (settlement.outcome !== "complete" || typeof ref !== "number" || seen.has(ref)) continue;
    seen.add(ref);
    placed.push({ settlement, seq: ref });
  }
  return placed;
}

function completeQueue(tx: Tx, queue: string, placed: readonly Placed[], done: Set<Settlement>): void {
  const kept = keepNewest(tx, queue, placed);
  const groups = new Map<string, Map<number, Settlement>>();
  for (const { settlement, seq } of placed) {
    const name = `${settlement.lease.token} ${settlement.lease.attempt}`;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, new Map([[seq, settlement]]));
    else group.set(seq, settlement);
  }
  for (const group of groups.values()) {
    const [first] = group.values();
    if (first === undefined) continue;
    const { token, attempt } = first.lease;
    for (const [seq, tenant] of deleteRows(tx, [...group.keys()], token, attempt, queue)) {
      const settlement = group.get(seq);
      if (settlement === undefined) continue;
      done.add(settlement);
      tx.lanes.add(queue, tenant, "active", -1);
      tx.lanes.addEnded(queue, tenant, "completed", 1);
      if (kept.has(seq)) tx.lanes.add(queue, tenant, "completed", 1);
    }
  }
  tx.retention.add(queue, "completed", kept.size);
}

type Gone = readonly [seq: number, tenant: string];

function deleteRows({ connection }: Tx, seqs: readonly number[], ...fence: [string, number, string]): Gone[] {
  let first = Number.POSITIVE_INFINITY;
  let last = 0;
  for (const seq of seqs) {
    if (seq < first) first = seq;
    if (seq > last) last = seq;
  }
  return last - first === seqs.length - 1
    ? connection.tuples<Gone>(completeRangeStatement, first, last, ...fence)
    : connection.tuples<Gone>(completeStatement, `[${seqs.join(",")}]`, ...fence);
}

/** Writes the newest of a queue's completions to its history, as many as retention keeps; returns their rows. */
function keepNewest(tx: Tx, queue: string, placed: readonly Placed[]): ReadonlySet<number> {
  const wanted = placed.filter(({ settlement }) => settlement.keep !== "nothing").reverse();
  const max = tx.retention.counts.completedCountMax;
  const ends: [seq: number, expiresAt: Millis | null, detail: string | null][] = [];
  // A stale lease among the newest makes room for an older one.
  for (let from = 0; from < wanted.length && ends.length < max; ) {
    const some = wanted.slice(from, from + max - ends.length);
    from += some.length;
    const fences = readFencesAt(
      tx,
      some.map(({ seq }) => seq),
    );
    for (const [index, { settlement }] of some.entries()) {
      const fence = fences[index];
      if (fence === undefined || fence.tied || fence.queue !== queue || !holds(settlement.lease, fence)) continue;
      const job = applySettlement(jobBehind(fence), settlement, tx.now, false);
      if (isKept(job)) ends.push([fence.seq, job.expiresAt ?? null, detailOf(job)]);
    }
  }
  // In the order in which they ended.
  if (ends.length > 0) tx.connection.run(keepStatement, tx.now, JSON.stringify(ends.reverse()));
  return new Set(ends.map(([seq]) => seq));
}

/** A job as far as a completion looks at it; the rest is blank, and is copied by `keepStatement`. */
function jobBehind({ tenant, queue, state, attempt, token, cancelRequested, detail }: Fence): Job {
  const blank = { id: "", task: "", input: "", priority: 0, dueAt: 0, createdAt: 0 };
  return { ...fromDetail(detail), ...blank, tenant, queue, state, attempt, token, cancelRequested };
}

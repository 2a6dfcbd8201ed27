// Settling attempts: fenced by core's `holds`, applied by core's `applySettlement`.

import type { Millis } from "../../core/clock.ts";
import type { SettleAnswer } from "../../core/engine.ts";
import { isFinished, type Job } from "../../core/job.ts";
import { holds, isRepeat } from "../../core/lease.ts";
import { applySettlement, type Settlement } from "../../core/settling.ts";
import { endJob } from "./ending.ts";
import { type Fence, readFences } from "./fence.ts";
import { findJob, saveJob, slotsOf } from "./job-table.ts";
import { findQueue } from "./queues.ts";
import { detailOf, fromDetail, isKept } from "./rows.ts";
import type { Tx } from "./tx.ts";

// What a completion leaves as it was is copied where it lies.
const keepStatement = `-- jobs.keepCompleted
INSERT INTO punctual_finished (seq, id, tenant, queue, task, input, priority, place, due_at, created_at, attempt, token,
  cancel_requested, replaced_by, finished_at, expires_at, detail)
SELECT seq, jobs.id, tenant, queue, task, input, priority, 'completed', due_at, created_at, attempt, token,
  cancel_requested, replaced_by, ?, ends.value ->> 1, ends.value ->> 2
FROM json_each(?) AS ends CROSS JOIN punctual_jobs AS jobs WHERE jobs.seq = ends.value ->> 0`;

const completeStatement = `-- jobs.settle
DELETE FROM punctual_jobs WHERE seq IN (SELECT value FROM json_each(?))`;

/** A completion that touches nothing but its job and its queue's history. */
interface Completion {
  readonly settlement: Settlement;
  readonly fence: Fence;
}

/** Records how attempts ended, in the order of the list. */
export function settleAll(tx: Tx, settlements: readonly Settlement[]): SettleAnswer[] {
  const named = new Map<string, number>();
  for (const { lease } of settlements) named.set(lease.id, (named.get(lease.id) ?? 0) + 1);
  const fences = readFences(
    tx,
    settlements.map(({ outcome, lease }) => (outcome === "complete" && named.get(lease.id) === 1 ? lease.id : null)),
  );
  const completions: Completion[] = [];
  const answers = settlements.map((settlement, index): SettleAnswer => {
    const fence = fences[index];
    if (fence === undefined || fence.tied || !holds(settlement.lease, fence)) return settle(tx, settlement);
    completions.push({ settlement, fence });
    return { outcome: "settled", state: "completed" };
  });
  if (completions.length > 0) complete(tx, completions);
  return answers;
}

/**
 * Ends the jobs of completions together. Of each queue only the newest are written to its history: retention would
 * delete the others at once (J10).
 */
function complete(tx: Tx, completions: readonly Completion[]): void {
  const { connection, lanes, retention } = tx;
  const queues = new Set<string>();
  for (const { fence } of completions) {
    lanes.add(fence.queue, fence.tenant, "active", -1);
    lanes.addEnded(fence.queue, fence.tenant, "completed", 1);
    queues.add(fence.queue);
  }
  const ends: [seq: number, expiresAt: Millis | null, detail: string | null][] = [];
  for (const { settlement, fence } of newest(completions, retention.counts.completedCountMax)) {
    const job = applySettlement(jobBehind(fence), settlement, tx.now, false);
    if (!isKept(job)) continue;
    ends.push([fence.seq, job.expiresAt ?? null, detailOf(job)]);
    lanes.add(fence.queue, fence.tenant, "completed", 1);
    retention.add(fence.queue, "completed", 1);
  }
  if (ends.length > 0) connection.run(keepStatement, tx.now, JSON.stringify(ends));
  connection.run(completeStatement, `[${completions.map(({ fence }) => fence.seq).join(",")}]`);
  for (const queue of queues) wakeLimited(tx, queue);
}

/** A job as far as a completion looks at it; the rest is blank, and is copied by `keepStatement`. */
function jobBehind({ tenant, queue, state, attempt, token, cancelRequested, detail }: Fence): Job {
  const blank = { id: "", task: "", input: "", priority: 0, dueAt: 0, createdAt: 0 };
  return { ...fromDetail(detail), ...blank, tenant, queue, state, attempt, token, cancelRequested };
}

/** Each queue's last `max` completions of which retention keeps anything. */
function newest(completions: readonly Completion[], max: number): Completion[] {
  const counts = new Map<string, number>();
  return completions
    .toReversed()
    .filter(({ settlement, fence }) => {
      const count = (counts.get(fence.queue) ?? 0) + 1;
      if (settlement.keep === "nothing" || count > max) return false;
      counts.set(fence.queue, count);
      return true;
    })
    .reverse();
}

function settle(tx: Tx, settlement: Settlement): SettleAnswer {
  const { lease } = settlement;
  const stored = findJob(tx, lease.id);
  if (stored === undefined) return { outcome: "unknown" };
  const { job } = stored;
  if (isRepeat(lease, job)) return { outcome: "settled", state: job.state };
  if (!holds(lease, job)) return { outcome: "lost" };
  const after = applySettlement(job, settlement, tx.now, slotsOf(tx, job).successor !== undefined);
  if (!isFinished(after.state)) {
    saveJob(tx, after, stored);
    return { outcome: "settled", state: after.state };
  }
  const told = endJob(tx, after, stored);
  wakeLimited(tx, job.queue);
  return { outcome: "settled", state: after.state, ...told };
}

/** A place has become free: where claims are limited by it, someone may be waiting for it. */
function wakeLimited(tx: Tx, queue: string): void {
  if (findQueue(tx, queue)?.queue.concurrency !== undefined) tx.wake(queue, tx.now);
}

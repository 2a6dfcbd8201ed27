// Settling attempts: fenced by core's `holds`, applied by core's `applySettlement`. Plain completions go together.
import { waitsAgainEvent } from "../../core/audit.ts";
import type { SettleAnswer } from "../../core/engine.ts";
import { isFinished } from "../../core/job.ts";
import { holds, isRepeat } from "../../core/lease.ts";
import type { Settlement } from "../../core/settling.ts";
import { applySettlement, failDamaged } from "../../core/transitions.ts";
import { complete } from "./complete.ts";
import { endJob } from "./ending.ts";
import { findJob, saveJob, slotsOf } from "./job-table.ts";
import { wakeLimited } from "./queues.ts";
import { damagedReason } from "./rows.ts";
import type { Tx } from "./tx.ts";

const settled: SettleAnswer = { outcome: "settled", state: "completed" };

const none: ReadonlySet<Settlement> = new Set();

/** Records how attempts ended, in the order of the list. */
export function settleAll(tx: Tx, settlements: readonly Settlement[]): SettleAnswer[] {
  // Together they are too quick to be told one by one, as an audit of everything asks.
  const done = tx.auditsAll ? none : complete(tx, settlements);
  return settlements.map((settlement) => (done.has(settlement) ? settled : settle(tx, settlement)));
}

function settle(tx: Tx, settlement: Settlement): SettleAnswer {
  const { lease } = settlement;
  const stored = findJob(tx, lease.id);
  if (stored === undefined) return { outcome: "unknown" };
  const { job, damaged } = stored;
  if (isRepeat(lease, job)) return { outcome: "settled", state: job.state };
  if (!holds(lease, job)) return { outcome: "lost" };
  const settled = applySettlement(job, settlement, tx.now, slotsOf(tx, job).successor !== undefined);
  // What it would need to run again is lost.
  const after = damaged === true && !isFinished(settled.state) ? failDamaged(settled, damagedReason, tx.now) : settled;
  if (!isFinished(after.state)) {
    saveJob(tx, after, stored);
    wakeLimited(tx, job.queue);
    if (tx.auditsAll) tx.append(waitsAgainEvent(after, settlement, tx.now));
    return { outcome: "settled", state: after.state };
  }
  const told = endJob(tx, after, stored);
  wakeLimited(tx, job.queue);
  return { outcome: "settled", state: after.state, ...told };
}

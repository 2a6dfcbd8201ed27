// Settling an attempt: fenced by core's `holds`, applied by core's `applySettlement`, with all that follows.
import { waitsAgainEvent } from "../audit.ts";
import type { SettleAnswer } from "../engine.ts";
import { isFinished } from "../job.ts";
import { holds, isRepeat } from "../lease.ts";
import type { Ledger, StoredJob } from "../ledger.ts";
import type { Settlement } from "../settling.ts";
import { damagedReason } from "../stored-job.ts";
import { applySettlement, failDamaged } from "../transitions.ts";
import { endJob } from "./ending.ts";

/** Records how one attempt ended; a stale lease changes nothing (J3). */
export function settleJob<S extends StoredJob>(ledger: Ledger<S>, settlement: Settlement): SettleAnswer {
  const { lease } = settlement;
  const { now } = ledger;
  const stored = ledger.findJob(lease.id);
  if (stored === undefined) return { outcome: "unknown" };
  const { job, damaged } = stored;
  if (isRepeat(lease, job)) return { outcome: "settled", state: job.state };
  if (!holds(lease, job)) return { outcome: "lost" };
  const settled = applySettlement(job, settlement, now, ledger.slotsOf(job).successor !== undefined);
  // What it would need to run again is lost.
  const after = damaged === true && !isFinished(settled.state) ? failDamaged(settled, damagedReason, now) : settled;
  if (!isFinished(after.state)) {
    ledger.saveJob(after, stored);
    ledger.placeFreed(job.queue);
    if (ledger.auditsAll) ledger.append(waitsAgainEvent(after, settlement, now));
    return { outcome: "settled", state: after.state };
  }
  const told = endJob(ledger, after, stored);
  ledger.placeFreed(job.queue);
  return { outcome: "settled", state: after.state, ...told };
}

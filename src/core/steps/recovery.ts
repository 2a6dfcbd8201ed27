// Leases that have ended without a word: their jobs are recovered by a claim, or given up as their place is wanted.
import { waitsAgainEvent } from "../audit.ts";
import { type ClaimedJob, isFinished, type LeaseRef } from "../job.ts";
import type { Ledger, StoredJob } from "../ledger.ts";
import { damagedReason } from "../stored-job.ts";
import { applyClaim, type Claim, failDamaged, giveUpLease, supersedeExpired } from "../transitions.ts";
import { endJob } from "./ending.ts";

/**
 * Claims an active job whose lease has ended. Undefined when it has ended instead: its successor takes its place (T3), or
 * it is damaged.
 */
export function recoverLease<S extends StoredJob>(
  ledger: Ledger<S>,
  stored: S,
  claim: Claim,
  ref?: LeaseRef,
): ClaimedJob | undefined {
  const { job } = stored;
  const { now } = ledger;
  if (ledger.slotsOf(job).successor !== undefined) {
    endJob(ledger, supersedeExpired(job, now), stored);
    return undefined;
  }
  if (stored.damaged === true) {
    endJob(ledger, failDamaged(job, damagedReason, now), stored);
    return undefined;
  }
  const claimed = applyClaim(job, claim, now, ref);
  ledger.saveJob(claimed, stored);
  return claimed;
}

/** Gives up an ended lease: its job waits again, or ends, and is no longer the worker's. */
export function giveUpPlace<S extends StoredJob>(ledger: Ledger<S>, stored: S): void {
  const { job, damaged } = stored;
  const { now } = ledger;
  const after = giveUpLease(job, now, ledger.slotsOf(job).successor !== undefined);
  if (isFinished(after.state)) endJob(ledger, after, stored);
  else if (damaged === true) endJob(ledger, failDamaged(job, damagedReason, now), stored);
  else {
    ledger.saveJob(after, stored);
    if (ledger.auditsAll) ledger.append(waitsAgainEvent(after, { outcome: "release" }, now));
  }
  ledger.placeFreed(job.queue);
}

// Extending a lease that still holds, and storing what its attempt reports.
import type { ExtendOutcome, Extension } from "../engine.ts";
import { holds } from "../lease.ts";
import type { Ledger, StoredJob } from "../ledger.ts";
import { appendLog } from "../transitions.ts";

/** Lengthens one lease to `leaseMs` from now on; a stale one changes nothing (J3). */
export function extendLease<S extends StoredJob>(
  ledger: Ledger<S>,
  { lease, started, progress, log = [] }: Extension,
  leaseMs: number,
): ExtendOutcome {
  const stored = ledger.findLive(lease.id);
  if (stored === undefined || !holds(lease, stored.job)) return "lost";
  const { job } = stored;
  const after = {
    ...job,
    progress: progress ?? job.progress,
    log: appendLog(job.log, log),
    leaseUntil: ledger.now + leaseMs,
    // A lease may be extended twice in one call: what one of them reports as started stays so.
    started: started === true || job.started === true,
  };
  ledger.saveJob(after, stored);
  return job.cancelRequested === true ? "cancelling" : "held";
}

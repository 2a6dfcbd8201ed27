// Extending leases: those that still hold are lengthened, and what their attempts report is stored.
import type { ExtendOutcome, Extension } from "../../core/engine.ts";
import { holds } from "../../core/lease.ts";
import { appendLog } from "../../core/transitions.ts";
import { type Fence, readFences } from "./fence.ts";
import { findLive, saveJob } from "./job-table.ts";
import type { Tx } from "./tx.ts";

// A lease may be extended twice in one call: what one of them reports as started stays so.
const extendStatement =
  "-- jobs.extend\nUPDATE punctual_jobs SET lease_until = ?, started = max(started, ?) WHERE seq = ?";

export function extendAll(tx: Tx, extensions: readonly Extension[], leaseMs: number): ExtendOutcome[] {
  const fences = readFences(
    tx,
    extensions.map(({ lease }) => lease.id),
  );
  return extensions.map((extension, index) => extend(tx, extension, fences[index], leaseMs));
}

function extend(tx: Tx, extension: Extension, fence: Fence | undefined, leaseMs: number): ExtendOutcome {
  const { lease, progress, log = [] } = extension;
  if (fence === undefined || !holds(lease, fence)) return "lost";
  const leaseUntil = tx.now + leaseMs;
  const started = extension.started === true;
  const stored = progress === undefined && log.length === 0 ? undefined : findLive(tx, lease.id);
  if (stored === undefined) tx.connection.run(extendStatement, leaseUntil, Number(started), fence.seq);
  else {
    const { job } = stored;
    const reported = { progress: progress ?? job.progress, log: appendLog(job.log, log) };
    saveJob(tx, { ...job, ...reported, leaseUntil, started: started || job.started === true }, stored);
  }
  return fence.cancelRequested ? "cancelling" : "held";
}

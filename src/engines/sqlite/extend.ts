// Extending leases: those that still hold are lengthened; what their attempts report is stored step by step.
import type { ExtendOutcome, Extension } from "../../core/engine.ts";
import { holds } from "../../core/lease.ts";
import { extendLease } from "../../core/steps/extend.ts";
import { type Fence, readFences } from "./fence.ts";
import { ledgerOf } from "./ledger.ts";
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
  const { lease, started, progress, log = [] } = extension;
  if (fence === undefined || !holds(lease, fence)) return "lost";
  if (progress !== undefined || log.length > 0) return extendLease(ledgerOf(tx), extension, leaseMs);
  tx.connection.run(extendStatement, tx.now + leaseMs, Number(started === true), fence.seq);
  return fence.cancelRequested ? "cancelling" : "held";
}

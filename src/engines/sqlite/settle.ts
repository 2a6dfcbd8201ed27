// Settling attempts, in the order of the list. Plain completions go together, all others step by step.
import type { SettleAnswer } from "../../core/engine.ts";
import type { Settlement } from "../../core/settling.ts";
import { settleJob } from "../../core/steps/settle.ts";
import { complete } from "./complete.ts";
import { ledgerOf } from "./ledger.ts";
import type { Tx } from "./tx.ts";

const settled: SettleAnswer = { outcome: "settled", state: "completed" };

const none: ReadonlySet<Settlement> = new Set();

/** Records how attempts ended, in the order of the list. */
export function settleAll(tx: Tx, settlements: readonly Settlement[]): SettleAnswer[] {
  // Together they are too quick to be told one by one, as an audit of everything asks.
  const done = tx.auditsAll ? none : complete(tx, settlements);
  const ledger = ledgerOf(tx);
  return settlements.map((settlement) => (done.has(settlement) ? settled : settleJob(ledger, settlement)));
}

// The ledger of applied steps, as it stands in the store.
import type { Session } from "../connections.ts";

const ledgerStatement = `-- migrations.ledger
SELECT id, name, breaking, applied_at::float8 AS applied_at FROM punctual.migrations ORDER BY id`;

/** An applied step. */
export interface LedgerRow {
  readonly id: number;
  readonly name: string;
  readonly breaking: boolean;
  readonly applied_at: number;
}

/** The steps that are applied, in order. */
export async function readLedger(session: Session): Promise<LedgerRow[]> {
  return (await session.run(ledgerStatement)) as LedgerRow[];
}

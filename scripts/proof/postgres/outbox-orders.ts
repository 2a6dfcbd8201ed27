// What the processes of the outbox proof share with who starts them: the task, and how often what happens.
import { task } from "punctual";

/** What a process is told. */
export interface OutboxProcess {
  readonly mode: "transactions" | "worker";
  readonly url: string;
  readonly folder: string;
  /** Its transactions are numbered from `from` to below `to`; the number of the present one stands in a file. */
  readonly from: number;
  readonly to: number;
  readonly progress: string;
}

/** Ships an order; enqueued by the transaction that writes the order. */
export const ship = task<{ readonly order: string }>("ship");

/** Shares of the transactions, 0 to 1. */
export const shares = { savepoint: 1 / 4, rolledBack: 1 / 5 } as const;

/** Whether a process ends itself in the middle of a transaction: one in a hundred. */
export function isCrash(n: number): boolean {
  return n % 100 === 50;
}

/** What becomes of a part of a transaction. */
export function orderShare(): "kept" | "undone" | "failed" {
  const random = Math.random();
  return random < 0.4 ? "kept" : random < 0.8 ? "undone" : "failed";
}

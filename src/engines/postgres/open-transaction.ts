// What a transaction of ours on a pool's connection must know of itself, so that its failure is told for what it is.
import { sqlState } from "./faults.ts";

/** How far a transaction has come. */
export class OpenTransaction {
  hasBegun = false;
  isCommitting = false;
  /** The connection has broken, or does not answer. */
  isLost = false;

  /** Watches a statement for the loss of the connection. */
  async heed<T>(statement: Promise<T>): Promise<T> {
    try {
      return await statement;
    } catch (error) {
      this.isLost ||= sqlState(error) === undefined;
      throw error;
    }
  }
}

// Who waits for a transaction that stays open: the server knows, whatever the load of the machine.
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";

/** The application_name of the connections whose transactions stay open. */
export const heldName = "held";

/** Sessions that wait for a lock of one of the two open transactions. */
const waitingStatement = `SELECT left(query, 60) AS statement FROM pg_stat_activity
WHERE pg_blocking_pids(pid) && ARRAY(
  SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction' AND application_name = '${heldName}'
)`;

/** Looks again and again whether anybody waits for the open transactions: whatever the machine's load, nobody may. */
export class LockWatch {
  readonly #client: pg.Client;
  readonly #waiting = new Set<string>();
  readonly #watching: Promise<void>;
  #isOver = false;

  constructor(client: pg.Client) {
    this.#client = client;
    this.#watching = this.#watch();
  }

  async #watch(): Promise<void> {
    do {
      const { rows } = await this.#client.query<{ statement: string }>(waitingStatement);
      for (const { statement } of rows) this.#waiting.add(statement);
      await sleep(20);
    } while (!this.#isOver);
  }

  /** Answers who has waited. */
  async end(): Promise<string[]> {
    this.#isOver = true;
    await this.#watching;
    return [...this.#waiting];
  }
}

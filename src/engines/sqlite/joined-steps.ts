// Contract calls inside a user's open transaction: each undoes only itself when it fails, and nobody is told of it
// before the user's commit.
import type { Clock } from "../../core/clock.ts";
import { NotWrittenError } from "../../core/errors.ts";
import type { Connection } from "./database.ts";
import { attempt } from "./patience.ts";
import type { Retention } from "./retention.ts";
import { type Steps, Tx } from "./tx.ts";

export class JoinedSteps implements Steps {
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #retention: Retention;
  readonly #onUse: () => void;

  /** `onUse` is called before each call; it may throw. */
  constructor(connection: Connection, clock: Clock, retention: Retention, onUse: () => void) {
    this.#connection = connection;
    this.#clock = clock;
    this.#retention = retention;
    this.#onUse = onUse;
  }

  async write<T>(work: (tx: Tx) => T): Promise<T> {
    this.#onUse();
    const tried = attempt(() => {
      const tx = new Tx(this.#connection, this.#clock.now(), this.#retention);
      return tx.part(() => {
        const answer = work(tx);
        tx.finish();
        return answer;
      });
    });
    if ("answer" in tried) return tried.answer;
    // Waiting here would hold the user's own locks meanwhile.
    throw new NotWrittenError("another process is writing, and this transaction has no write lock yet", {
      mend: "Begin the transaction with BEGIN IMMEDIATE, and repeat it when that is busy.",
      cause: tried.busy,
    });
  }

  read<T>(work: (tx: Tx) => T): Promise<T> {
    return this.write(work);
  }
}

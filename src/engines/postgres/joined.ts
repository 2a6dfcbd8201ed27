// Contract calls inside a user's open transaction: each undoes only itself when it fails, and nobody is told of it before
// the user's commit.
import { defaults } from "../../core/defaults.ts";
import { InvalidInputError, NotWrittenError } from "../../core/errors.ts";
import { within } from "../../remote/within.ts";
import type { Connections, Session, Turns } from "./connections.ts";
import { sqlState, translate } from "./faults.ts";
import { operationOf } from "./pool.ts";
import { inSchema, type Row, type SqlClient, type Value } from "./sql.ts";

const savepoint = "-- tx.part\nSAVEPOINT punctual_part";
const release = "-- tx.part\nRELEASE SAVEPOINT punctual_part";
const rollBack = "-- tx.part\nROLLBACK TO SAVEPOINT punctual_part";

// Evaluated in this order: what the caller had, then ours.
const patience = `-- tx.patience
SELECT current_setting('lock_timeout') AS before,
  set_config('lock_timeout', '${defaults.postgres.lockTimeoutMs}', true) AS ours`;
const restorePatience = "-- tx.patience\nSELECT set_config('lock_timeout', $1::text, true) AS restored";

/** A caller's client, and what is to be known of it. */
export interface JoinedOptions {
  readonly client: SqlClient;
  readonly schema: string;
  /** Calls on the same client come one after another. */
  readonly turns: Turns;
  /** Whether the store has other connections beside this one. */
  readonly many: boolean;
  /** Whether a session is on the store's own database. */
  readonly isOurs: (session: Session) => Promise<boolean>;
}

/** Runs on a caller's client, inside the transaction that it has open. */
export class Joined implements Connections {
  readonly joined = true;
  readonly many: boolean;
  readonly #options: JoinedOptions;

  constructor(options: JoinedOptions) {
    this.#options = options;
    this.many = options.many;
  }

  async run(text: string, values: readonly Value[] = []): Promise<Row[]> {
    try {
      return await this.transaction((session) => session.run(text, values));
    } catch (error) {
      throw translate(error, operationOf(text), false);
    }
  }

  transaction<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const { client, turns } = this.#options;
    return turns.take(async () => {
      try {
        if (client.savepoint === undefined) return await this.#inSavepoint(client, work);
        return await client.savepoint((inner) => this.#inside(inner, work));
      } catch (error) {
        throw translateJoined(error);
      }
    });
  }

  async #inSavepoint<T>(client: SqlClient, work: (session: Session) => Promise<T>): Promise<T> {
    await this.#query(client, savepoint, []);
    let answer: T;
    try {
      answer = await this.#inside(client, work);
    } catch (error) {
      // What was sent is done once the server goes on, and the caller may commit then. Drivers keep the order: this is
      // done before any COMMIT.
      if (error instanceof SilentError) this.#send(client, rollBack);
      else await this.#undo(client);
      throw error;
    }
    try {
      await this.#query(client, release, []);
    } catch (error) {
      // All is done, and what the caller sends comes after it: nothing hangs on its answer.
      if (!(error instanceof SilentError)) throw error;
    }
    return answer;
  }

  /** Sends a statement whose answer nobody waits for. */
  #send(client: SqlClient, text: string): void {
    client.query(inSchema(text, this.#options.schema), []).catch(() => {});
  }

  async #inside<T>(client: SqlClient, work: (session: Session) => Promise<T>): Promise<T> {
    const session: Session = { run: (text, values = []) => this.#query(client, text, values) };
    const [row] = await session.run(patience);
    if (!(await this.#options.isOurs(session))) {
      throw new InvalidInputError("tx must be open on the scheduler's own database and schema, not on another", {
        field: "tx",
      });
    }
    const answer = await work(session);
    await session.run(restorePatience, [row?.["before"] ?? "0"]);
    return answer;
  }

  async #undo(client: SqlClient): Promise<void> {
    try {
      await this.#query(client, rollBack, []);
      await this.#query(client, release, []);
    } catch {
      // The connection is gone, and the caller's transaction with it.
    }
  }

  async #query(client: SqlClient, text: string, values: readonly Value[]): Promise<Row[]> {
    const answer = client.query(inSchema(text, this.#options.schema), [...values]);
    if (await within(answer, defaults.postgres.answerTimeoutMs)) return (await answer).rows;
    throw new SilentError("the server does not answer");
  }
}

/** Nothing more can be said on this connection. */
class SilentError extends Error {}

function translateJoined(error: unknown): unknown {
  const state = sqlState(error);
  const options = (mend: string) => ({ field: "tx", mend, cause: error });
  switch (state) {
    case "23505":
      // Another transaction took a key first: the step is run anew, and finds it.
      return error;
    case "25P01":
      return new InvalidInputError(
        "tx must be a client with an open transaction",
        options("Send BEGIN on this client first, or pass the transaction that your library gives."),
      );
    case "25006":
      return new InvalidInputError(
        "tx must be able to write: it is READ ONLY, or its database is",
        options("Begin it with BEGIN READ WRITE, on the primary server."),
      );
    case "25P02":
      return new NotWrittenError(
        "a statement of this transaction has failed before",
        options("Roll the transaction back and begin it anew."),
      );
    case "40001":
    case "40P01":
      // Its snapshot and its locks stay the caller's: the same again would fail alike.
      return new NotWrittenError(
        "another transaction was in the way of this one",
        options("Roll the transaction back and repeat the whole of it."),
      );
    default:
      return translate(error, "the transaction could not be joined", false);
  }
}

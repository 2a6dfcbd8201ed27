// PGlite, an embedded PostgreSQL, as the store: one session, which a caller's open transaction has for itself.
import { defaults } from "../../core/defaults.ts";
import { shown } from "../../core/duration.ts";
import { InvalidInputError, NotWrittenError, OutcomeUnknownError } from "../../core/errors.ts";
import { within } from "../../remote/within.ts";
import type { Connections, Session } from "./connections.ts";
import { isWorthRepeating, translate } from "./faults.ts";
import { operationOf } from "./pool.ts";
import { inSchema, type Row, type SqlClient, type Value } from "./sql.ts";

/** What is used of a PGlite object. */
export interface Pglite {
  // biome-ignore lint/suspicious/noExplicitAny: PGlite types rows and parameters in its own way.
  query(text: string, values?: any[]): Promise<{ rows: any[] }>;
  transaction<T>(work: (tx: SqlClient) => Promise<T>): Promise<T>;
  listen(channel: string, onPayload: (payload: string) => void): Promise<() => Promise<unknown>>;
}

/** Whether this is a PGlite object, or only one of its transactions. */
export function isPglite(given: unknown): given is Pglite {
  return typeof given === "object" && given !== null && "listen" in given && "transaction" in given && "query" in given;
}

const silence = "PGlite does not answer; a transaction of the caller's may be open on it";
const mend = "Open the scheduler before the transaction, await in it nothing but calls with its tx, and end it soon.";

/** The wait for a transaction to begin. */
class Wait {
  #onEnd: () => void = () => {};
  #isGivenUp = false;
  readonly ended = new Promise<void>((resolve) => {
    this.#onEnd = resolve;
  });

  /** @throws when nobody waits any more: then nothing may be written. */
  end(): void {
    if (this.#isGivenUp) throw new NotWrittenError(silence, { mend });
    this.#onEnd();
  }

  giveUp(): void {
    this.#isGivenUp = true;
  }
}

/** Calls wait while a transaction of the caller's is open: PGlite has no other session for them. */
export class SingleConnection implements Connections {
  readonly many = false;
  readonly joined = false;
  readonly #pglite: Pglite;
  readonly #schema: string;

  constructor(pglite: Pglite, schema: string) {
    this.#pglite = pglite;
    this.#schema = schema;
  }

  async run(text: string, values: readonly Value[] = []): Promise<Row[]> {
    const answer = this.#runOn(this.#pglite, text, values);
    if (!(await within(answer, defaults.postgres.answerTimeoutMs))) {
      throw new OutcomeUnknownError(`${operationOf(text)}: ${silence}`, { mend });
    }
    try {
      return await answer;
    } catch (error) {
      throw translate(error, operationOf(text), false);
    }
  }

  async transaction<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const wait = new Wait();
    const done = this.#pglite.transaction(async (tx) => {
      wait.end();
      return await work({ run: (text, values = []) => this.#runOn(tx, text, values) });
    });
    if (!(await within(Promise.race([wait.ended, done]), defaults.postgres.answerTimeoutMs))) {
      wait.giveUp();
      done.catch(() => {});
      throw new NotWrittenError(silence, { mend });
    }
    try {
      return await done;
    } catch (error) {
      throw isWorthRepeating(error) ? error : translate(error, "a transaction failed", false);
    }
  }

  async #runOn(client: Pick<SqlClient, "query">, text: string, values: readonly Value[]): Promise<Row[]> {
    return (await client.query(inSchema(text, this.#schema), [...values])).rows;
  }
}

/**
 * What a caller gives as an open transaction.
 * @throws InvalidInputError for what is no client, or gives each statement to another connection
 */
export function checkTx(given: unknown): SqlClient {
  const refuse = (why: string, mend: string) => new InvalidInputError(`tx must be ${why}`, { field: "tx", mend });
  if (typeof given !== "object" || given === null || !("query" in given) || typeof given.query !== "function") {
    throw refuse(
      `a client with an open transaction, got ${shown(given)}`,
      "Pass a pg client, a PGlite transaction, or what fromPostgresJs, fromDrizzle, fromKysely or fromKnex make of yours.",
    );
  }
  if (isPglite(given))
    throw refuse("a transaction of PGlite", "Pass the tx that pglite.transaction(async (tx) => ...) gives.");
  if ("totalCount" in given && "connect" in given) {
    throw refuse("a client, not a pool", "Take one by pool.connect(), send BEGIN on it, and pass it.");
  }
  return given as SqlClient;
}

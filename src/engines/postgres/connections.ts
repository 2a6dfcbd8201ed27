// Where statements run: a pool of connections, a single connection (PGlite), or a caller's open transaction.
import type { Row, Value } from "./sql.ts";

/** A statement and its parameters. */
export type Statement = readonly [text: string, values?: readonly Value[]];

/** Runs statements one after another on one connection. */
export interface Session {
  run(text: string, values?: readonly Value[]): Promise<Row[]>;
  /** Statements may be sent before those ahead of them are answered. */
  readonly pipelined?: boolean | undefined;
}

/** Runs statements in order, in one round trip where the connection can. */
export async function runAll(session: Session, statements: readonly Statement[]): Promise<Row[][]> {
  if (session.pipelined === true) return Promise.all(statements.map(([text, values]) => session.run(text, values)));
  const answers: Row[][] = [];
  for (const [text, values] of statements) answers.push(await session.run(text, values));
  return answers;
}

/** How a transaction is to be run. */
export interface TransactionOptions {
  /** So long at most, in ms, it waits for a row that another transaction holds; else as long as any. */
  readonly patienceMs?: number | undefined;
  /** Its statements are few, are never run again, and may take long: steps of the schema. */
  readonly patient?: boolean | undefined;
}

/** Runs single statements and transactions. */
export interface Connections extends Session {
  /** One statement by itself, as a transaction of its own. */
  run(text: string, values?: readonly Value[]): Promise<Row[]>;
  /** Commits when `work` resolves, undoes it when it rejects. */
  transaction<T>(work: (session: Session) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /** Whether another session can work while a transaction is open. */
  readonly many: boolean;
  /** Inside a caller's transaction: what is written is the caller's to commit. */
  readonly joined: boolean;
}

/** Lets one work after another. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  take<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}

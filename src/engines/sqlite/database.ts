// What the engine needs of a SQLite driver, which node:sqlite and better-sqlite3 both have; with their errors by name.

/** A value that can be bound to a statement, or read from a row. */
export type Value = null | number | bigint | string | Uint8Array;

/** A prepared statement. */
export interface Statement {
  run(...values: Value[]): { readonly changes: number | bigint };
  get(...values: Value[]): unknown;
  all(...values: Value[]): unknown[];
}

/** An open SQLite database: node:sqlite's `DatabaseSync`, or better-sqlite3's `Database`. */
export interface Database {
  exec(sql: string): unknown;
  prepare(sql: string): Statement;
  close(): unknown;
}

/** A database with its statements prepared once each. Every statement names its operation in a comment at its head. */
export class Connection {
  readonly database: Database;
  readonly #statements = new Map<string, Statement>();
  readonly #tupleReaders = new Map<string, (values: Value[]) => unknown[]>();

  constructor(database: Database) {
    this.database = database;
  }

  /** A statement that answers nothing; returns how many rows it changed. */
  run(sql: string, ...values: Value[]): number {
    return Number(this.#prepared(sql).run(...values).changes);
  }

  /** The first row. The caller names its columns' types; the statement beside it is their proof. */
  get<Row>(sql: string, ...values: Value[]): Row | undefined {
    return (this.#prepared(sql).get(...values) ?? undefined) as Row | undefined;
  }

  all<Row>(sql: string, ...values: Value[]): Row[] {
    return this.#prepared(sql).all(...values) as Row[];
  }

  /** All rows as lists of values in the order of the columns: thrice as fast to read as objects. */
  tuples<Row extends readonly unknown[]>(sql: string, ...values: Value[]): Row[] {
    return this.#preparedForTuples(sql)(values) as Row[];
  }

  /** Whether a transaction is open; undefined when the driver cannot tell (node:sqlite before 22.16). */
  get inTransaction(): boolean | undefined {
    const { database } = this;
    if ("isTransaction" in database && typeof database.isTransaction === "boolean") return database.isTransaction;
    if ("inTransaction" in database && typeof database.inTransaction === "boolean") return database.inTransaction;
    return undefined;
  }

  #preparedForTuples(sql: string): (values: Value[]) => unknown[] {
    let reader = this.#tupleReaders.get(sql);
    if (reader === undefined) {
      reader = tupleReader(this.database.prepare(sql));
      this.#tupleReaders.set(sql, reader);
    }
    return reader;
  }

  #prepared(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

/** node:sqlite and better-sqlite3 name it differently; before Node 22.16 a row's own order of columns serves. */
function tupleReader(statement: Statement): (values: Value[]) => unknown[] {
  if ("setReturnArrays" in statement && typeof statement.setReturnArrays === "function") {
    statement.setReturnArrays(true);
  } else if ("raw" in statement && typeof statement.raw === "function") {
    statement.raw(true);
  } else {
    return (values) => statement.all(...values).map((row) => Object.values(row as object));
  }
  return (values) => statement.all(...values);
}

/** SQLite's primary result codes that are told apart. Source: sqlite.org/rescode.html. */
const resultCodes: Readonly<Record<number, string>> = {
  5: "BUSY",
  6: "LOCKED",
  8: "READONLY",
  10: "IOERR",
  11: "CORRUPT",
  13: "FULL",
  14: "CANTOPEN",
  26: "NOTADB",
};

/** SQLITE_BUSY_SNAPSHOT: the transaction read before somebody else wrote, so waiting cannot help it. */
const busySnapshot = 517;

/** Told by shape: under Jest the driver's errors are of another realm than the tests, where `instanceof` says no. */
export function isError(thrown: unknown): thrown is Error {
  return typeof thrown === "object" && thrown !== null && "message" in thrown && typeof thrown.message === "string";
}

/** The name of the SQLite result code that a driver threw ("BUSY", ...); undefined when it is no SQLite error. */
export function sqliteCode(error: unknown): string | undefined {
  if (!isError(error)) return undefined;
  if ("errcode" in error && typeof error.errcode === "number") return resultCodes[error.errcode & 0xff] ?? "ERROR";
  if ("code" in error && typeof error.code === "string") return /^SQLITE_([A-Z]+)/.exec(error.code)?.[1];
  return undefined;
}

/** Whether the database is locked by someone who will soon let go of it. */
export function isBusy(error: unknown): boolean {
  const code = sqliteCode(error);
  return (code === "BUSY" || code === "LOCKED") && !isStaleSnapshot(error);
}

function isStaleSnapshot(error: unknown): boolean {
  if (typeof error !== "object" || error === null) return false;
  if ("errcode" in error) return error.errcode === busySnapshot;
  return "code" in error && error.code === "SQLITE_BUSY_SNAPSHOT";
}

/** Whether a transaction is already open on this very connection: its owner's, when the user passed the database in. */
export function isNested(error: unknown): boolean {
  return isError(error) && sqliteCode(error) !== undefined && /within a transaction/.test(error.message);
}

/** Whether the file is damaged, or no SQLite database at all. */
export function isCorrupt(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === "CORRUPT" || code === "NOTADB";
}

/** Ends a failed transaction, of which SQLite may have rolled back all by itself. */
export function rollBack(connection: Connection): void {
  try {
    connection.run("-- tx.rollback\nROLLBACK");
  } catch {
    // On a full disk and an I/O error SQLite has done it already.
  }
}

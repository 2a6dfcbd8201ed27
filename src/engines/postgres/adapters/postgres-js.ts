// A transaction of postgres.js as the scheduler takes one. postgres.js keeps the first error of a transaction and fails
// the whole of it at the end, even after a ROLLBACK TO SAVEPOINT: what may fail must run in savepoints of its own making.
import { InvalidInputError } from "../../../core/errors.ts";
import type { SqlClient } from "../sql.ts";
import { oneClientEach } from "./one-client.ts";

/** The `sql` inside `sql.begin(async (sql) => ...)`, or a reserved connection whose transaction the caller began. */
export interface PostgresJsTransaction {
  // biome-ignore lint/suspicious/noExplicitAny: postgres.js types rows and parameters by the caller's own types.
  unsafe(text: string, values?: any[]): PromiseLike<any[]>;
  typed(value: string, type: number): unknown;
  savepoint?<T>(work: (sql: PostgresJsTransaction) => Promise<T>): Promise<unknown>;
}

/** The type "text" on every server. */
const textType = 25;

/**
 * Joins a transaction of postgres.js: `scheduler.using(fromPostgresJs(sql))`.
 * @throws InvalidInputError for the `sql` outside of a transaction
 */
export const fromPostgresJs: (sql: PostgresJsTransaction) => SqlClient = oneClientEach(adapt);

function adapt(sql: PostgresJsTransaction): SqlClient {
  if (typeof sql?.unsafe !== "function" || "begin" in sql) {
    throw new InvalidInputError("sql must be what sql.begin() gives its function, or a reserved connection", {
      field: "sql",
    });
  }
  return {
    query: async (text, values = []) => {
      // Of a string for `$1::json`, postgres.js would make the JSON of that string.
      const typed = values.map((value) => (typeof value === "string" ? sql.typed(value, textType) : value));
      return { rows: asWritten(text, await sql.unsafe(text, typed)) };
    },
    ...(sql.savepoint !== undefined && {
      savepoint: <T>(work: (client: SqlClient) => Promise<T>) => inSavepoint(sql, work),
    }),
  };
}

/** Undoes `work` when it throws. postgres.js never releases its savepoints, so one of ours holds them and is released. */
async function inSavepoint<T>(sql: PostgresJsTransaction, work: (client: SqlClient) => Promise<T>): Promise<T> {
  const release = async () => {
    await sql.unsafe("RELEASE punctual_outer");
  };
  await sql.unsafe("SAVEPOINT punctual_outer");
  let answer: unknown;
  try {
    answer = await sql.savepoint?.((inner) => work(fromPostgresJs(inner)));
  } catch (error) {
    // What went wrong first is what the caller must hear of, not that a lost connection cannot release either.
    await release().catch(() => {});
    throw error;
  }
  await release();
  return answer as T;
}

/**
 * Rows with the column names that the statement has: a client may rename them (`transform: postgres.camel`), which a
 * transaction does not tell. Such names differ in case and separators only.
 */
function asWritten(text: string, rows: Record<string, unknown>[]): unknown[] {
  const given = Object.keys(rows[0] ?? {});
  if (given.every((name) => text.includes(name))) return rows;
  const bare = (name: string) => name.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
  const written = new Map((text.match(/[a-z_][a-z0-9_]*/g) ?? []).map((name) => [bare(name), name]));
  const names = new Map(given.map((name) => [name, written.get(bare(name)) ?? name]));
  return rows.map((row) => Object.fromEntries(given.map((name) => [names.get(name), row[name]])));
}

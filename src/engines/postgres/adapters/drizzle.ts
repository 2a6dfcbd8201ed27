// A transaction of Drizzle as the scheduler takes one: the driver's own client under it, whose errors and rows need no
// unwrapping. For drizzle-orm on node-postgres, postgres.js and PGlite.
import { InvalidInputError } from "../../../core/errors.ts";
import type { SqlClient } from "../sql.ts";
import { fromPostgresJs, type PostgresJsTransaction } from "./postgres-js.ts";

/** The `tx` inside `db.transaction(async (tx) => ...)`, or inside `tx.transaction(...)`. */
export interface DrizzleTransaction {
  readonly _: { readonly session: object };
  rollback(): never;
}

/**
 * Joins a transaction of Drizzle: `scheduler.using(fromDrizzle(tx))`.
 * @throws InvalidInputError for a `db` that is no transaction, and for drivers other than those three
 */
export function fromDrizzle(tx: DrizzleTransaction): SqlClient {
  // Only a transaction can be rolled back: with a `db`, every statement would go to whatever connection is free.
  const client: unknown = typeof tx?.rollback === "function" ? Reflect.get(tx._.session, "client") : undefined;
  if (isPostgresJs(client)) return fromPostgresJs(client);
  if (isQueryable(client)) return client;
  throw new InvalidInputError(
    "tx must be what db.transaction() gives its function, of Drizzle on node-postgres, postgres.js or PGlite",
    { field: "tx" },
  );
}

function isPostgresJs(client: unknown): client is PostgresJsTransaction {
  return typeof client === "function" && "unsafe" in client;
}

function isQueryable(client: unknown): client is SqlClient {
  return typeof client === "object" && client !== null && "query" in client && typeof client.query === "function";
}

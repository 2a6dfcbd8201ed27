// A transaction of Knex as the scheduler takes one: the pg connection it runs on, as Knex's own raw statements would
// read "?" and ":name" in our text as placeholders.
import { InvalidInputError } from "../../../core/errors.ts";
import type { SqlClient } from "../sql.ts";
import { oneClientEach } from "./one-client.ts";

/** The `trx` inside `knex.transaction(async (trx) => ...)`, or that `await knex.transaction()` gives. */
export interface KnexTransaction {
  readonly isTransaction?: boolean;
  isCompleted(): boolean;
  readonly client: { acquireConnection(): Promise<SqlClient> };
}

/**
 * Joins a transaction of Knex on PostgreSQL: `scheduler.using(fromKnex(trx))`.
 * @throws InvalidInputError for a Knex that is no transaction, and when used after the transaction's end
 */
export const fromKnex: (trx: KnexTransaction) => SqlClient = oneClientEach(adapt);

function adapt(trx: KnexTransaction): SqlClient {
  if (trx?.isTransaction !== true) {
    throw new InvalidInputError("trx must be what knex.transaction() gives", { field: "trx" });
  }
  return {
    query: async (text, values = []) => {
      // The connection is back in its pool then, and may be inside of somebody else's transaction.
      if (trx.isCompleted()) throw new InvalidInputError("trx has ended", { field: "trx" });
      const connection = await trx.client.acquireConnection();
      return connection.query(text, values);
    },
  };
}

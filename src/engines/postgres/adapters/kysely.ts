// A transaction of Kysely as the scheduler takes one; its plugins (such as CamelCasePlugin) are left out.
import { InvalidInputError } from "../../../core/errors.ts";
import type { SqlClient } from "../sql.ts";
import { oneClientEach } from "./one-client.ts";

interface RawQuery {
  readonly sql: string;
  readonly parameters: readonly unknown[];
  readonly query: { readonly kind: "RawNode"; readonly sqlFragments: readonly string[]; readonly parameters: never[] };
  readonly queryId: { readonly queryId: string };
}

/** The `trx` inside `db.transaction().execute(async (trx) => ...)`, or of `startTransaction()`. */
export interface KyselyTransaction {
  readonly isTransaction: true;
  withoutPlugins(): {
    // biome-ignore lint/suspicious/noExplicitAny: what a row holds is what its statement selects.
    executeQuery(query: RawQuery): Promise<{ readonly rows: any[] }>;
  };
}

/**
 * Joins a transaction of Kysely: `scheduler.using(fromKysely(trx))`.
 * @throws InvalidInputError for a Kysely that is no transaction
 */
export const fromKysely: (trx: KyselyTransaction) => SqlClient = oneClientEach(adapt);

function adapt(trx: KyselyTransaction): SqlClient {
  if (trx?.isTransaction !== true) {
    throw new InvalidInputError("trx must be what transaction().execute() gives its function", { field: "trx" });
  }
  const plain = trx.withoutPlugins();
  return {
    query: async (text, values = []) => {
      const { rows } = await plain.executeQuery({
        sql: text,
        parameters: values,
        query: { kind: "RawNode", sqlFragments: [text], parameters: [] },
        queryId: { queryId: "punctual" },
      });
      return { rows };
    },
  };
}

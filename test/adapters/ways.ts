// Each way of bringing one's own transaction: a driver or library, the adapter for it, and how it begins and nests.
import pg from "pg";
import { fromDrizzle } from "../../src/engines/postgres/adapters/drizzle.ts";
import { fromKnex } from "../../src/engines/postgres/adapters/knex.ts";
import { fromKysely } from "../../src/engines/postgres/adapters/kysely.ts";
import { fromPostgresJs } from "../../src/engines/postgres/adapters/postgres-js.ts";
import type { SqlClient } from "../../src/engines/postgres/sql.ts";
import {
  type Drizzle,
  type EmbeddedPostgres,
  type Knex,
  loadDrizzle,
  loadKnex,
  loadKysely,
  loadPostgresJs,
} from "./libraries/libraries.ts";

/** `again` adapts the same transaction once more. */
type Work = (client: SqlClient, again: () => SqlClient) => Promise<void>;

export interface Library {
  /** Commits when `work` resolves, rolls back and rejects when it rejects. */
  transaction(work: Work): Promise<unknown>;
  /** A transaction in which `inner` runs in a nested one, which throws and is undone, and `after` runs then. */
  nested(inner: Work, after: Work): Promise<unknown>;
  /** Gives the adapter what is no transaction. */
  withoutTransaction?(): unknown;
  close(): Promise<void>;
}

export interface Way {
  readonly name: string;
  readonly store: "postgres" | "pglite";
  /** Its adapter refuses what is no transaction, which `withoutTransaction` gives it. */
  readonly refuses?: boolean;
  open(url: string, pglite: EmbeddedPostgres): Promise<Library>;
}

const connectionsMax = 3;

class Undone extends Error {}

/** Runs `inner` in a nested transaction that is undone. */
async function undone<Tx>(nest: (work: (tx: Tx) => Promise<unknown>) => Promise<unknown>, inner: (tx: Tx) => unknown) {
  await nest(async (tx) => {
    await inner(tx);
    throw new Undone("undone");
  }).catch((error: unknown) => {
    if (!(error instanceof Undone)) throw error;
  });
}

/** Runs `work` in a library's transaction. */
function adapted<Tx>(work: Work, adapt: (tx: Tx) => SqlClient): (tx: Tx) => Promise<void> {
  return (tx) => work(adapt(tx), () => adapt(tx));
}

/** As `nested`, by savepoints of the user's own. */
function bySavepoint(transaction: Library["transaction"]): Library["nested"] {
  return (inner, after) =>
    transaction(async (client, again) => {
      await client.query("SAVEPOINT mine");
      await inner(client, again);
      await client.query("ROLLBACK TO SAVEPOINT mine");
      await after(client, again);
    });
}

async function openPg(url: string): Promise<Library> {
  const pool = new pg.Pool({ connectionString: url, max: connectionsMax });
  const transaction = async (work: Work) => {
    const client = await pool.connect();
    try {
      await client.query("BEGIN");
      await work(client, () => client);
      await client.query("COMMIT");
    } catch (error) {
      await client.query("ROLLBACK");
      throw error;
    } finally {
      client.release();
    }
  };
  return { transaction, nested: bySavepoint(transaction), close: () => pool.end() };
}

async function openPostgresJs(url: string, options: object): Promise<Library> {
  const sql = (await loadPostgresJs()).default(url, { max: connectionsMax, ...options });
  return {
    transaction: (work) => sql.begin(adapted(work, fromPostgresJs)),
    nested: (inner, after) =>
      sql.begin(async (tx) => {
        await undone<Parameters<typeof fromPostgresJs>[0]>(
          async (nest) => tx.savepoint?.(nest),
          adapted(inner, fromPostgresJs),
        );
        await adapted(after, fromPostgresJs)(tx);
      }),
    withoutTransaction: () => fromPostgresJs(sql as never),
    close: () => sql.end(),
  };
}

/** A reserved connection, on which the caller begins and commits. */
async function openReserved(url: string): Promise<Library> {
  const sql = (await loadPostgresJs()).default(url, { max: connectionsMax });
  const transaction = async (work: Work) => {
    const reserved = await sql.reserve();
    try {
      await reserved.unsafe("BEGIN");
      await adapted(work, fromPostgresJs)(reserved);
      await reserved.unsafe("COMMIT");
    } catch (error) {
      await reserved.unsafe("ROLLBACK");
      throw error;
    } finally {
      reserved.release();
    }
  };
  return { transaction, nested: bySavepoint(transaction), close: () => sql.end() };
}

function openDrizzle(db: Drizzle, close: () => Promise<void>): Library {
  return {
    transaction: (work) => db.transaction(adapted(work, fromDrizzle)),
    nested: (inner, after) =>
      db.transaction(async (tx) => {
        await undone<Parameters<typeof fromDrizzle>[0]>((nest) => tx.transaction(nest), adapted(inner, fromDrizzle));
        await adapted(after, fromDrizzle)(tx);
      }),
    withoutTransaction: () => fromDrizzle(db as never),
    close,
  };
}

async function openKysely(dialect: object): Promise<Library> {
  const { Kysely, CamelCasePlugin } = await loadKysely();
  const db = new Kysely({ dialect, plugins: [new CamelCasePlugin()] });
  const transaction = (work: Work) => db.transaction().execute(adapted(work, fromKysely));
  return {
    transaction,
    nested: bySavepoint(transaction),
    withoutTransaction: () => fromKysely(db as never),
    close: () => db.destroy(),
  };
}

function openKnex(knex: Knex): Library {
  return {
    transaction: (work) => knex.transaction(adapted(work, fromKnex)),
    nested: (inner, after) =>
      knex.transaction(async (trx) => {
        await undone<Parameters<typeof fromKnex>[0]>((nest) => trx.transaction(nest), adapted(inner, fromKnex));
        await adapted(after, fromKnex)(trx);
      }),
    withoutTransaction: () => fromKnex(knex as never),
    close: () => knex.destroy(),
  };
}

export const ways: readonly Way[] = [
  { name: "pg", store: "postgres", open: openPg },
  {
    name: "PGlite",
    store: "pglite",
    open: async (_url, pglite) => {
      const transaction = (work: Work) => pglite.transaction((tx) => work(tx, () => tx));
      return { transaction, nested: bySavepoint(transaction), close: async () => {} };
    },
  },
  { name: "postgres.js", store: "postgres", refuses: true, open: (url) => openPostgresJs(url, {}) },
  {
    name: "postgres.js that renames columns, reads bigint and knows no types",
    store: "postgres",
    open: async (url) => {
      const { camel, BigInt: bigint } = (await loadPostgresJs()).default;
      return await openPostgresJs(url, { transform: camel, types: { bigint }, fetch_types: false });
    },
  },
  { name: "a reserved connection of postgres.js", store: "postgres", open: openReserved },
  {
    name: "Drizzle on node-postgres",
    store: "postgres",
    refuses: true,
    open: async (url) => {
      const pool = new pg.Pool({ connectionString: url, max: connectionsMax });
      return openDrizzle((await loadDrizzle("node-postgres")).drizzle(pool), () => pool.end());
    },
  },
  {
    name: "Drizzle on postgres.js",
    store: "postgres",
    refuses: true,
    open: async (url) => {
      const sql = (await loadPostgresJs()).default(url, { max: connectionsMax });
      return openDrizzle((await loadDrizzle("postgres-js")).drizzle(sql), () => sql.end());
    },
  },
  {
    name: "Drizzle on PGlite",
    store: "pglite",
    refuses: true,
    open: async (_url, pglite) => openDrizzle((await loadDrizzle("pglite")).drizzle(pglite), async () => {}),
  },
  {
    name: "Kysely on pg",
    store: "postgres",
    refuses: true,
    open: async (url) => {
      const { PostgresDialect } = await loadKysely();
      return await openKysely(
        new PostgresDialect({ pool: new pg.Pool({ connectionString: url, max: connectionsMax }) }),
      );
    },
  },
  {
    name: "Kysely on PGlite",
    store: "pglite",
    open: async (_url, pglite) => {
      const { PGliteDialect } = await loadKysely();
      // Kysely closes the PGlite it is given, which other tests still use.
      return { ...(await openKysely(new PGliteDialect({ pglite }))), close: async () => {} };
    },
  },
  {
    name: "Knex",
    store: "postgres",
    refuses: true,
    open: async (url) => {
      const knex = (await loadKnex()).default({ client: "pg", connection: url, pool: { min: 0, max: connectionsMax } });
      return openKnex(knex);
    },
  },
];

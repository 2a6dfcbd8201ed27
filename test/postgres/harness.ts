// What the PostgreSQL modes of the conformance suite share: a database per file, emptied for every fact.
import { Client } from "pg";
import type { Engine } from "../../src/core/engine.ts";
import type { SqlClient } from "../../src/engines/postgres/index.ts";
import { type Harness, type OpenTx, TestClock } from "../../src/testing/conformance/harness.ts";

/** How a mode opens an engine. */
export interface Mode {
  /** An engine on a schema of the database. */
  open(url: string, options: { readonly clock: TestClock; readonly schema?: string }): Engine<SqlClient>;
  /** The second handle; by default one opened like the first. */
  other?(url: string, clock: TestClock): Engine<SqlClient>;
}

/** Empties a store, whatever it holds. */
export const emptyStatement = `DO $$ DECLARE names text; BEGIN
  SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') INTO names FROM pg_tables
  WHERE schemaname = 'punctual' AND tablename <> 'migrations';
  IF names IS NOT NULL THEN EXECUTE 'TRUNCATE ' || names || ' RESTART IDENTITY'; END IF;
END $$`;

/** Opens harnesses on one database. */
export class Databases {
  readonly #mode: Mode;
  readonly #urls: () => Promise<{ readonly url: string; readonly directUrl: string }>;
  #found: Promise<{ readonly url: string; readonly directUrl: string }> | undefined;
  #admin: Client | undefined;
  #more = 0;

  /** @param urls a new database: as the engine reaches it, and straight */
  constructor(mode: Mode, urls: () => Promise<{ readonly url: string; readonly directUrl: string }>) {
    this.#mode = mode;
    this.#urls = urls;
  }

  async open(): Promise<Harness> {
    this.#found ??= this.#urls();
    const { url, directUrl } = await this.#found;
    const admin = await this.#connected(directUrl);
    await admin.query(emptyStatement);
    const clock = new TestClock();
    const engine = this.#mode.open(url, { clock });
    const other = this.#mode.other?.(url, clock) ?? this.#mode.open(url, { clock });
    await engine.open();
    await other.open();
    const opened: Engine<SqlClient>[] = [engine, other];
    const schemas: string[] = [];
    return {
      engine: engine as Engine,
      other: other as Engine,
      clock,
      beginTx: () => beginOn(url, engine),
      openWith: async (options) => {
        const schema = `more_${this.#more++}`;
        const more = this.#mode.open(url, { clock, schema, ...options });
        opened.push(more);
        schemas.push(schema);
        await more.open();
        return more as Engine;
      },
      close: async () => {
        await Promise.all(opened.map((one) => one.close()));
        for (const schema of schemas) await admin.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
      },
    };
  }

  async #connected(url: string): Promise<Client> {
    if (this.#admin !== undefined) return this.#admin;
    const admin = new Client({ connectionString: url });
    // The server ends it when the run is over.
    admin.on("error", () => {});
    await admin.connect();
    this.#admin = admin;
    return admin;
  }

  async close(): Promise<void> {
    await this.#admin?.end();
    this.#admin = undefined;
  }
}

/** Begins a transaction on a connection of the caller's own. */
async function beginOn(url: string, engine: Engine<SqlClient>): Promise<OpenTx> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query("BEGIN");
  const joined = engine.using?.(client);
  if (joined === undefined) throw new Error("the postgres engine joins transactions");
  const finish = async (statement: "COMMIT" | "ROLLBACK") => {
    await client.query(statement);
    await client.end();
  };
  return { joined, othersReadOn: true, commit: () => finish("COMMIT"), rollback: () => finish("ROLLBACK") };
}

// What opening a store asks of its schema: everything that can refuse it comes before the first write.
import {
  EngineNotConfiguredError,
  StoreCorruptError,
  StoreOutdatedError,
  StoreUnsafeError,
} from "../../../core/errors.ts";
import type { MigrationStep } from "../../../core/schema.ts";
import type { Session } from "../connections.ts";
import { readLedger } from "./ledger.ts";
import { applyMissing, checkEpoch, migrations, type Target } from "./migrate.ts";
import type { Migration } from "./migration.ts";

/** How a schema is to be opened. */
export interface SchemaOptions {
  /** Refuses to make a store where there is none. */
  readonly mustExist: boolean;
  /** Applies the missing steps; else a store that lacks some is refused. */
  readonly migrate: boolean;
  /** A test's now; else the server's. */
  readonly testNow: number | null;
}

const columnsStatement = `-- migrations.columns
SELECT c.relname::text AS of_table, a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')`;

/** Tables of a schema, each with its columns and their types. */
export type Tables = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** The tables, views and sequences that a schema holds. */
export async function readTables(session: Session, schema: string): Promise<Tables> {
  const tables = new Map<string, Map<string, string>>();
  for (const { of_table: table, name, type } of await session.run(columnsStatement, [schema])) {
    const columns = tables.get(table) ?? new Map<string, string>();
    tables.set(table, columns);
    if (name !== null) columns.set(name, type);
  }
  return tables;
}

/** Whether a schema holds a store of Punctual. */
export function hasStore(tables: Tables): boolean {
  return tables.has("migrations");
}

const serverStatement = `-- migrations.server
SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int4 AS number,
  current_setting('server_encoding') AS encoding`;

/** @throws StoreUnsafeError for a server that is too old, or a database that cannot hold every text */
async function checkServer(session: Session): Promise<void> {
  const [row] = await session.run(serverStatement);
  if (row?.["number"] < 150_000) {
    throw new StoreUnsafeError(`the server is PostgreSQL ${row?.["version"]}, and too old`, {
      mend: "Use PostgreSQL 15 or newer.",
    });
  }
  if (row?.["encoding"] === "UTF8") return;
  throw new StoreUnsafeError(`the database's encoding is ${row?.["encoding"]}, which does not hold every text`, {
    mend: "Use a database in UTF8: CREATE DATABASE jobs ENCODING 'UTF8' TEMPLATE template0.",
  });
}

/**
 * Makes a schema ready to be used; answers the steps that were applied just now.
 * @throws StoreCorruptError, StoreTooNewError, StoreOutdatedError, StoreUnsafeError, EngineNotConfiguredError: nothing is
 * changed.
 */
export async function openSchema(target: Target, options: SchemaOptions): Promise<MigrationStep[]> {
  const { connections, schema } = target;
  await checkServer(connections);
  const tables = await readTables(connections, schema);
  if (!hasStore(tables)) {
    if (options.mustExist) throw noStore(schema);
    refuseTaken(tables, schema);
    if (!options.migrate) refuseOutdated(migrations);
    return applyMissing(target, options.testNow);
  }
  await checkEpoch(connections);
  const ledger = await readLedger(connections);
  const missing = migrations.filter(({ id }) => !ledger.some((row) => row.id === id));
  const applied = migrations.filter((step) => !missing.includes(step));
  checkTables(tables, applied, schema);
  if (missing.length === 0) return [];
  if (!options.migrate) refuseOutdated(missing);
  return applyMissing(target, options.testNow);
}

/** @throws StoreCorruptError when a table or column is not there, or of another type than an applied step has made it. */
function checkTables(tables: Tables, applied: readonly Migration[], schema: string): void {
  for (const { id, name, sql } of applied) {
    const made = `which step ${id} (${name}) has made`;
    for (const [table, columns] of tablesOf(sql)) {
      const found = tables.get(table);
      if (found === undefined) throw new StoreCorruptError(`the table ${schema}.${table} is missing, ${made}`);
      for (const [column, type] of columns) {
        const has = found.get(column);
        if (has === type) continue;
        const what = has === undefined ? "is missing" : `is ${has}, should be ${type}`;
        throw new StoreCorruptError(`the column ${column} of ${schema}.${table} ${what}, ${made}`, {
          mend: "Undo the change by hand (`punctual migrate --print --all` shows what there should be), or restore a backup.",
        });
      }
    }
  }
}

/** The tables that a step makes, each with its columns and their types, as the step's own text says. */
function tablesOf(sql: string): Tables {
  const tables = new Map<string, Map<string, string>>();
  for (const [, table = "", body = ""] of sql.matchAll(/CREATE TABLE punctual\.(\w+) \(\n(.*?)\n\)/gs)) {
    const columns = [...body.matchAll(/^ {2}([a-z_0-9]+) ([a-z0-9]+(?: precision)?(?:\[\])?)/gm)];
    tables.set(table, new Map(columns.map(([, name = "", type = ""]) => [name, type])));
  }
  return tables;
}

/** @throws StoreCorruptError when a schema without a store has something that carries a name of ours. */
function refuseTaken(tables: Tables, schema: string): void {
  const ours = migrations.flatMap(({ sql }) => [...tablesOf(sql).keys()]);
  const taken = ours.find((table) => tables.has(table));
  if (taken === undefined) return;
  throw new StoreCorruptError(`the table ${schema}.${taken} is there already, and is not Punctual's`, {
    mend: "Rename it, or give the store a schema of its own: postgres(url, { schema }).",
  });
}

/** @throws StoreOutdatedError */
function refuseOutdated(missing: readonly Migration[]): never {
  const steps = missing.map(({ id, name }) => `${id} (${name})`);
  throw new StoreOutdatedError(`the store lacks ${steps.length === 1 ? "step" : "steps"} ${steps.join(", ")}`, {
    details: { steps: missing.map(({ id }) => id) },
  });
}

function noStore(schema: string): EngineNotConfiguredError {
  return new EngineNotConfiguredError(`there is no store in the database: it has no table ${schema}.migrations`, {
    field: "location",
    mend: "Name the store's database and schema, or let `punctual migrate` create it.",
  });
}

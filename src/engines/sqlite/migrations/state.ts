// Where a database's schema stands: which steps are applied, and whether it is what they have made.
import type { MigrationStep, SchemaDrift, SchemaState } from "../../../core/schema.ts";
import { Connection } from "../database.ts";
import { openFile } from "../file.ts";
import { createLedger, hasStore, migrations } from "./migrate.ts";

interface LedgerRow {
  readonly id: number;
  readonly name: string;
  readonly breaking: number;
  readonly applied_at: number;
}

const ledgerStatement =
  "-- migrations.ledger\nSELECT id, name, breaking, applied_at FROM punctual_migrations ORDER BY id";

const columnsStatement = `-- migrations.columns
SELECT t.name AS of_table, c.name, c.type, c."notnull" AS is_required, c.pk AS key_place
FROM sqlite_schema AS t, pragma_table_xinfo(t.name) AS c
WHERE t.type = 'table' AND t.name LIKE 'punctual\\_%' ESCAPE '\\'`;

const indexesStatement = `-- migrations.indexes
SELECT name, tbl_name AS of_table, sql FROM sqlite_schema
WHERE type = 'index' AND sql IS NOT NULL AND tbl_name LIKE 'punctual\\_%' ESCAPE '\\'`;

interface Column {
  readonly of_table: string;
  readonly name: string;
  readonly type: string;
  readonly is_required: number;
  readonly key_place: number;
}

interface Index {
  readonly name: string;
  readonly of_table: string;
  readonly sql: string;
}

/** What a schema consists of, each part by its name. */
interface Shape {
  readonly tables: ReadonlySet<string>;
  readonly columns: ReadonlyMap<string, Column>;
  readonly indexes: ReadonlyMap<string, Index>;
}

/** Nothing is applied where there is no store. */
export const pristine: SchemaState = { steps: migrations, unknown: [], drift: [] };

/** The state of a database that may hold a store. */
export async function schemaState(connection: Connection): Promise<SchemaState> {
  if (!hasStore(connection)) return pristine;
  const ledger = connection.all<LedgerRow>(ledgerStatement);
  const there = shapeOf(connection);
  const steps = migrations.map((step): MigrationStep => {
    const appliedAt = ledger.find(({ id }) => id === step.id)?.applied_at;
    return appliedAt === undefined ? step : { ...step, appliedAt };
  });
  const unknown = ledger
    .filter((row) => !migrations.some(({ id }) => id === row.id))
    .map(({ id, name, breaking }) => ({ id, name, breaking: breaking === 1 }));
  const wanted = await shapeOfSteps(steps.filter(({ appliedAt }) => appliedAt !== undefined).map(({ sql }) => sql));
  // What a newer version has added is none of our business.
  return { steps, unknown, drift: compare(wanted, there, unknown.length === 0) };
}

/** What steps make of an empty database. */
async function shapeOfSteps(steps: readonly string[]): Promise<Shape> {
  const database = await openFile(":memory:");
  try {
    const connection = new Connection(database);
    createLedger(connection);
    for (const sql of steps) database.exec(sql);
    return shapeOf(connection);
  } finally {
    database.close();
  }
}

function shapeOf(connection: Connection): Shape {
  const columns = connection.all<Column>(columnsStatement);
  const indexes = connection.all<Index>(indexesStatement);
  return {
    tables: new Set(columns.map(({ of_table }) => of_table)),
    columns: new Map(columns.map((column) => [`${column.of_table}.${column.name}`, column])),
    indexes: new Map(indexes.map((index) => [index.name, index])),
  };
}

function compare(wanted: Shape, there: Shape, noneMore: boolean): SchemaDrift[] {
  const drift: SchemaDrift[] = [];
  for (const table of wanted.tables) {
    if (!there.tables.has(table)) drift.push({ table, what: `the table ${table} is missing` });
  }
  for (const [path, column] of wanted.columns) {
    const { of_table: table, name } = column;
    const found = there.columns.get(path);
    if (!there.tables.has(table)) continue;
    const about = { table, column: name };
    if (found === undefined) drift.push({ ...about, what: `the column ${name} of ${table} is missing` });
    else if (described(found) !== described(column)) {
      drift.push({
        ...about,
        what: `the column ${name} of ${table} is ${described(found)}, should be ${described(column)}`,
      });
    }
  }
  for (const [name, { of_table: table, sql }] of wanted.indexes) {
    const found = there.indexes.get(name);
    if (!there.tables.has(table)) continue;
    if (found === undefined) drift.push({ table, what: `the index ${name} of ${table} is missing` });
    else if (squeezed(found.sql) !== squeezed(sql)) {
      drift.push({ table, what: `the index ${name} of ${table} is not as it was made: ${squeezed(found.sql)}` });
    }
  }
  if (!noneMore) return drift;
  for (const [path, { of_table: table, name }] of there.columns) {
    if (wanted.columns.has(path)) continue;
    const what = wanted.tables.has(table)
      ? `the column ${name} of ${table} is not Punctual's`
      : `the table ${table} is not Punctual's`;
    if (!drift.some((one) => one.what === what)) drift.push({ table, column: name, what });
  }
  return drift;
}

function described({ type, is_required, key_place }: Column): string {
  return `${type}${is_required === 1 ? " NOT NULL" : ""}${key_place > 0 ? ` PRIMARY KEY (${key_place})` : ""}`;
}

function squeezed(sql: string): string {
  return sql.replace(/\s+/g, " ").trim();
}

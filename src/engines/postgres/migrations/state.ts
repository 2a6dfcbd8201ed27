// Where a schema stands: which steps are applied, and whether it is what they have made (B12). What they should have made
// is seen by making it: among the temporary tables of a transaction that is then undone.
import type { MigrationStep, SchemaDrift, SchemaState } from "../../../core/schema.ts";
import { sqlState } from "../faults.ts";
import { type Part, readParts } from "./catalogue.ts";
import { readLedger } from "./ledger.ts";
import { blockOf, ledgerSql, migrations, stepOf, type Target } from "./migrate.ts";
import type { Migration } from "./migration.ts";
import { hasStore, readTables } from "./opening.ts";

/** The state of a schema that may hold a store. */
export async function schemaState({ connections, schema }: Target): Promise<SchemaState> {
  const known = migrations.map((step) => stepOf(step, schema));
  if (!hasStore(await readTables(connections, schema))) return { steps: known, unknown: [], drift: [] };
  const ledger = await readLedger(connections);
  const steps = known.map((step): MigrationStep => {
    const appliedAt = ledger.find(({ id }) => id === step.id)?.applied_at;
    return appliedAt === undefined ? step : { ...step, appliedAt };
  });
  const unknown = ledger
    .filter((row) => !migrations.some(({ id }) => id === row.id))
    .map(({ id, name, breaking }) => ({ id, name, breaking }));
  const applied = migrations.filter(({ id }) => ledger.some((row) => row.id === id));
  const made = await partsOfSteps({ connections, schema }, applied);
  if ("unchecked" in made) return { steps, unknown, drift: [], unchecked: made.unchecked };
  // What a newer version has added is none of our business.
  const noneMore = unknown.length === 0;
  return { steps, unknown, drift: compare(made.wanted, await readParts(connections, schema), noneMore) };
}

type Made = { readonly wanted: readonly Part[] } | { readonly unchecked: string };

async function partsOfSteps({ connections }: Target, steps: readonly Migration[]): Promise<Made> {
  try {
    return await connections.transaction(
      async (session) => {
        await session.run("-- migrations.try\nSAVEPOINT punctual_try");
        await session.run(blockOf(ledgerSql, temporary));
        for (const { sql } of steps) await session.run(blockOf(sql, temporary));
        const wanted = await readParts(session);
        await session.run("-- migrations.undo\nROLLBACK TO SAVEPOINT punctual_try");
        return { wanted };
      },
      { patient: true },
    );
  } catch (error) {
    // No right to temporary tables, a server that is read only, or a temporary table of that name.
    const why = sqlState(error);
    if (why === undefined || !["42501", "25006", "42P07"].includes(why)) throw error;
    return { unchecked: `the schema could not be compared: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** The session's own schema, which goes with its transaction. */
const temporary = "pg_temp";

const keyOf = ({ kind, table, name }: Part) => `${kind} ${table} ${name}`;

function compare(wanted: readonly Part[], there: readonly Part[], noneMore: boolean): SchemaDrift[] {
  const found = new Map(there.map((part) => [keyOf(part), part]));
  const ours = new Set(wanted.map(keyOf));
  const tables = new Set(wanted.filter(({ kind }) => kind === "table").map(({ table }) => table));
  const drift: SchemaDrift[] = [];
  for (const part of wanted) {
    const has = found.get(keyOf(part));
    const isTable = ["table", "view", "sequence", "function"].includes(part.kind);
    // What is missing with its table is said once.
    if (!isTable && !found.has(`table ${part.table} ${part.table}`)) continue;
    if (has === undefined) drift.push({ ...about(part), what: `${named(part)} is missing` });
    else if (has.text !== part.text) drift.push({ ...about(part), what: `${named(part)} ${difference(part, has)}` });
  }
  if (!noneMore) return drift;
  for (const part of there) {
    if (!part.strict || ours.has(keyOf(part)) || !tables.has(part.table)) continue;
    drift.push({ ...about(part), what: `${named(part)} is not Punctual's` });
  }
  return drift;
}

function about({ kind, table, name }: Part): Pick<SchemaDrift, "table" | "column"> {
  return kind === "column" ? { table, column: name } : { table };
}

function named({ kind, table, name }: Part): string {
  return ["table", "view", "sequence", "function"].includes(kind)
    ? `the ${kind} ${name}`
    : `the ${kind} ${name} of ${table}`;
}

function difference({ kind, text }: Part, has: Part): string {
  if (kind === "view" || kind === "function") return "is not as it was made";
  const verb = kind === "table" ? "has" : "is";
  return `${verb} ${has.text}, should ${kind === "table" ? "have" : "be"} ${text}`;
}

// Brings a schema to this version's: numbered, append-only steps, each applied once however many processes start
// together. A step that older versions cannot live with is breaking, and they then refuse the store.
import { StoreCorruptError, StoreTooNewError } from "../../../core/errors.ts";
import type { MigrationStep } from "../../../core/schema.ts";
import type { Connections, Session } from "../connections.ts";
import { isThereAlready, isWorthRepeating, translate } from "../faults.ts";
import { inSchema, nowOf, quoted } from "../sql.ts";
import { initial } from "./0001-initial.ts";
import { rowSecurity } from "./0002-row-security.ts";
import { cronSchedules } from "./0003-cron-schedules.ts";
import { readLedger } from "./ledger.ts";
import type { Migration } from "./migration.ts";

/** Every step there is, in order. */
export const migrations: readonly Migration[] = [initial, rowSecurity, cronSchedules];

/** The newest step that this version knows. */
export const latestKnown = Math.max(...migrations.map(({ id }) => id));

/** Where a store is, or is to be. */
export interface Target {
  readonly connections: Connections;
  /** The PostgreSQL schema that holds it. */
  readonly schema: string;
}

const newer = `FROM punctual.migrations WHERE id > ${latestKnown} AND breaking`;

/**
 * O3, as a condition of statements that claim or fire: no breaking step is applied that this version does not know. With
 * it, a statement does nothing in a store that is too new; `checkEpoch` then says why.
 */
export const epochHolds = `NOT EXISTS (SELECT 1 ${newer})`;

const checkStatement = `-- migrations.check\nSELECT id, name ${newer} ORDER BY id LIMIT 1`;

/**
 * O3: asked at open and again in every claim and fire, as a newer version may migrate while this one runs.
 * @throws StoreTooNewError when a breaking step that this version does not know has been applied.
 */
export async function checkEpoch(session: Session): Promise<void> {
  const [row] = await session.run(checkStatement);
  if (row !== undefined) refuseNewer(row["id"], row["name"]);
}

/** @throws StoreTooNewError */
export function refuseNewer(id: number, name: string): never {
  throw new StoreTooNewError(
    `the store has been migrated to step ${id} (${name}); this version of Punctual knows steps up to ${latestKnown}`,
    { details: { step: id, known: latestKnown } },
  );
}

const lockStatement = `-- migrations.lock
SELECT pg_try_advisory_xact_lock(hashtextextended('punctual migrations of ' || $1::text, 0)) AS locked`;

// A step may take longer than a statement of daily work. Who stops between two of them is still ended by the server.
const patienceStatement = "-- migrations.patience\nSELECT set_config('statement_timeout', '0', true) AS patience";

const schemaStatement = "-- migrations.schema\nSELECT 1 AS found FROM pg_namespace WHERE nspname = $1";

export const ledgerSql = `CREATE TABLE IF NOT EXISTS punctual.migrations (
  id integer NOT NULL,
  name text COLLATE "C" NOT NULL,
  breaking boolean NOT NULL,
  applied_at bigint NOT NULL,
  CONSTRAINT migrations_pkey PRIMARY KEY (id)
);`;

const insertStatement = `-- migrations.apply
INSERT INTO punctual.migrations (id, name, breaking, applied_at) VALUES ($1, $2, $3, ${nowOf("$4")})
RETURNING applied_at::float8 AS applied_at`;

/** How often one looks whether another process is done migrating, in ms. */
const lookEveryMs = 50;

/** Applies what is missing and answers it: all of it or nothing, by one process while the others wait. */
export async function applyMissing({ connections, schema }: Target, testNow: number | null): Promise<MigrationStep[]> {
  for (;;) {
    const applied = await connections.transaction(
      async (session) => {
        // A lock of the transaction, as one of the session would stay behind in a pooler; tried, as a wait has a limit.
        const [row] = await session.run(lockStatement, [schema]);
        if (row?.["locked"] !== true) return undefined;
        try {
          return await migrate(session, schema, testNow);
        } catch (error) {
          // Nothing here gets better by being repeated.
          if (isThereAlready(error)) throw half(error, schema);
          throw isWorthRepeating(error) ? translate(error, "the schema's missing steps", false) : error;
        }
      },
      { patient: true },
    );
    if (applied !== undefined) return applied;
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
}

function half(cause: unknown, schema: string): StoreCorruptError {
  const said = cause instanceof Error ? cause.message : String(cause);
  return new StoreCorruptError(`a part of what a missing step makes is there already: ${said}`, {
    mend: `A step was run by hand and cut off, or the schema holds something else. Restore a backup; if nothing is in it yet, DROP SCHEMA ${quoted(schema)} CASCADE.`,
    cause,
  });
}

async function migrate(session: Session, schema: string, testNow: number | null): Promise<MigrationStep[]> {
  await session.run(patienceStatement);
  // Asked first: CREATE SCHEMA IF NOT EXISTS needs the right to create one even where it is there.
  const [found] = await session.run(schemaStatement, [schema]);
  if (found === undefined) await session.run(`-- migrations.create\nCREATE SCHEMA ${quoted(schema)}`);
  await session.run(blockOf(ledgerSql, schema));
  // Another process may have been here since.
  await checkEpoch(session);
  const known = await readLedger(session);
  const steps: MigrationStep[] = [];
  for (const step of migrations) {
    if (known.some(({ id }) => id === step.id)) continue;
    await session.run(blockOf(step.sql, schema));
    if (step.roles !== undefined) await session.run(blockOf(step.roles, schema));
    const [row] = await session.run(insertStatement, [step.id, step.name, step.breaking, testNow]);
    steps.push({ ...stepOf(step, schema), appliedAt: row?.["applied_at"] });
  }
  return steps;
}

/** Gives the server's roles what they are due, where whoever migrates may: they may have been made since. */
export async function giveRoles({ connections, schema }: Target): Promise<void> {
  const roles = migrations.flatMap((step) => step.roles ?? []);
  await connections.transaction((session) => session.run(blockOf(roles.join("\n"), schema)), { patient: true });
}

/** A step as it is told of: everything that a team needs that runs it by other means. */
export function stepOf({ id, name, breaking, sql, roles }: Migration, schema: string): MigrationStep {
  const parts = [
    ...(id === 1 ? [`CREATE SCHEMA IF NOT EXISTS ${quoted(schema)};`, ledgerSql] : []),
    sql.trim(),
    ...(roles === undefined ? [] : [roles]),
    `INSERT INTO punctual.migrations VALUES (${id}, '${name}', ${breaking}, ${nowOf("NULL")});`,
  ];
  return { id, name, breaking, sql: translated(parts.join("\n"), schema) };
}

/** Several statements as one that every driver takes. */
export function blockOf(sql: string, schema: string): string {
  return `-- migrations.step
DO $punctual_step$ BEGIN EXECUTE $punctual_sql$${translated(sql, schema)}$punctual_sql$; END $punctual_step$`;
}

/** A step's text, which names the schema itself as well. */
function translated(sql: string, schema: string): string {
  return inSchema(sql, schema).replace(/\bSCHEMA punctual\b/g, () => `SCHEMA ${quoted(schema)}`);
}

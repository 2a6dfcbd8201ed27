// The adapters' own descriptions of a transaction against the libraries' real types, as a user's compiler sees them.
import { execFile } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, expect, test } from "vitest";
import { installLibraries } from "./libraries/installation.ts";

const installMs = 120_000;
const root = fileURLToPath(new URL("../..", import.meta.url));
/** Beside the installed libraries, so that the compiler finds them. */
const directory = fileURLToPath(new URL("./libraries/node_modules/.typed", import.meta.url));
const adapters = join(root, "src/engines/postgres/adapters");

const program = `
import { PGlite } from "@electric-sql/pglite";
import { drizzle as onNodePostgres } from "drizzle-orm/node-postgres";
import { drizzle as onPglite } from "drizzle-orm/pglite";
import { drizzle as onPostgresJs } from "drizzle-orm/postgres-js";
import knex from "knex";
import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import postgres from "postgres";
import { fromDrizzle } from "ADAPTERS/drizzle.ts";
import { fromKnex } from "ADAPTERS/knex.ts";
import { fromKysely } from "ADAPTERS/kysely.ts";
import { fromPostgresJs } from "ADAPTERS/postgres-js.ts";
import { postgres as engine } from "ADAPTERS/../index.ts";
import type { SqlClient } from "ADAPTERS/../sql.ts";

interface Tables {
  readonly orders: { readonly id: number };
}

const plain = postgres("");
const typed = postgres("", { types: { bigint: postgres.BigInt } });
const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: new pg.Pool() }) });
const schema = {};

export const joined: (() => Promise<unknown>)[] = [
  () => plain.begin(async (sql) => fromPostgresJs(sql)),
  () => plain.begin((sql) => sql.savepoint(async (nested) => fromPostgresJs(nested))),
  () => typed.begin(async (sql) => fromPostgresJs(sql)),
  async () => fromPostgresJs(await plain.reserve()),
  () => onNodePostgres(new pg.Pool()).transaction(async (tx) => fromDrizzle(tx)),
  () => onNodePostgres(new pg.Pool(), { schema }).transaction((tx) => tx.transaction(async (inner) => fromDrizzle(inner))),
  () => onPostgresJs(plain).transaction(async (tx) => fromDrizzle(tx)),
  () => onPglite(new PGlite()).transaction(async (tx) => fromDrizzle(tx)),
  () => db.transaction().execute(async (trx) => fromKysely(trx)),
  async () => fromKysely(await db.startTransaction().execute()),
  () => knex({ client: "pg" }).transaction(async (trx) => fromKnex(trx)),
  async () => fromKnex(await knex({ client: "pg" }).transaction()),
];

export const clients: (() => Promise<SqlClient>)[] = [
  async () => new pg.Client(),
  async () => await new pg.Pool().connect(),
];
export const engines = [() => engine(new PGlite()), () => engine(new pg.Pool())];
export const onLite = () => new PGlite().transaction(async (tx) => tx satisfies SqlClient);

// @ts-expect-error no transaction
export const refusedDrizzle = () => fromDrizzle(onNodePostgres(new pg.Pool()));
// @ts-expect-error no transaction
export const refusedKnex = () => fromKnex(knex({ client: "pg" }));
// @ts-expect-error no transaction
export const refusedKysely = () => fromKysely(db);
`;

beforeAll(installLibraries, installMs);

test("J1 each library's transaction is one that its adapter takes, in types too", { timeout: installMs }, async () => {
  mkdirSync(directory, { recursive: true });
  const files = { "program.ts": program.replaceAll("ADAPTERS", relative(directory, adapters)) };
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
    writeFileSync(
      join(directory, "tsconfig.json"),
      JSON.stringify({
        extends: join(root, "tsconfig.json"),
        compilerOptions: { skipLibCheck: true },
        files: ["program.ts"],
        include: [],
      }),
    );
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    const output = await promisify(execFile)(process.execPath, [tsc, "-p", directory]).catch(
      (error: { stdout: string }) => error,
    );
    // What is wrong elsewhere in the project is for its own check of types to say.
    expect(output.stdout.split("\n").filter((line) => line.includes("program.ts"))).toEqual([]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

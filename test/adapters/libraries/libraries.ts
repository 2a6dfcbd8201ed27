// The libraries under test, as far as the tests use them. They are loaded by name at run time, so that checking the
// project's types needs none of them; test/adapters/types.test.ts checks the adapters against their real types.
import type { DrizzleTransaction } from "../../../src/engines/postgres/adapters/drizzle.ts";
import type { KnexTransaction } from "../../../src/engines/postgres/adapters/knex.ts";
import type { KyselyTransaction } from "../../../src/engines/postgres/adapters/kysely.ts";
import type { PostgresJsTransaction } from "../../../src/engines/postgres/adapters/postgres-js.ts";
import type { Pglite } from "../../../src/engines/postgres/pglite.ts";

type Work<Tx> = (tx: Tx) => Promise<unknown>;

export interface PostgresJs {
  begin(work: Work<PostgresJsTransaction>): Promise<unknown>;
  reserve(): Promise<PostgresJsTransaction & { release(): void }>;
  end(): Promise<void>;
}

interface PostgresJsModule {
  default: ((url: string, options?: object) => PostgresJs) & { readonly camel: object; readonly BigInt: object };
}

export interface Drizzle {
  transaction(work: Work<DrizzleTransaction & Drizzle>): Promise<unknown>;
}

interface DrizzleModule {
  drizzle(client: unknown): Drizzle;
}

export interface Kysely {
  transaction(): { execute(work: Work<KyselyTransaction>): Promise<unknown> };
  destroy(): Promise<void>;
}

interface KyselyModule {
  Kysely: new (options: { dialect: object; plugins?: object[] }) => Kysely;
  PostgresDialect: new (options: { pool: unknown }) => object;
  PGliteDialect: new (options: { pglite: unknown }) => object;
  CamelCasePlugin: new () => object;
}

export interface Knex {
  transaction(work: Work<KnexTransaction & Knex>): Promise<unknown>;
  transaction(): Promise<KnexTransaction & { commit(): Promise<void> }>;
  destroy(): Promise<void>;
}

interface KnexModule {
  default(options: object): Knex;
}

/** The project's own: its types need those of browsers, which the project's are checked without. */
interface PgliteModule {
  PGlite: { create(): Promise<EmbeddedPostgres> };
}

export interface EmbeddedPostgres extends Pglite {
  close(): Promise<void>;
}

async function load<Module>(name: string): Promise<Module> {
  return (await import(/* @vite-ignore */ name)) as Module;
}

export const loadPostgresJs = () => load<PostgresJsModule>("postgres");
export const loadDrizzle = (driver: "node-postgres" | "postgres-js" | "pglite") =>
  load<DrizzleModule>(`drizzle-orm/${driver}`);
export const loadKysely = () => load<KyselyModule>("kysely");
export const loadKnex = () => load<KnexModule>("knex");
export const loadPglite = () => load<PgliteModule>("@electric-sql/pglite");

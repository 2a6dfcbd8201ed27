// Databases for test files, on servers that the whole run shares: fast, and not safe from a power cut. A test that stops or
// pauses its server starts one of its own with scripts/services/postgres.ts.
import { inject } from "vitest";
import type { PostgresVersion } from "../../scripts/services/postgres-binaries.ts";

export interface PooledDatabase {
  /** Through PgBouncer in transaction mode. */
  readonly url: string;
  /** The same database without the pooler. */
  readonly directUrl: string;
}

async function newDatabase(version: PostgresVersion, way: "direct" | "pooled"): Promise<PooledDatabase> {
  const response = await fetch(`${inject("serverBroker")}/${version}/${way}`);
  const body: unknown = await response.json();
  if (!response.ok) throw new Error(`${body}`);
  return body as PooledDatabase;
}

/** The URL of a new, empty database. Fails with what to do where the server can be neither found nor fetched. */
export async function sharedPostgres(version: PostgresVersion = 15): Promise<string> {
  return (await newDatabase(version, "direct")).url;
}

/** A new, empty database behind a pooler. */
export async function sharedPooledPostgres(version: PostgresVersion = 15): Promise<PooledDatabase> {
  return await newDatabase(version, "pooled");
}

// A PostgreSQL server that many tests share, for its databases only: the one that the environment names, else a private one.
import { createDatabase, dropDatabase, queryOnce } from "./databases.ts";
import { startPostgres } from "./postgres.ts";
import type { PostgresVersion } from "./postgres-binaries.ts";

export interface SharedPostgres {
  /** Its superuser's, or of a role that may create databases. */
  readonly url: string;
  /** The URL of a new, empty database. */
  newDatabase(): Promise<string>;
  /** Removes those databases, and the server where it is private. */
  close(): Promise<void>;
}

async function givenPostgres(url: string, version: PostgresVersion, variable: string): Promise<SharedPostgres> {
  const [row] = await queryOnce<{ server_version: string }>(url, "SHOW server_version").catch((error: unknown) => {
    throw new Error(`${variable} names a server that does not answer: start it, or unset the variable`, {
      cause: error,
    });
  });
  const found = row?.server_version ?? "";
  if (Number.parseInt(found, 10) !== version) {
    throw new Error(`${variable} names a server of version ${found}: set it to one of version ${version}`);
  }
  const databases: string[] = [];
  return {
    url,
    newDatabase: async () => {
      const database = await createDatabase(url);
      databases.push(database);
      return database;
    },
    close: async () => {
      for (const database of databases) await dropDatabase(url, database);
    },
  };
}

/** Fails with what to do where there is no such server. */
export async function findPostgres(version: PostgresVersion): Promise<SharedPostgres> {
  const variable = `PUNCTUAL_TEST_POSTGRES_${version}_URL`;
  const given = process.env[variable];
  if (given !== undefined && given !== "") return await givenPostgres(given, version, variable);
  return await startPostgres({ version, durable: false });
}

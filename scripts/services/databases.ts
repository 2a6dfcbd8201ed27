// Databases of a PostgreSQL server that its superuser's URL names.
import { randomBytes } from "node:crypto";
import pg from "pg";

/** One statement, on a connection of its own. */
export async function queryOnce<Row extends pg.QueryResultRow>(
  url: string,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  try {
    await client.connect();
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}

/** Whether a statement is answered at all. */
export async function answers(url: string): Promise<boolean> {
  try {
    await queryOnce(url, "SELECT 1");
    return true;
  } catch {
    return false;
  }
}

/** The URL of a new database of a server: empty, or a copy of the one that `template` names. */
export async function createDatabase(adminUrl: string, template?: string): Promise<string> {
  const url = new URL(adminUrl);
  url.pathname = `/test_${randomBytes(8).toString("hex")}`;
  const source = template === undefined ? "template1" : databaseOf(template);
  const statement = `CREATE DATABASE ${pg.escapeIdentifier(databaseOf(url.href))} TEMPLATE ${pg.escapeIdentifier(source)}`;
  await queryOnce(adminUrl, statement);
  return url.href;
}

/** Removes a database, and ends the connections to it. */
export async function dropDatabase(adminUrl: string, url: string): Promise<void> {
  await queryOnce(adminUrl, `DROP DATABASE IF EXISTS ${pg.escapeIdentifier(databaseOf(url))} WITH (FORCE)`);
}

function databaseOf(url: string): string {
  return decodeURIComponent(new URL(url).pathname.slice(1));
}

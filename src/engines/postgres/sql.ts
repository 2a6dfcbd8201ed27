// Statements: how they reach a server, what they may be given and what they answer, whatever the driver.
//
// Drivers decode differently (int8 is a string in one, a bigint in the next), so statements select only what all of them
// give alike: text, int4, float8 and bool. Instants and sequence numbers are cast to float8, which is exact up to 2^53.
// Parameters are text, numbers, booleans and null; lists are one JSON text.

/** A row as a driver gives it. */
// biome-ignore lint/suspicious/noExplicitAny: what a row holds is what its statement selects; its reader says so.
export type Row = Record<string, any>;

/** What a parameter may be. */
export type Value = string | number | boolean | null;

/** A caller's open transaction, or anything that runs statements: a `pg` client, PGlite's transaction, an adapter. */
export interface SqlClient {
  // biome-ignore lint/suspicious/noExplicitAny: drivers type rows and parameters each in their own way.
  query(text: string, values?: any[]): Promise<{ rows: any[]; rowCount?: number | null }>;
  /** Runs `work`; all it did is undone when it throws. Absent: SAVEPOINT and ROLLBACK TO through `query` serve. */
  savepoint?<T>(work: (client: SqlClient) => Promise<T>): Promise<T>;
}

/** The schema that statements are written for; another name takes its place as they are sent. Settings of the session keep
 * the names that they have: they are set for all schemas alike. */
const writtenFor = /(?<!(?:current_setting|set_config)\(')\bpunctual\./g;

/** The statement for a schema of another name. */
export function inSchema(text: string, schema: string): string {
  return schema === "punctual" ? text : text.replace(writtenFor, () => `${quoted(schema)}.`);
}

/** A name as SQL writes it. */
export function quoted(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

/** The store's clock in milliseconds: the server's, or in tests what the parameter says. */
export function nowOf(parameter: string): string {
  return `coalesce(${parameter}::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)`;
}

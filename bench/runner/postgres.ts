// What sessions on PostgreSQL share: a connection of their own, and a reader with an old snapshot.
import pg from "pg";

export async function createClient(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString });
  // The server may end first; what was asked of it then has failed by itself.
  client.on("error", () => {});
  await client.connect();
  return client;
}

/** Opens a transaction that sees the store as it is now, on a connection of its own; answers with what ends it. */
export async function holdSnapshot(connectionString: string): Promise<() => Promise<void>> {
  const client = await createClient(connectionString);
  await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY");
  // The snapshot is taken by the first statement that reads.
  await client.query("SELECT count(*) FROM pg_class");
  return () => client.end();
}

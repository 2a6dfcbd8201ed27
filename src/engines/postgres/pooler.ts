// Whether a pooler such as PgBouncer stands before the server. In transaction mode it gives each transaction another
// session: settings of a session, named statements and LISTEN do not hold there.
import type { Pool } from "./pool.ts";

/**
 * Whether the server process that a connection was told of at its start is not the one that answers on it. A driver that
 * does not tell is taken at its word that there is none.
 */
export async function isPooled(pool: Pool): Promise<boolean> {
  const { told, answering } = await pool.backend();
  return told !== undefined && told !== answering;
}

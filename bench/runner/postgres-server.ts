// The PostgreSQL of a run: private and durable; each run of a subject has a database of its own.
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { type PostgresServer, startPostgres } from "../../scripts/services/postgres.ts";
import { createClient } from "./postgres.ts";
import { cpuMsOfTree } from "./process-costs.ts";
import type { Store } from "./server.ts";

/** Sessions that have been closed are gone within this, in ms. */
const settlesWithinMs = 10_000;

const statistics = `SELECT pg_current_wal_lsn() - '0/0' AS wal,
  (SELECT coalesce(sum(n_tup_upd + n_tup_del), 0) FROM pg_stat_user_tables) AS dead,
  (SELECT coalesce(sum(n_dead_tup), 0) FROM pg_stat_user_tables) AS "left"`;

const sessions = `SELECT count(*)::int AS count FROM pg_stat_activity
  WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()`;

async function asking<Answer>(url: string, ask: (client: pg.Client) => Promise<Answer>): Promise<Answer> {
  const client = await createClient(url);
  try {
    return await ask(client);
  } finally {
    await client.end();
  }
}

async function countSessions(url: string): Promise<number> {
  return await asking(url, async (client) => {
    const [row] = (await client.query<{ count: number }>(sessions)).rows;
    return row?.count ?? Number.NaN;
  });
}

let starting: Promise<PostgresServer> | undefined;

/** An empty store on the run's server; the server is started with the first of them. */
export async function createPostgresStore(): Promise<Store> {
  starting ??= startPostgres({ durable: true });
  const server = await starting;
  const url = await server.newDatabase();
  // What earlier runs left to be written is written now, and not in the midst of this one.
  await server.query("CHECKPOINT");
  return {
    url,
    read: async () => {
      const cpuMs = cpuMsOfTree(server.pid);
      const [row] = (await asking(url, (client) => client.query<Readonly<Record<string, string>>>(statistics))).rows;
      const numberOf = (name: string) => Number(row?.[name]);
      return { cpuMs, walBytes: numberOf("wal"), deadTuples: numberOf("dead"), deadTuplesLeft: numberOf("left") };
    },
    settled: async () => {
      const until = performance.now() + settlesWithinMs;
      while ((await countSessions(url)) > 0 && performance.now() < until) await sleep(10);
    },
    drop: async () => {
      await server.query(`DROP DATABASE ${new URL(url).pathname.slice(1)} WITH (FORCE)`);
    },
  };
}

/** Ends the server of this run, if there is one. */
export async function closePostgres(): Promise<void> {
  const server = await starting;
  starting = undefined;
  await server?.close();
}

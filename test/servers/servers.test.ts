// What tests may expect of the servers that they are given.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { afterAll, describe, expect, test, vi } from "vitest";
import { type PostgresServer, startPostgres } from "../../scripts/services/postgres.ts";
import { isStopped } from "../../scripts/services/process-tree.ts";
import { sharedPooledPostgres, sharedPostgres } from "./shared.ts";

/** Servers are started and their files synced to a disk that others use too. */
const patient = { timeout: 60_000 };

async function withClient<Value>(url: string, use: (client: pg.Client) => Promise<Value>): Promise<Value> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

async function answerOf(url: string, text: string): Promise<unknown> {
  const [row = {}] = await withClient(url, async (client) => (await client.query<Record<string, unknown>>(text)).rows);
  return Object.values(row)[0];
}

describe.each([15, 18] as const)("the shared PostgreSQL %i", patient, (version) => {
  test("has that version and gives each caller a database of its own", async () => {
    const urls = [await sharedPostgres(version), await sharedPostgres(version)];
    expect(new Set(urls).size).toBe(2);
    expect(await answerOf(urls[0] ?? "", "SHOW server_version")).toMatch(new RegExp(`^${version}\\.`));
  });

  test("does not order text by bytes unless asked", async () => {
    const url = await sharedPostgres(version);
    expect(await answerOf(url, "SELECT 'a' < 'B'")).toBe(true);
    expect(await answerOf(url, `SELECT 'a' COLLATE "C" < 'B'`)).toBe(false);
  });
});

test(
  "PgBouncer gives one server connection to many clients in transaction mode, as any role of the server",
  patient,
  async () => {
    const { url, directUrl } = await sharedPooledPostgres();
    await withClient(directUrl, (client) => client.query("CREATE ROLE pooled_role LOGIN"));
    const asRole = new URL(url);
    asRole.username = "pooled_role";
    await withClient(asRole.href, async (first) => {
      await withClient(asRole.href, async (second) => {
        const pidOf = async (client: pg.Client) =>
          (await client.query("SELECT pg_backend_pid() AS pid, current_user")).rows;
        const [row] = await pidOf(first);
        expect(row).toMatchObject({ current_user: asRole.username });
        expect(await pidOf(second)).toEqual([row]);
      });
    });
  },
);

describe("a private, durable PostgreSQL", patient, () => {
  let server: PostgresServer | undefined;
  const started = async () => (server ??= await startPostgres());
  afterAll(async () => {
    await server?.close();
  });

  test("loses no committed row by an immediate stop, and keeps its port", async () => {
    const own = await started();
    const url = await own.newDatabase();
    await withClient(url, (client) => client.query("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS id"));
    const { pid } = own;
    await own.stop("immediate");
    await expect(answerOf(url, "SELECT 1")).rejects.toThrow("ECONNREFUSED");
    await own.start();
    expect(own.pid).not.toBe(pid);
    expect(await answerOf(url, "SELECT count(*)::integer FROM kept")).toBe(1000);
  });

  test("answers nobody while it is paused, and everybody afterwards", async () => {
    const own = await started();
    await withClient(own.url, async (client) => {
      await own.pause();
      let answered = false;
      const answer = client.query("SELECT 1 AS one").then(({ rows }) => {
        answered = true;
        return rows;
      });
      expect(own.processIds().every(isStopped)).toBe(true);
      expect(answered).toBe(false);
      own.resume();
      expect(await answer).toEqual([{ one: 1 }]);
    });
  });

  test("is gone, with its data, soon after its owner was killed", async () => {
    const file = fileURLToPath(new URL("owner-process.ts", import.meta.url));
    const owner = spawn(process.execPath, ["--conditions=source", file], { stdio: ["ignore", "pipe", "inherit"] });
    const [line] = await once(owner.stdout, "data");
    const { pid, directory } = JSON.parse(`${line}`) as { readonly pid: number; readonly directory: string };
    expect(existsSync(directory)).toBe(true);
    owner.kill("SIGKILL");
    await vi.waitFor(() => expect(existsSync(directory)).toBe(false), patient);
    expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  });
});

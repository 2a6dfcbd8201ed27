// PgBouncer before a PostgreSQL server: on loopback, with a temporary configuration, gone with this process. It is as strict as
// Debian's defaults: in transaction mode a session is nobody's, and unknown start-up parameters are refused.
import { existsSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { answers } from "./databases.ts";
import { fetchFromDebian, librariesIn } from "./fetched.ts";
import { ended, freePort, ServerHome } from "./server-home.ts";

export interface PgBouncerOptions {
  /** Default "transaction". */
  readonly poolMode?: "transaction" | "session" | "statement";
  /** Connections to the server for each database and user. Default 20. */
  readonly poolSize?: number;
}

/** A running pooler. */
export interface PgBouncer {
  /** The server's database of the URL that it was started with, through the pooler. */
  readonly url: string;
  /** The pooler's own console: SHOW POOLS and the like. */
  readonly consoleUrl: string;
  /** Any database of that server, through the pooler. */
  urlFor(databaseUrl: string): string;
  close(): Promise<void>;
}

interface Program {
  readonly command: string;
  readonly env: NodeJS.ProcessEnv;
}

const startsWithinMs = 20_000;

/** The program: installed, else unpacked from Debian's packages. Fails with what to do. */
async function findProgram(): Promise<Program> {
  for (const directory of ["/usr/sbin", ...(process.env["PATH"] ?? "").split(delimiter)]) {
    const command = join(directory, "pgbouncer");
    if (existsSync(command)) return { command, env: {} };
  }
  try {
    const root = await fetchFromDebian("pgbouncer", /^lib(event|c-?ares)/);
    return { command: join(root, "usr", "sbin", "pgbouncer"), env: { LD_LIBRARY_PATH: librariesIn(root) } };
  } catch (error) {
    throw new Error("PgBouncer is not on this machine and could not be fetched: install the package pgbouncer", {
      cause: error,
    });
  }
}

function configuration(server: URL, port: number, home: ServerHome, options: PgBouncerOptions): string {
  const password = server.password === "" ? "" : ` password=${decodeURIComponent(server.password)}`;
  return `[databases]
* = host=${server.hostname} port=${server.port || 5432}${password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${join(home.directory, "users.txt")}
auth_user = ${decodeURIComponent(server.username)}
admin_users = ${decodeURIComponent(server.username)}
pool_mode = ${options.poolMode ?? "transaction"}
default_pool_size = ${options.poolSize ?? 20}
max_client_conn = 500
log_connections = 0
log_disconnections = 0
`;
}

/** Starts a pooler for all databases of the server; every role of the server may log in through it without a password. */
export async function startPgBouncer(serverUrl: string, options: PgBouncerOptions = {}): Promise<PgBouncer> {
  const { command, env } = await findProgram();
  const home = new ServerHome("pgbouncer", { inMemory: false });
  try {
    const server = new URL(serverUrl);
    const port = await freePort();
    const file = join(home.directory, "pgbouncer.ini");
    writeFileSync(file, configuration(server, port, home, options), { mode: 0o644 });
    writeFileSync(join(home.directory, "users.txt"), `"${decodeURIComponent(server.username)}" ""\n`, { mode: 0o644 });
    const pooler = home.start(command, ["-q", file], env);
    const urlFor = (databaseUrl: string): string => {
      const url = new URL(databaseUrl);
      url.host = `127.0.0.1:${port}`;
      return url.href;
    };
    const deadline = Date.now() + startsWithinMs;
    while (!(await answers(urlFor(serverUrl)))) {
      if (pooler.exitCode !== null || pooler.signalCode !== null || Date.now() > deadline) {
        throw new Error(`PgBouncer does not start: ${home.lastWords()}`);
      }
      await delay(10);
    }
    return {
      url: urlFor(serverUrl),
      consoleUrl: urlFor(`postgres://${server.username}@127.0.0.1/pgbouncer`),
      urlFor,
      close: async () => {
        pooler.kill("SIGQUIT");
        await ended(pooler);
        await home.close();
      },
    };
  } catch (error) {
    await home.close();
    throw error;
  }
}

// A private PostgreSQL server: loopback only, a free port, temporary data, no password. It can be stopped, started and paused,
// and is gone with this process.
import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { QueryResultRow } from "pg";
import { createDatabase, queryOnce } from "./databases.ts";
import { type PostgresVersion, postgresBinaries } from "./postgres-binaries.ts";
import { childrenOf, isStopped } from "./process-tree.ts";
import { ended, freePort, ServerHome } from "./server-home.ts";

export interface PostgresOptions {
  /** Default 15. */
  readonly version?: PostgresVersion;
  /** False trades the data's safety from a power cut for speed. Default true. */
  readonly durable?: boolean;
  /** Further settings of postgresql.conf, by name. */
  readonly settings?: Readonly<Record<string, string>>;
}

const startsWithinMs = 60_000;
const notDurable = { fsync: "off", full_page_writes: "off", synchronous_commit: "off" } as const;

function dataDirectoryIn(home: ServerHome): string {
  return join(home.directory, "data");
}

export class PostgresServer {
  readonly version: PostgresVersion;
  readonly port: number;
  readonly #home: ServerHome;
  readonly #command: string;
  readonly #arguments: readonly string[];
  readonly #dataDirectory: string;
  #process: ChildProcess | undefined;

  constructor(
    version: PostgresVersion,
    port: number,
    home: ServerHome,
    binaries: string,
    settings: PostgresOptions["settings"],
  ) {
    this.version = version;
    this.port = port;
    this.#home = home;
    this.#dataDirectory = dataDirectoryIn(home);
    this.#command = join(binaries, "postgres");
    const all = {
      listen_addresses: "127.0.0.1",
      port: `${port}`,
      unix_socket_directories: "",
      max_connections: "200",
      ...settings,
    };
    this.#arguments = [
      ...["-D", this.#dataDirectory],
      ...Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    ];
  }

  /** The database `postgres`, as its superuser. */
  get url(): string {
    return `postgres://postgres@127.0.0.1:${this.port}/postgres`;
  }

  /** The postmaster's. Fails while the server is stopped. */
  get pid(): number {
    const { pid } = this.#process ?? {};
    if (pid === undefined) throw new Error("the server is stopped");
    return pid;
  }

  /** Starts it again, on the same data and port, and waits until it answers. */
  async start(): Promise<void> {
    if (this.#process !== undefined) throw new Error("the server has been started already");
    const server = this.#home.start(this.#command, this.#arguments);
    this.#process = server;
    server.once("exit", () => {
      this.#process = undefined;
    });
    const deadline = Date.now() + startsWithinMs;
    while (!(await this.#answers())) {
      if (this.#process === undefined || Date.now() > deadline) {
        throw new Error(`PostgreSQL ${this.version} does not start: ${this.#home.lastWords()}`);
      }
      await delay(10);
    }
  }

  /** "fast" ends the sessions and writes a checkpoint; "immediate" is as good as a crash: the next start recovers. */
  async stop(mode: "fast" | "immediate"): Promise<void> {
    const server = this.#process;
    if (server === undefined) return;
    server.kill(mode === "fast" ? "SIGINT" : "SIGQUIT");
    this.#signal("SIGCONT", this.processIds());
    await ended(server);
  }

  /** The postmaster's process id, then those of its children. */
  processIds(): number[] {
    return [this.pid, ...childrenOf(this.pid)];
  }

  /** Freezes all its processes, and waits until they are: connections stay open and get no answer. */
  async pause(): Promise<void> {
    // The postmaster first, so that it soon starts no child that would be missed.
    for (let running = [this.pid]; running.length > 0; running = this.processIds().filter((pid) => !isStopped(pid))) {
      this.#signal("SIGSTOP", running);
      await delay(1);
    }
  }

  /** Undoes `pause`. */
  resume(): void {
    this.#signal("SIGCONT", this.processIds());
  }

  /** The URL of a new database: empty, or a copy of the one that `template` names, which nobody may be connected to. */
  async newDatabase({ template }: { readonly template?: string } = {}): Promise<string> {
    return await createDatabase(this.url, template);
  }

  /** One statement of the superuser in the database `postgres`, on a connection of its own. */
  async query<Row extends QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    return await queryOnce<Row>(this.url, text, values);
  }

  /** Ends the server and removes its data. */
  async close(): Promise<void> {
    await this.stop("immediate");
    await this.#home.close();
  }

  /** Whether this very server does: another one may have taken the port a moment before. */
  async #answers(): Promise<boolean> {
    try {
      const [row] = await this.query<{ data_directory: string }>("SHOW data_directory");
      return row?.data_directory === this.#dataDirectory;
    } catch {
      return false;
    }
  }

  #signal(signal: NodeJS.Signals, pids: readonly number[]): void {
    for (const pid of pids) {
      try {
        process.kill(pid, signal);
      } catch (error) {
        // It ended meanwhile.
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    }
  }
}

/** Makes the data of a new server and starts it. Fails with what to do where PostgreSQL is neither here nor to be fetched. */
export async function startPostgres({
  version = 15,
  durable = true,
  settings,
}: PostgresOptions = {}): Promise<PostgresServer> {
  const binaries = await postgresBinaries(version);
  const home = new ServerHome(`postgres-${version}`, { inMemory: !durable });
  try {
    // A collation as in most production clusters: what needs the order of bytes has to ask for it.
    const collation = ["--locale-provider=icu", "--icu-locale=en-US", "--locale=C"];
    const common = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync", "--no-instructions"];
    await home.run(join(binaries, "initdb"), ["-D", dataDirectoryIn(home), ...common, ...collation]);
    const allSettings = { ...(durable ? {} : notDurable), ...settings };
    for (let tries = 1; ; tries += 1) {
      const server = new PostgresServer(version, await freePort(), home, binaries, allSettings);
      try {
        await server.start();
        return server;
      } catch (error) {
        if (tries === 3 || !home.lastWords().includes("could not bind")) throw error;
      }
    }
  } catch (error) {
    await home.close();
    throw error;
  }
}

// The temporary folder and the process of one private server. Whatever becomes of this process (kill -9 too), a guard
// process ends the server and removes the folder: it notices that the pipe from here has closed.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync, statfsSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { promisify } from "node:util";

const runFile = promisify(execFile);

/** PostgreSQL and PgBouncer refuse to run as root: then all servers run as this user, who owns nothing else. */
const nobody = 65_534;

interface User {
  readonly uid: number;
  readonly gid: number;
}

/** The user that servers run as; undefined where it is the user of this process. */
export const serverUser: User | undefined = process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : undefined;

/** Reads the server's process id line by line, 0 for none; at the end of the input it ends the last one named. */
const guardScript = `
pid=0
while read -r line; do pid=$line; done
if [ "$pid" -gt 0 ]; then
  kill -QUIT "$pid" 2>/dev/null
  kill -CONT "$pid" 2>/dev/null
  tries=0
  while kill -0 "$pid" 2>/dev/null && [ "$tries" -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
  kill -KILL "$pid" 2>/dev/null
fi
rm -rf "$1"
`;

/** Linux's file system in memory, if it has room for a test run's data: 2 GiB. */
function memoryDirectory(): string | undefined {
  const directory = "/dev/shm";
  if (!existsSync(directory)) return undefined;
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize >= 2 * 1024 ** 3 ? directory : undefined;
}

/** A place to run one server at a time; nothing of it keeps this process alive. */
export class ServerHome {
  readonly directory: string;
  readonly #guard: ChildProcess;
  readonly #pipe: Writable;
  readonly #log: string;

  /** `name` shows in the folder's name; `inMemory` is worth it for data that nobody wants to keep. */
  constructor(name: string, { inMemory }: { readonly inMemory: boolean }) {
    this.directory = mkdtempSync(join((inMemory && memoryDirectory()) || tmpdir(), `punctual-${name}-`));
    chmodSync(this.directory, 0o700);
    if (serverUser !== undefined) chownSync(this.directory, serverUser.uid, serverUser.gid);
    this.#log = join(this.directory, "server.log");
    // Detached: a Ctrl-C in the terminal must not end the guard before its work.
    this.#guard = spawn("/bin/sh", ["-c", guardScript, "guard", this.directory], {
      cwd: "/",
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
    });
    if (this.#guard.stdin === null) throw new Error("the guard has no input");
    this.#pipe = this.#guard.stdin;
    // A guard that was killed has nothing to hear.
    this.#pipe.on("error", () => {});
    this.#guard.unref();
    if ("unref" in this.#pipe && typeof this.#pipe.unref === "function") this.#pipe.unref();
  }

  /** Runs a command to its end as the server's user. Fails with what it printed. */
  async run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<void> {
    await runFile(command, args, { cwd: this.directory, env: { ...process.env, ...env }, ...serverUser });
  }

  /** Starts the server itself; what it prints goes to its log. One that is root's must drop its rights itself. */
  start(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}, user = serverUser): ChildProcess {
    const log = openSync(this.#log, "a", 0o600);
    const server = spawn(command, args, {
      cwd: this.directory,
      detached: true,
      env: { ...process.env, ...env },
      stdio: ["ignore", log, log],
      ...user,
    });
    closeSync(log);
    server.on("error", () => {});
    server.unref();
    if (server.pid !== undefined) this.#pipe.write(`${server.pid}\n`);
    server.once("exit", () => {
      if (this.#pipe.writable) this.#pipe.write("0\n");
    });
    return server;
  }

  /** The last lines that the server printed. */
  lastWords(): string {
    return readFileSync(this.#log, "utf8").trim().split("\n").slice(-10).join("\n");
  }

  /** Ends the server, if one runs, and removes the folder. */
  async close(): Promise<void> {
    if (this.#guard.exitCode !== null || this.#guard.signalCode !== null) return;
    this.#guard.ref();
    const ended = once(this.#guard, "exit");
    this.#pipe.end();
    await ended;
  }
}

/** Waits until a server's process has ended. */
export async function ended(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  server.ref();
  await once(server, "exit");
}

/**
 * A loopback port that nobody listens on. It lies below the range that outgoing connections take theirs from: a server that is
 * stopped and started again must find its port free, and a client that tries again meanwhile must not connect to itself.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 20_000);
    const probe = createServer();
    const free = await new Promise<boolean>((resolve) => {
      probe.once("error", () => resolve(false));
      probe.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!free) continue;
    probe.close();
    await once(probe, "close");
    return port;
  }
}

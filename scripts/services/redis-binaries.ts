// Where the server of Redis or of Valkey is: on the machine, else unpacked from Debian's packages, fetched once.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { fetchFromDebian, librariesIn } from "./fetched.ts";

const runFile = promisify(execFile);

/** Valkey is the fork of Redis 7 that is still under Redis's old licence. */
export type RedisKind = "redis" | "valkey";

/** The server; with the argument `--sentinel` it is a Sentinel. */
export interface RedisProgram {
  readonly command: string;
  readonly env: NodeJS.ProcessEnv;
}

const names: Readonly<Record<RedisKind, string>> = { redis: "Redis", valkey: "Valkey" };
/** What such a program says of itself. On some systems redis-server is in truth Valkey's. */
const versions: Readonly<Record<RedisKind, RegExp>> = {
  redis: /^Redis server v=([7-9]|\d\d)\./,
  valkey: /^Valkey server v=([7-9]|\d\d)\./,
};

async function isServer(command: string, kind: RedisKind): Promise<boolean> {
  if (!existsSync(command)) return false;
  const { stdout } = await runFile(command, ["--version"]);
  return versions[kind].test(stdout);
}

async function installedServer(kind: RedisKind): Promise<string | undefined> {
  const usual = ["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"];
  for (const directory of [...(process.env["PATH"] ?? "").split(delimiter), ...usual]) {
    const command = join(directory, `${kind}-server`);
    if (await isServer(command, kind)) return command;
  }
  return undefined;
}

/** The program. Fails with what to do where it is neither installed nor to be fetched. */
export async function redisProgram(kind: RedisKind): Promise<RedisProgram> {
  const installed = await installedServer(kind);
  if (installed !== undefined) return { command: installed, env: {} };
  try {
    const needed = /^((redis|valkey)-tools|lib(jemalloc|lzf|atomic).*)$/;
    const root = await fetchFromDebian(`${kind}-server`, needed, kind === "valkey" ? { suite: "backports" } : {});
    return { command: join(root, "usr", "bin", `${kind}-server`), env: { LD_LIBRARY_PATH: librariesIn(root) } };
  } catch (error) {
    const variable = `PUNCTUAL_TEST_${kind.toUpperCase()}_URL`;
    const advice = `install the package ${kind}-server, or set ${variable} to the URL of a server that tests may use (compose.yaml has one)`;
    throw new Error(`${names[kind]} 7 or newer is not on this machine and could not be fetched: ${advice}`, {
      cause: error,
    });
  }
}

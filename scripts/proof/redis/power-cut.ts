// A server that loses its power, as far as its append-only file goes: what had not been synced is gone. A server that is only
// killed loses less: what it has written is the operating system's.
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type RedisOptions, type RedisServer, startRedis } from "../../services/redis.ts";

const source = fileURLToPath(new URL("sync-recorder.c", import.meta.url));
/** A torn write: the beginning of the next command is on the disk, and not its end. */
const tornBytes = 7;

/** What is known of the syncs of a file. */
export interface Synced {
  /** So much of the file is surely on the disk, */
  readonly bytes: number;
  /** with all that was written before this instant, in ms since 1970. */
  readonly beganAt: number;
  readonly count: number;
  readonly longestMs: number;
}

/** Starts a server whose syncs are recorded until it ends. Needs a C compiler. */
export async function startRecorded(options: RedisOptions): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), "punctual-sync-"));
  try {
    // The server may run as another user.
    chmodSync(folder, 0o755);
    const library = join(folder, "sync-recorder.so");
    execFileSync("cc", ["-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"]);
    process.env["LD_PRELOAD"] = library;
    return await startRedis({ ...options, settings: { ...options.settings, "auto-aof-rewrite-percentage": "0" } });
  } finally {
    delete process.env["LD_PRELOAD"];
    rmSync(folder, { recursive: true });
  }
}

/** Cuts from a dead server's file what had not been synced, but for a torn rest. */
export function loseUnsynced(server: RedisServer): Synced & { readonly lostBytes: number } {
  const folder = join(server.directory, "appendonlydir");
  const [log] = readdirSync(folder).filter((name) => name.endsWith(".synced"));
  if (log === undefined) throw new Error("no sync of the append-only file was recorded");
  const path = join(folder, log.slice(0, -".synced".length));
  const synced = readSyncs(join(folder, log));
  const { size } = statSync(path);
  const left = Math.min(size, synced.bytes + tornBytes);
  truncateSync(path, left);
  return { ...synced, lostBytes: size - left };
}

function readSyncs(path: string): Synced {
  const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
  const syncs = lines.map((line) => line.split(" ").map(Number) as [bytes: number, beganAt: number, endedAt: number]);
  const [bytes = 0, beganAt = 0] = syncs.at(-1) ?? [];
  const longestMs = syncs.reduce((longest, [, began, ended]) => Math.max(longest, ended - began), 0);
  return { bytes, beganAt, count: syncs.length, longestMs };
}

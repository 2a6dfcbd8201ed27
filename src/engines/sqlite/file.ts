// Opening a store's file: where it is, whether that place is safe, and whether what lies there is ours to touch.
import { closeSync, existsSync, openSync, readFileSync, readSync, realpathSync, statfsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { shown } from "../../core/duration.ts";
import { EngineNotConfiguredError, InvalidInputError, StoreCorruptError, StoreUnsafeError } from "../../core/errors.ts";
import { type Connection, type Database, isCorrupt } from "./database.ts";
import { hasStore } from "./migrations/migrate.ts";

/** "Punc" in ASCII: marks a file that Punctual has created (PRAGMA application_id). */
export const applicationId = 0x50756e63;

/** Stores up to this size are read through at open, so that damage shows before anything is written to it. */
const checkedBytesMax = 16 * 1024 * 1024;

/** Network file systems by the magic number of statfs(2), on which SQLite's locks and shared memory do not hold. */
const networkFileSystems: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xfe534d42, "SMB2"],
  [0xff534d42, "CIFS"],
  [0x5346414f, "AFS"],
  [0x00c36400, "Ceph"],
  [0x0bd00bd0, "Lustre"],
  [0x47504653, "GPFS"],
  [0x7461636f, "OCFS2"],
  [0x01161970, "GFS2"],
]);

const fuseMagic = 0x65735546;
const networkFuse = /^fuse\.(sshfs|glusterfs|s3fs|rclone|gcsfuse|ceph|curlftpfs|davfs2?|juicefs|blobfuse2?)$/;

/** The path that a location names: a path, ":memory:", or a `sqlite:` URL. @throws InvalidInputError */
export function pathOf(location: string): string {
  if (location.includes("\0")) {
    throw new InvalidInputError("location must not contain NUL", { field: "location" });
  }
  // One letter before the colon is a drive.
  if (/^(?!sqlite:)[a-z][a-z0-9+.-]+:/i.test(location) || /^sqlite:.*\?/.test(location)) {
    throw new InvalidInputError(
      `location must be a path, ":memory:" or sqlite:PATH without parameters, got ${shown(location)}`,
      {
        field: "location",
      },
    );
  }
  const path = location.startsWith("sqlite:") ? location.slice("sqlite:".length).replace(/^\/\/(?=.)/, "") : location;
  if (path === "") {
    throw new InvalidInputError('location must be a path, ":memory:" or a sqlite: URL, got ""', { field: "location" });
  }
  return path === ":memory:" ? path : resolve(path);
}

/** @throws EngineNotConfiguredError when no file can be there, StoreUnsafeError when its file system is not safe. */
export function checkPlace(path: string): void {
  const folder = dirname(path);
  if (!existsSync(folder)) {
    throw new EngineNotConfiguredError(`cannot open ${path}: the folder ${folder} does not exist`, {
      field: "location",
      mend: "Create the folder, or name a file in one that exists.",
    });
  }
  if (existsSync(path) && !statSync(path).isFile()) {
    throw new EngineNotConfiguredError(`cannot open ${path}: it is not a file`, {
      field: "location",
      mend: "Name a file; it is created when it does not exist.",
    });
  }
  const network = networkFileSystem(existsSync(path) ? path : folder);
  if (network === undefined) return;
  throw new StoreUnsafeError(`${path} is on a network file system (${network}), where SQLite's locks do not hold`, {
    field: "location",
    mend: "Put the file on a local disk, or use the postgres engine.",
  });
}

/** The name of the network file system that holds a path, where the operating system tells. */
function networkFileSystem(path: string): string | undefined {
  if (process.platform !== "linux") return undefined;
  const magic = statfsSync(path).type >>> 0;
  return magic === fuseMagic ? networkFuseOf(realpathSync(path)) : networkFileSystems.get(magic);
}

/** FUSE serves local disks too; the mount table tells which one it is. */
function networkFuseOf(path: string): string | undefined {
  let found = { point: "", type: "" };
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n")) {
    const [mount = "", source = ""] = line.split(" - ");
    const point = (mount.split(" ")[4] ?? "").replaceAll("\\040", " ");
    const above = path === point || path.startsWith(point === "/" ? "/" : `${point}/`);
    if (point !== "" && above && point.length >= found.point.length)
      found = { point, type: source.split(" ")[0] ?? "" };
  }
  return networkFuse.test(found.type) ? found.type : undefined;
}

/** Looks at the file's first bytes before SQLite does. @throws StoreCorruptError */
export function checkHeader(path: string): void {
  if (!existsSync(path) || statSync(path).size === 0) return;
  const header = Buffer.alloc(100);
  const file = openSync(path, "r");
  try {
    readSync(file, header, 0, header.length, 0);
  } finally {
    closeSync(file);
  }
  if (header.toString("latin1", 0, 16) !== "SQLite format 3\0") {
    throw new StoreCorruptError(`${path} is not a SQLite database`, { field: "location" });
  }
  const owner = header.readUInt32BE(68);
  if (owner !== 0 && owner !== applicationId) {
    throw new StoreCorruptError(`${path} belongs to another application (application_id ${owner})`, {
      field: "location",
      mend: "Name another file. To share one with an application of your own, pass its open database.",
    });
  }
}

/** Reads what can be read without writing. @throws StoreCorruptError when the file is damaged. */
export function checkContent(connection: Connection, path: string): void {
  try {
    hasStore(connection);
    if (path === ":memory:" || statSync(path).size > checkedBytesMax) return;
    const found = connection.get<{ quick_check: string }>("-- store.check\nPRAGMA quick_check(1)")?.quick_check;
    if (found !== "ok") throw new StoreCorruptError(`${path} is damaged: ${found}`, { field: "location" });
  } catch (error) {
    if (isCorrupt(error)) {
      throw new StoreCorruptError(`${path} is damaged or not a SQLite database`, { field: "location", cause: error });
    }
    throw error;
  }
}

/** Whether the database has no table of anyone's: a file that is ours to mark. */
export function isNew(connection: Connection): boolean {
  return connection.get("-- store.isNew\nSELECT 1 AS found FROM sqlite_schema LIMIT 1") === undefined;
}

/** Opens a file with the driver that comes with Node. @throws EngineNotConfiguredError where there is none. */
export async function openFile(path: string, readOnly = false): Promise<Database> {
  const driver = await loadDriver();
  const database = new driver.DatabaseSync(path, { enableForeignKeyConstraints: false, readOnly });
  // node:sqlite's own default, stated: waiting is ours to do, without holding up the event loop.
  database.exec("PRAGMA busy_timeout = 0");
  // The lists of rows that statements are given are held in memory: a drain costs a twentieth less.
  database.exec("PRAGMA temp_store = MEMORY");
  return database;
}

async function loadDriver() {
  try {
    return await import("node:sqlite");
  } catch (error) {
    throw new EngineNotConfiguredError("this runtime has no node:sqlite", {
      mend: "Use Node 22.13 or newer, or pass an open Database of the package better-sqlite3.",
      cause: error,
    });
  }
}

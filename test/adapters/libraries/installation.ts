// The libraries that the adapters are tested against: this folder's own packages, installed when they are missing or older
// than the lock. Several processes may install at once: each into a folder of its own, and the first one wins.
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const runFile = promisify(execFile);
const here = fileURLToPath(new URL(".", import.meta.url));
const reports = fileURLToPath(new URL("../../../.reports", import.meta.url));
const target = join(here, "node_modules");
/** Holds the lock's text that an installation was made from. */
const stamp = "installed-from.json";

function isInstalled(lock: string): boolean {
  const file = join(target, stamp);
  return existsSync(file) && readFileSync(file, "utf8") === lock;
}

/** Installs what the lock of this folder names, unless it is there. */
export async function installLibraries(): Promise<void> {
  const lock = readFileSync(join(here, "package-lock.json"), "utf8");
  if (isInstalled(lock)) return;
  mkdirSync(reports, { recursive: true });
  const directory = mkdtempSync(join(reports, "adapters-"));
  try {
    for (const file of ["package.json", "package-lock.json"]) cpSync(join(here, file), join(directory, file));
    await runFile("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: directory });
    const installed = join(directory, "node_modules");
    writeFileSync(join(installed, stamp), lock);
    // An older one makes way; with none there, only the first rename succeeds.
    if (existsSync(target) && !isInstalled(lock)) rmSync(target, { recursive: true, force: true });
    renameSync(installed, target);
  } catch (error) {
    if (!isInstalled(lock)) throw error;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

// What is fetched for tests: into .services/ beside the sources, without changing the system. Several processes may fetch the
// same thing at once: each fetches into a folder of its own and renames it, and the first one wins.
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { suiteOptions } from "./debian-suites.ts";
import { serverUser } from "./server-home.ts";

const runFile = promisify(execFile);

/** Whether others may look into a folder and all those above it. */
function openToAll(directory: string): boolean {
  const above = dirname(directory);
  const open = !existsSync(directory) || (statSync(directory).mode & 0o001) !== 0;
  return open && (above === directory || openToAll(above));
}

/** `.services/`, unless it lies in a folder that is closed to the user that servers run as. */
function servicesDirectory(): string {
  const beside = fileURLToPath(new URL("../../.services", import.meta.url));
  if (serverUser === undefined || openToAll(beside)) return beside;
  const directory = join(tmpdir(), "punctual-services");
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  if (statSync(directory).uid !== process.getuid?.()) throw new Error(`${directory} belongs to somebody else`);
  return directory;
}

/** The folder of what `fetch` puts into the folder it is given, at the first call only. */
async function fetchOnce(name: string, fetch: (directory: string) => Promise<void>): Promise<string> {
  const services = servicesDirectory();
  const target = join(services, name);
  if (existsSync(target)) return target;
  mkdirSync(services, { recursive: true });
  const directory = mkdtempSync(join(services, "fetching-"));
  try {
    await fetch(directory);
    await runFile("chmod", ["-R", "a+rX", directory]);
    renameSync(directory, target);
  } catch (error) {
    if (!existsSync(target)) throw error;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  return target;
}

/** The folder of one package, after `prepare` has seen it. npm checks what it fetches against the registry's hash. */
export async function fetchFromNpm(
  name: string,
  version: string,
  prepare: (packageDirectory: string) => void,
): Promise<string> {
  const directory = await fetchOnce(`${name.replace(/^@/, "").replace("/", "-")}-${version}`, async (target) => {
    const options = ["--ignore-scripts", "--no-save", "--no-package-lock", "--no-audit", "--no-fund"];
    await runFile("npm", ["install", "--prefix", target, ...options, `${name}@${version}`], { cwd: target });
    prepare(join(target, "node_modules", name));
  });
  return join(directory, "node_modules", name);
}

/**
 * The root of a tree that holds a Debian package, unpacked, with those of its dependencies (and of theirs) that a machine may
 * lack. apt checks them against Debian's signatures; the version is that of the machine's release, or of the suite named: its
 * "backports", or any other, as in "testing".
 */
export async function fetchFromDebian(
  name: string,
  dependencies: RegExp,
  { suite }: { readonly suite?: string } = {},
): Promise<string> {
  const folder = suite === undefined || suite === "backports" ? `debian-${name}` : `debian-${name}-${suite}`;
  return await fetchOnce(folder, async (target) => {
    const env = { ...process.env, LC_ALL: "C" };
    const run = async (command: string, ...args: string[]) =>
      (await runFile(command, args, { cwd: target, env })).stdout;
    const download = async () => {
      const options = suite === undefined ? [] : await suiteOptions(suite, join(target, "apt"), run);
      const names = [name];
      for (const wanted of names) {
        const depends = await run("apt-cache", ...options, "depends", wanted);
        for (const [, needs = ""] of depends.matchAll(/Depends: (\S+)/g)) {
          if (dependencies.test(needs) && !names.includes(needs)) names.push(needs);
        }
      }
      await run("apt-get", ...options, "download", ...names);
    };
    // A new machine has no list of packages yet.
    await download().catch(async () => {
      await run("apt-get", "update");
      await download();
    });
    rmSync(join(target, "apt"), { recursive: true, force: true });
    for (const file of readdirSync(target).filter((entry) => entry.endsWith(".deb"))) {
      await run("dpkg", "-x", file, ".");
      rmSync(join(target, file));
    }
  });
}

/** Where the libraries of such a tree are, for LD_LIBRARY_PATH. */
export function librariesIn(root: string): string {
  const directory = join(root, "usr", "lib");
  return readdirSync(directory)
    .map((architecture) => join(directory, architecture))
    .join(delimiter);
}

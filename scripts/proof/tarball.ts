// The package as users get it: packed from a copy of the project by npm, installed into an empty folder.
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { delimiter, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const project = fileURLToPath(new URL("../..", import.meta.url));
/** What a build and a pack read, beside node_modules. */
const sources = ["src", "scripts", "package.json", "tsconfig.json", "tsconfig.build.json", ".npmrc"];
const pages = ["README.md", "LICENSE", "CHANGELOG.md"];

export interface Tarball {
  readonly path: string;
  /** Paths inside the package. */
  readonly files: readonly string[];
  readonly packedBytes: number;
  /** The folder with its contents. */
  readonly unpacked: string;
}

/** Runs a program and answers its output; what it said is in the error when it fails. */
export function run(command: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): string {
  const options = { cwd, env: { ...cleanEnvironment(), ...env }, encoding: "utf8", maxBuffer: 64_000_000 } as const;
  try {
    return execFileSync(command, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    const said = `${stdout}${stderr}`.trim() || String(error);
    throw new Error(`${[command, ...args].join(" ").slice(0, 120)}: ${said}`);
  }
}

/** Without what npm and this project's scripts set, and with the Node that runs this first on the path. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(npm_(?!config_(registry|cache|userconfig))|NODE_OPTIONS|PUNCTUAL_|VITEST|CI$)/i.test(name),
  );
  const path = (process.env["PATH"] ?? "").split(delimiter).filter((entry) => !entry.includes("node_modules"));
  return { ...Object.fromEntries(own), PATH: [dirname(process.execPath), ...path].join(delimiter) };
}

/** `npm pack` in a copy of the project, as its files are now; the project itself is left alone. */
export function packCopy(folder: string): Tarball {
  const copy = join(folder, "project");
  for (const name of [...sources, ...pages]) cpSync(join(project, name), join(copy, name), { recursive: true });
  symlinkSync(join(project, "node_modules"), join(copy, "node_modules"));
  return pack(copy, folder);
}

/** `npm pack` in a fresh clone of the last commit, after `npm ci`. */
export function packClone(folder: string): Tarball {
  const clone = join(folder, "project");
  run("git", ["clone", "--quiet", project, clone], folder);
  run("npm", ["ci"], clone);
  return pack(clone, folder);
}

function pack(source: string, folder: string): Tarball {
  const before = readFileSync(join(source, "package.json"), "utf8");
  const path = join(
    folder,
    run("npm", ["pack", "--silent", "--pack-destination", folder], source).trim().split("\n").at(-1) ?? "",
  );
  if (readFileSync(join(source, "package.json"), "utf8") !== before)
    throw new Error("npm pack has changed package.json");
  return openTarball(path, folder);
}

/** A tarball that is there, unpacked below a folder. */
export function openTarball(path: string, folder: string): Tarball {
  const place = join(folder, "unpacked");
  mkdirSync(place);
  run("tar", ["-xzf", resolve(path), "-C", place], folder);
  const unpacked = join(place, "package");
  return { path: resolve(path), unpacked, files: filesOf(unpacked), packedBytes: statSync(path).size };
}

/** An empty folder with the tarball installed, and nothing else but the packages named. */
export function install(folder: string, tarball: Tarball, packages: readonly string[] = []): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), "{}\n");
  run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", tarball.path, ...packages], folder);
  return folder;
}

/** The same without a registry: the dependencies are those this project has installed. */
export function installOffline(folder: string, tarball: Tarball): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), "{}\n");
  const { dependencies } = JSON.parse(readFileSync(join(project, "package.json"), "utf8")) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  const local = Object.keys(dependencies).map((name) => `${name}@file:${join(project, "node_modules", name)}`);
  run("npm", ["install", "--no-audit", "--no-fund", "--offline", "--install-links", tarball.path, ...local], folder);
  return folder;
}

/** All files below a folder, as paths from it. */
export function filesOf(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

/** The sizes of all files below a folder, together. */
export function bytesOf(folder: string): number {
  return filesOf(folder).reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
}

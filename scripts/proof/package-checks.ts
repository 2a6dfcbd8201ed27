// What is asked of an installed package: each check returns when the fact holds and throws, saying why, when it does not.
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { filesOf, run } from "./tarball.ts";

const programs = fileURLToPath(new URL("consumer", import.meta.url));
const quiet = "--disable-warning=ExperimentalWarning";

/** A folder that has the package installed, and the Node to run it on. */
export interface Consumer {
  readonly folder: string;
  readonly node: string;
}

/** Puts the programs of a user of the package into a folder. */
export function addPrograms(folder: string): void {
  cpSync(programs, folder, { recursive: true });
}

/** The subpaths of the installed package, but for package.json, as users write them. */
export function subpathsOf(folder: string): string[] {
  const manifest = JSON.parse(readFileSync(join(folder, "node_modules/punctual/package.json"), "utf8")) as {
    readonly exports: object;
  };
  return Object.keys(manifest.exports)
    .filter((subpath) => subpath !== "./package.json")
    .map((subpath) => subpath.replace(/^\./, "punctual"));
}

/** Runs one of the programs; what it prints. */
export function runProgram({ folder, node }: Consumer, program: string, ...args: readonly string[]): string {
  return run(node, [quiet, ...args, program], folder);
}

/** Every subpath loads, by `import` or by `require`, and exports something; answers the names. */
export function checkSubpaths({ folder, node }: Consumer, program: "exports.mjs" | "exports.cjs"): string {
  const names = run(node, [quiet, program, ...subpathsOf(folder)], folder);
  const empty = Object.entries(JSON.parse(names) as Record<string, string[]>).filter(([, found]) => found.length === 0);
  if (empty.length > 0) throw new Error(`nothing is exported by ${empty.map(([subpath]) => subpath).join(", ")}`);
  return names;
}

/** The fact cannot be asked for, for a reason that is not the package's. */
export class NotApplicable extends Error {}

/** Jobs run on a database of better-sqlite3, where that driver runs by itself. */
export function checkDriver(consumer: Consumer): void {
  try {
    run(consumer.node, ["-e", "new (require('better-sqlite3'))(':memory:').close()"], consumer.folder);
  } catch {
    const version = run(consumer.node, ["--version"], consumer.folder).trim();
    throw new NotApplicable(`this better-sqlite3 cannot open a database on Node ${version}, without Punctual either`);
  }
  runProgram(consumer, "driver.mjs");
}

/** "punctual" alone loads no engine, no driver, no command and no dependency. */
export function checkLoads(consumer: Consumer, program: "loads.mjs" | "loads.cjs"): void {
  const loaded = runProgram(consumer, program).trim().split("\n");
  if (!loaded.some((id) => /punctual\/dist\/index\.c?js$/.test(id))) throw new Error("loading was not seen at all");
  const strangers = loaded.filter((id) => !/node_modules\/punctual\/dist\/(?:index|chunks\/[\w.-]+)\.c?js$/.test(id));
  const wrong = strangers.filter((id) => !/^node:(?:crypto|os|timers|util|events|async_hooks)\b/.test(id));
  // A chunk could hold an engine: its map says what it was made from.
  const maps = loaded.map((id) => `${id.replace(/^file:\/\//, "")}.map`).filter((map) => existsSync(map));
  const made = maps.flatMap((map) => (JSON.parse(readFileSync(map, "utf8")) as { sources: string[] }).sources);
  wrong.push(...made.filter((source) => /src\/(?:engines|cli)\/|src\/connect\.ts$/.test(source)));
  if (wrong.length > 0) throw new Error(`"punctual" loads ${wrong.join(", ")}`);
  if (made.length === 0) throw new Error("no map says what was loaded");
}

/** The command is found, knows its version, enqueues, and serves a job by handlers of either kind of module. */
export async function checkCommand({ folder, node }: Consumer, version: string): Promise<void> {
  const env = { PATH: `${dirname(node)}:${process.env["PATH"]}`, PUNCTUAL_URL: "sqlite:command.db" };
  rmSync(join(folder, "command.db"), { force: true });
  const said = run("npx", ["--no-install", "punctual", "--version"], folder, env).trim();
  if (said !== version) throw new Error(`punctual --version says ${said}, not ${version}`);
  const command = join(folder, "node_modules/.bin/punctual");
  for (const tasks of ["tasks.mjs", "tasks.cjs"]) {
    run(command, ["enqueue", "greet", '{"name":"Ada"}'], folder, env);
    await serveUntil("completed", command, ["serve", "--tasks", tasks], folder, env);
  }
}

/** Serves until a line with the word is printed, then asks to stop, and expects a good end. */
async function serveUntil(
  word: string,
  command: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  const note = (chunk: Buffer) => {
    said += chunk.toString();
    if (said.includes(word)) child.kill("SIGTERM");
  };
  child.stdout.on("data", note);
  child.stderr.on("data", note);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0 || !said.includes(word)) throw new Error(`${args.join(" ")} ended with ${code}: ${said}`);
}

/** How a user's compiler is set, and whether the user's own package is of ES modules. */
export interface TypesCase {
  readonly name: string;
  readonly type: "commonjs" | "module";
  readonly options: Readonly<Record<string, unknown>>;
}

export const typesCases: readonly TypesCase[] = [
  { name: "node16, CommonJS", type: "commonjs", options: { module: "node16" } },
  { name: "node16, ES module", type: "module", options: { module: "node16" } },
  { name: "nodenext, CommonJS", type: "commonjs", options: { module: "nodenext" } },
  { name: "nodenext, ES module", type: "module", options: { module: "nodenext" } },
  { name: "bundler", type: "module", options: { module: "esnext", moduleResolution: "bundler" } },
];

/** A user's file compiles, strictly, declarations of libraries included. Node's own are those of `typesOf`. */
export function checkTypes(folder: string, compiler: string, { type, options }: TypesCase, typesOf = folder): void {
  const place = join(folder, "types");
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place);
  cpSync(join(programs, "types.ts"), join(place, "types.ts"));
  writeFileSync(join(place, "package.json"), JSON.stringify({ type }));
  const compilerOptions = {
    target: "es2022",
    lib: ["es2022"],
    types: ["node"],
    typeRoots: [join(typesOf, "node_modules/@types")],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    noEmit: true,
    ...options,
  };
  writeFileSync(join(place, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["types.ts"] }));
  run(process.execPath, [compiler, "-p", "."], place);
}

/** What is packed is code, declarations, maps and pages; nothing names a machine's path or what is internal. */
export function checkContents(packageFolder: string): void {
  for (const file of filesOf(packageFolder)) {
    const fits = /^(?:package\.json|README\.md|LICENSE|CHANGELOG\.md|dist\/.+\.(?:c?js|c?js\.map|d\.c?ts))$/.test(file);
    if (!fits) throw new Error(`${file} is packed`);
    const text = readFileSync(join(packageFolder, file), "utf8");
    if (/\.d\.c?ts$/.test(file) && /@internal|"\.{1,2}\/[^"]*\.ts"/.test(text))
      throw new Error(`${file} is not for users`);
    if (file.endsWith(".map")) checkMap(file, text);
  }
  const { exports } = JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8")) as { exports: object };
  if (JSON.stringify(exports).includes('"source"')) throw new Error("users get the condition `source`");
}

function checkMap(file: string, text: string): void {
  const { sources, sourcesContent, sourceRoot } = JSON.parse(text) as Record<string, unknown>;
  const strange = (sources as string[]).filter((source) => !/^(?:\.\.\/)+src\/[\w/.-]+\.ts$/.test(source));
  if (strange.length > 0 || sourceRoot) throw new Error(`${file} names ${strange.join(", ") || sourceRoot}`);
  if (sourcesContent !== undefined && sourcesContent !== null) throw new Error(`${file} has the sources in it`);
}

/** Jest as it comes, in CommonJS; with its switch for ES modules; with fake timers before anything is loaded. */
export function checkJest({ folder, node }: Consumer, kind: "commonjs" | "modules" | "faked"): void {
  const jest = join(folder, "node_modules/jest/bin/jest.js");
  for (const file of filesOf(folder).filter((name) => /^[\w-]+\.db/.test(name))) rmSync(join(folder, file));
  const args = {
    commonjs: [jest, "jest-commonjs"],
    modules: ["--experimental-vm-modules", jest, "--testMatch", "**/jest-modules.test.mjs"],
    faked: [jest, "jest-faked", "--config", '{ "fakeTimers": { "enableGlobally": true } }'],
  };
  run(node, [quiet, ...args[kind]], folder);
}

/** Vitest with the kit and the conformance suite. In threads, as it can fake process.nextTick only there. */
export function checkVitest({ folder, node }: Consumer): void {
  run(node, [quiet, join(folder, "node_modules/vitest/vitest.mjs"), "run", "--pool=threads", "kit-vitest"], folder);
}

/** node:test with the kit and the conformance suite, by import and by require. */
export function checkNodeTest({ folder, node }: Consumer): void {
  for (const file of ["kit-node.test.mjs", "kit-node.test.cjs"]) run(node, [quiet, "--test", file], folder);
}

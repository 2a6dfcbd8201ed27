// Proof of the package: packed by npm, installed into empty folders, used as users do. Prints a table per question.
// Usage: node --conditions=source scripts/proof/package.ts [--clone] [--nodes 22.13.0,24.0.0] [--typescripts 5.9.3,7.0.2]
//   [--tarball FILE] [--keep]
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  addPrograms,
  type Consumer,
  checkCommand,
  checkContents,
  checkDriver,
  checkJest,
  checkLoads,
  checkNodeTest,
  checkSubpaths,
  checkTypes,
  checkVitest,
  NotApplicable,
  runProgram,
  typesCases,
} from "./package-checks.ts";
import { bytesOf, filesOf, install, openTarball, packClone, packCopy } from "./tarball.ts";
import { Verdict } from "./verdict.ts";
import { Workshop } from "./workshop.ts";

const { values: flags } = parseArgs({
  options: {
    /** Packs a fresh clone of the last commit after `npm ci`, instead of the files as they are. */
    clone: { type: "boolean", default: false },
    /** A tarball that was packed before: the very one that is to be published. */
    tarball: { type: "string" },
    /** The oldest of each line that is promised, and this one. */
    nodes: { type: "string", default: `22.13.0,24.0.0,${process.version.slice(1)}` },
    typescripts: { type: "string", default: "5.9.3,6.0.3,7.0.2" },
    keep: { type: "boolean", default: false },
  },
});
/**
 * Exceeded on purpose only: raise them together with what is added. All comes in two kinds of module, and all but the suite with maps: of it the
 * conformance suite is 0.7 MB and the testing kit 0.3 MB, which only tests load; the PostgreSQL engine is 1.1 MB, that of NATS 0.3 MB.
 */
const limits = { packedBytes: 1_550_000, unpackedBytes: 6_300_000, installedBytes: 6_600_000, dependencies: 2 };

const folder = mkdtempSync(join(tmpdir(), "punctual-package-"));
process.once("exit", () => {
  if (!flags.keep) rmSync(folder, { recursive: true, force: true });
});
const verdict = new Verdict();
const failures: string[] = [];
const notes = new Set<string>();
const workshop = new Workshop(join(folder, "tools"));
const tarball =
  flags.tarball !== undefined ? openTarball(flags.tarball, folder) : flags.clone ? packClone(folder) : packCopy(folder);
const { version } = JSON.parse(readFileSync(join(tarball.unpacked, "package.json"), "utf8")) as { version: string };
const nodes = flags.nodes.split(",");

/** One line of a table: the answer of a check per column. */
async function row<Column>(
  name: string,
  columns: readonly Column[],
  check: (column: Column) => unknown,
): Promise<void> {
  const answers: string[] = [];
  for (const column of columns) {
    try {
      await check(column);
      answers.push("pass");
    } catch (error) {
      if (error instanceof NotApplicable) {
        answers.push("n/a");
        notes.add(error.message);
        continue;
      }
      answers.push("FAIL");
      failures.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  console.log(`| ${[name.padEnd(52), ...answers.map((answer) => answer.padEnd(10))].join(" | ")} |`);
}

function heading(name: string, columns: readonly string[]): void {
  console.log(`\n| ${[name.padEnd(52), ...columns.map((column) => column.padEnd(10))].join(" | ")} |`);
  console.log(`|${"---|".repeat(columns.length + 1)}`);
}

// --- at run time

const plain = install(join(folder, "plain"), tarball);
addPrograms(plain);
const driver = install(join(folder, "driver"), tarball, ["better-sqlite3@13.2.0"]);
addPrograms(driver);
const jest = install(join(folder, "jest"), tarball, ["jest@30.5.2", "unrs-resolver@1.11.1"]);
addPrograms(jest);
const vitest = install(join(folder, "vitest"), tarball, ["vitest@5.1.1"]);
addPrograms(vitest);
const binaries = new Map(nodes.map((name) => [name, workshop.node(name)]));
const on = (place: string, name: string): Consumer => ({ folder: place, node: binaries.get(name) ?? process.execPath });

heading("Node", nodes);
await row("import: every subpath", nodes, (name) => checkSubpaths(on(plain, name), "exports.mjs"));
await row("require: every subpath, the same names", nodes, (name) => {
  const names = checkSubpaths(on(plain, name), "exports.cjs");
  if (names !== checkSubpaths(on(plain, name), "exports.mjs")) throw new Error(`other names than by import: ${names}`);
});
await row("`.` by import loads no engine, driver, dependency", nodes, (name) =>
  checkLoads(on(plain, name), "loads.mjs"),
);
await row("`.` by require loads no engine, driver, dependency", nodes, (name) =>
  checkLoads(on(plain, name), "loads.cjs"),
);
await row("jobs on sqlite and memory, by import", nodes, (name) => runProgram(on(plain, name), "job.mjs"));
await row("jobs on sqlite and memory, by require", nodes, (name) => runProgram(on(plain, name), "job.cjs"));
await row("two copies in one process", nodes, (name) => runProgram(on(plain, name), "copies.mjs"));
await row("jobs on better-sqlite3, by import and require", nodes, (name) => checkDriver(on(driver, name)));
await row("no driver: the error names the package", nodes, (name) =>
  runProgram(on(plain, name), "no-driver.mjs", "--no-experimental-sqlite"),
);
await row("npx punctual; enqueue, serve (.mjs and .cjs tasks)", nodes, (name) =>
  checkCommand(on(plain, name), version),
);
await row("Jest, plain (CommonJS)", nodes, (name) => checkJest(on(jest, name), "commonjs"));
await row("Jest, ES modules", nodes, (name) => checkJest(on(jest, name), "modules"));
await row("Jest, fake timers from the start", nodes, (name) => checkJest(on(jest, name), "faked"));
await row("Vitest, the kit and the conformance suite", nodes, (name) => checkVitest(on(vitest, name)));
await row("node:test, the kit and the conformance suite", nodes, (name) => checkNodeTest(on(plain, name)));

for (const note of notes) console.log(`n/a: ${note}`);

// --- types

const typescripts = flags.typescripts.split(",");
const compilers = new Map(typescripts.map((name) => [name, workshop.typescript(name)]));
const typed = install(join(folder, "typed"), tarball, ["@types/node@22.20.5"]);
heading("TypeScript, strict, skipLibCheck false", typescripts);
for (const typesCase of typesCases) {
  await row(typesCase.name, typescripts, (name) => checkTypes(typed, compilers.get(name) ?? "", typesCase));
}

// --- the tarball itself

const silent = (said: string) => {
  if (said !== "") throw new Error(said);
};
heading("Tarball", ["answer"]);
await row("only code, declarations, maps and pages", [""], () => checkContents(tarball.unpacked));
await row("publint, strict", [""], () => silent(workshop.publint(tarball.unpacked)));
await row("are the types wrong (node16, bundler)", [""], () => silent(workshop.areTheTypesWrong(tarball.path)));

console.log("");
const modules = join(install(join(folder, "size"), tarball), "node_modules");
const installed = filesOf(modules).filter((file) => /^(?:@[^/]+\/)?[^/]+\/package\.json$/.test(file));
const dependencies = installed.map((file) => file.replace("/package.json", "")).filter((name) => name !== "punctual");
const installedBytes = bytesOf(modules);
atMost("tarball, bytes", tarball.packedBytes, limits.packedBytes);
atMost("node_modules/punctual, bytes", bytesOf(join(modules, "punctual")), limits.unpackedBytes);
atMost("node_modules in all, bytes", installedBytes, limits.installedBytes);
atMost("dependencies installed with it", dependencies.length, limits.dependencies);
verdict.figure("... which are", dependencies.join(", "));
verdict.figure("files in the tarball", tarball.files.length);
verdict.figure("folders left in the empty folder", readdirSync(join(folder, "size")).join(", "));

function atMost(name: string, value: number, max: number): void {
  verdict.figure(`${name} (at most ${max.toLocaleString("en")})`, value);
  verdict.require(value <= max, `${name}: ${value}, over ${max}`);
}

verdict.none("facts that do not hold", failures);
verdict.conclude("package");
if (flags.keep) console.log(folder);

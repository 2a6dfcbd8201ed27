// The canonical test run: every registered runner, one verdict. The last line printed is "N passed, N failed";
// a skipped or todo test, a file that does not load, a runner that dies and a run of no tests all count as failures.
// Usage: node scripts/test.ts [--quick | --all]
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { foldersWithServers } from "./server-folders.ts";
import { childrenOf } from "./services/process-tree.ts";

/** A command that writes a report in the shape of Vitest's JSON reporter. */
interface Runner {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly report: string;
}

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message?: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

interface Tally {
  passed: number;
  readonly failures: string[];
}

const root = fileURLToPath(new URL("..", import.meta.url));
process.chdir(root);
const flags = new Set(process.argv.slice(2));
const unknownFlags = [...flags].filter((flag) => flag !== "--quick" && flag !== "--all");
if (unknownFlags.length > 0) {
  console.error(`unknown: ${unknownFlags.join(" ")}; usage: node scripts/test.ts [--quick | --all]`);
  process.exit(2);
}

/** Left out of --quick: these need a server, a build or a browser, or start processes by the dozen. */
const foldersNotQuick: readonly string[] = [
  ...foldersWithServers,
  ...["bench", "cli", "package", "pages", "ui", "upgrade"],
];
const folders = readdirSync("test", { withFileTypes: true, recursive: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith(".test.ts"))
  .map((entry) => relative("test", entry.parentPath).split(/[\\/]/)[0] ?? "");
const chosenFolders = [...new Set(folders)]
  .filter((folder) => !flags.has("--quick") || !foldersNotQuick.includes(folder))
  .sort();

const vitest: Runner = {
  name: "vitest",
  command: [
    process.execPath,
    "node_modules/vitest/vitest.mjs",
    "run",
    ...chosenFolders.map((folder) => `test/${folder}/`),
    "--reporter=default",
    "--reporter=json",
    "--outputFile.json=.reports/vitest.json",
  ],
  report: ".reports/vitest.json",
};
const mutants: Runner = {
  name: "mutants",
  command: [process.execPath, "scripts/mutants.ts"],
  report: ".reports/mutants.json",
};

const runners: readonly Runner[] = flags.has("--all") ? [vitest, mutants] : [vitest];

/** How long a runner may take to end after it has written its report: it ends its servers in that time. */
const endsWithinMs = 120_000;

/** A process and all that it started, the youngest first. */
function endTree(pid: number): void {
  for (const child of childrenOf(pid)) endTree(child);
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}

/** Runs a command to its end; an empty answer is a good one. One that has reported and does not end is ended. */
function run([file, ...args]: Runner["command"], report?: string): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn(file, args, { stdio: ["ignore", "inherit", "inherit"] });
    let hangs = false;
    const watch = setInterval(() => {
      if (report === undefined || !existsSync(report)) return;
      if (Date.now() - statSync(report).mtimeMs < endsWithinMs || child.pid === undefined) return;
      hangs = true;
      clearInterval(watch);
      endTree(child.pid);
    }, 1_000);
    child.on("error", (error) => {
      clearInterval(watch);
      resolve(error.message);
    });
    child.on("close", (code, signal) => {
      clearInterval(watch);
      if (hangs) resolve(`reported, and did not end within ${endsWithinMs / 1_000} s`);
      else resolve(code === 0 ? "" : signal ? `ended by ${signal}` : `exit code ${code}`);
    });
  });
}

function readReport(path: string): Report | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Report;
  } catch {
    return undefined;
  }
}

function tally(runner: Runner, report: Report | undefined, ending: string): Tally {
  const counted: Tally = { passed: 0, failures: [] };
  for (const file of report?.testResults ?? []) {
    const name = relative(root, file.name);
    const before = counted.failures.length;
    for (const test of file.assertionResults) {
      if (test.status === "passed") counted.passed += 1;
      else counted.failures.push(`${test.status}: ${name} > ${test.fullName}`);
    }
    // A file that does not load, or whose last hook throws, has no failed test to show for it.
    if (file.status !== "passed" && counted.failures.length === before) {
      counted.failures.push(`failed: ${name}: ${file.message?.split("\n")[0] || "the file as a whole"}`);
    }
  }
  if (report === undefined) counted.failures.push(`${runner.name} left no report (${ending || "exit code 0"})`);
  else if (counted.passed + counted.failures.length === 0) counted.failures.push(`${runner.name} ran no test`);
  else if (ending !== "" && counted.failures.length === 0) {
    counted.failures.push(`${runner.name} failed outside its tests (${ending})`);
  }
  return counted;
}

mkdirSync(".reports", { recursive: true });
const total: Tally = { passed: 0, failures: [] };
// Fetching takes longer than a test may; the tests run all the same when it fails.
if (chosenFolders.some((folder) => foldersWithServers.includes(folder))) {
  const ending = await run([process.execPath, "--conditions=source", "scripts/services.ts"]);
  if (ending !== "") total.failures.push(`servers are missing (${ending})`);
}
for (const runner of runners) {
  // An old report must not speak for a runner that dies.
  rmSync(runner.report, { force: true });
  const ending =
    chosenFolders.length === 0 && runner === vitest ? "no test files" : await run(runner.command, runner.report);
  const { passed, failures } = tally(runner, readReport(runner.report), ending);
  total.passed += passed;
  total.failures.push(...failures);
}
for (const failure of total.failures) console.log(failure);
console.log(`${total.passed} passed, ${total.failures.length} failed`);
process.exitCode = total.failures.length > 0 ? 1 : 0;

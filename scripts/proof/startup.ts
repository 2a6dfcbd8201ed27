// Proof that a newcomer sees a job run at once: on a fresh clone in a temporary folder, `npm ci`, then the first job's
// line of `npm start` within 10 s. Usage: node --conditions=source scripts/proof/startup.ts [--worktree] [--keep]
import { execFileSync, spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Verdict } from "./verdict.ts";

const { values: flags } = parseArgs({
  options: {
    /** Takes the files as they are here, whether committed or not, instead of the last commit. */
    worktree: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
  },
});
const limitMs = 10_000;
const project = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "punctual-startup-"));
const clone = join(folder, "punctual");
const jobLine = /\b(completed|failed|retrying)\b.*\btick \d\d:\d\d:\d\d/;
// As on a newcomer's machine: this project's own node_modules are not on the path of the clone.
const path = (process.env["PATH"] ?? "").split(delimiter).filter((entry) => !entry.includes("node_modules"));
const env = { ...process.env, PATH: path.join(delimiter), PUNCTUAL_URL: undefined };

function run(command: string, args: readonly string[], cwd: string): string {
  return execFileSync(command, args, { cwd, env, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}

run("git", ["clone", "--quiet", project, clone], folder);
if (flags.worktree) {
  const files = run("git", ["ls-files", "--cached", "--others", "--exclude-standard"], project).trim().split("\n");
  for (const file of files.filter((name) => existsSync(join(project, name))))
    cpSync(join(project, file), join(clone, file));
}
const installFrom = performance.now();
run("npm", ["ci", "--no-audit", "--no-fund"], clone);
const startedAt = performance.now();

let firstOutputMs: number | undefined;
let firstJobMs: number | undefined;
const child = spawn("npm", ["start", "--", "--for", "5s"], { cwd: clone, env, stdio: ["ignore", "pipe", "inherit"] });
for await (const line of createInterface({ input: child.stdout })) {
  console.log(`  | ${line}`);
  const afterMs = performance.now() - startedAt;
  if (line.startsWith("Punctual")) firstOutputMs ??= afterMs;
  if (jobLine.test(line)) firstJobMs ??= afterMs;
}
const code = child.exitCode ?? (await new Promise<number | null>((resolve) => child.once("close", resolve)));

const verdict = new Verdict();
const shown = (ms: number | undefined) => (ms === undefined ? "never" : `${Math.round(ms)} ms`);
verdict.figure("npm ci took", shown(startedAt - installFrom));
verdict.figure("first output after the install", shown(firstOutputMs));
verdict.figure("first job's line after the install", shown(firstJobMs));
verdict.require(firstJobMs !== undefined && firstJobMs <= limitMs, `no job's line within ${limitMs} ms`);
verdict.require(code === 0, `npm start ended with code ${code}`);
verdict.conclude("startup");
if (flags.keep) console.log(clone);
else rmSync(folder, { recursive: true, force: true });

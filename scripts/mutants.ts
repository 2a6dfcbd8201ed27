// Applies each fault of test/mutants to a copy of the project and expects the tests to notice.
// A mutant that survives, does not apply, or stops the code from loading is a failure; so is a list of none.
// With --simulation it is the simulated worlds that must notice, seed after seed, each fault of a promise they watch.
// Usage: node scripts/mutants.ts [--simulation] [part of a name]
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { type Mutant, mutants, simulatedPromises } from "../test/mutants/mutants.ts";
import { foldersWithServers } from "./server-folders.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const timeLimitMs = 180_000;
const copiesAtOnce = 2;
/** Seeds that are tried on a fault before it has survived. */
const seedsMax = 1_000;
const notCopied = new Set(["node_modules", ".git", ".reports", ".services", "coverage", "dist"]);

interface Outcome {
  readonly red: boolean;
  readonly timedOut: boolean;
  readonly failedTests: readonly string[];
  readonly testCount: number;
  readonly output: string;
}

interface Verdict {
  readonly mutant: Mutant;
  readonly caught: boolean;
  readonly detail: string;
  readonly durationMs: number;
}

/** What is asked whether it notices a fault, and the unchanged project before. */
interface Judge {
  readonly notice: (copy: string, mutant: Mutant) => Promise<Pick<Verdict, "caught" | "detail">>;
  readonly checkUnchanged: (copy: string, chosen: readonly Mutant[]) => Promise<string | undefined>;
}

interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

function copyProject(): string {
  const copy = mkdtempSync(join(tmpdir(), "punctual-mutants-"));
  cpSync(root, copy, {
    recursive: true,
    filter: (source) => !notCopied.has(relative(root, source)) && !/\.db(-\w+)?$/.test(source),
  });
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  return copy;
}

function readTests(copy: string): { fullName: string; status: string }[] {
  try {
    const report = JSON.parse(readFileSync(join(copy, ".reports/vitest.json"), "utf8")) as Report;
    return report.testResults.flatMap((file) => file.assertionResults);
  } catch {
    return [];
  }
}

async function runTests(copy: string, tests: readonly string[], expect?: string): Promise<Outcome> {
  mkdirSync(join(copy, ".reports"), { recursive: true });
  rmSync(join(copy, ".reports/vitest.json"), { force: true });
  const pattern = expect === undefined ? [] : ["--testNamePattern", expect.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")];
  const options = ["--bail=1", "--reporter=json", "--outputFile.json=.reports/vitest.json", ...pattern];
  const { code, timedOut, output } = await runNode(copy, [
    "node_modules/vitest/vitest.mjs",
    "run",
    ...tests,
    ...options,
  ]);
  const results = readTests(copy).filter((test) => test.status === "passed" || test.status === "failed");
  const failedTests = results.filter((test) => test.status === "failed").map((test) => test.fullName);
  return { red: code !== 0, timedOut, failedTests, testCount: results.length, output };
}

interface Ended {
  readonly code: number | null;
  readonly timedOut: boolean;
  /** The last of what it printed. */
  readonly output: string;
}

function runNode(copy: string, parameters: readonly string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    // A process group of its own, so that the time limit ends Vitest's children with it.
    const child = spawn(process.execPath, parameters, { cwd: copy, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let timedOut = false;
    const collect = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-4_000);
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    const timer = setTimeout(() => {
      timedOut = true;
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    }, timeLimitMs);
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code, timedOut, output });
    });
  });
}

function judge(outcome: Outcome): { caught: boolean; detail: string } {
  if (outcome.timedOut) return { caught: true, detail: `caught by the time limit of ${timeLimitMs / 1000} s` };
  const [first] = outcome.failedTests;
  if (first !== undefined) return { caught: true, detail: `caught by: ${first}` };
  if (outcome.red) return { caught: false, detail: `proves nothing: no test failed, the run did\n${outcome.output}` };
  if (outcome.testCount === 0) return { caught: false, detail: "proves nothing: no test ran" };
  return { caught: false, detail: `SURVIVED ${outcome.testCount} tests` };
}

async function tryMutant(copy: string, mutant: Mutant, { notice }: Judge): Promise<Verdict> {
  const startedAt = performance.now();
  const verdict = (caught: boolean, detail: string): Verdict => {
    return { mutant, caught, detail, durationMs: performance.now() - startedAt };
  };
  const path = join(copy, mutant.file);
  let original: string;
  try {
    original = readFileSync(path, "utf8");
  } catch {
    return verdict(false, `does not apply: ${mutant.file} is not there`);
  }
  const pieces = original.split(mutant.find);
  if (pieces.length !== 2) return verdict(false, `does not apply: found ${pieces.length - 1} times in ${mutant.file}`);
  writeFileSync(path, pieces.join(mutant.replace));
  try {
    const { caught, detail } = await notice(copy, mutant);
    return verdict(caught, detail);
  } finally {
    writeFileSync(path, original);
  }
}

/** What is fetched for the servers is fetched before a test waits for it. */
async function fetchServers(copy: string, tests: readonly string[]): Promise<void> {
  const needs = tests.some((test) => foldersWithServers.some((folder) => test.startsWith(`test/${folder}/`)));
  if (needs) await runNode(copy, ["--conditions=source", "scripts/services.ts"]);
}

async function checkUnchanged(copy: string, chosen: readonly Mutant[]): Promise<string | undefined> {
  const tests = [...new Set(chosen.flatMap((mutant) => mutant.tests))];
  await fetchServers(copy, tests);
  const outcome = await runTests(copy, tests);
  if (outcome.red || outcome.testCount === 0) {
    return `the unchanged project is not green over ${tests.join(", ")}\n${outcome.output}`;
  }
  const unnamed = chosen.filter((mutant) => mutant.tests.length === 0);
  return unnamed.length > 0 ? `no tests named by: ${unnamed.map((mutant) => mutant.name).join(", ")}` : undefined;
}

const byTests: Judge = {
  // What only simulated worlds notice may need more seeds than the tests run.
  notice: async (copy, mutant) =>
    mutant.tests.includes("test/simulation")
      ? bySimulation.notice(copy, mutant)
      : judge(await runTests(copy, mutant.tests, mutant.expect)),
  checkUnchanged,
};

/** The engine in which a fault shows. */
function engineOf(mutant: Mutant): "memory" | "sqlite" {
  return mutant.file.startsWith("src/engines/sqlite/") ? "sqlite" : "memory";
}

function simulate(copy: string, engine: string, seeds: number): Promise<Ended> {
  const options = ["--seeds", `1-${seeds}`, "--engine", engine, "--until-broken"];
  return runNode(copy, ["--conditions=source", "scripts/proof/simulation.ts", ...options]);
}

const bySimulation: Judge = {
  notice: async (copy, mutant) => {
    const { code, timedOut, output } = await simulate(copy, engineOf(mutant), seedsMax);
    const found = /^seed \d+ breaks \S+: .*$/m.exec(output)?.[0];
    if (code !== 0 && found !== undefined) return { caught: true, detail: found };
    if (timedOut) return { caught: false, detail: `no seed in ${timeLimitMs / 1000} s` };
    return { caught: false, detail: code === 0 ? `SURVIVED ${seedsMax} seeds` : `proves nothing\n${output}` };
  },
  checkUnchanged: async (copy, chosen) => {
    for (const engine of new Set(chosen.map(engineOf))) {
      const { code, output } = await simulate(copy, engine, 100);
      if (code !== 0) return `the unchanged project breaks a promise over ${engine}\n${output}`;
    }
    return undefined;
  },
};

/** Those that the simulation must notice; the others are named with the reason. */
function chooseSimulated(chosen: readonly Mutant[]): Mutant[] {
  return chosen.filter(({ name, promise, file, notSimulated }) => {
    const watched = simulatedPromises.includes(promise) && /^src\/(?:core|runtime|engines)\//.test(file);
    const reason = watched ? notSimulated : `the simulation does not watch ${promise}`;
    if (reason !== undefined) console.log(`left out: ${name} (${promise}): ${reason}`);
    return reason === undefined;
  });
}

function writeReport(verdicts: readonly Verdict[]): void {
  const assertionResults = verdicts.map(({ mutant, caught, detail }) => {
    return { fullName: `${mutant.name}: ${detail.split("\n")[0]}`, status: caught ? "passed" : "failed" };
  });
  const status = verdicts.every((verdict) => verdict.caught) ? "passed" : "failed";
  const testResults = [{ name: join(root, "test/mutants/mutants.ts"), status, assertionResults }];
  mkdirSync(join(root, ".reports"), { recursive: true });
  writeFileSync(join(root, ".reports/mutants.json"), JSON.stringify({ testResults }, undefined, 2));
}

async function main(): Promise<boolean> {
  const simulated = process.argv.includes("--simulation");
  const [wanted = ""] = process.argv.slice(2).filter((argument) => argument !== "--simulation");
  const named = mutants.filter((mutant) => mutant.name.includes(wanted));
  const chosen = simulated ? chooseSimulated(named) : named;
  const judgeBy = simulated ? bySimulation : byTests;
  if (chosen.length === 0) {
    console.log("0 mutants: nothing is proved");
    return false;
  }
  const copies = Array.from({ length: Math.min(copiesAtOnce, chosen.length) }, copyProject);
  const verdicts: Verdict[] = [];
  try {
    const complaint = await judgeBy.checkUnchanged(copies[0] ?? root, chosen);
    if (complaint !== undefined) {
      console.log(complaint);
      return false;
    }
    const queue = [...chosen];
    const work = async (copy: string): Promise<void> => {
      for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
        const verdict = await tryMutant(copy, mutant, judgeBy);
        verdicts.push(verdict);
        const seconds = (verdict.durationMs / 1000).toFixed(1).padStart(6);
        console.log(
          `${verdict.caught ? "caught" : "FAILED"} ${seconds} s  ${mutant.name} (${mutant.promise}): ${verdict.detail}`,
        );
      }
    };
    await Promise.all(copies.map(work));
  } finally {
    for (const copy of copies) rmSync(copy, { recursive: true, force: true });
  }
  if (!simulated) writeReport(verdicts);
  const caught = verdicts.filter((verdict) => verdict.caught).length;
  console.log(`${caught} of ${verdicts.length} mutants caught`);
  return caught === verdicts.length;
}

process.exitCode = (await main()) ? 0 : 1;

// Proves O6 at size: a store with 100,000 jobs and 10,000 schedules is copied by the command, killed half way with
// SIGKILL, copied again, and compared item by item; and once more through the memory engine.
// Usage: node --conditions=source scripts/proof/copy.ts [--jobs 100000] [--schedules 10000]
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Engine } from "../../src/core/engine.ts";
import { memory } from "../../src/engines/memory/index.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { type CopyResult, copyStore } from "../../src/index.ts";
import { fillStore } from "./filled-store.ts";
import { Verdict } from "./verdict.ts";

const { values } = parseArgs({ options: { jobs: { type: "string" }, schedules: { type: "string" } } });
const size = { jobs: Number(values.jobs ?? 100_000), schedules: Number(values.schedules ?? 10_000) };
const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "punctual-copy-"));
const [from, to] = [join(folder, "from.db"), join(folder, "to.db")];
const verdict = new Verdict();

interface Run {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

/** Runs `punctual copy`; `killWhen` is asked again and again. */
async function runCopy(killWhen?: () => boolean): Promise<Run> {
  const startedAt = performance.now();
  const args = ["--conditions=source", main, "copy", "--from", `sqlite:${from}`, "--to", `sqlite:${to}`, "--yes"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const timer = setInterval(() => {
    if (killWhen?.() === true) child.kill("SIGKILL");
  }, 20);
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  clearInterval(timer);
  return { code, signal, stdout, stderr, ms: performance.now() - startedAt };
}

/** Jobs in a file, asked beside whoever writes it. */
function jobsIn(path: string): number {
  try {
    const database = new DatabaseSync(path, { readOnly: true, timeout: 1_000 });
    const sql = "SELECT (SELECT count(*) FROM punctual_jobs) + (SELECT count(*) FROM punctual_finished) AS jobs";
    const { jobs } = database.prepare(sql).get() as { jobs: number };
    database.close();
    return jobs;
  } catch {
    return 0;
  }
}

/** What could stand twice: ids of jobs over both tables, keys, schedules. */
function duplicatesIn(path: string): string[] {
  const database = new DatabaseSync(path, { readOnly: true });
  const twice = [
    "SELECT hex(id) AS name FROM (SELECT id FROM punctual_jobs UNION ALL SELECT id FROM punctual_finished) GROUP BY id HAVING count(*) > 1",
    "SELECT seq AS name FROM (SELECT seq FROM punctual_jobs UNION ALL SELECT seq FROM punctual_finished) GROUP BY seq HAVING count(*) > 1",
    "SELECT key AS name FROM punctual_jobs WHERE key IS NOT NULL GROUP BY tenant, queue, key, place = 'held' HAVING count(*) > 1",
    "SELECT id AS name FROM punctual_schedules GROUP BY tenant, id HAVING count(*) > 1",
  ].flatMap((sql) => database.prepare(sql).all() as { name: unknown }[]);
  database.close();
  return twice.map(({ name }) => String(name));
}

async function opened(engine: Engine): Promise<Engine> {
  await engine.open();
  return engine;
}

async function compare(source: Engine, target: Engine): Promise<CopyResult> {
  // A copy of what is equal writes nothing, and says what both hold.
  return copyStore(source, target, { source: "proof" });
}

const startedAt = performance.now();
const source = await opened(sqlite(from));
await fillStore(source, size);
const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
verdict.figure("store built in", seconds(performance.now() - startedAt));
const counts = await source.transfer.counts();
for (const [kind, count] of Object.entries(counts)) verdict.figure(`  ${kind}`, count);
verdict.require(counts.job === size.jobs, `${counts.job} jobs were made`);

const half = Math.floor(size.jobs / 2);
const killed = await runCopy(() => jobsIn(to) >= half);
const there = jobsIn(to);
verdict.figure("killed with SIGKILL after", seconds(killed.ms));
verdict.figure("jobs copied by then", there);
verdict.require(killed.signal === "SIGKILL", "the first copy ended before it could be killed");
verdict.require(there >= half && there < size.jobs, `${there} jobs had been copied when it was killed`);

const resumed = await runCopy();
verdict.figure("copied to the end and verified in", seconds(resumed.ms));
verdict.figure("lines of progress", resumed.stderr.trim().split("\n").length);
verdict.require(resumed.code === 0, `the second copy ended with ${resumed.code}: ${resumed.stderr}`);
verdict.require(/cut off/.test(resumed.stdout), `it did not say that it went on: ${resumed.stdout}`);
verdict.require(/copying +\d+%/.test(resumed.stderr), `it showed no progress: ${resumed.stderr}`);
console.log(resumed.stdout.replace(/^/gm, "    ").trimEnd());

const again = await runCopy();
verdict.require(again.code === 0, `copying what is equal ended with ${again.code}: ${again.stderr}`);
const target = await opened(sqlite(to));
const equal = await compare(source, target);
verdict.figure("items that differ", equal.written + equal.removed);
verdict.require(equal.written + equal.removed === 0, "the copy differs from its source");
verdict.none("duplicates in the target", duplicatesIn(to));
const integrity = (await target.inspection.findings()).filter(({ status }) => status === "problem");
verdict.none(
  "problems that the target's engine finds",
  integrity.map(({ what }) => what),
);

const crossedAt = performance.now();
const between = await opened(memory());
await compare(source, between);
const back = await opened(sqlite(join(folder, "back.db")));
const { digest } = await compare(between, back);
verdict.figure("through the memory engine and back in", seconds(performance.now() - crossedAt));
verdict.figure("digest of the source, and after the round trip", `${equal.digest} ${digest}`);
verdict.require(digest === equal.digest, "the round trip through the memory engine changed the contents");

await Promise.all([source.close(), target.close(), back.close()]);
rmSync(folder, { recursive: true, force: true });
verdict.conclude("copy");

// Proof of S2 and S11: two `punctual serve` processes on one SQLite file, many one-second schedules; every tick is run exactly
// once, and how late its handler began is printed.
// Usage: node --conditions=source scripts/proof/two-serves.ts [--seconds 60] [--schedules 20] [--processes 2]
//   [--node BIN | --node22] [--assert] [--keep]
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createScheduler, cron } from "punctual";
import { sqlite } from "punctual/sqlite";
import { type Child, startScript } from "./child.ts";
import { type JournalLine, readJournal } from "./journal.ts";
import { percentile, Verdict } from "./verdict.ts";

const { values: flags } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    schedules: { type: "string", default: "20" },
    processes: { type: "string", default: "2" },
    node: { type: "string" },
    /** Fetches Node 22 from npm into a temporary folder, for the serving processes. */
    node22: { type: "boolean", default: false },
    /** Fails when p99 is not under 10 ms. */
    assert: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
  },
});
const seconds = Number(flags.seconds);
const ids = Array.from({ length: Number(flags.schedules) }, (_, index) => `second-${index + 1}`);
const latenessGoalMs = 10;

const folder = mkdtempSync(join(tmpdir(), "punctual-two-serves-"));
const file = join(folder, "store.db");
process.env["PROOF_JOURNAL"] = folder;
const node = flags.node ?? (flags.node22 ? fetchNode22() : process.execPath);
const version = execFileSync(node, ["--version"], { encoding: "utf8" }).trim();

function fetchNode22(): string {
  const place = join(folder, "node22");
  execFileSync("mkdir", ["-p", place]);
  writeFileSync(join(place, "package.json"), "{}");
  console.log("fetching node@22 from npm");
  execFileSync("npm", ["install", "--no-audit", "--no-fund", "--no-save", "node@22"], { cwd: place, stdio: "ignore" });
  return join(place, "node_modules", "node", "bin", "node");
}

const engine = sqlite(file);
const operator = createScheduler({ engine });
const cli = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const tasks = fileURLToPath(new URL("tick-tasks.ts", import.meta.url));
const serve = ["serve", "--engine", `sqlite:${file}`, "--tasks", tasks, "--quiet"];
const children = Array.from({ length: Number(flags.processes) }, () =>
  startScript(cli, serve, { node, cwd: folder, stdio: ["ignore", "pipe", "inherit"] }),
);
// They serve an empty store first, so that starting them is not measured; schedules made elsewhere reach them all.
await Promise.all(children.map(isReady));

async function isReady({ process: { stdout } }: Child): Promise<void> {
  if (stdout === null) throw new Error("a serving process has no output");
  await new Promise<void>((resolve, reject) => {
    const lines = createInterface({ input: stdout });
    lines.on("line", (line) => {
      if (line === "ready") resolve();
    });
    lines.once("close", () => reject(new Error("a serving process ended before it was ready")));
  });
}

await operator.schedules.ensureMany(
  ids.map((id) => ({ id, task: "note-tick", when: cron("* * * * * *"), overlap: "allow" as const })),
);
const createdAt = Date.now();
console.log(`${children.length} processes on Node ${version}, ${ids.length} one-second schedules, ${seconds} s`);
await sleep(seconds * 1_000);
for (const id of ids) await operator.schedules.disable(id);
const disabledAt = Date.now();
while ((await operator.jobs.list({ state: ["waiting", "delayed", "active"], limit: 1 })).items.length > 0)
  await sleep(20);
for (const child of children) child.process.kill("SIGTERM");
const endings = await Promise.all(children.map(({ ended }) => ended));
const schedules = (await operator.schedules.list({ limit: 1_000 })).items;
await operator.stop();

// --- every tick from the creation to the disabling, once each

const runs = readdirSync(folder)
  .filter((name) => name.startsWith("journal-"))
  .flatMap((name) => readJournal(join(folder, name)));
const nameOf = ({ schedule, tick = 0 }: JournalLine) => `${schedule} ${new Date(tick).toISOString()}`;
const counts = new Map<string, number>();
for (const run of runs) counts.set(nameOf(run), (counts.get(nameOf(run)) ?? 0) + 1);

const second = 1_000;
const expected = schedules.flatMap(({ id, createdAt: madeAt, updatedAt }) => {
  const names: string[] = [];
  const first = Math.floor(madeAt.getTime() / second) * second + second;
  for (let tick = first; tick < updatedAt.getTime(); tick += second)
    names.push(`${id} ${new Date(tick).toISOString()}`);
  return names;
});
const firstTick = Math.min(...runs.map(({ tick = 0 }) => tick));
const latenessOf = (some: readonly JournalLine[]) => some.map(({ at, tick = 0 }) => at - tick).sort((a, b) => a - b);
const p99 = percentile(latenessOf(runs.filter(({ tick }) => tick !== firstTick)), 0.99);

function quantiles(some: readonly JournalLine[]): string {
  const sorted = latenessOf(some);
  const [p50, p90, high, max] = [0.5, 0.9, 0.99, 1].map((share) => percentile(sorted, share).toFixed(1));
  return `p50 ${p50} ms, p90 ${p90} ms, p99 ${high} ms, max ${max} ms`;
}

const verdict = new Verdict();
verdict.figure("ticks expected", expected.length);
verdict.figure("handlers run", runs.length);
verdict.none(
  "ticks missing",
  expected.filter((name) => !counts.has(name)),
);
verdict.none(
  "ticks run twice",
  [...counts].flatMap(([name, count]) => (count > 1 ? [name] : [])),
);
verdict.none(
  "ticks run that were not to be",
  [...counts.keys()].filter((name) => !new Set(expected).has(name)),
);
verdict.require(expected.length >= ids.length * (seconds - 1), "fewer ticks than seconds");
verdict.none(
  "processes that did not end well",
  endings.flatMap(({ code, signal }) => (code === 0 ? [] : [`${code ?? signal}`])),
);
verdict.require(disabledAt - createdAt >= seconds * second, "the run was cut short");
for (const { process } of children) {
  verdict.figure(`handlers run by process ${process.pid}`, runs.filter(({ pid }) => pid === process.pid).length);
}
verdict.figure("late, from tick to handler", quantiles(runs));
verdict.figure("... the first tick, which runs cold code", quantiles(runs.filter(({ tick }) => tick === firstTick)));
verdict.figure("... the ticks after it", quantiles(runs.filter(({ tick }) => tick !== firstTick)));
const load = loadavg()[0] ?? 0;
verdict.figure("load of the machine over the last minute", `${load.toFixed(1)} on ${availableParallelism()} cores`);
verdict.figure(`goal p99 < ${latenessGoalMs} ms, after the first tick`, p99 < latenessGoalMs ? "met" : "not met");
verdict.require(!flags.assert || p99 < latenessGoalMs, `p99 is ${p99.toFixed(1)} ms`);
verdict.conclude("two-serves");
if (flags.keep) console.log(folder);
else rmSync(folder, { recursive: true, force: true });

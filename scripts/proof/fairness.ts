// Proof of J12: beside a tenant with 100,000 jobs that wait, 50 tenants that enqueue one job a second each start theirs
// less than twice as late (p99) as without it. One SQLite file at default settings; the worker is one process, whoever
// enqueues another, as in an application that keeps its web and its work apart.
// Usage: node --conditions=source scripts/proof/fairness.ts [--rounds 5] [--seconds 10] [--only "part of a name"]
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createScheduler } from "punctual";
import { sqlite } from "punctual/sqlite";
import { startScript } from "./child.ts";
import { type FairnessReport, smallTenants, visit } from "./fairness-process.ts";
import { percentile, Verdict } from "./verdict.ts";

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "10" },
    only: { type: "string", default: "" },
  },
});
const rounds = Number(flags.rounds);
const script = fileURLToPath(new URL("fairness-process.ts", import.meta.url));

interface Scenario {
  readonly name: string;
  /** A handler waits for so long, in ms, evenly spread, as one does that calls another service. */
  readonly handlerMs: readonly [least: number, most: number];
  readonly concurrency: number;
  /** Enough that it outlasts the measurement, and never fewer than 100,000. */
  readonly backlog: number;
  readonly judged: boolean;
}

// With 50 slots and 35 ms a small tenant's job never waits for another small one's: 50 a second keep two slots busy.
const scenarios: readonly Scenario[] = [
  { name: "waits 20-50 ms, 50 slots", handlerMs: [20, 50], concurrency: 50, backlog: 100_000, judged: true },
  { name: "waits 20-50 ms, 5 slots", handlerMs: [20, 50], concurrency: 5, backlog: 100_000, judged: false },
  { name: "waits 5-15 ms, 50 slots", handlerMs: [5, 15], concurrency: 50, backlog: 100_000, judged: false },
  { name: "waits 1-3 ms, 50 slots", handlerMs: [1, 3], concurrency: 50, backlog: 400_000, judged: false },
  { name: "does nothing, 5 slots", handlerMs: [0, 0], concurrency: 5, backlog: 1_200_000, judged: false },
];

async function fill(file: string, backlog: number): Promise<void> {
  const scheduler = createScheduler({ engine: sqlite(file) });
  for (let left = backlog; left > 0; left -= 1_000) {
    const jobs = Array.from({ length: Math.min(1_000, left) }, () => ({ task: visit, input: {} }));
    await scheduler.enqueueMany(jobs, { tenant: "big" });
  }
  await scheduler.stop();
}

async function measure({ concurrency, handlerMs }: Scenario, backlog: number): Promise<FairnessReport> {
  const folder = mkdtempSync(join(tmpdir(), "punctual-fairness-"));
  try {
    const file = join(folder, "store.db");
    await fill(file, backlog);
    const args = ["work", file, String(concurrency), ...handlerMs.map(String)];
    const worker = startScript(script, args, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    await new Promise((resolve) => worker.process.once("message", resolve));
    const { code } = await startScript(script, ["enqueue", file, flags.seconds]).ended;
    if (code !== 0) throw new Error(`whoever enqueues ended with ${code}`);
    // The last ones are given time to start; one that does not is missed by its count.
    await sleep(500);
    const told = new Promise<FairnessReport>((resolve) =>
      worker.process.once("message", (report) => resolve(report as FairnessReport)),
    );
    worker.process.send("report");
    const report = await told;
    await worker.ended;
    return report;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const sorted = (values: readonly number[]) => values.toSorted((a, b) => a - b);
const ms = (values: readonly number[], share: number) => percentile(sorted(values), share);
const show = (values: readonly number[]) =>
  `p50 ${ms(values, 0.5).toFixed(2)} ms, p99 ${ms(values, 0.99).toFixed(2)} ms, max ${Math.max(...values).toFixed(1)} ms`;

const verdict = new Verdict();
const expected = smallTenants * Number(flags.seconds);
for (const scenario of scenarios.filter(({ name }) => name.includes(flags.only))) {
  const { name, judged, backlog } = scenario;
  const alone: number[][] = [];
  const beside: number[][] = [];
  let bigStarted = 0;
  for (let round = 0; round < rounds; round++) {
    const without = await measure(scenario, 0);
    const within = await measure(scenario, backlog);
    alone.push([...without.latencies]);
    beside.push([...within.latencies]);
    bigStarted += within.started.big;
    for (const { latencies, errors } of [without, within]) {
      verdict.require(latencies.length === expected, `${name}: ${latencies.length} of ${expected} small jobs started`);
      verdict.require(errors.length === 0, `${name}: ${errors[0]}`);
    }
    verdict.require(within.started.big < backlog, `${name}: the big tenant ran out of jobs`);
  }
  const ratios = alone.map((without, round) => ms(beside[round] ?? [], 0.99) / ms(without, 0.99));
  const ratio = percentile(sorted(ratios), 0.5);
  console.log(`\nhandler ${name}:`);
  verdict.figure("small tenants alone", show(alone.flat()));
  verdict.figure("beside the big one", show(beside.flat()));
  verdict.figure(
    "the big one's jobs meanwhile, per second",
    Math.round(bigStarted / rounds / (Number(flags.seconds) + 3)),
  );
  verdict.figure("p99 beside / alone, each round", ratios.map((one) => one.toFixed(2)).join(" "));
  verdict.figure("median of these", `${ratio.toFixed(2)}${judged ? "" : " (not judged)"}`);
  if (judged) verdict.require(ratio < 2, `${name}: the small tenants' p99 is ${ratio.toFixed(2)} times that without`);
}
verdict.conclude("fairness");

// Proof of J1, J4 and S2: the example is killed with `kill -9` at random moments, again and again, on one file; then
// every accepted job has ended or is a timer not yet due, each tick made exactly one job, and nothing was stuck longer
// than the lease. Usage: node --conditions=source scripts/proof/kill-nine.ts [--times 20] [--lease 2s] [--keep]
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createScheduler, parseDuration } from "punctual";
import { sqlite } from "punctual/sqlite";
import type { Job } from "../../src/core/job.ts";
import { allPages } from "./all-pages.ts";
import { startScript } from "./child.ts";
import { type JournalLine, readJournal } from "./journal.ts";
import { doubled, missingTicks, nameOfTick, tickOfEvent } from "./tick-account.ts";
import { Verdict } from "./verdict.ts";

const { values: flags } = parseArgs({
  options: {
    times: { type: "string", default: "20" },
    lease: { type: "string", default: "2s" },
    /** Leaves the files behind, for a look at them. */
    keep: { type: "boolean", default: false },
  },
});
const times = Number(flags.times);
const leaseMs = parseDuration(flags.lease, "--lease");
const folder = mkdtempSync(join(tmpdir(), "punctual-kill-nine-"));
const file = join(folder, "store.db");
const journalPath = join(folder, "journal");
const script = fileURLToPath(new URL("reports-process.ts", import.meta.url));
const args = ["--file", file, "--journal", journalPath, "--lease", flags.lease];

/** A process's life, as its killer saw it. */
interface Life {
  readonly pid: number;
  readonly endedAt: number;
}

const lives: Life[] = [];
for (let kill = 1; kill <= times; kill++) {
  const child = startScript(script, args);
  const afterMs = Math.round(200 + Math.random() * 3_300);
  await sleep(afterMs);
  child.process.kill("SIGKILL");
  const { signal, code } = await child.ended;
  if (signal !== "SIGKILL") throw new Error(`the process ended by itself, with code ${code}: see ${journalPath}`);
  lives.push({ pid: child.process.pid ?? 0, endedAt: Date.now() });
  console.log(`kill ${kill} of ${times}: after ${afterMs} ms`);
}

console.log("restarting, then draining");
await runUntil([], async () => {
  const since = Date.now();
  await until(() => Date.now() - since > leaseMs + 3_000, 60_000, "the last run");
});
/** What is due later than this may wait: nobody was asked to run it. */
let drainedAt = 0;
const engine = sqlite(file);
const reader = createScheduler({ engine });
await runUntil(["--drain"], () => until(isDrained, 60_000, "the drain: a job is stuck"));

/** Starts the process once more, waits for something, and ends it the graceful way. */
async function runUntil(more: readonly string[], condition: () => Promise<void>): Promise<void> {
  const child = startScript(script, [...args, ...more]);
  const { pid } = child.process;
  await until(
    () => readJournal(journalPath).some((line) => line.kind === "ready" && line.pid === pid),
    20_000,
    "a start",
  );
  await condition();
  child.process.kill("SIGTERM");
  const { code, signal } = await child.ended;
  lives.push({ pid: pid ?? 0, endedAt: Date.now() });
  if (code !== 0) throw new Error(`SIGTERM did not end the process well: ${code ?? signal}`);
}

async function until(condition: () => boolean | Promise<boolean>, timeoutMs: number, what: string): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}; the files are in ${folder}`);
    await sleep(50);
  }
}

/** Nothing runs, nothing is due, nothing waits for a retry: what is left are timers. */
async function isDrained(): Promise<boolean> {
  drainedAt = Date.now();
  const unfinished = await reader.jobs.list({ state: ["waiting", "delayed", "active"], limit: 1_000 });
  return unfinished.items.every((job) => job.state === "delayed" && job.failures === 0);
}

// --- what the store and the journal say

const journal = readJournal(journalPath);
const jobs = new Map((await allPages((page) => engine.jobs.list({}, page))).map((job) => [job.id, job]));
const events = await allPages((page) => engine.events.list({}, page));
const schedules = await allPages((page) => reader.schedules.list(page));
const started = journal.filter((line) => line.kind === "started");
const done = journal.filter((line) => line.kind === "done");
const accepted = [
  ...new Set(journal.flatMap(({ kind, job }) => (kind === "accepted" && job !== undefined ? [job] : []))),
];
await reader.stop();

/** Why a job is not as it must be; undefined when it has ended or waits for its time. */
function shortcoming(id: string): string | undefined {
  const job = jobs.get(id);
  if (job === undefined) return `${id} is lost`;
  if (job.state === "active") return `${id} is active still`;
  return job.state === "pending" && job.dueAt <= drainedAt ? `${id} is due and waits` : undefined;
}

const fired = events.filter(({ type }) => type === "tick:fired");
const skippedRuns = events.filter(({ type }) => type === "tick:skipped");
const tickJobs = [...jobs.values()].filter((job): job is Job & { schedule: object } => job.schedule !== undefined);

/** How long, beyond the lease, living workers left each interrupted attempt lying. */
function waitsBeyondLease(): number[] {
  const endOf = new Map(lives.map(({ pid, endedAt }) => [pid, endedAt]));
  const windows = journal.flatMap(({ kind, at, pid }) =>
    kind === "ready" ? [{ from: at, to: endOf.get(pid) ?? drainedAt }] : [],
  );
  const doneAttempts = new Set(done.map(({ job, attempt }) => `${job} ${attempt}`));
  const next = new Map(started.map((line) => [`${line.job} ${line.attempt}`, line]));
  const interrupted = started.filter(({ job, attempt }) => !doneAttempts.has(`${job} ${attempt}`));
  return interrupted.flatMap((line: JournalLine) => {
    const again = next.get(`${line.job} ${(line.attempt ?? 0) + 1}`);
    if (again === undefined || again.pid === line.pid) return [];
    const freeAt = (endOf.get(line.pid) ?? 0) + leaseMs;
    return [
      windows.reduce((sum, { from, to }) => sum + Math.max(0, Math.min(to, again.at) - Math.max(from, freeAt)), 0),
    ];
  });
}

const effects = new Map<string, number>();
for (const { job = "" } of done) effects.set(job, (effects.get(job) ?? 0) + 1);
const completed = [...jobs.values()].filter((job) => job.state === "completed");
const crashed = [...jobs.values()].filter((job) => job.endCause === "crashes");
const waits = waitsBeyondLease();
const longestWaitMs = Math.max(0, ...waits);

const verdict = new Verdict();
console.log(`\n${times} kills, lease ${flags.lease}:`);
verdict.figure("jobs in the store", jobs.size);
verdict.figure("accepted by producers", accepted.length);
verdict.none(
  "accepted, and neither ended nor a timer to come",
  accepted.flatMap((id) => shortcoming(id) ?? []),
);
verdict.none(
  "of all jobs, neither ended nor a timer to come",
  [...jobs.keys()].flatMap((id) => shortcoming(id) ?? []),
);
verdict.figure("attempts begun", started.length);
verdict.none("attempts begun twice", doubled(started.map(({ job, attempt }) => `${job} attempt ${attempt}`)));
verdict.none(
  "completed without an effect in the journal",
  completed.flatMap(({ id }) => (effects.has(id) ? [] : [id])),
);
verdict.figure(
  "effects repeated because a kill came before the settle",
  [...effects.values()].filter((n) => n > 1).length,
);
verdict.figure("ended as they were killed too often (J4)", crashed.length);
verdict.figure("ticks fired", fired.length);
verdict.figure(
  "ticks skipped, with a reason",
  skippedRuns.reduce((sum, { data }) => sum + Number(data?.["count"]), 0),
);
verdict.none(
  "ticks fired twice",
  doubled(fired.map((event) => nameOfTick(event.tenant, event.schedule, tickOfEvent(event)))),
);
verdict.none(
  "ticks fired without a job",
  fired.flatMap(({ job = "" }) => (jobs.has(job) ? [] : [job])),
);
verdict.none(
  "ticks with two jobs",
  doubled(tickJobs.map(({ tenant, schedule }) => nameOfTick(tenant, schedule.id, schedule.tick))),
);
const firedJobs = new Set(fired.map(({ job }) => job));
verdict.none(
  "jobs of a tick that is not recorded as fired",
  tickJobs.flatMap(({ id }) => (firedJobs.has(id) ? [] : [id])),
);
const runs = new Set(
  started.flatMap(({ schedule, tick, job }) => (tick === undefined ? [] : [`${schedule} ${tick} ${job}`])),
);
verdict.none("ticks that ran as two jobs", doubled([...runs].map((run) => run.slice(0, run.lastIndexOf(" ")))));
verdict.none(
  "ticks missing",
  schedules.flatMap((schedule) => missingTicks(schedule, events)),
);
verdict.figure("attempts interrupted by a kill and taken up again", waits.length);
verdict.figure("longest wait beyond the lease with a worker alive", `${Math.round(longestWaitMs)} ms`);
verdict.require(longestWaitMs < 2_000, `a job lay for ${Math.round(longestWaitMs)} ms beyond its lease`);
verdict.none(
  "errors of workers",
  journal.flatMap(({ kind, text = "" }) => (kind === "error" ? [text] : [])),
);
verdict.conclude("kill-nine");
if (flags.keep) console.log(folder);
else rmSync(folder, { recursive: true, force: true });

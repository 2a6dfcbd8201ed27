// The benchmark runner: our engines and their peers, side by side. See docs/performance.md; `npm run bench -- --help`.
import { appendFileSync, writeFileSync } from "node:fs";
import { Command, InvalidArgumentError, Option } from "commander";
import type { Plant } from "./process/desk.ts";
import { Progress } from "./report/progress.ts";
import { renderTable } from "./report/table.ts";
import { verdictsOf } from "./report/verdicts.ts";
import { type Found, findSubjects, findWorkloads } from "./runner/discover.ts";
import { type Result, resultOf } from "./runner/result.ts";
import { closeServers, type NatsSync, type RedisFsync } from "./runner/server.ts";
import { playOnce } from "./runner/stage.ts";
import type { Config } from "./runner/subject.ts";
import { isAble, type Measure, type Workload } from "./runner/workload.ts";

interface Flags {
  readonly engines?: readonly string[];
  readonly peers?: readonly string[];
  readonly workloads?: readonly string[];
  readonly repeat: number;
  readonly json?: string;
  readonly check?: true;
  readonly all?: true;
  readonly quiet?: true;
  readonly profile?: string;
  readonly scale: number;
  readonly redisFsync: RedisFsync;
  readonly natsSync: NatsSync;
  readonly plant?: Plant;
}

function names(text: string): string[] {
  return text.split(",").filter((name) => name !== "" && name !== "none");
}

function positive(text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new InvalidArgumentError("a number above 0 is needed");
}

function whole(text: string): number {
  const value = positive(text);
  if (Number.isInteger(value)) return value;
  throw new InvalidArgumentError("a whole number is needed");
}

/** Wrong usage ends with this, whoever finds it. */
const misuse = 2;

const flags = new Command("bench")
  .description("Measures our engines and their peers in one run. Medians of the repeats; a JSON line for each result.")
  .option("--engines <names>", "ours, by comma; all by default, none with `none`", names)
  .option("--peers <names>", "peers, by comma; all that are installed by default, none with `none`", names)
  .option("--workloads <names>", "by comma; all but the long ones by default", names)
  .option("--repeat <count>", "runs of each, of which the medians are shown", whole, 3)
  .option("--json <file>", "writes the JSON lines there instead of to standard output")
  .option("--check", "exits 1 when an engine misses a floor")
  .option("--all", "the long workloads as well: a million jobs, a million schedules")
  .option("--quiet", "no progress line")
  .option("--profile <folder>", "writes a CPU profile of every process there")
  .option("--scale <factor>", "multiplies the numbers of jobs", positive, 1)
  .addOption(
    new Option("--redis-fsync <when>", "how often Redis writes its log through to the disk")
      .choices(["always", "everysec", "no"])
      .default("everysec"),
  )
  .addOption(
    new Option("--nats-sync <when>", "when NATS syncs its files: before each answer, or as it comes")
      .choices(["always", "default"])
      .default("default"),
  )
  .addOption(new Option("--plant <fault>", "a fault that the counts must find").choices(["lost", "doubled"]).hideHelp())
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : misuse))
  .parse()
  .opts<Flags>();

/** The chosen of the known, in the known order. */
function choose<Known>(
  what: string,
  known: readonly Known[],
  nameOf: (one: Known) => string,
  wanted: readonly string[],
): Known[] {
  const unknown = wanted.filter((name) => !known.some((one) => nameOf(one) === name));
  if (unknown.length > 0) {
    console.error(`no such ${what}: ${unknown.join(", ")}; there are ${known.map(nameOf).join(", ")}`);
    process.exit(misuse);
  }
  return known.filter((one) => wanted.includes(nameOf(one)));
}

const everything = await findSubjects();
const engines = everything.filter(({ kind }) => kind === "engine");
const peers = everything.filter(({ kind }) => kind === "peer");
const nameOf = ({ subject }: Found) => subject.name;
const chosen = [
  ...(flags.engines === undefined ? engines : choose("engine", engines, nameOf, flags.engines)),
  ...(flags.peers === undefined ? peers : choose("peer", peers, nameOf, flags.peers)),
];
const missing = chosen.filter(({ installed }) => !installed).map(nameOf);
if (missing.length > 0) console.error(`not installed: ${missing.join(", ")}; npm ci --prefix bench/peers`);
const subjects = chosen.filter(({ installed }) => installed);
const known = await findWorkloads();
const workloads =
  flags.workloads === undefined
    ? known.filter(({ long }) => flags.all === true || long !== true)
    : choose("workload", known, ({ name }) => name, flags.workloads);

// Ending it half-way still takes its folders away, and its children end with their channel.
process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));

const progress = new Progress(process.stderr, flags.quiet === true);
const results: Result[] = [];
if (flags.json !== undefined) writeFileSync(flags.json, "");

async function measure(workload: Workload, found: Found, config: Config): Promise<Result> {
  const measures: Measure[] = [];
  const failures: string[] = [];
  const name = config === "default" ? found.subject.name : `${found.subject.name} ${config}`;
  for (let repeat = 1; repeat <= flags.repeat; repeat++) {
    progress.begin(`${workload.name} ${name} ${repeat}/${flags.repeat}`);
    try {
      measures.push(
        await playOnce({
          found,
          config,
          workload,
          scale: flags.scale,
          plant: flags.plant,
          profile: flags.profile,
          servers: flags,
          progress: (doing, done, total) => progress.say(doing, done, total),
        }),
      );
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
  }
  const { unit } = workload;
  return resultOf(
    { workload: workload.name, subject: found.subject.name, config, unit, scale: flags.scale },
    measures,
    failures,
  );
}

for (const workload of workloads) {
  for (const found of subjects) {
    if (!isAble(found.subject, workload) || (found.kind === "peer" && workload.oursOnly === true)) continue;
    for (const config of found.subject.configs) {
      const result = await measure(workload, found, config);
      results.push(result);
      progress.clear();
      const line = JSON.stringify(result);
      if (flags.json === undefined) console.log(line);
      else appendFileSync(flags.json, `${line}\n`);
    }
  }
}
await closeServers();

const verdicts = results.flatMap((result) => {
  const found = subjects.find(({ subject }) => subject.name === result.subject);
  return found === undefined || found.kind === "peer" ? [] : verdictsOf(result, found, results);
});
console.log(`\n${renderTable(workloads, subjects, results, verdicts)}`);
if (subjects.some(({ subject }) => subject.server === "redis")) {
  console.log(`\nRedis kept an append-only file, appendfsync ${flags.redisFsync}.`);
}
if (subjects.some(({ subject }) => subject.server === "nats")) {
  const when = flags.natsSync === "always" ? "before each answer" : "every two minutes, as it comes";
  console.log(`\nNATS kept its streams on files, synced ${when}.`);
}
// A peer that loses a job is a finding; one of ours that does is a failure.
const failed = results.filter(({ ok, subject }) => !ok && engines.some((one) => nameOf(one) === subject));
const below = verdicts.filter(({ kind, reached }) => kind === "floor" && reached === false);
if (failed.length > 0) console.log(`\n${failed.length} results failed their counts`);
if (flags.check === true && below.length > 0) console.log(`\n${below.length} floors missed`);
process.exitCode = failed.length > 0 || (flags.check === true && below.length > 0) || results.length === 0 ? 1 : 0;

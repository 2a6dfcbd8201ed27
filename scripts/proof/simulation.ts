// Proof of J1-J4, J15, S2, T2 and T3: seeded worlds of real schedulers over one store, each with crashes, pauses, lost
// answers, clocks that are off and a store that goes back in time, checked after every step.
// Usage: node --conditions=source scripts/proof/simulation.ts --help
import { parseArgs } from "node:util";
import { troubles, troublesMissing } from "../../test/simulation/coverage.ts";
import { describeFailure, simulate } from "../../test/simulation/simulate.ts";
import { sqliteStore } from "../../test/simulation/sqlite-store.ts";
import { memoryStore } from "../../test/simulation/store.ts";
import { Verdict } from "./verdict.ts";

const usage = `Usage: node --conditions=source scripts/proof/simulation.ts
  --seeds 1-1000            the worlds to play, each made from its seed
  --seed 42                 one world, with the trace of all that happened in it
  --engine memory|sqlite    the store; memory by default
  --until-broken            stop at the first broken promise`;

/** Ends with 2, as every wrong usage of a script does. */
function misused(why: string): never {
  console.error(`${why}\n${usage}`);
  process.exit(2);
}

function readFlags() {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    return misused(error instanceof Error ? error.message : String(error));
  }
}

/** A range of seeds, or one. */
function range(text: string, option: string): readonly [from: number, to: number] {
  const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? [];
  const [from, to] = [Number(first), Number(last)];
  const isOne = option === "--seed";
  if (from >= 1 && to >= from && !(isOne && text.includes("-"))) return [from, to];
  return misused(`${option} must be ${isOne ? "a whole number above 0" : "like 1-1000"}, got ${JSON.stringify(text)}`);
}

const options = {
  help: { type: "boolean", short: "h" },
  seeds: { type: "string", default: "1-1000" },
  /** One seed, with all that it did. */
  seed: { type: "string" },
  engine: { type: "string", default: "memory" },
  /** Stops at the first broken promise, and asks nothing of the coverage. */
  "until-broken": { type: "boolean", default: false },
} as const;
const flags = readFlags();
if (flags.help === true) {
  console.log(usage);
  process.exit(0);
}
if (flags.engine !== "memory" && flags.engine !== "sqlite") misused("--engine must be memory or sqlite");
const engine = flags.engine;
const makeStore = engine === "sqlite" ? sqliteStore : memoryStore;
const [from, to] = flags.seed === undefined ? range(flags.seeds, "--seeds") : range(flags.seed, "--seed");

const counts = new Map<string, number>();
const failed: string[] = [];
const verdict = new Verdict();
const startedAt = performance.now();
for (let seed = from; seed <= to; seed++) {
  const { failure, counts: counted, trace } = await simulate(seed, makeStore);
  for (const [what, times] of counted) counts.set(what, (counts.get(what) ?? 0) + times);
  if (flags.seed !== undefined) console.log(trace.join("\n"));
  if (failure !== undefined) {
    failed.push(`seed ${seed} breaks ${failure.promise}: ${failure.how}`);
    if (failed.length === 1 && flags.seed === undefined) console.log(describeFailure(failure, engine));
    if (flags["until-broken"]) break;
  }
  if ((seed - from + 1) % 100 === 0) {
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
    console.log(`  ${seed - from + 1} seeds in ${seconds} s, ${failed.length} broke a promise`);
  }
}

verdict.figure("seeds", to - from + 1);
for (const trouble of troubles) verdict.figure(trouble, counts.get(trouble) ?? 0);
verdict.figure("steps", counts.get("steps") ?? 0);
verdict.none("seeds that broke a promise", failed);
if (to - from >= 99 && !flags["until-broken"]) {
  verdict.none("troubles that never came about", troublesMissing(counts));
}
verdict.conclude("simulation");

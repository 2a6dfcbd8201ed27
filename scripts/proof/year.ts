// Proof of S1-S5, S9 over a year of virtual time: 2,000 schedules of 40 zones and all policies; every tick fired or
// skipped with a reason, equal to what preview said in advance; in under a minute.
// Usage: node --conditions=source scripts/proof/year.ts [--seed 1] [--schedules 2000]
import { parseArgs } from "node:util";
import { Verdict } from "./verdict.ts";
import { playYear } from "./year-play.ts";

const { values: flags } = parseArgs({
  options: { seed: { type: "string", default: "1" }, schedules: { type: "string", default: "2000" } },
});
const seed = Number(flags.seed);
const schedules = Number(flags.schedules);
if (!(Number.isInteger(seed) && Number.isInteger(schedules) && schedules > 0)) {
  console.error("--seed and --schedules must be whole numbers");
  process.exit(2);
}

/** What must have come about in a year of the whole set. */
const kinds = [
  ...["fired", "fired with jitter", "fired late, or held", "skipped as late", "skipped as overlap"],
  ...["skipped as disabled", "skipped as limit", "jobs completed", "jobs failed", "jobs cancelled"],
  ...["paused after failures", "disabled by an operator", "changed by an operator", "downtimes"],
];

/** The most real time that a year may take, in seconds, with the machine to itself. */
const secondsMax = 60;

const startedAt = performance.now();
const [from, until] = [new Date("2026-01-01T00:00:00Z"), new Date("2027-01-01T00:00:00Z")];
const { counts, ticks, shortcomings, comparedWhole } = await playYear({ seed, schedules, from, until });
const seconds = (performance.now() - startedAt) / 1_000;
const { user, system } = process.cpuUsage();
const busySeconds = (user + system) / 1e6;

const verdict = new Verdict();
verdict.figure("seed", seed);
verdict.figure("schedules", schedules);
verdict.figure("ticks", ticks);
for (const kind of kinds) verdict.figure(kind, counts.get(kind) ?? 0);
verdict.figure("schedules equal to the preview of the whole year", comparedWhole);
verdict.figure("real time, s", seconds.toFixed(1));
verdict.figure("processor time, s", busySeconds.toFixed(1));
verdict.figure("ticks per second of processor time", Math.round(ticks / busySeconds));
verdict.none("shortcomings", shortcomings);
if (schedules >= 1_000) {
  verdict.none(
    "what never came about",
    kinds.filter((kind) => !counts.has(kind)),
  );
  verdict.require(seconds < secondsMax, `it took ${seconds.toFixed(1)} s, more than ${secondsMax}`);
}
verdict.conclude("year");

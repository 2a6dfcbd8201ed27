/**
 * How fast is a step, how large a rule, how slow the worst expression? Ours beside croner 11 in the same run.
 * Exits 1 when short of CRON.md: 50 times croner on a common rule, 3 times on a rare one, 4 KiB a rule, 1 ms for a
 * hostile text.
 */

import { Cron } from "croner";
import { parseCron } from "../src/core/cron/grammar.ts";
import { nextCron, smallestGapMs } from "../src/core/cron/next.ts";
import { getZone } from "../src/core/cron/zone.ts";

const START = Date.UTC(2026, 0, 1);
let failed = false;

function check(label: string, value: number, unit: string, passes: boolean, target: string): void {
  if (!passes) failed = true;
  console.log(
    `${passes ? "ok  " : "FAIL"} ${label.padEnd(58)} ${value.toFixed(value < 10 ? 3 : 0).padStart(8)} ${unit} (target ${target})`,
  );
}

/** The best of five rounds, in ns a step; each round walks `steps` ticks from the same start. */
function nsPerStep(steps: number, next: (after: number) => number): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 5; round++) {
    let tick = START;
    const begin = performance.now();
    for (let step = 0; step < steps; step++) tick = next(tick);
    best = Math.min(best, ((performance.now() - begin) * 1e6) / steps);
  }
  return best;
}

const RULES: readonly [expression: string, zone: string, ratioMin: number][] = [
  ["*/5 * * * *", "America/New_York", 50],
  ["0 0 29 2 *", "America/New_York", 3],
  ["30 2 * * *", "America/New_York", 0],
  ["0 9 * * 1-5", "Europe/London", 0],
  ["*/10 * * * * *", "UTC", 0],
  ["0 0 L * *", "Asia/Tokyo", 0],
  ["0 12 * * 5#3", "Australia/Lord_Howe", 0],
];

for (const [expression, zoneId, ratioMin] of RULES) {
  const fields = parseCron(expression);
  const zone = getZone(zoneId);
  const rare = expression === "0 0 29 2 *";
  const ours = nsPerStep(rare ? 40 : 20_000, (after) => nextCron(fields, zone, after) ?? START);
  const cron = new Cron(expression, { timezone: zoneId, fixedTimeRule: "no-wildcard", mode: "5-or-6-parts" });
  const theirs = nsPerStep(rare ? 40 : 500, (after) => cron.nextRun(new Date(after))?.getTime() ?? START);
  const label = `${expression} ${zoneId}: ${ours.toFixed(0)} ns, croner ${theirs.toFixed(0)} ns, ratio`;
  check(label, theirs / ours, "x ", theirs / ours >= ratioMin, ratioMin === 0 ? "none" : `>= ${ratioMin}`);
}

const collect = (globalThis as { gc?: () => void }).gc;
if (collect === undefined) {
  console.log("bytes a rule: not measured (run node with --expose-gc)");
  failed = true;
} else {
  const count = 20_000;
  const heap = (): number => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  const before = heap();
  const kept = Array.from({ length: count }, (_, i) =>
    parseCron(`${i % 60} ${i % 24} * * ${i % 2 === 0 ? "1-5" : "5#3"}`),
  );
  const bytes = (heap() - before) / kept.length;
  check("bytes a parsed rule, kept", bytes, "B ", bytes <= 4096, "<= 4096");
}

const HOSTILE: readonly [label: string, expression: string][] = [
  ["1,000 commas", ",".repeat(1000)],
  ["500 stars", `${"*,".repeat(495)}* * * * *`],
  ["a list of 495 minutes", `${"5,".repeat(495)}5 * * * *`],
  ["200 full ranges of seconds", `${"0-59,".repeat(196)}1 * * * * *`],
  ["248 stars with a step", `${"*/2,".repeat(247)}1 * * * *`],
  ["a number of 990 digits", `${"9".repeat(990)} * * * *`],
  ["980 dashes", `${"-".repeat(980)} * * * *`],
  ["990 spaces", `*${" ".repeat(990)}* * * *`],
  ["spaces at the end", `* * * * x${" ".repeat(990)}`],
  ["spaces around nothing", " ".repeat(1000)],
  ["500 fields", "* ".repeat(500)],
  ["990 opening brackets", `H${"(".repeat(990)} * * * *`],
  ["190 hashed terms", `${"H(0-59),".repeat(120)}H * * * *`],
  ["a date that never comes, after a long list", `0 0 ${"30,31,".repeat(160)}30 2 *`],
  ["a weekday that never meets its date", "0 0 */31 2 */7#5"],
  ["a workday on a Sunday, never", `0 0 ${"15W,".repeat(240)}15W * */7`],
  ["990 letters", `${"a".repeat(990)} * * * *`],
  ["990 zero-width characters", `${"\u200b".repeat(990)} * * * *`],
  ["2,000 characters", "*".repeat(2000)],
  ["a million characters", "* ".repeat(500_000)],
];

let worst = { label: "", ms: 0, verdict: "" };
for (const [label, expression] of HOSTILE) {
  let verdict = "parsed";
  const times: number[] = [];
  for (let round = 0; round < 40; round++) {
    const begin = performance.now();
    try {
      parseCron(expression, "s-1");
    } catch {
      verdict = "refused";
    }
    times.push(performance.now() - begin);
  }
  const ms = times.sort((a, b) => a - b)[20] ?? 0;
  if (ms > worst.ms) worst = { label, ms, verdict };
}
check(
  `the worst of ${HOSTILE.length} hostile texts: ${worst.label} (${worst.verdict}), median`,
  worst.ms,
  "ms",
  worst.ms < 1,
  "< 1",
);

for (const expression of ["0,1 0 * * *", "0 0 29 2 *", "0 0 29 2 1", "*/5 * * * *", "0 0 * * 1,3,5"]) {
  const fields = parseCron(expression);
  const begin = performance.now();
  const gap = smallestGapMs(fields);
  const ms = performance.now() - begin;
  check(`smallestGapMs of ${expression} (${gap / 1000} s)`, ms, "ms", ms < 5, "< 5");
}

if (failed) process.exitCode = 1;

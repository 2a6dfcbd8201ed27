// Proof of C11 and S11: schedules of one second in a real process on a SQLite file; every tick runs once, on its instant, and
// is no later at the end than at the beginning.
// Usage: node --conditions=source scripts/proof/drift.ts [--seconds 600] [--drift-ms 5]
import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createScheduler, cron, every, handle, task } from "punctual";
import { sqlite } from "punctual/sqlite";
import { percentile, Verdict } from "./verdict.ts";

const { values: flags } = parseArgs({
  options: {
    seconds: { type: "string", default: "600" },
    /** By how much the last ticks may be later than the first, by their medians, in ms. */
    "drift-ms": { type: "string", default: "5" },
  },
});
const seconds = Number(flags.seconds);
const driftMsMax = Number(flags["drift-ms"]);
if (!(seconds >= 20 && driftMsMax > 0)) {
  console.error("--seconds must be 20 or more, --drift-ms more than 0");
  process.exit(2);
}

interface Run {
  readonly tick: number;
  readonly latenessMs: number;
}

const folder = mkdtempSync(join(tmpdir(), "punctual-drift-"));
const runs = new Map<string, Run[]>([
  ["cron", []],
  ["interval", []],
]);
const second = handle(task("second"), async (_, { schedule, tick }) => {
  const at = performance.timeOrigin + performance.now();
  const nominal = tick?.at.getTime() ?? 0;
  runs.get(schedule?.id ?? "")?.push({ tick: nominal, latenessMs: at - nominal });
  // Work that takes its time does not move the ticks that follow.
  await sleep(Math.random() * 300);
});
const scheduler = createScheduler({ engine: sqlite(join(folder, "store.db")), handlers: [second] });
const errors: string[] = [];
const skipped: string[] = [];
scheduler.on("worker:error", ({ where, error }) => errors.push(`${where}: ${error}`));
scheduler.on("tick:skipped", ({ id, count, reason, from }) =>
  skipped.push(`${id}: ${count} from ${from.toISOString()} (${reason})`),
);
await scheduler.start();
await scheduler.schedules.create("cron", { task: "second", overlap: "allow", when: cron("* * * * * *") });
await scheduler.schedules.create("interval", { task: "second", overlap: "allow", when: every("1s") });
await sleep(seconds * 1_000 + 500);
await scheduler.stop();
rmSync(folder, { recursive: true, force: true });

const verdict = new Verdict();
verdict.figure("seconds", seconds);
verdict.figure("load of the machine", (loadavg()[0] ?? 0).toFixed(1));
verdict.none("errors", errors);
verdict.none("ticks skipped", skipped);
for (const [id, unsorted] of runs) {
  const sorted = unsorted.toSorted((a, b) => a.tick - b.tick);
  const gaps = sorted.slice(1).flatMap(({ tick }, index) => {
    const gapMs = tick - (sorted[index]?.tick ?? 0);
    return gapMs === 1_000 ? [] : [`${gapMs} ms before ${new Date(tick).toISOString()}`];
  });
  const lateness = sorted.map(({ latenessMs }) => latenessMs);
  verdict.figure(`${id}: ticks run`, sorted.length);
  verdict.require(sorted.length >= seconds, `${id}: ${sorted.length} ticks ran in ${seconds} s`);
  verdict.none(`${id}: gaps other than one second`, gaps);
  verdict.none(
    `${id}: runs before their tick`,
    lateness.filter((ms) => ms < -1).map((ms) => `${ms.toFixed(1)} ms`),
  );
  const ordered = lateness.toSorted((a, b) => a - b);
  const told = [0.5, 0.99, 1].map((share) => percentile(ordered, share).toFixed(1));
  verdict.figure(`${id}: late p50 / p99 / most, ms`, told.join(" / "));
  // Ten at least: the machine has other work, too.
  const part = Math.max(10, Math.ceil(sorted.length / 10));
  const medianOf = (some: readonly number[]) =>
    percentile(
      some.toSorted((a, b) => a - b),
      0.5,
    );
  const driftMs = medianOf(lateness.slice(-part)) - medianOf(lateness.slice(0, part));
  verdict.figure(`${id}: drift, median of the last tenth to that of the first, ms`, driftMs.toFixed(2));
  verdict.require(driftMs <= driftMsMax, `${id}: it drifted by ${driftMs.toFixed(2)} ms`);
}
verdict.conclude("drift");

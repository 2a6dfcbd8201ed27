// Jobs with due times on an idle worker: how long after its due time each handler began. W7a, W7b and W7c.
import { dueOf } from "../process/desk.ts";
import { problemsOf } from "../process/ledger.ts";
import { wallOfStamp } from "../process/stamp.ts";
import { bulkSize, stalls, tallyProblems } from "./drain.ts";
import { percentile } from "./figures.ts";
import type { Measure, Stage } from "./workload.ts";

const dayMs = 86_400_000;

/** Due times: all at one instant when `spreadMs` is 0. `behind` jobs that are due a day later are enqueued before, and stay. */
export async function playLateness(stage: Stage, jobs: number, spreadMs: number, behind = 0): Promise<Measure> {
  const worker = await stage.worker();
  const producer = await stage.producer();
  await worker.call("work", jobs, { stamps: true });
  if (behind > 0) await producer.call("enqueueBulk", jobs, behind, bulkSize, { at: Date.now() + dayMs });
  // Long enough to have enqueued everything before the first due time.
  const leadMs = stage.scaled(4_000, 2_000);
  const due = { at: Date.now() + leadMs, spreadMs };
  const span = await producer.call("enqueueBulk", 0, jobs, bulkSize, due);
  const enqueuedAt = span.to + wallOfStamp();
  stage.watch("waiting for due times", () => worker.handled, jobs);
  const drained = await worker.call("drained", jobs, behind);
  const dueAt = (sequence: number) => Math.round(dueOf(due, sequence, jobs));
  const lateness = latenessOf(await worker.call("startedAt"), wallOfStamp(), dueAt);
  const p99 = percentile(lateness, 0.99);
  return {
    value: p99,
    p50: percentile(lateness, 0.5),
    p99,
    cpuUsPerJob: drained.cpuUs / jobs,
    count: drained.handled,
    problems: [
      ...stalls([drained]),
      ...problemsOf([drained.seen], jobs),
      ...tallyProblems(drained.tally, jobs, behind),
      ...earlyProblems(lateness, jobs),
      ...(enqueuedAt > due.at ? ["not everything was enqueued before the first due time: lateness is overstated"] : []),
    ],
    figures: lateness.length === 0 ? {} : { maxMs: percentile(lateness, 1) },
  };
}

/** How late each began that did begin, in ms; by stamps, with their place on the wall's clock. */
export function latenessOf(
  startedAt: Float64Array,
  offset: number,
  dueAt: (sequence: number) => number,
): readonly number[] {
  return Array.from(startedAt, (at, sequence) => (at > 0 ? [at + offset - dueAt(sequence)] : [])).flat();
}

export function earlyProblems(lateness: readonly number[], jobs: number): string[] {
  const early = lateness.filter((ms) => ms < -1).length;
  return early > 0 ? [`${early} of ${jobs} jobs began before they were due`] : [];
}

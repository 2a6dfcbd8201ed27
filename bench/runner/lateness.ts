// Jobs with due times on an idle worker: how long after its due time each handler began. W7a and W7b.
import { dueOf } from "../process/desk.ts";
import { problemsOf } from "../process/ledger.ts";
import { wallOfStamp } from "../process/stamp.ts";
import { bulkSize, stalls, tallyProblems } from "./drain.ts";
import { percentile } from "./figures.ts";
import type { Measure, Stage } from "./workload.ts";

/** Due times: all at one instant when `spreadMs` is 0. */
export async function playLateness(stage: Stage, jobs: number, spreadMs: number): Promise<Measure> {
  const worker = await stage.worker();
  const producer = await stage.producer();
  await worker.call("work", jobs, { stamps: true });
  // Long enough to have enqueued everything before the first due time.
  const leadMs = stage.scaled(4_000, 2_000);
  const due = { at: Date.now() + leadMs, spreadMs };
  const span = await producer.call("enqueueBulk", 0, jobs, bulkSize, due);
  const enqueuedAt = span.to + wallOfStamp();
  stage.watch("waiting for due times", () => worker.handled, jobs);
  const drained = await worker.call("drained", jobs);
  const startedAt = await worker.call("startedAt");
  const offset = wallOfStamp();
  const lateness = startedAt.map((at, sequence) => at + offset - Math.round(dueOf(due, sequence, jobs)));
  const p99 = percentile(lateness, 0.99);
  const early = lateness.filter((ms) => ms < -1).length;
  return {
    value: p99,
    p50: percentile(lateness, 0.5),
    p99,
    cpuUsPerJob: drained.cpuUs / jobs,
    count: drained.handled,
    problems: [
      ...stalls([drained]),
      ...problemsOf([drained.seen], jobs),
      ...tallyProblems(drained.tally, jobs, 0),
      ...(early > 0 ? [`${early} of ${jobs} jobs began before they were due`] : []),
      ...(enqueuedAt > due.at ? ["not everything was enqueued before the first due time: lateness is overstated"] : []),
    ],
    figures: { maxMs: percentile(lateness, 1) },
  };
}

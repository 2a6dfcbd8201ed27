// From the call of enqueue to the first line of the handler, on an idle worker, at random moments: W5.

import { problemsOf } from "../process/ledger.ts";
import { tallyProblems } from "./drain.ts";
import { percentile } from "./figures.ts";
import type { Measure, Stage } from "./workload.ts";

/** Milliseconds between two jobs: longer than any of them takes. */
const gapMs = [20, 60] as const;

/** Plays it with the producer in the worker's process or in one of its own. */
export async function playStarts(stage: Stage, apart: boolean): Promise<Measure> {
  const jobs = stage.scaled(100);
  const worker = await stage.worker();
  const producer = apart ? await stage.producer() : worker;
  await worker.call("work", jobs, { stamps: true });
  stage.watch("enqueueing", () => worker.handled, jobs);
  const calledAt = await producer.call("enqueueNowAndThen", jobs, stage.pace.gapMs ?? gapMs);
  const drained = await worker.call("drained", jobs);
  const startedAt = await worker.call("startedAt");
  const latencies = calledAt.map((at, sequence) => (startedAt[sequence] ?? Number.NaN) - at);
  const p50 = percentile(latencies, 0.5);
  return {
    value: p50,
    p50,
    p99: percentile(latencies, 0.99),
    cpuUsPerJob: drained.cpuUs / jobs,
    count: drained.handled,
    problems: [...problemsOf([drained.seen], jobs), ...tallyProblems(drained.tally, jobs, 0)],
  };
}

// Enqueue, measured in a warm producer, and the count the store then shows: W1, W2, W3.
import type { Actor } from "../process/actor.ts";
import type { Span } from "../process/desk.ts";
import { storeCpu } from "./costs.ts";
import { tallyProblems } from "./drain.ts";
import { perSecond } from "./figures.ts";
import type { Measure, Stage } from "./workload.ts";

/** `enqueue(producer, first, count)` is played twice: a tenth untimed to warm the code, then the whole. */
export async function playEnqueue(
  stage: Stage,
  jobs: number,
  enqueue: (producer: Actor, first: number, count: number) => Promise<Span>,
): Promise<Measure> {
  const producer = await stage.producer();
  const warm = Math.ceil(jobs / 10);
  stage.progress("warming", 0, jobs);
  await enqueue(producer, 0, warm);
  stage.progress("enqueueing", 0, jobs);
  const before = await stage.readStore();
  const span = await enqueue(producer, warm, jobs);
  const after = await stage.readStore();
  stage.progress("enqueueing", jobs, jobs);
  const tally = await producer.call("tally");
  return {
    value: perSecond(jobs, span),
    cpuUsPerJob: span.cpuUs / jobs,
    ...storeCpu(jobs, before, after),
    count: tally.unfinished,
    problems: tallyProblems(tally, 0, warm + jobs),
  };
}

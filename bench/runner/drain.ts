// Fill a store, drain it with one worker process, prove the counts: W4 and its larger kin.
import { problemsOf } from "../process/ledger.ts";
import { drainCosts } from "./costs.ts";
import { perSecond } from "./figures.ts";
import type { Tally } from "./subject.ts";
import type { Measure, Stage } from "./workload.ts";

/** Jobs in one bulk call. */
export const bulkSize = 1_000;

/** Jobs that a worker process has drained before a drain is timed. */
export const warmJobs = 30_000;

export interface Backlog {
  /** Jobs to drain. */
  readonly jobs: number;
  /** Jobs beside them that are due a day later, and stay. */
  readonly deferred?: number;
  /** A reader holds a snapshot from before the drain to its end. */
  readonly snapshot?: boolean;
}

/** From the call that starts the worker, in a process that has opened the store, until it shows every job completed. */
export async function playDrain(stage: Stage, { jobs, deferred = 0, snapshot = false }: Backlog): Promise<Measure> {
  const empty = await stage.readStore();
  const producer = await stage.producer();
  stage.progress("filling", 0, jobs + deferred);
  if (deferred > 0) await producer.call("enqueueBulk", jobs, deferred, bulkSize, { at: Date.now() + 86_400_000 });
  stage.progress("filling", deferred, jobs + deferred);
  await producer.call("enqueueBulk", 0, jobs, bulkSize);
  // What the filling did to the server's tables is told when its sessions end.
  const filled = await stage.readStoreAtRest();
  const worker = await stage.worker();
  if (snapshot) await (await stage.bystander()).call("holdSnapshot");
  const before = await stage.readStore();
  await worker.call("work", jobs);
  stage.watch("draining", () => worker.handled, jobs);
  const drained = await worker.call("drained", jobs, deferred);
  const after = await stage.readStore();
  const atLast = await stage.readStoreAtRest();
  return {
    value: perSecond(jobs, drained),
    cpuUsPerJob: drained.cpuUs / jobs,
    ...drainCosts(jobs, jobs + deferred, [empty, filled, before, after, atLast]),
    count: drained.handled,
    problems: [
      ...stalls([drained]),
      ...problemsOf([drained.seen], jobs),
      ...tallyProblems(drained.tally, jobs, deferred),
    ],
  };
}

export function stalls(drains: readonly { readonly stalled: boolean; readonly tally: Tally }[]): string[] {
  return drains
    .filter(({ stalled }) => stalled)
    .map(({ tally }) => `the drain stalled with ${tally.unfinished} jobs unfinished`);
}

/** What the store says against what was done. */
export function tallyProblems(tally: Tally, completed: number, unfinished: number): string[] {
  return [
    ...(tally.unfinished === unfinished
      ? []
      : [`the store shows ${tally.unfinished} jobs unfinished instead of ${unfinished}`]),
    ...(tally.completed === undefined || tally.completed === completed
      ? []
      : [`the store shows ${tally.completed} jobs completed instead of ${completed}`]),
  ];
}

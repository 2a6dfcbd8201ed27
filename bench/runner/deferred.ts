// Jobs that are all enqueued long before they are due: what they cost the server and a process while they wait, and how late each
// begins when its time comes.
import { type Due, dueOf } from "../process/desk.ts";
import { problemsOf } from "../process/ledger.ts";
import { wallOfStamp } from "../process/stamp.ts";
import { storeCpu, toldOf } from "./costs.ts";
import { bulkSize, stalls, tallyProblems } from "./drain.ts";
import { percentile, perSecond } from "./figures.ts";
import { earlyProblems, latenessOf } from "./lateness.ts";
import type { StoreReading } from "./server.ts";
import type { Measure, Stage } from "./workload.ts";

/** From the first enqueue to the first due time, in ms for each job: the filling, and a process that opens the store, take less. */
const leadMsPerJob = 0.2;

/** The same for the start of the processes, whatever the number of jobs. */
const leastLeadMs = 8_000;

/** How many become due in a millisecond. */
const duePerMs = 4;

/** Watched for so long while it does nothing, in ms. */
const idleMs = 500;

/** How long after the first due time the first handler may begin, in ms. */
const patienceMs = 30_000;

const megabyte = 2 ** 20;

export async function playDeferred(stage: Stage, jobs: number): Promise<Measure> {
  const empty = await stage.readStore();
  const producer = await stage.producer();
  const at = Date.now() + Math.max(leastLeadMs, jobs * leadMsPerJob);
  const due: Due = { at, spreadMs: Math.max(1_000, jobs / duePerMs) };
  stage.progress("filling", 0, jobs);
  const span = await producer.call("enqueueBulk", 0, jobs, bulkSize, due);
  const filled = await stage.readStoreAtRest();
  const opened = await openBeside(stage, jobs);
  const worker = await stage.worker();
  const before = await stage.readStore();
  await worker.call("work", jobs, { stamps: true });
  const startedLateMs = Date.now() - at;
  stage.watch("waiting for due times", () => worker.handled, jobs);
  // Until then no handler runs: that is no stall.
  await worker.call("handledBy", 1, Math.max(0, at - Date.now()) + patienceMs);
  const drained = await worker.call("drained", jobs);
  const after = await stage.readStore();
  const offset = wallOfStamp();
  const dueAt = (sequence: number) => Math.round(dueOf(due, sequence, jobs));
  const lateness = latenessOf(await worker.call("startedAt"), offset, dueAt);
  const p99 = percentile(lateness, 0.99);
  return {
    value: p99,
    p50: percentile(lateness, 0.5),
    p99,
    cpuUsPerJob: drained.cpuUs / jobs,
    ...storeCpu(jobs, before, after),
    count: drained.handled,
    problems: [
      ...stalls([drained]),
      ...problemsOf([drained.seen], jobs),
      ...tallyProblems(drained.tally, jobs, 0),
      ...tallyProblems({ unfinished: opened.unfinished }, 0, jobs),
      ...earlyProblems(lateness, jobs),
    ],
    figures: {
      enqueuedPerSecond: perSecond(jobs, span),
      openMs: opened.ms,
      processRssMb: opened.rssMb,
      ...heldByServer(jobs, empty, filled),
      maxMs: percentile(lateness, 1),
      // The lateness is then overstated; the counts hold.
      ...(startedLateMs > 0 ? { startedLateMs } : {}),
    },
  };
}

/** What a process costs that opens the store now: how long it takes from the start of the process, and its memory. */
async function openBeside(stage: Stage, jobs: number) {
  stage.progress("opening", jobs, jobs);
  const from = performance.now();
  const bystander = await stage.bystander();
  const { unfinished } = await bystander.call("tally");
  const ms = performance.now() - from;
  const { rssMb } = await bystander.call("idle", idleMs);
  await bystander.end();
  return { ms, rssMb, unfinished };
}

/** What a server of its own holds for them. */
function heldByServer(
  jobs: number,
  empty: StoreReading | undefined,
  filled: StoreReading | undefined,
): Readonly<Record<string, number>> {
  const each = (from: number | undefined, to: number | undefined) =>
    from === undefined || to === undefined ? undefined : (to - from) / jobs;
  const { memoryBytes, storedBytes, residentBytes } = filled ?? {};
  const figures = {
    serverRssMb: residentBytes === undefined ? undefined : residentBytes / megabyte,
    storedBytesPerJob: each(empty?.storedBytes, storedBytes),
    memoryBytesPerJob: each(empty?.memoryBytes, memoryBytes),
  };
  return toldOf(figures);
}

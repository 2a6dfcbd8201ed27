// W10: 50 producers and a worker at once for 10 s: jobs completed meanwhile; what is left is drained and counted.
import { problemsOf } from "../process/ledger.ts";
import { storeCpu } from "../runner/costs.ts";
import { stalls, tallyProblems, warmJobs } from "../runner/drain.ts";
import type { Workload } from "../runner/workload.ts";

/** More than any subject enqueues in the time. */
const jobsMax = 50_000_000;

/** What is left must be drained within this, in ms: a worker that hardly keeps up is not waited for all day. */
const drainMs = 60_000;

export const workload: Workload = {
  name: "W10",
  title: "50 producers and a worker for 10 s, completed",
  unit: "jobs/s",
  better: "more",
  needs: ["enqueue", "work"],
  warmJobs,
  play: async (stage) => {
    const ms = stage.scaled(10_000, 200);
    const worker = await stage.worker();
    const producer = await stage.producer();
    const before = await stage.readStore();
    await worker.call("work", jobsMax);
    const beganAt = performance.now();
    const seconds = () => Math.floor(Math.min(ms, performance.now() - beganAt) / 1_000);
    stage.watch("producing and working, seconds", seconds, Math.round(ms / 1_000));
    const produced = await producer.call("enqueueFor", ms, 50);
    const handled = await worker.call("handledNow");
    const drained = await worker.call("drained", produced.count, 0, drainMs);
    const after = await stage.readStore();
    const jobs = produced.count;
    const cpuUs = producer === worker ? drained.cpuUs : drained.cpuUs + produced.cpuUs;
    return {
      value: (handled / (produced.to - produced.from)) * 1_000,
      cpuUsPerJob: cpuUs / jobs,
      ...storeCpu(jobs, before, after),
      count: drained.handled,
      problems: [
        ...stalls([drained]),
        ...problemsOf([drained.seen], jobs),
        ...(drained.handled > jobs ? [`${drained.handled} handlers ran for ${jobs} jobs`] : []),
        ...tallyProblems(drained.tally, jobs, 0),
      ],
      figures: { enqueuedPerSecond: (jobs / (produced.to - produced.from)) * 1_000 },
    };
  },
};

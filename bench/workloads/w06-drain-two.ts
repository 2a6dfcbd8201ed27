// W6: 20,000 jobs drained by two worker processes on one store.
import { setTimeout as sleep } from "node:timers/promises";
import { problemsOf } from "../process/ledger.ts";
import { storeCpu } from "../runner/costs.ts";
import { bulkSize, stalls, tallyProblems, warmJobs } from "../runner/drain.ts";
import { perSecond } from "../runner/figures.ts";
import type { Workload } from "../runner/workload.ts";

export const workload: Workload = {
  name: "W6",
  title: "drain 20,000, two processes",
  unit: "jobs/s",
  better: "more",
  needs: ["enqueue", "work", "processes"],
  warmJobs,
  play: async (stage) => {
    const jobs = stage.scaled(20_000);
    await (await stage.producer()).call("enqueueBulk", 0, jobs, bulkSize);
    const workers = [await stage.worker(), await stage.worker("another")];
    const before = await stage.readStore();
    await Promise.all(workers.map((worker) => worker.call("work", jobs)));
    const handled = () => workers.reduce((sum, worker) => sum + worker.handled, 0);
    stage.watch("draining", handled, jobs);
    let isOver = false;
    const over = Promise.all(workers.map((worker) => worker.call("drained", jobs))).finally(() => {
      isOver = true;
    });
    // Nobody of them sees more than its own.
    while (!isOver && handled() < jobs) await sleep(2);
    await Promise.all(workers.map((worker) => worker.call("allHandled")));
    const drains = await over;
    const after = await stage.readStore();
    const from = Math.min(...drains.map((drain) => drain.from));
    // Whoever sees it first: the other may have been busy.
    const to = Math.min(...drains.map((drain) => drain.to));
    const [{ tally } = { tally: { unfinished: jobs } }] = drains;
    return {
      value: perSecond(jobs, { from, to }),
      cpuUsPerJob: drains.reduce((sum, { cpuUs }) => sum + cpuUs, 0) / jobs,
      ...storeCpu(jobs, before, after),
      count: drains.reduce((sum, { handled }) => sum + handled, 0),
      problems: [
        ...stalls(drains),
        ...problemsOf(
          drains.map(({ seen }) => seen),
          jobs,
        ),
        ...tallyProblems(tally, jobs, 0),
      ],
      figures: { smallerShare: Math.min(...drains.map(({ handled }) => handled)) / jobs },
    };
  },
};

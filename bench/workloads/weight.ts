// weight: what a server that keeps its stores in memory holds for a job that waits, one that is due tomorrow, and a recurring
// rule; a million of each.
import { bulkSize, tallyProblems } from "../runner/drain.ts";
import type { StoreReading } from "../runner/server.ts";
import type { Stage, Workload } from "../runner/workload.ts";

const dayMs = 86_400_000;

/** Tells what the store weighs more than at the time of the last call. */
type Weigh = () => Promise<number>;

/** Weighs with every process gone: connections take memory as well. */
async function startScales(stage: Stage): Promise<Weigh> {
  const bytesOf = (reading: StoreReading | undefined) => reading?.memoryBytes ?? Number.NaN;
  let last = bytesOf(await stage.readStoreAtRest());
  return async () => {
    const now = bytesOf(await stage.readStoreAtRest());
    const more = now - last;
    last = now;
    return more;
  };
}

export const workload: Workload = {
  name: "weight",
  title: "what the server holds for each of 1,000,000 jobs that wait; deferredBytes, ruleBytes: of as many others",
  unit: "bytes",
  better: "less",
  needs: ["enqueue", "due", "many-schedules", "processes"],
  servers: ["redis", "nats"],
  long: true,
  play: async (stage) => {
    const jobs = stage.scaled(1_000_000);
    const rules = Math.max(10, Math.round(jobs * (stage.pace.rulesShare ?? 1)));
    const weigh = await startScales(stage);
    stage.progress("filling", 0, 2 * jobs + rules);
    await (await stage.producer()).call("enqueueBulk", 0, jobs, bulkSize);
    const waiting = await weigh();
    stage.progress("filling", jobs, 2 * jobs + rules);
    await (await stage.producer()).call("enqueueBulk", 0, jobs, bulkSize, { at: Date.now() + dayMs, spreadMs: dayMs });
    const deferred = await weigh();
    const { unfinished } = await (await stage.producer()).call("tally");
    stage.progress("registering", 2 * jobs, 2 * jobs + rules);
    // What is made once for all of them is not of their weight.
    await (await stage.producer()).call("scheduleDormant", 0, 1, bulkSize);
    await weigh();
    await (await stage.producer()).call("scheduleDormant", 1, rules, bulkSize);
    const registered = await weigh();
    const stored = await (await stage.producer()).call("countSchedules");
    return {
      value: waiting / jobs,
      count: unfinished,
      problems: [
        ...tallyProblems({ unfinished }, 0, 2 * jobs),
        ...(stored === rules + 1 ? [] : [`the store shows ${stored} of ${rules + 1} schedules`]),
      ],
      figures: { deferredBytes: deferred / jobs, ruleBytes: registered / rules, rules },
    };
  },
};

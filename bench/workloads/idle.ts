// idle: what a serving process costs that has nothing to do: memory, and CPU over 20 s; on an empty store, and with a
// million jobs that are due tomorrow.
import { bulkSize } from "../runner/drain.ts";
import type { Workload } from "../runner/workload.ts";

const dayMs = 86_400_000;

export const workload: Workload = {
  name: "idle",
  title: "memory of an idle worker; with 1,000,000 pending jobs: rssMbFull, cpuShareFull",
  unit: "MB",
  better: "less",
  needs: ["enqueue", "due", "work", "processes"],
  long: true,
  compiled: true,
  oursOnly: true,
  play: async (stage) => {
    const jobs = stage.scaled(1_000_000);
    const ms = stage.scaled(20_000, 200);
    const empty = await stage.worker();
    await empty.call("work", 0);
    await empty.call("idle", ms / 10);
    stage.progress("idling on an empty store", 0, 2);
    const before = await empty.call("idle", ms);
    await empty.end();
    const producer = await stage.producer();
    stage.progress("filling", 0, jobs);
    await producer.call("enqueueBulk", 0, jobs, bulkSize, { at: Date.now() + dayMs });
    await producer.end();
    const full = await stage.worker("another");
    await full.call("work", 0);
    await full.call("idle", ms / 10);
    stage.progress("idling on a full store", 1, 2);
    const after = await full.call("idle", ms);
    const tally = await full.call("tally");
    return {
      value: before.rssMb,
      count: tally.unfinished,
      problems: tally.unfinished === jobs ? [] : [`the store shows ${tally.unfinished} of ${jobs} jobs`],
      figures: {
        rssMb: before.rssMb,
        rssMbFull: after.rssMb,
        heapMb: before.heapMb,
        heapMbFull: after.heapMb,
        cpuShare: before.cpuShare,
        cpuShareFull: after.cpuShare,
      },
    };
  },
};

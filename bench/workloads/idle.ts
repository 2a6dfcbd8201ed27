// idle: what a serving process costs that has nothing to do: memory, and CPU over 20 s; on an empty store, and with a
// million jobs that are due tomorrow.

import { bulkSize } from "../runner/drain.ts";
import { idleFigures, playIdle } from "../runner/idle.ts";
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
    const before = await playIdle(stage, "empty");
    // One process at a time: the other would take its share of the machine.
    await (await stage.worker()).end();
    const producer = await stage.producer();
    stage.progress("filling", 0, jobs);
    await producer.call("enqueueBulk", 0, jobs, bulkSize, { at: Date.now() + dayMs });
    await producer.end();
    const full = await stage.worker("another");
    const after = await playIdle(stage, "full");
    const tally = await full.call("tally");
    return {
      value: before.rssMb,
      count: tally.unfinished,
      problems: tally.unfinished === jobs ? [] : [`the store shows ${tally.unfinished} of ${jobs} jobs`],
      figures: idleFigures(before, after),
    };
  },
};

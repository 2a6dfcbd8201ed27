// W4-cold: as W4, in a process that has run nothing before: from the start of the worker, a third of a second in all.
import { playDrain } from "../runner/drain.ts";
import type { Workload } from "../runner/workload.ts";

export const workload: Workload = {
  name: "W4-cold",
  title: "drain 20,000, one worker process that has just started",
  unit: "jobs/s",
  better: "more",
  needs: ["enqueue", "work"],
  play: (stage) => playDrain(stage, { jobs: stage.scaled(20_000) }),
};

// W4-1M: as W4 with 1,000,000 jobs, against W4.
import { playDrain, warmJobs } from "../runner/drain.ts";
import type { Workload } from "../runner/workload.ts";

export const workload: Workload = {
  name: "W4-1M",
  title: "drain 1,000,000",
  unit: "jobs/s",
  better: "more",
  needs: ["enqueue", "work"],
  warmJobs,
  long: true,
  oursOnly: true,
  play: (stage) => playDrain(stage, { jobs: stage.scaled(1_000_000) }),
};

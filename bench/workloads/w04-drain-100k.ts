// W4-100k: as W4 with 100,000 jobs, against W4.
import { playDrain, warmJobs } from "../runner/drain.ts";
import type { Workload } from "../runner/workload.ts";

export const workload: Workload = {
  name: "W4-100k",
  title: "drain 100,000",
  unit: "jobs/s",
  better: "more",
  needs: ["enqueue", "work"],
  warmJobs,
  oursOnly: true,
  play: (stage) => playDrain(stage, { jobs: stage.scaled(100_000) }),
};

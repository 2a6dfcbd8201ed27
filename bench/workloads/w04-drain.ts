// W4: 20,000 jobs that wait, drained by one worker process.
import { playDrain, warmJobs } from "../runner/drain.ts";
import type { Workload } from "../runner/workload.ts";

export const workload: Workload = {
  name: "W4",
  title: "drain 20,000, one worker process",
  unit: "jobs/s",
  better: "more",
  needs: ["enqueue", "work"],
  warmJobs,
  play: (stage) => playDrain(stage, { jobs: stage.scaled(20_000) }),
};

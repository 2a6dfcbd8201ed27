// growth: a million jobs drained beside a million that are due tomorrow, against W4.
import { playDrain, warmJobs } from "../runner/drain.ts";
import type { Workload } from "../runner/workload.ts";

export const workload: Workload = {
  name: "growth",
  title: "drain 1,000,000 beside 1,000,000 deferred",
  unit: "jobs/s",
  better: "more",
  needs: ["enqueue", "due", "work"],
  warmJobs,
  long: true,
  oursOnly: true,
  play: (stage) => playDrain(stage, { jobs: stage.scaled(1_000_000), deferred: stage.scaled(1_000_000) }),
};

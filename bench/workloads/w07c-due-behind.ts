// W7c: as W7b behind 5,000 jobs that are due tomorrow: what waits must not stand in the way of what is due.
import { warmJobs } from "../runner/drain.ts";
import { playLateness } from "../runner/lateness.ts";
import type { Workload } from "../runner/workload.ts";

export const workload: Workload = {
  name: "W7c",
  title: "as W7b, behind 5,000 that are due tomorrow; lateness",
  unit: "ms",
  valueIs: "p99",
  better: "less",
  needs: ["enqueue", "due", "work"],
  warmJobs,
  play: (stage) => playLateness(stage, stage.scaled(1_000), stage.scaled(5_000, 1_000), stage.scaled(5_000)),
};

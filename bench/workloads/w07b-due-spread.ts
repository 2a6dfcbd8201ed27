// W7b: 1,000 jobs whose due times are spread over 5 s; how late each began.
import { warmJobs } from "../runner/drain.ts";
import { playLateness } from "../runner/lateness.ts";
import type { Workload } from "../runner/workload.ts";

export const workload: Workload = {
  name: "W7b",
  title: "1,000 due times spread over 5 s, lateness",
  unit: "ms",
  valueIs: "p99",
  better: "less",
  needs: ["enqueue", "due", "work"],
  warmJobs,
  play: (stage) => playLateness(stage, stage.scaled(1_000), stage.scaled(5_000, 1_000)),
};

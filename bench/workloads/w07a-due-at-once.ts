// W7a: 10,000 jobs due at one instant, on an idle worker; how late each began.
import { warmJobs } from "../runner/drain.ts";
import { playLateness } from "../runner/lateness.ts";
import type { Workload } from "../runner/workload.ts";

export const workload: Workload = {
  name: "W7a",
  title: "10,000 jobs due at one instant, lateness",
  unit: "ms",
  valueIs: "p99",
  better: "less",
  needs: ["enqueue", "due", "work"],
  warmJobs,
  play: (stage) => playLateness(stage, stage.scaled(10_000), 0),
};

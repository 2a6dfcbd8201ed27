// W5: an idle worker whose own process enqueues a job now and then.
import { warmJobs } from "../runner/drain.ts";
import { playStarts } from "../runner/starts.ts";
import type { Workload } from "../runner/workload.ts";

export const workload: Workload = {
  name: "W5",
  title: "idle start latency, one process",
  unit: "ms",
  valueIs: "p50",
  better: "less",
  needs: ["enqueue", "work"],
  warmJobs,
  play: (stage) => playStarts(stage, false),
};

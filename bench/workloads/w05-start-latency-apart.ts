// W5-apart: as W5, with the producer in another process.
import { warmJobs } from "../runner/drain.ts";
import { playStarts } from "../runner/starts.ts";
import type { Workload } from "../runner/workload.ts";

export const workload: Workload = {
  name: "W5-apart",
  title: "idle start latency, from another process",
  unit: "ms",
  valueIs: "p50",
  better: "less",
  needs: ["enqueue", "work", "processes"],
  warmJobs,
  play: (stage) => playStarts(stage, true),
};

// deferred-1M: as deferred-100k with 1,000,000 jobs.
import { playDeferred } from "../runner/deferred.ts";
import { warmJobs } from "../runner/drain.ts";
import type { Workload } from "../runner/workload.ts";

export const workload: Workload = {
  name: "deferred-1M",
  title: "as deferred-100k with 1,000,000 jobs",
  unit: "ms",
  valueIs: "p99",
  better: "less",
  needs: ["enqueue", "bulk", "due", "work", "processes"],
  long: true,
  compiled: true,
  warmJobs,
  play: (stage) => playDeferred(stage, stage.scaled(1_000_000)),
};

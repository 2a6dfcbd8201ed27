// deferred-100k: 100,000 jobs that are due later: what they cost while they wait, and how late they begin.
import { playDeferred } from "../runner/deferred.ts";
import { warmJobs } from "../runner/drain.ts";
import type { Workload } from "../runner/workload.ts";

export const workload: Workload = {
  name: "deferred-100k",
  title: "100,000 jobs due at 4,000/s from half a minute on: lateness; rate of the enqueueing, memory while they wait",
  unit: "ms",
  valueIs: "p99",
  better: "less",
  needs: ["enqueue", "bulk", "due", "work", "processes"],
  long: true,
  compiled: true,
  warmJobs,
  play: (stage) => playDeferred(stage, stage.scaled(100_000)),
};

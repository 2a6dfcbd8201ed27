// growth-snapshot: as growth, with a reader's old snapshot held open for the whole drain.
import { playDrain, warmJobs } from "../runner/drain.ts";
import type { Workload } from "../runner/workload.ts";

export const workload: Workload = {
  name: "growth-snapshot",
  title: "the same with an old snapshot held open",
  unit: "jobs/s",
  better: "more",
  needs: ["enqueue", "due", "work", "snapshot"],
  warmJobs,
  long: true,
  oursOnly: true,
  play: (stage) =>
    playDrain(stage, { jobs: stage.scaled(1_000_000), deferred: stage.scaled(1_000_000), snapshot: true }),
};

// W2: one producer process in which 50 callers each await their enqueue.
import { playEnqueue } from "../runner/enqueue.ts";
import type { Workload } from "../runner/workload.ts";

export const workload: Workload = {
  name: "W2",
  title: "enqueue, 50 concurrent awaits",
  unit: "jobs/s",
  better: "more",
  needs: ["enqueue"],
  play: (stage) =>
    playEnqueue(stage, stage.scaled(50_000), (producer, first, count) =>
      producer.call("enqueueEach", first, count, 50),
    ),
};

// W1: one producer that awaits each enqueue before the next.
import { playEnqueue } from "../runner/enqueue.ts";
import type { Workload } from "../runner/workload.ts";

export const workload: Workload = {
  name: "W1",
  title: "enqueue, one awaited at a time",
  unit: "jobs/s",
  better: "more",
  needs: ["enqueue"],
  play: (stage) =>
    playEnqueue(stage, stage.scaled(10_000), (producer, first, count) => producer.call("enqueueEach", first, count, 1)),
};

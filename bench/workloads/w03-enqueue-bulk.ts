// W3: one producer that enqueues 1,000 jobs in each call.
import { bulkSize } from "../runner/drain.ts";
import { playEnqueue } from "../runner/enqueue.ts";
import type { Workload } from "../runner/workload.ts";

export const workload: Workload = {
  name: "W3",
  title: "enqueue, bulk of 1,000",
  unit: "jobs/s",
  better: "more",
  needs: ["bulk"],
  play: (stage) =>
    playEnqueue(stage, stage.scaled(100_000), (producer, first, count) =>
      producer.call("enqueueBulk", first, count, bulkSize),
    ),
};

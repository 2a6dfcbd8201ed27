// A process of nats-deferred: one that enqueues, or one that works. It does what it is told over its channel and answers with
// figures.
// Usage: deferred-process.ts URL, with a channel to the parent
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createScheduler, handle, task } from "punctual";
import { nats } from "punctual/nats";
import { preciseNow } from "../journal.ts";
import type { Filling, Order, Size } from "./deferred-told.ts";

/** Enqueued together, and so many of them at once: as a service would that fills a store. */
const batchJobs = 1_000;
const batchesAtOnce = 4;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** A job carries when it is due, in ms since 1970. */
const deferred = task<{ readonly dueAt: number }>("deferred");
const lateness: number[] = [];
const scheduler = createScheduler({
  engine: nats(process.argv[2] ?? ""),
  handlers: [
    handle(deferred, ({ dueAt }) => {
      lateness.push(preciseNow() - dueAt);
    }),
  ],
});

/** Answers how long it took until all were acknowledged, in ms. */
async function fill({ jobs, dueFrom, dueWithinMs }: Filling): Promise<number> {
  const begunAt = performance.now();
  let next = 0;
  const enqueueSome = async () => {
    while (next < jobs) {
      const first = next;
      next += batchJobs;
      const items = Array.from({ length: Math.min(batchJobs, jobs - first) }, (_, n) => {
        const dueAt = dueFrom + Math.floor(((first + n) * dueWithinMs) / jobs);
        return { task: deferred, input: { dueAt }, at: new Date(dueAt) };
      });
      await scheduler.enqueueMany(items);
    }
  };
  await Promise.all(Array.from({ length: batchesAtOnce }, enqueueSome));
  return performance.now() - begunAt;
}

/** Answers how long the store took to open, in ms. */
async function open(works: boolean): Promise<number> {
  const begunAt = performance.now();
  if (works) await scheduler.start();
  await scheduler.stats();
  return performance.now() - begunAt;
}

function size(): Size {
  collect();
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, heap: heapUsed + external };
}

async function obey(order: Order): Promise<unknown> {
  if (order.do === "open") return await open(order.works);
  if (order.do === "fill") return await fill(order.filling);
  if (order.do === "lateness") return lateness;
  if (order.do === "size") return size();
  await scheduler.stop();
  process.disconnect();
  return undefined;
}

process.on("message", (order: Order) => {
  obey(order).then(
    (value) => process.connected && process.send?.({ value }),
    (error: unknown) => process.send?.({ error: error instanceof Error ? error.message : String(error) }),
  );
});

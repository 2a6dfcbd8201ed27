// BullMQ on Redis. As it comes a worker runs one job at a time; at its best four workers run 25 each and forget a job when it is
// completed.
import { type Bullmq, openBullmq } from "../runner/bullmq.ts";
import type { Pace, Subject } from "../runner/subject.ts";
import { urlOf } from "../runner/url.ts";

// In a variable: the project must type-check without the packages of bench/peers.
const packages = { queue: "bullmq" };

/** Found by hand; `enableAutoPipelining` makes it slower, more jobs at once make it no faster. */
const best = { worker: { concurrency: 25, removeOnComplete: { count: 0 } }, workers: 4 };

/** Ten thousand rules take it seconds, a million would take it minutes. */
const pace: Pace = { registerMs: 15_000, rulesShare: 0.01 };

export const subject: Subject = {
  name: "bullmq",
  durable: true,
  abilities: ["enqueue", "bulk", "due", "work", "schedules", "many-schedules", "processes"],
  configs: ["default", "best"],
  package: "bullmq",
  server: "redis",
  paces: { default: pace, best: pace },
  open: async ({ url, config }) => {
    const { queue, session } = await openBullmq((await import(packages.queue)) as Bullmq, {
      connection: { url: urlOf(url) },
      ...(config === "best" ? best : {}),
    });
    return {
      ...session,
      tally: async () => {
        const counts = await queue.getJobCounts("wait", "active", "delayed", "prioritized", "completed");
        const countOf = (state: string) => counts[state] ?? Number.NaN;
        // A rule always has the job of its next tick in store; that is no job to wait for.
        const delayed = Math.max(0, countOf("delayed") - (await queue.getJobSchedulersCount()));
        const unfinished = countOf("wait") + countOf("active") + countOf("prioritized") + delayed;
        return config === "best" ? { unfinished } : { unfinished, completed: countOf("completed") };
      },
    };
  },
};

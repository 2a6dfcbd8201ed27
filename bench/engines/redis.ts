// Our Redis engine, in a database of its own on the run's server.
import { openOurs } from "../runner/ours.ts";
import type { PeerSetting, Subject } from "../runner/subject.ts";
import { urlOf } from "../runner/url.ts";

/** In whichever setting it did better. */
const bullmq: PeerSetting = { name: "bullmq" };

const bullmqBest: PeerSetting = { name: "bullmq", config: "best" };

export const subject: Subject = {
  name: "redis",
  durable: true,
  abilities: ["enqueue", "bulk", "due", "work", "schedules", "many-schedules", "processes"],
  configs: ["default"],
  server: "redis",
  targets: {
    W2: { goals: [{ atLeast: 1, timesPeer: bullmq }], floors: [{ atLeast: 0.7, timesPeer: bullmq }] },
    W3: { goals: [{ atLeast: 2, timesPeer: bullmq }] },
    W4: { goals: [{ atLeast: 3.5, timesPeer: bullmqBest }], floors: [{ atLeast: 2.5, timesPeer: bullmqBest }] },
    "W4-100k": { goals: [{ atLeast: 0.9, timesOwn: "W4" }] },
    "W4-1M": { goals: [{ atLeast: 0.9, timesOwn: "W4" }] },
    W5: { goals: [{ of: "p50", atMost: 1, timesPeer: bullmq }] },
    W6: { goals: [{ atLeast: 3.5, timesPeer: bullmqBest }], floors: [{ atLeast: 2.5, timesPeer: bullmqBest }] },
    W7a: { goals: [{ of: "p99", atMost: 0.4, timesPeer: bullmq }] },
    W7b: { goals: [{ of: "p99", atMost: 10 }] },
    W8: {
      goals: [
        { of: "p99", atMost: 10 },
        { of: "driftMs", atMost: 1 },
      ],
    },
    W9: {
      goals: [
        { of: "registerMs", atMost: 500 },
        { of: "lastMs", atMost: 250 },
      ],
    },
    W10: { goals: [{ atLeast: 2, timesPeer: bullmq }], floors: [{ atLeast: 1.5, timesPeer: bullmq }] },
    growth: { goals: [{ atLeast: 0.8, timesOwn: "W4" }] },
    idle: { goals: [{ of: "rssMb", atMost: 90 }] },
  },
  open: async ({ url }) => {
    // Loaded where it is measured: the runner itself needs no engine.
    const { redis } = await import("punctual/redis");
    return await openOurs(redis(urlOf(url)));
  },
};

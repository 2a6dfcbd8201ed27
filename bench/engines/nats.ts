// Our NATS engine, on a server of its own for each run.
import { openOurs } from "../runner/ours.ts";
import type { PeerSetting, Subject } from "../runner/subject.ts";
import { urlOf } from "../runner/url.ts";

/** Raw publishing, fetching and acknowledging, in whichever setting it did better. */
const raw: PeerSetting = { name: "jetstream" };

export const subject: Subject = {
  name: "nats",
  durable: true,
  abilities: ["enqueue", "bulk", "due", "work", "schedules", "many-schedules", "processes"],
  configs: ["default"],
  server: "nats",
  targets: {
    W2: { goals: [{ atLeast: 0.5, timesPeer: raw }] },
    W3: { goals: [{ atLeast: 0.5, timesPeer: raw }] },
    W4: { goals: [{ atLeast: 10_000 }], floors: [{ atLeast: 5_000 }] },
    "W4-100k": { goals: [{ atLeast: 0.8, timesOwn: "W4" }] },
    "W4-1M": { goals: [{ atLeast: 0.8, timesOwn: "W4" }] },
    W5: { goals: [{ of: "p50", atMost: 2, timesPeer: raw }] },
    W6: { goals: [{ atLeast: 1, timesOwn: "W4" }] },
    W7a: { goals: [{ of: "p99", atMost: 2, timesPeer: raw }] },
    W7b: { goals: [{ of: "p99", atMost: 260 }] },
    W7c: { goals: [{ of: "p99", atMost: 260 }] },
    W8: {
      goals: [
        { of: "p99", atMost: 260 },
        { of: "driftMs", atMost: 1 },
      ],
    },
    W9: {
      goals: [
        { of: "registerMs", atMost: 1_100 },
        { of: "lastMs", atMost: 400 },
      ],
    },
    W10: { goals: [{ atLeast: 0.3, timesPeer: raw }] },
    growth: { goals: [{ atLeast: 0.8, timesOwn: "W4" }] },
    idle: { goals: [{ of: "rssMb", atMost: 90 }] },
  },
  open: async ({ url }) => {
    // Loaded where it is measured: the runner itself needs no engine.
    const { nats } = await import("punctual/nats");
    return await openOurs(nats(urlOf(url)));
  },
};

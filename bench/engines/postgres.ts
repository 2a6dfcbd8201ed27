// Our PostgreSQL engine, in a database of its own on the run's server.
import { openOurs } from "../runner/ours.ts";
import { holdSnapshot } from "../runner/postgres.ts";
import type { PeerSetting, Subject } from "../runner/subject.ts";
import { urlOf } from "../runner/url.ts";

/** In whichever setting it did better. */
const graphile: PeerSetting = { name: "graphile-worker" };

export const subject: Subject = {
  name: "postgres",
  durable: true,
  abilities: ["enqueue", "bulk", "due", "work", "schedules", "many-schedules", "processes", "snapshot"],
  configs: ["default"],
  server: "postgres",
  targets: {
    W2: { goals: [{ atLeast: 20, timesPeer: graphile }], floors: [{ atLeast: 10, timesPeer: graphile }] },
    W3: { goals: [{ atLeast: 1, timesPeer: graphile }] },
    W4: {
      goals: [
        { atLeast: 15, timesPeer: { name: "graphile-worker", config: "default" } },
        { atLeast: 1.3, timesPeer: graphile },
      ],
      floors: [{ atLeast: 1, timesPeer: graphile }],
    },
    "W4-100k": { goals: [{ atLeast: 0.9, timesOwn: "W4" }] },
    "W4-1M": { goals: [{ atLeast: 0.9, timesOwn: "W4" }] },
    W5: { goals: [{ of: "p50", atMost: 0.75, timesPeer: graphile }] },
    W6: { goals: [{ atLeast: 1.3, timesPeer: graphile }], floors: [{ atLeast: 1, timesPeer: graphile }] },
    W7a: { goals: [{ of: "p99", atMost: 0.5, timesPeer: graphile }] },
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
    W10: { goals: [{ atLeast: 10, timesPeer: graphile }], floors: [{ atLeast: 5, timesPeer: graphile }] },
    growth: { goals: [{ atLeast: 0.8, timesOwn: "W4" }] },
    "growth-snapshot": { goals: [{ atLeast: 0.7, timesOwn: "W4" }] },
    idle: { goals: [{ of: "rssMb", atMost: 90 }] },
    schedules: { goals: [{ atLeast: 20_000 }] },
  },
  open: async ({ url }) => {
    // Loaded where it is measured: the runner itself needs no engine.
    const { postgres } = await import("punctual/postgres");
    const location = urlOf(url);
    return { ...(await openOurs(postgres(location))), holdSnapshot: () => holdSnapshot(location) };
  },
};

// Our SQLite engine on a file of its own.
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { sqlite } from "punctual/sqlite";
import { openOurs } from "../runner/ours.ts";
import type { Subject } from "../runner/subject.ts";

export const subject: Subject = {
  name: "sqlite",
  durable: true,
  abilities: ["enqueue", "bulk", "due", "work", "schedules", "many-schedules", "processes", "snapshot"],
  configs: ["default"],
  targets: {
    W2: { goals: [{ atLeast: 100_000 }], floors: [{ atLeast: 50_000 }] },
    W3: { goals: [{ atLeast: 200_000 }] },
    W4: { goals: [{ atLeast: 100_000 }], floors: [{ atLeast: 60_000 }] },
    "W4-100k": { goals: [{ atLeast: 0.9, timesOwn: "W4" }] },
    "W4-1M": { goals: [{ atLeast: 0.9, timesOwn: "W4" }] },
    W5: { goals: [{ of: "p50", atMost: 0.5 }] },
    W6: { goals: [{ atLeast: 1, timesOwn: "W4" }] },
    W7a: { goals: [{ of: "p99", atMost: 150 }] },
    W7b: { goals: [{ of: "p99", atMost: 10 }] },
    W8: {
      goals: [
        { of: "p99", atMost: 10 },
        { of: "driftMs", atMost: 1 },
      ],
    },
    W9: {
      goals: [
        { of: "registerMs", atMost: 300 },
        { of: "lastMs", atMost: 100 },
      ],
    },
    W10: { goals: [{ atLeast: 30_000 }], floors: [{ atLeast: 15_000 }] },
    growth: { goals: [{ atLeast: 0.8, timesOwn: "W4" }] },
    "growth-snapshot": { goals: [{ atLeast: 0.7, timesOwn: "W4" }] },
    idle: { goals: [{ of: "rssMb", atMost: 90 }] },
    schedules: { goals: [{ atLeast: 20_000 }] },
  },
  open: async ({ folder }) => {
    const file = join(folder, "punctual.db");
    return {
      ...(await openOurs(sqlite(file))),
      holdSnapshot: async () => {
        const reader = new DatabaseSync(file);
        reader.exec("BEGIN");
        // A deferred transaction takes its snapshot with the first read.
        reader.prepare("SELECT count(*) FROM sqlite_schema").get();
        return () => reader.close();
      },
    };
  },
};

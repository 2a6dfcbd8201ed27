// BullMQ on its PostgreSQL backend. As it comes a worker runs one job at a time; at its best it runs twenty at once and
// has more connections.
import { type Bullmq, openBullmq } from "../runner/bullmq.ts";
import { createClient, holdSnapshot } from "../runner/postgres.ts";
import type { Subject } from "../runner/subject.ts";
import { urlOf } from "../runner/url.ts";

const packages = { queue: "bullmq" };

/** Found by hand: more at once gave no more. */
const best = { connection: { max: 50 }, worker: { concurrency: 20 } };

// A rule always has the job of its next tick in store; that is no job to wait for.
const counts = `SELECT count(*) FILTER (WHERE state = 'completed')::int AS completed,
  count(*) FILTER (WHERE state <> 'completed' AND NOT (state = 'delayed' AND scheduler_id IS NOT NULL))::int AS unfinished
  FROM bullmq.job`;

export const subject: Subject = {
  name: "bullmq-postgres",
  durable: true,
  abilities: ["enqueue", "bulk", "due", "work", "schedules", "many-schedules", "processes", "snapshot"],
  configs: ["default", "best"],
  package: "bullmq",
  server: "postgres",
  paces: { default: { registerMs: 45_000 }, best: { registerMs: 45_000 } },
  open: async ({ url, config }) => {
    const bullmq = (await import(packages.queue)) as Bullmq;
    const connectionString = urlOf(url);
    const { session } = await openBullmq(bullmq, {
      connection: { connectionString, migrate: true, ...(config === "best" ? best.connection : {}) },
      backend: bullmq.createPostgresBackend,
      worker: config === "best" ? best.worker : {},
    });
    const counter = await createClient(connectionString);
    return {
      ...session,
      tally: async () => {
        const [row] = (await counter.query<{ completed: number; unfinished: number }>(counts)).rows;
        if (row === undefined) throw new Error("nothing was counted");
        return row;
      },
      holdSnapshot: () => holdSnapshot(connectionString),
      close: async () => {
        await session.close();
        await counter.end();
      },
    };
  },
};

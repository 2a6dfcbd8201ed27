// BullMQ on its PostgreSQL backend. As it comes a worker runs one job at a time; at its best it runs twenty at once and
// has more connections.
import { createClient, holdSnapshot, urlOf } from "../runner/postgres.ts";
import type { Subject } from "../runner/subject.ts";

// The packages are installed under bench/peers alone, so the project must type-check without them: names in variables.
const packages = { queue: "bullmq" };

interface Job {
  readonly id: string;
  readonly data: { readonly sequence: number };
  readonly repeatJobKey?: string;
}

interface Closing {
  on(event: "error", heard: (error: unknown) => void): void;
  waitUntilReady(): Promise<unknown>;
  close(force?: boolean): Promise<void>;
}

interface Queue extends Closing {
  add(name: string, data: object, options?: object): Promise<unknown>;
  addBulk(jobs: readonly object[]): Promise<unknown>;
  upsertJobScheduler(id: string, rule: object, template: object): Promise<unknown>;
}

interface Bullmq {
  readonly createPostgresBackend: unknown;
  readonly Queue: new (name: string, options: object, backend: unknown) => Queue;
  readonly Worker: new (name: string, run: (job: Job) => Promise<void>, options: object, backend: unknown) => Closing;
}

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
    const { Queue, Worker, createPostgresBackend } = (await import(packages.queue)) as Bullmq;
    const connectionString = urlOf(url);
    const connection = { connectionString, migrate: true, ...(config === "best" ? best.connection : {}) };
    let worker: Closing | undefined;
    let closing = false;
    // A worker that waits for jobs calls it an error that it is closed meanwhile.
    const tell = (error: unknown) => {
      if (!closing) console.error(error);
    };
    const queue = new Queue("noop", { connection }, createPostgresBackend);
    queue.on("error", (error) => tell(error));
    await queue.waitUntilReady();
    const counter = await createClient(connectionString);
    const dataOf = (sequence: number) => ({ sequence, text: "abcdef" });
    const delayOf = (dueAt: number | undefined) => (dueAt === undefined ? {} : { delay: dueAt - Date.now() });
    return {
      enqueue: ({ sequence, dueAt }) => queue.add("noop", dataOf(sequence), delayOf(dueAt)),
      enqueueMany: (items) =>
        queue.addBulk(
          items.map(({ sequence, dueAt }) => ({ name: "noop", data: dataOf(sequence), opts: delayOf(dueAt) })),
        ),
      work: async (onJob) => {
        worker = new Worker(
          "noop",
          // The id of a tick's job ends in its nominal instant.
          async ({ id, data }) =>
            onJob(data.sequence, id.startsWith("repeat:") ? Number(id.slice(id.lastIndexOf(":") + 1)) : undefined),
          { connection, ...(config === "best" ? best.worker : {}) },
          createPostgresBackend,
        );
        worker.on("error", (error) => tell(error));
        await worker.waitUntilReady();
      },
      schedule: (plans) =>
        Promise.all(
          plans.map(({ sequence, cron }) =>
            queue.upsertJobScheduler(
              `schedule-${sequence}`,
              { pattern: cron, tz: "UTC" },
              { name: "noop", data: dataOf(sequence) },
            ),
          ),
        ),
      tally: async () => {
        const [row] = (await counter.query<{ completed: number; unfinished: number }>(counts)).rows;
        if (row === undefined) throw new Error("nothing was counted");
        return row;
      },
      holdSnapshot: () => holdSnapshot(connectionString),
      close: async () => {
        closing = true;
        await worker?.close(true);
        await queue.close();
        await counter.end();
      },
    };
  },
};

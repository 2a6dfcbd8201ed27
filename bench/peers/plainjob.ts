// plainjob: a SQLite queue on better-sqlite3. As it comes it polls every second and logs to the console; at its best it
// polls every millisecond and logs nothing.
import { join } from "node:path";
import type { Subject } from "../runner/subject.ts";

// The packages are installed under bench/peers alone, so the project must type-check without them: names in variables.
const packages = { queue: "plainjob", driver: "better-sqlite3" };

interface Queue {
  add(type: string, data: unknown, options?: { readonly delay?: number }): unknown;
  addMany(type: string, data: readonly unknown[], options?: { readonly delay?: number }): unknown;
  schedule(type: string, rule: { readonly cron: string }): unknown;
  countJobs(filter: { readonly type?: string; readonly status: number }): number;
  close(): void;
}

interface Worker {
  start(): Promise<void>;
  stop(): Promise<void>;
}

interface Plainjob {
  readonly JobStatus: { readonly Pending: number; readonly Processing: number; readonly Done: number };
  better(database: unknown): unknown;
  defineQueue(options: object): Queue;
  defineWorker(type: string, run: (job: { readonly data: string }) => void, options: object): Worker;
}

export const subject: Subject = {
  name: "plainjob",
  durable: true,
  abilities: ["enqueue", "bulk", "due", "work", "schedules", "processes"],
  configs: ["default", "best"],
  package: "plainjob",
  open: async ({ folder, config }) => {
    const { JobStatus, better, defineQueue, defineWorker } = (await import(packages.queue)) as Plainjob;
    const { default: Database } = (await import(packages.driver)) as { default: new (file: string) => unknown };
    const silent = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} };
    const best = config === "best" ? { logger: silent } : {};
    const queue = defineQueue({ connection: better(new Database(join(folder, "plainjob.db"))), ...best });
    const settings = { queue, ...best, ...(config === "best" ? { pollIntervall: 1 } : {}) };
    const workers: Worker[] = [];
    let onJob: (sequence: number) => void = () => {};
    const start = (type: string, run: (job: { readonly data: string }) => void) => {
      const worker = defineWorker(type, run, settings);
      workers.push(worker);
      worker.start().catch((error: unknown) => {
        console.error(error);
        process.exit(1);
      });
    };
    const inputOf = (sequence: number) => ({ sequence, text: "abcdef" });
    const delayOf = (dueAt: number | undefined) => (dueAt === undefined ? {} : { delay: dueAt - Date.now() });
    return {
      enqueue: async ({ sequence, dueAt }) => queue.add("noop", inputOf(sequence), delayOf(dueAt)),
      enqueueMany: async (items) => {
        const now = items.filter(({ dueAt }) => dueAt === undefined);
        queue.addMany(
          "noop",
          now.map(({ sequence }) => inputOf(sequence)),
        );
        // One delay holds for all of a bulk call, so jobs with due times of their own go one by one.
        for (const { sequence, dueAt } of items) {
          if (dueAt !== undefined) queue.add("noop", inputOf(sequence), delayOf(dueAt));
        }
      },
      work: async (handler) => {
        onJob = handler;
        start("noop", ({ data }) => onJob((JSON.parse(data) as { readonly sequence: number }).sequence));
      },
      // A rule's jobs carry no input, and a worker serves one type: a worker for each.
      schedule: async (plans) => {
        for (const { sequence, cron } of plans) {
          queue.schedule(`schedule-${sequence}`, { cron });
          start(`schedule-${sequence}`, () => onJob(sequence));
        }
      },
      tally: async () => ({
        completed: queue.countJobs({ status: JobStatus.Done }),
        unfinished: queue.countJobs({ status: JobStatus.Pending }) + queue.countJobs({ status: JobStatus.Processing }),
      }),
      close: async () => {
        await Promise.all(workers.map((worker) => worker.stop()));
        queue.close();
      },
    };
  },
};

// pg-boss on PostgreSQL. As it comes a worker polls every two seconds and takes one job; at its best it is woken by
// NOTIFY, takes large batches and goes on at once while they are full.
import { holdSnapshot } from "../runner/postgres.ts";
import type { Subject } from "../runner/subject.ts";
import { urlOf } from "../runner/url.ts";

// The packages are installed under bench/peers alone, so the project must type-check without them: names in variables.
const packages = { queue: "pg-boss" };

interface Job {
  readonly data: { readonly sequence: number };
}

interface Boss {
  on(event: "error" | "warning", heard: (problem: unknown) => void): void;
  start(): Promise<unknown>;
  stop(options: object): Promise<void>;
  createQueue(name: string, options?: object): Promise<void>;
  send(name: string, data: object, options?: object): Promise<string | null>;
  insert(name: string, jobs: readonly object[]): Promise<unknown>;
  work(name: string, options: object, run: (jobs: readonly Job[]) => Promise<void>): Promise<string>;
  schedule(name: string, cron: string, data: object, options: object): Promise<void>;
  getDb(): {
    executeSql(sql: string): Promise<{ readonly rows: readonly { completed: number; unfinished: number }[] }>;
  };
}

interface Package {
  readonly PgBoss: new (options: object) => Boss;
}

/** Found by hand: more workers or larger batches gave no more; half a second is the shortest interval it takes. */
const best = {
  boss: { max: 50, useListenNotify: true, cronMonitorIntervalSeconds: 1, cronWorkerIntervalSeconds: 1 },
  queue: { notify: true, partition: true },
  work: {
    batchSize: 1_000,
    localConcurrency: 4,
    burstWhenBatchFull: true,
    pollingIntervalSeconds: 0.5,
    notifyPollingIntervalSeconds: 0.5,
  },
};

const asItComes = { boss: {}, queue: {}, work: {} };

const counts = `SELECT count(*) FILTER (WHERE state = 'completed')::int AS completed,
  count(*) FILTER (WHERE state <> 'completed')::int AS unfinished FROM pgboss.job WHERE name = 'noop'`;

/** Rules are checked every 30 s, and their jobs sent on every 5 s, 50 at a time. More callers at once than connections
 * time out. */
const slowTicks = { tickMs: 60_000, tickPatienceMs: 90_000, registerMs: 45_000, registerSize: 50 };

export const subject: Subject = {
  name: "pg-boss",
  durable: true,
  abilities: ["enqueue", "bulk", "due", "work", "schedules", "many-schedules", "processes", "snapshot"],
  configs: ["default", "best"],
  package: "pg-boss",
  server: "postgres",
  paces: { default: { jobsShare: 0.001, gapMs: [2_500, 3_500], ...slowTicks }, best: slowTicks },
  open: async ({ url, config }) => {
    const { PgBoss } = (await import(packages.queue)) as Package;
    const connectionString = urlOf(url);
    const settings = config === "best" ? best : asItComes;
    const boss = new PgBoss({ connectionString, ...settings.boss });
    boss.on("error", (error) => console.error(error));
    await boss.start();
    await boss.createQueue("noop", settings.queue);
    const dataOf = (sequence: number) => ({ sequence, text: "abcdef" });
    const dueOf = (dueAt: number | undefined) => (dueAt === undefined ? {} : { startAfter: new Date(dueAt) });
    return {
      enqueue: ({ sequence, dueAt }) => boss.send("noop", dataOf(sequence), dueOf(dueAt)),
      enqueueMany: (items) =>
        boss.insert(
          "noop",
          items.map(({ sequence, dueAt }) => ({ data: dataOf(sequence), ...dueOf(dueAt) })),
        ),
      work: (onJob) =>
        boss.work("noop", settings.work, async (jobs) => {
          for (const { data } of jobs) onJob(data.sequence);
        }),
      // It counts in minutes: the field of seconds goes.
      schedule: (plans) =>
        Promise.all(
          plans.map(({ sequence, cron }) =>
            boss.schedule("noop", cron.split(" ").slice(1).join(" "), dataOf(sequence), {
              key: `schedule-${sequence}`,
              tz: "UTC",
            }),
          ),
        ),
      tally: async () => {
        const [row] = (await boss.getDb().executeSql(counts)).rows;
        return row ?? { completed: 0, unfinished: Number.NaN };
      },
      holdSnapshot: () => holdSnapshot(connectionString),
      close: () => boss.stop({ graceful: false }),
    };
  },
};

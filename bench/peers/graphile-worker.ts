// graphile-worker on PostgreSQL. As it comes it fetches and completes jobs one at a time; at its best it does both in
// batches and logs nothing.
import { holdSnapshot } from "../runner/postgres.ts";
import type { Pace, Subject } from "../runner/subject.ts";
import { urlOf } from "../runner/url.ts";

// The packages are installed under bench/peers alone, so the project must type-check without them: names in variables.
const packages = { queue: "graphile-worker" };

interface Client {
  query(sql: string): Promise<{ readonly rows: readonly Readonly<Record<string, number>>[] }>;
}

interface Utils {
  migrate(): Promise<void>;
  addJob(task: string, payload: object, spec?: object): Promise<unknown>;
  addJobs(specs: readonly object[]): Promise<unknown>;
  withPgClient<Result>(run: (client: Client) => Promise<Result>): Promise<Result>;
  release(): Promise<void>;
}

interface Payload {
  readonly sequence: number;
  readonly _cron?: { readonly ts: string };
}

interface Graphile {
  readonly Logger: new (factory: () => () => void) => unknown;
  makeWorkerUtils(options: object): Promise<Utils>;
  parseCronItems(items: readonly object[]): readonly object[];
  run(
    options: object,
    tasks: Readonly<Record<string, (payload: Payload) => void>>,
    cron: readonly object[],
  ): Promise<{ stop(): Promise<void> }>;
}

/** After its own performance page; the larger local queue and pool and the shorter interval were found by hand. */
const best = {
  concurrentJobs: 24,
  maxPoolSize: 50,
  pollInterval: 50,
  localQueue: { size: 2_000 },
  completeJobBatchDelay: 0,
  failJobBatchDelay: 0,
};

/** Its rules count in minutes, and all are given at its start. */
const pace: Pace = { tickMs: 60_000, registerMs: 10_000, registerSize: Number.POSITIVE_INFINITY };

/** A job's input and its due time. */
function specOf({ sequence, dueAt }: { readonly sequence: number; readonly dueAt?: number }) {
  const spec = dueAt === undefined ? {} : { runAt: new Date(dueAt) };
  return { payload: { sequence, text: "abcdef" }, spec };
}

export const subject: Subject = {
  name: "graphile-worker",
  durable: true,
  abilities: ["enqueue", "bulk", "due", "work", "schedules", "many-schedules", "processes", "snapshot"],
  configs: ["default", "best"],
  package: "graphile-worker",
  server: "postgres",
  paces: { default: pace, best: pace },
  open: async ({ url, config }) => {
    const { Logger, makeWorkerUtils, parseCronItems, run } = (await import(packages.queue)) as Graphile;
    const connectionString = urlOf(url);
    const worker = config === "best" ? { connectionString, ...best } : { connectionString };
    const options = {
      preset: { worker },
      noHandleSignals: true,
      ...(config === "best" ? { logger: new Logger(() => () => {}) } : {}),
    };
    const utils = await makeWorkerUtils(options);
    await utils.migrate();
    let onJob: (sequence: number, tickAt?: number) => void = () => {};
    const tasks = {
      noop: ({ sequence, _cron: cron }: Payload) =>
        onJob(sequence, cron === undefined ? undefined : Date.parse(cron.ts)),
    };
    let runner: { stop(): Promise<void> } | undefined;
    const items: object[] = [];
    return {
      enqueue: async ({ sequence, dueAt }) => {
        const { payload, spec } = specOf(dueAt === undefined ? { sequence } : { sequence, dueAt });
        await utils.addJob("noop", payload, spec);
      },
      enqueueMany: async (jobs) => {
        await utils.addJobs(
          jobs.map((job) => {
            const { payload, spec } = specOf(job);
            return { identifier: "noop", payload, ...spec };
          }),
        );
      },
      work: async (handler) => {
        onJob = handler;
        runner = await run(options, tasks, []);
      },
      // Rules are given at the start and stay as they are: it is started anew with all of them.
      schedule: async (plans) => {
        for (const { sequence, cron } of plans) {
          const match = cron.split(" ").slice(1).join(" ");
          items.push({ task: "noop", match, payload: { sequence }, identifier: `schedule-${sequence}` });
        }
        await runner?.stop();
        runner = await run(options, tasks, parseCronItems(items));
      },
      tally: async () => {
        const { rows } = await utils.withPgClient((client) =>
          client.query("SELECT count(*)::int AS unfinished FROM graphile_worker._private_jobs"),
        );
        // A job that is done is deleted, so there is nothing to count but what is left.
        return { unfinished: rows[0]?.["unfinished"] ?? Number.NaN };
      },
      holdSnapshot: () => holdSnapshot(connectionString),
      close: async () => {
        await runner?.stop();
        await utils.release();
      },
    };
  },
};

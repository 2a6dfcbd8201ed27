// What sessions on BullMQ share, whichever backend it is on. The packages are installed under bench/peers alone, so the project
// must type-check without them: what is used of BullMQ is declared here.
import type { Session } from "./subject.ts";

interface Job {
  readonly id: string;
  readonly data: { readonly sequence: number };
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
  getJobSchedulersCount(): Promise<number>;
  getJobCounts(...states: readonly string[]): Promise<Readonly<Record<string, number>>>;
}

export interface Bullmq {
  readonly createPostgresBackend: unknown;
  readonly Queue: new (name: string, options: object, backend?: unknown) => Queue;
  readonly Worker: new (name: string, run: (job: Job) => Promise<void>, options: object, backend?: unknown) => Closing;
}

export interface BullmqOptions {
  readonly connection: object;
  /** Absent for Redis. */
  readonly backend?: unknown;
  /** Further options of the queue and of a worker. */
  readonly queue?: object;
  readonly worker?: object;
  /** Workers in one process; 1 unless it says. */
  readonly workers?: number;
}

type BullmqSession = Required<Omit<Session, "tally" | "holdSnapshot">>;

/** Opens a queue; its workers are started by `work`. */
export async function openBullmq(
  { Queue, Worker }: Bullmq,
  { connection, backend, queue: queueOptions, worker, workers: count = 1 }: BullmqOptions,
): Promise<{ readonly queue: Queue; readonly session: BullmqSession }> {
  const workers: Closing[] = [];
  let closing = false;
  // A worker that waits for jobs calls it an error that it is closed meanwhile.
  const tell = (error: unknown) => {
    if (!closing) console.error(error);
  };
  const queue = new Queue("noop", { connection, ...queueOptions }, backend);
  queue.on("error", (error) => tell(error));
  await queue.waitUntilReady();
  const dataOf = (sequence: number) => ({ sequence, text: "abcdef" });
  const delayOf = (dueAt: number | undefined) => (dueAt === undefined ? {} : { delay: dueAt - Date.now() });
  const session: BullmqSession = {
    enqueue: ({ sequence, dueAt }) => queue.add("noop", dataOf(sequence), delayOf(dueAt)),
    enqueueMany: (items) =>
      queue.addBulk(
        items.map(({ sequence, dueAt }) => ({ name: "noop", data: dataOf(sequence), opts: delayOf(dueAt) })),
      ),
    work: async (onJob) => {
      // The id of a tick's job ends in its nominal instant.
      const tickOf = (id: string) => (id.startsWith("repeat:") ? Number(id.slice(id.lastIndexOf(":") + 1)) : undefined);
      const run = async ({ id, data }: Job) => onJob(data.sequence, tickOf(id));
      for (let number = 0; number < count; number++) {
        const one = new Worker("noop", run, { connection, ...worker }, backend);
        one.on("error", (error) => tell(error));
        workers.push(one);
      }
      await Promise.all(workers.map((one) => one.waitUntilReady()));
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
    countSchedules: () => queue.getJobSchedulersCount(),
    close: async () => {
      closing = true;
      await Promise.all(workers.map((one) => one.close(true)));
      await queue.close();
    },
  };
  return { queue, session };
}

// What facts about both ends are given: a queue of a fresh name on a real Redis, and a scheduler over a store of one's own.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Job, type Processor, Queue, Worker, type WorkerOptions } from "bullmq";
import { expect, onTestFinished } from "vitest";
import { type BullmqQueue, type BullmqQueueOptions, bullmqQueue } from "../../src/bullmq/index.ts";
import { memory } from "../../src/engines/memory/index.ts";
import { postgres } from "../../src/engines/postgres/index.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { createScheduler, type Engine, type Handler, type Scheduler, type SchedulerOptions } from "../../src/index.ts";
import { sharedPostgres, sharedRedis } from "../servers/shared.ts";

/** The stores that deliver: what is written here uses nothing but the public API, so any engine does. */
export const stores: readonly (readonly [name: string, open: () => Promise<Engine<never>>])[] = [
  ["memory", async () => memory()],
  ["sqlite", async () => sqlite(join(newFolder(), "store.db")) as Engine<never>],
  ["postgres", async () => postgres(await sharedPostgres()) as Engine<never>],
];

/** Everything one test has of BullMQ. */
export interface Ends {
  readonly name: string;
  readonly connection: { readonly host: string; readonly port: number };
  readonly ours: BullmqQueue;
  /** BullMQ's own, to look at what is there. */
  readonly queue: Queue;
  /** A worker as BullMQ's documentation writes it. */
  worker(processor: Processor, options?: Partial<WorkerOptions>): Worker;
  /** Another adapter for the same queue, as another process would have. */
  another(options?: Partial<BullmqQueueOptions>): BullmqQueue;
}

/** A queue that nobody else has, on the Redis that the run shares or on one given by its URL. */
export async function openEnds(options: Partial<BullmqQueueOptions> = {}, url?: string): Promise<Ends> {
  const shared = await sharedRedis();
  const name = shared.newDeployment();
  const at = new URL(url ?? shared.url);
  const connection = { host: at.hostname, port: Number(at.port) };
  const another = (more: Partial<BullmqQueueOptions> = {}) => {
    const ends = bullmqQueue(name, { connection, ...options, ...more });
    onTestFinished(() => ends.close());
    return ends;
  };
  const ours = another();
  const queue = new Queue(name, { connection });
  queue.on("error", () => {});
  onTestFinished(async () => {
    await queue.obliterate({ force: true });
    await queue.close();
  });
  const worker = (processor: Processor, more: Partial<WorkerOptions> = {}) => {
    const made = new Worker(name, processor, { connection, ...more });
    made.on("error", () => {});
    onTestFinished(() => made.close(true));
    return made;
  };
  return { name, connection, ours, queue, worker, another };
}

/** A scheduler that is stopped with its test, before what it delivers to is closed. */
export async function started(
  engine: Engine<never>,
  handlers: readonly Handler[],
  options: Omit<SchedulerOptions<never>, "engine" | "handlers"> = {},
): Promise<Scheduler> {
  const scheduler = createScheduler({ ...options, engine, handlers });
  onTestFinished(() => scheduler.stop({ timeout: 0 }));
  await scheduler.start();
  return scheduler;
}

export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "punctual-bullmq-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The job as BullMQ has it. */
export async function bullmqJob(queue: Queue, id: string): Promise<Job> {
  const job = await queue.getJob(`punctual-${id}`);
  if (job === undefined) throw new Error(`BullMQ has no job of ${id}`);
  return job;
}

/** Waits for what is to come, however busy the machine is. */
export const eventually = <Found>(look: () => Found) => expect.poll(look, { timeout: 30_000, interval: 20 });

/** The state of a job of ours, as soon as it has ended. */
export async function ended(scheduler: Scheduler, id: string) {
  await eventually(async () => (await scheduler.jobs.get(id))?.finishedAt).toBeDefined();
  const job = await scheduler.jobs.get(id);
  if (job === undefined) throw new Error(`job ${id} is gone`);
  return job;
}

// Plays deliveries to BullMQ while the deliverer and BullMQ's worker are killed in turn, then compares the two ends job by job.
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { createScheduler, type JobView } from "punctual";
import { allPages } from "../all-pages.ts";
import { type Child, startScript } from "../child.ts";
import { openStore, type Places, work } from "./stage.ts";

/** What it came to. */
export interface DeliveriesOutcome {
  /** Kills of each kind of process, and how many deliveries were in flight at them. */
  readonly kills: { readonly deliverer: number; readonly worker: number };
  readonly inFlightAtKills: readonly number[];
  readonly completed: number;
  readonly failed: number;
  /** Jobs that BullMQ ran more often than their attempts asked for, because their worker died. */
  readonly ranAgain: number;
  /** Deliveries that were made again after a crash, and found the job at BullMQ. */
  readonly foundAgain: number;
  readonly seconds: number;
  readonly shortcomings: readonly string[];
}

const endsWithinMs = 180_000;
const scripts = { deliverer: "deliverer-process.ts", worker: "worker-process.ts" } as const;
type Victim = keyof typeof scripts;

/** On an empty store, and a queue that nobody else has. */
export async function playDeliveries(
  places: Places,
  { jobs, killsOfEach }: { readonly jobs: number; readonly killsOfEach: number },
): Promise<DeliveriesOutcome> {
  const startedAt = performance.now();
  const client = new Redis(places.redis, { maxRetriesPerRequest: null });
  const queue = new Queue(places.queue, { connection: client });
  const scheduler = createScheduler({ engine: await openStore(places.store) });
  const children = new Map<Victim, Child>();
  const start = (victim: Victim) => {
    const file = fileURLToPath(new URL(scripts[victim], import.meta.url));
    children.set(victim, startScript(file, [JSON.stringify(places)]));
  };
  try {
    await scheduler.stats();
    start("deliverer");
    start("worker");
    const inFlightAtKills: number[] = [];
    const rounds = 2 * killsOfEach;
    const share = Math.ceil(jobs / rounds);
    for (let round = 0; round < rounds; round++) {
      const numbers = Array.from(
        { length: Math.min(share, jobs - round * share) },
        (_, index) => round * share + index,
      );
      await scheduler.enqueueMany(numbers.map((n) => ({ task: work, input: { n } })));
      // Half of what was there at the last kill has ended: each life of a process is of some use.
      await until("deliveries in flight", async () => {
        const { totals } = await scheduler.stats();
        return totals.completed + totals.failed >= (round * share) / 2 && (await queue.getActiveCount()) > 0;
      });
      await sleep(Math.random() * 200);
      inFlightAtKills.push((await scheduler.stats()).active);
      const victim = round % 2 === 0 ? "deliverer" : "worker";
      await kill(children.get(victim));
      start(victim);
    }
    await until("the end of all jobs", async () => {
      const { waiting, delayed, active } = await scheduler.stats();
      return waiting + delayed + active === 0;
    });
    const views = await allPages((page) => scheduler.jobs.list(page));
    const events = await allPages((page) => scheduler.events.list({ type: ["job:completed", "job:failed"], ...page }));
    const told = new Map<string, number>();
    for (const { job } of events) if (job !== undefined) told.set(job, (told.get(job) ?? 0) + 1);
    const shortcomings = (await Promise.all(views.map((view) => compare(view, queue, told)))).flat();
    const there = await queue.getJobCounts("completed", "failed", "wait", "active", "delayed", "prioritized");
    const allThere = Object.values(there).reduce((sum, count) => sum + count, 0);
    if (views.length !== jobs) shortcomings.push(`${views.length} of ${jobs} jobs are in the store`);
    if (allThere !== jobs)
      shortcomings.push(`BullMQ has ${allThere} jobs instead of ${jobs}: ${JSON.stringify(there)}`);
    const { totals } = await scheduler.stats();
    if (totals.completed + totals.failed !== jobs)
      shortcomings.push(`${JSON.stringify(totals)} have ended, of ${jobs}`);
    const runs = Object.entries(await client.hgetall(`${places.queue}-runs`));
    const asked = new Map(await Promise.all(views.map(async ({ id }) => await attemptsAt(queue, id))));
    return {
      kills: { deliverer: killsOfEach, worker: killsOfEach },
      inFlightAtKills,
      completed: totals.completed,
      failed: totals.failed,
      ranAgain: runs.filter(([id, count]) => Number(count) > (asked.get(id) ?? 0)).length,
      foundAgain: views.filter(({ attempt }) => attempt > 1).length,
      seconds: (performance.now() - startedAt) / 1_000,
      shortcomings,
    };
  } finally {
    for (const { process, ended } of children.values()) {
      process.kill("SIGTERM");
      await ended;
    }
    await scheduler.stop();
    await queue.obliterate({ force: true });
    await client.del(`${places.queue}-runs`);
    await queue.close();
    client.disconnect();
  }
}

async function kill(child: Child | undefined): Promise<void> {
  child?.process.kill("SIGKILL");
  const ending = await child?.ended;
  if (ending?.signal !== "SIGKILL") throw new Error(`a process ended by itself, with code ${ending?.code}`);
}

/** The two ends of one job must say the same. */
async function compare(view: JobView, queue: Queue, told: ReadonlyMap<string, number>): Promise<string[]> {
  const there = await queue.getJob(`punctual-${view.id}`);
  if (there === undefined) return [`${view.id} is not at BullMQ`];
  const wrong: string[] = [];
  const state = await there.getState();
  if (state !== view.state) wrong.push(`${view.id} is ${view.state} here and ${state} there`);
  if (view.state === "completed" && JSON.stringify(view.output) !== JSON.stringify(there.returnvalue)) {
    wrong.push(`${view.id} came to ${JSON.stringify(view.output)} here and ${JSON.stringify(there.returnvalue)} there`);
  }
  if (view.state === "failed" && view.reason !== there.failedReason) {
    wrong.push(`${view.id} failed for "${view.reason}" here and "${there.failedReason}" there`);
  }
  const { n } = view.input as { readonly n: number };
  const expected = n % 10 === 0 ? "failed" : "completed";
  if (view.state !== expected) wrong.push(`job ${n} is ${view.state}: ${view.reason}`);
  if (told.get(view.id) !== 1) wrong.push(`${told.get(view.id) ?? 0} ends of ${view.id} are in the audit log`);
  return wrong;
}

async function attemptsAt(queue: Queue, id: string): Promise<readonly [string, number]> {
  const job = await queue.getJob(`punctual-${id}`);
  return [`punctual-${id}`, job?.attemptsMade ?? 0];
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + endsWithinMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited ${endsWithinMs / 1_000} s for ${what}`);
    await sleep(20);
  }
}

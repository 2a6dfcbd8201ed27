// The races of limit-race.ts and of its short form among the tests: processes against one limit, on a file of their own.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createScheduler, type Scheduler, task } from "punctual";
import { sqlite } from "punctual/sqlite";
import { type Child, startScript } from "./child.ts";
import { type JournalLine, readJournal } from "./journal.ts";

const script = fileURLToPath(new URL("limit-race-process.ts", import.meta.url));

/** What became of the calls of one process. */
export interface RaceReport {
  readonly accepted: number;
  readonly refused: number;
  /** Everything else that a call came to. */
  readonly errors: readonly string[];
}

export const racingTenant = "acme";
export const workedQueues = ["default", "other"] as const;

/** Waits a few ms, so that several would run at once if they could. */
export const brief = task("brief");

/** What a race came to. */
export interface RaceOutcome {
  readonly accepted: number;
  readonly refused: number;
  readonly errors: readonly string[];
  /** What the store then holds of the tenant. */
  readonly stored: number;
}

/** A child that says something and waits for an answer before it goes on. */
class Racer {
  readonly child: Child;
  readonly #said: unknown[] = [];
  #hear: () => void = () => {};

  constructor(args: readonly string[]) {
    this.child = startScript(script, args, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    this.child.process.on("message", (words) => {
      this.#said.push(words);
      this.#hear();
    });
  }

  /** What it says next. @throws when it ends without a word */
  async heard(): Promise<unknown> {
    const spoken = new Promise<void>((resolve) => {
      this.#hear = resolve;
    });
    if (this.#said.length === 0) await Promise.race([spoken, this.child.ended]);
    if (this.#said.length === 0) throw new Error("a process of the race ended without a word");
    return this.#said.shift();
  }

  answer(): void {
    this.child.process.send("go");
  }
}

/** Processes that each make so many calls at once, against a limit of one tenant that all share. */
export async function raceForLimit(
  what: "create" | "enqueue",
  { processes, calls, limit }: { readonly processes: number; readonly calls: number; readonly limit: number },
): Promise<RaceOutcome> {
  return await onFile(async (file, scheduler) => {
    const args = [what, file, String(calls), String(limit)];
    const reports = await withRacers(processes, args, async (racers) => {
      await Promise.all(racers.map((racer) => racer.heard()));
      for (const racer of racers) racer.answer();
      const reports = (await Promise.all(racers.map((racer) => racer.heard()))) as RaceReport[];
      for (const racer of racers) racer.answer();
      return reports;
    });
    const { items } = await scheduler.tenant(racingTenant).schedules.list({ limit: 1_000 });
    const { waiting } = await scheduler.stats({ tenant: racingTenant });
    return {
      accepted: reports.reduce((sum, { accepted }) => sum + accepted, 0),
      refused: reports.reduce((sum, { refused }) => sum + refused, 0),
      errors: reports.flatMap(({ errors }) => errors),
      stored: what === "create" ? items.filter(({ enabled }) => enabled).length : waiting,
    };
  });
}

/** The limits that `workWithinLimits` sets. One tenant more has none of its own. */
export const workLimits = {
  queue: { concurrency: 3, count: 40, periodMs: 200 },
  serialTenant: { id: "serial", concurrency: 1 },
  slowTenant: { id: "slow", count: 10, periodMs: 200 },
} as const;

/** The most that ever was at once, or in one period. */
export interface WorkOutcome {
  readonly jobs: number;
  readonly completed: number;
  readonly queueAtOnce: number;
  readonly queuePerPeriod: number;
  readonly serialAtOnce: number;
  readonly slowPerPeriod: number;
  /** How many processes had a part in it. */
  readonly processes: number;
  readonly errors: readonly string[];
}

/** Several worker processes on a queue and tenants with limits, until all is done. */
export async function workWithinLimits(processes: number, jobsEach: number): Promise<WorkOutcome> {
  return await onFile(async (file, scheduler, folder) => {
    const { queue, serialTenant, slowTenant } = workLimits;
    await scheduler.queues.limit("default", { concurrency: queue.concurrency, rate: rateOf(queue) });
    await scheduler.tenants.limit(serialTenant.id, { concurrency: serialTenant.concurrency });
    await scheduler.tenants.limit(slowTenant.id, { rate: rateOf(slowTenant) });
    const tenants = [serialTenant.id, slowTenant.id, "plain"];
    const jobs = tenants.length * workedQueues.length * jobsEach;
    const journal = join(folder, "journal");
    await withRacers(processes, ["work", file, journal, "10"], async (racers) => {
      await Promise.all(racers.map((racer) => racer.heard()));
      // Only now, so that none finds all done before it has begun.
      for (const tenant of tenants) {
        for (const name of workedQueues) {
          const jobs = Array.from({ length: jobsEach }, () => ({ task: brief, input: null }));
          await scheduler.enqueueMany(jobs, { tenant, queue: name });
        }
      }
      while ((await scheduler.stats()).totals.completed < jobs) await sleep(20);
      for (const racer of racers) racer.answer();
    });
    const claims = await claimsOf(scheduler);
    const lines = readJournal(journal);
    const inQueue = new Set(claims.filter((claim) => claim.queue === "default").map(({ job }) => job));
    return {
      jobs,
      completed: new Set(lines.filter(({ kind }) => kind === "done").map(({ job }) => job)).size,
      queueAtOnce: mostAtOnce(lines.filter(({ job }) => inQueue.has(job ?? ""))),
      queuePerPeriod: mostPerPeriod(
        claims.filter((claim) => claim.queue === "default"),
        queue.periodMs,
      ),
      serialAtOnce: mostAtOnce(lines.filter(({ text }) => text === serialTenant.id)),
      slowPerPeriod: mostPerPeriod(
        claims.filter(({ tenant }) => tenant === slowTenant.id),
        slowTenant.periodMs,
      ),
      processes: new Set(lines.filter(({ kind }) => kind === "started").map(({ pid }) => pid)).size,
      errors: lines.flatMap(({ kind, text = "" }) => (kind === "error" ? [text] : [])),
    };
  });
}

function rateOf({ count, periodMs }: { readonly count: number; readonly periodMs: number }) {
  return { count, per: periodMs };
}

interface Claim {
  readonly job: string;
  readonly queue: string;
  readonly tenant: string;
  /** By the store's clock. */
  readonly at: number;
}

/** Every claim, from the store's own log. */
async function claimsOf(scheduler: Scheduler<never>): Promise<Claim[]> {
  const claims: Claim[] = [];
  let cursor: string | undefined;
  do {
    const page = await scheduler.events.list({ limit: 1_000, ...(cursor === undefined ? {} : { cursor }) });
    for (const { type, at, tenant, job = "", queue = "" } of page.items) {
      if (type === "job:claimed") claims.push({ job, queue, tenant: tenant ?? "", at: at.getTime() });
    }
    cursor = page.next;
  } while (cursor !== undefined);
  return claims;
}

/** Lines are in the order of the file: a start is written after the claim, an end before the settlement. */
function mostAtOnce(lines: readonly JournalLine[]): number {
  let running = 0;
  let most = 0;
  for (const { kind } of lines) {
    running += kind === "started" ? 1 : kind === "done" ? -1 : 0;
    most = Math.max(most, running);
  }
  return most;
}

function mostPerPeriod(claims: readonly Claim[], periodMs: number): number {
  return Math.max(
    0,
    ...claims.map((first) => claims.filter(({ at }) => at >= first.at && at < first.at + periodMs).length),
  );
}

async function onFile<T>(work: (file: string, scheduler: Scheduler<never>, folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "punctual-race-"));
  const file = join(folder, "store.db");
  const scheduler = createScheduler({ engine: sqlite(file, { audit: "all" }) }) as unknown as Scheduler<never>;
  try {
    await scheduler.stats();
    return await work(file, scheduler, folder);
  } finally {
    await scheduler.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function withRacers<T>(
  count: number,
  args: readonly string[],
  work: (racers: readonly Racer[]) => Promise<T>,
): Promise<T> {
  const racers = Array.from({ length: count }, () => new Racer(args));
  try {
    return await work(racers);
  } catch (error) {
    for (const { child } of racers) child.process.kill("SIGKILL");
    throw error;
  } finally {
    await Promise.all(racers.map(({ child }) => child.ended));
  }
}

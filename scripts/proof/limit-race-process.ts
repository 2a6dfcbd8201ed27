// The processes of limit-race.ts, on one file: one that makes calls against a tenant's limit at the word "go", and one
// that works on limited queues and notes each start and end.
// Usage: limit-race-process.ts create|enqueue FILE CALLS LIMIT | work FILE JOURNAL CONCURRENCY
import { setTimeout as sleep } from "node:timers/promises";
import { createScheduler, every, handle, LimitExceededError, type Scheduler } from "punctual";
import { sqlite } from "punctual/sqlite";
import { writeJournal } from "./journal.ts";
import { brief, type RaceReport, racingTenant, workedQueues } from "./limit-race-stage.ts";

/** Tells the parent, and resolves with its next word. */
async function say(words: unknown): Promise<void> {
  const answered = new Promise<void>((resolve) => process.once("message", () => resolve()));
  process.send?.(words);
  await answered;
}

async function race(
  makeOptions: (limit: number) => Parameters<typeof createScheduler>[0]["guardrails"],
  call: (scheduler: Scheduler<never>, n: number) => Promise<unknown>,
  [file = "", calls, limit]: readonly string[],
): Promise<void> {
  const guardrails = makeOptions(Number(limit)) ?? {};
  const scheduler = createScheduler({ engine: sqlite(file) as never, guardrails }) as Scheduler<never>;
  await scheduler.stats();
  await say("ready");
  const report = { accepted: 0, refused: 0, errors: [] as string[] };
  const one = async (n: number) => {
    try {
      await call(scheduler, n);
      report.accepted++;
    } catch (error) {
      if (error instanceof LimitExceededError) report.refused++;
      else report.errors.push(String(error));
    }
  };
  // Some of a process's calls travel together, others come one after another.
  const together = Math.floor(Number(calls) / 2);
  await Promise.all(Array.from({ length: together }, (_, n) => one(n)));
  for (let n = together; n < Number(calls); n++) await one(n);
  await say(report satisfies RaceReport);
  await scheduler.stop();
}

async function work([file = "", journal = "", concurrency]: readonly string[]): Promise<void> {
  const handler = handle(brief, async (_input, ctx) => {
    writeJournal(journal, { kind: "started", job: ctx.job.id, attempt: ctx.attempt, text: ctx.tenant });
    await sleep(2 + Math.random() * 6);
    writeJournal(journal, { kind: "done", job: ctx.job.id, attempt: ctx.attempt, text: ctx.tenant });
  });
  const scheduler = createScheduler({
    engine: sqlite(file, { audit: "all" }),
    handlers: [handler],
    worker: { concurrency: Number(concurrency), queues: workedQueues },
  });
  scheduler.on("worker:error", ({ where, error }) =>
    writeJournal(journal, { kind: "error", text: `${where}: ${error}` }),
  );
  await scheduler.start();
  await say("ready");
  await scheduler.stop();
}

const [mode, ...rest] = process.argv.slice(2);
if (mode === "create") {
  const create = (scheduler: Scheduler<never>, n: number) =>
    scheduler.tenant(racingTenant).schedules.create(`${process.pid}-${n}`, { task: brief, when: every("1h") });
  await race((maxActiveSchedules) => ({ maxActiveSchedules }), create, rest);
} else if (mode === "enqueue") {
  const enqueue = (scheduler: Scheduler<never>) => scheduler.enqueue(brief, null, { tenant: racingTenant });
  await race((maxPendingJobs) => ({ maxPendingJobs }), enqueue, rest);
} else if (mode === "work") await work(rest);
// The channel to the parent would keep the process alive.
if (process.connected) process.disconnect();

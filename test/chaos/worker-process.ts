// The process that chaos happens to. What it does is in the ledger, line by line; what it may not survive is up to the test.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { writeJournal } from "../../scripts/proof/journal.ts";
import { leaseOf, settle } from "../../src/core/settling.ts";
import { resolvePolicy } from "../../src/core/task.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { type Context, createScheduler, type HandlerFunction, handle, task } from "../../src/index.ts";
import type { ProcessOptions } from "./stage.ts";

interface Options extends ProcessOptions {
  readonly file: string;
  readonly ledger: string;
  readonly folder: string;
}

const options = JSON.parse(process.argv[2] ?? "{}") as Options;
const { file, ledger, folder, mode = "worker", leaseMs = 30_000, concurrency = 5, drainMs = 30_000 } = options;
const retention = { completedCountMax: 100_000, endedCountMax: 100_000 };
const engine = sqlite(file, { retention });

function note(kind: "started" | "done", ctx: Context): void {
  const tick = ctx.tick === undefined ? {} : { schedule: ctx.schedule?.id ?? "", tick: ctx.tick.at.getTime() };
  writeJournal(ledger, { kind, job: ctx.job.id, attempt: ctx.attempt, ...tick });
}

/** Waits for the test's leave, whatever happens to the lease meanwhile. */
async function gate(): Promise<void> {
  const files = [`gate-${process.pid}`, "gate-all"].map((name) => join(folder, name));
  while (!files.some((path) => existsSync(path))) await sleep(10);
}

function noted(work: () => Promise<void>): HandlerFunction<unknown> {
  return async (_input, ctx) => {
    note("started", ctx);
    await work();
    note("done", ctx);
    return process.pid;
  };
}

const scheduler = createScheduler({
  engine,
  handlers: [
    handle(
      task("note"),
      noted(async () => {}),
    ),
    handle(task("gated"), noted(gate)),
  ],
  worker: { lease: leaseMs, concurrency },
});
scheduler.on("job:lease-lost", ({ id, attempt }) =>
  writeJournal(ledger, { kind: "lease-lost", job: id, attempt, text: "job:lease-lost" }),
);
scheduler.on("worker:error", ({ where, error }) => writeJournal(ledger, { kind: "error", text: `${where}: ${error}` }));
process.on("unhandledRejection", (error) => {
  writeJournal(ledger, { kind: "error", text: `unhandled rejection: ${error}` });
  process.exit(1);
});
process.once("SIGTERM", async () => {
  writeJournal(ledger, { kind: "stopping" });
  await scheduler.stop({ timeout: drainMs });
  process.exit(0);
});

async function enqueueOne(): Promise<void> {
  const { id } = await scheduler.enqueue("note", null);
  writeJournal(ledger, { kind: "accepted", job: id });
}

/** Speaks to the store by itself, without the worker's own watch over its leases. */
async function holdAndSettle(): Promise<void> {
  await engine.open();
  writeJournal(ledger, { kind: "ready" });
  const claim = { claimId: "00000000000000aa", worker: "holder", leaseMs, limit: 1, starts: 1, bytesMax: 1_000_000 };
  for (;;) {
    const { jobs } = await engine.jobs.claim({ ...claim, wants: [{ queue: "default", limit: 1 }] });
    const [job] = jobs;
    if (job === undefined) {
      await sleep(10);
      continue;
    }
    writeJournal(ledger, { kind: "started", job: job.id, attempt: job.attempt });
    await gate();
    const [held] = await engine.jobs.extend([{ lease: leaseOf(job), progress: 0.5 }], leaseMs);
    const end = { kind: "completed", output: '"too late"' } as const;
    const frame = { startedAt: job.claimedAt, endedAt: Date.now(), random: 0 };
    const [settled] = await engine.jobs.settle([settle(job, resolvePolicy({}), end, frame)]);
    writeJournal(ledger, { kind: "settled", job: job.id, text: `extend ${held}, settle ${settled?.outcome}` });
    return;
  }
}

if (mode === "holder") await holdAndSettle();
else if (mode === "producer") {
  writeJournal(ledger, { kind: "ready" });
  for (;;) await Promise.all(Array.from({ length: 20 }, enqueueOne));
} else {
  await scheduler.start();
  writeJournal(ledger, { kind: "ready" });
  while (options.enqueues === true) {
    await enqueueOne();
    await sleep(20);
  }
}

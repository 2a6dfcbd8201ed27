// What every chaos test has: a SQLite file, a ledger of effects beside it, worker processes, and a scheduler in this
// process that enqueues and looks but runs nothing.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished, vi } from "vitest";
import { type Child, startScript } from "../../scripts/proof/child.ts";
import { type JournalLine, readJournal } from "../../scripts/proof/journal.ts";
import type { Engine } from "../../src/core/engine.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { createScheduler, type Scheduler } from "../../src/index.ts";

/** What a worker process is started with, beside the stage's own file. */
export interface ProcessOptions {
  /** worker: all three roles · producer: enqueues as fast as it can · holder: claims one job, settles it when let. */
  readonly mode?: "worker" | "producer" | "holder";
  readonly leaseMs?: number;
  readonly concurrency?: number;
  /** The deadline of its graceful stop. */
  readonly drainMs?: number;
  /** Enqueues a job every 20 ms beside its other roles. */
  readonly enqueues?: boolean;
}

export interface Stage {
  readonly file: string;
  readonly engine: Engine<never>;
  readonly scheduler: Scheduler<never>;
  /** Starts a process and waits until it serves. */
  start(options?: ProcessOptions): Promise<Child & { readonly pid: number }>;
  ledger(): JournalLine[];
  /** Waits for something in the ledger and answers it. */
  seen(about: string, matches: (line: JournalLine) => boolean): Promise<JournalLine>;
  /** Lets the gated handlers of a process go on, or those of all. */
  openGate(pid?: number): void;
}

/** How long any condition may take; far more than it does, so that a busy machine fails no test. */
const patienceMs = 20_000;

export async function setStage(): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), "punctual-chaos-"));
  const file = join(folder, "store.db");
  const ledgerPath = join(folder, "ledger");
  const children: Child[] = [];
  const retention = { completedCountMax: 100_000, endedCountMax: 100_000 };
  const engine = sqlite(file, { retention }) as unknown as Engine<never>;
  const scheduler = createScheduler({ engine });
  onTestFinished(async () => {
    for (const { process } of children) process.kill("SIGKILL");
    await Promise.all(children.map(({ ended }) => ended));
    await scheduler.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  await scheduler.stats();

  const ledger = () => readJournal(ledgerPath);
  const seen = async (about: string, matches: (line: JournalLine) => boolean) => {
    const find = () => ledger().find(matches);
    return await waitFor(about, find);
  };
  return {
    file,
    engine,
    scheduler,
    ledger,
    seen,
    start: async (options = {}) => {
      const script = fileURLToPath(new URL("worker-process.ts", import.meta.url));
      const child = startScript(script, [JSON.stringify({ file, ledger: ledgerPath, folder, ...options })]);
      children.push(child);
      const pid = child.process.pid ?? 0;
      await seen(`process ${pid} to serve`, (line) => line.kind === "ready" && line.pid === pid);
      return { ...child, pid };
    },
    openGate: (pid) => writeFileSync(join(folder, `gate-${pid ?? "all"}`), ""),
  };
}

/** Asks again and again until there is an answer. */
export async function waitFor<T>(about: string, ask: () => T | Promise<T>): Promise<NonNullable<T>> {
  const look = async () => {
    const found = await ask();
    if (found === undefined || found === null || found === false) throw new Error(`waited for ${about}`);
    return found;
  };
  return await vi.waitFor(look, { timeout: patienceMs, interval: 20 });
}

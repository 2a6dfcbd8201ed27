// Plays the outbox proof: several processes of business transactions that are rolled back, undone in part and killed,
// beside workers; then orders and jobs are compared one to one.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { connect } from "punctual/connect";
import type { Engine } from "../../../src/core/engine.ts";
import { allPages } from "../all-pages.ts";
import { readEffects } from "../chaos/effects.ts";
import { keepsAll } from "../chaos/load.ts";
import { startScript } from "../child.ts";
import { doubled } from "../tick-account.ts";
import type { OutboxProcess } from "./outbox-orders.ts";

/** What it came to. */
export interface OutboxOutcome {
  readonly transactions: number;
  /** Processes that were killed in the middle of a transaction. */
  readonly crashes: number;
  readonly orders: number;
  readonly jobs: number;
  readonly seconds: number;
  readonly shortcomings: readonly string[];
}

const script = fileURLToPath(new URL("outbox-process.ts", import.meta.url));

/** On an empty database; the transactions are shared out among the processes. */
export async function playOutbox(
  url: string,
  { processes, transactions, workers }: { processes: number; transactions: number; workers: number },
): Promise<OutboxOutcome> {
  const folder = mkdtempSync(join(tmpdir(), "punctual-outbox-"));
  const engine = await connect(url, { retention: keepsAll });
  await engine.open();
  const client = new pg.Client(url);
  await client.connect();
  await client.query("CREATE TABLE orders (id uuid PRIMARY KEY, job uuid NOT NULL)");
  const base = { url, folder, from: 0, to: 0, progress: "" };
  const staff = Array.from({ length: workers }, () => startProcess({ ...base, mode: "worker" }));
  try {
    const startedAt = performance.now();
    const each = Math.ceil(transactions / processes);
    const crashes = await Promise.all(
      Array.from({ length: processes }, (_, index) =>
        untilThrough({ ...base, mode: "transactions", to: each, progress: join(folder, `progress-${index}`) }),
      ),
    );
    const seconds = (performance.now() - startedAt) / 1_000;
    await untilDone(engine);
    for (const { process } of staff) process.kill("SIGTERM");
    const endings = await Promise.all(staff.map(({ ended }) => ended));
    const { rows } = await client.query<{ id: string; job: string }>("SELECT id, job FROM orders");
    const jobs = await allPages((page) => engine.jobs.list({}, page));
    const errors = readEffects(folder).filter(({ kind }) => kind === "error");
    return {
      transactions: each * processes,
      crashes: crashes.reduce((sum, count) => sum + count, 0),
      orders: rows.length,
      jobs: jobs.length,
      seconds,
      shortcomings: [
        ...differences(rows, jobs),
        ...errors.map(({ text = "" }) => text),
        ...endings.flatMap(({ code, signal }) => (code === 0 ? [] : [`a worker ended with ${code ?? signal}`])),
      ],
    };
  } finally {
    for (const { process } of staff) process.kill("SIGKILL");
    await client.end();
    await engine.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function startProcess(told: OutboxProcess) {
  return startScript(script, [JSON.stringify(told)]);
}

/** Starts a process again after each crash, behind the transaction that it died in; answers how many there were. */
async function untilThrough(told: OutboxProcess): Promise<number> {
  let from = 0;
  for (let crashes = 0; ; crashes++) {
    const { code, signal } = await startProcess({ ...told, from }).ended;
    if (code === 0) return crashes;
    if (signal !== "SIGKILL") throw new Error(`a process of transactions ended with ${code ?? signal}`);
    from = existsSync(told.progress) ? Number(readFileSync(told.progress, "utf8")) + 1 : 0;
  }
}

async function untilDone(engine: Engine<never>): Promise<void> {
  const deadline = Date.now() + 120_000;
  for (;;) {
    const lanes = await engine.jobs.stats({});
    if (lanes.every(({ waiting, delayed, active }) => waiting + delayed + active === 0)) return;
    if (Date.now() > deadline) throw new Error("the jobs of the orders do not end");
    await sleep(50);
  }
}

/** Where orders and jobs are not the same, one to one. */
function differences(
  orders: readonly { readonly id: string; readonly job: string }[],
  jobs: readonly { readonly id: string; readonly input: string; readonly state: string }[],
): string[] {
  const orderOf = new Map(jobs.map(({ id, input }) => [id, (JSON.parse(input) as { readonly order: string }).order]));
  const wanted = new Set(orders.map(({ job }) => job));
  return [
    ...orders.flatMap(({ id, job }) => (orderOf.get(job) === id ? [] : [`order ${id} has no job ${job}`])),
    ...jobs.flatMap(({ id }) => (wanted.has(id) ? [] : [`job ${id} has no order`])),
    ...jobs.flatMap(({ id, state }) => (state === "completed" ? [] : [`job ${id} is ${state}`])),
    ...doubled(jobs.map(({ id }) => id)).map((id) => `job ${id} is listed twice`),
  ];
}

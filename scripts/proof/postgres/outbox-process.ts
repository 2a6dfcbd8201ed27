// A business process of the outbox proof: one transaction after another on its own client, each writing orders and
// enqueueing their jobs, some rolled back whole or in part, some cut short by `kill -9` of the process by itself. Or a
// worker, whose every job must find its order. Usage: outbox-process.ts JSON of OutboxProcess
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import pg from "pg";
import { createScheduler, handle, type TransactionScheduler } from "punctual";
import { connect } from "punctual/connect";
import { Journal } from "../chaos/effects.ts";
import { keepsAll } from "../chaos/load.ts";
import { isCrash, type OutboxProcess, orderShare, shares, ship } from "./outbox-orders.ts";

/** Where in a transaction the process may end itself. */
type CrashPoint = "before the enqueue" | "before the commit" | "as the commit is sent";

const crashPoints: readonly CrashPoint[] = ["before the enqueue", "before the commit", "as the commit is sent"];

const told = JSON.parse(process.argv[2] ?? "") as OutboxProcess;
const engine = await connect<pg.ClientBase>(told.url, { retention: keepsAll });
const client = new pg.Client(told.url);
await client.connect();
await (told.mode === "worker" ? work(told) : transact(told));
await client.end();

/** One transaction per number; how far it is stands in a file, for who starts it again after a crash. */
async function transact({ from, to, progress }: OutboxProcess): Promise<void> {
  const scheduler = createScheduler({ engine });
  for (let n = from; n < to; n++) {
    writeFileSync(progress, String(n));
    await transaction(scheduler.using(client), n);
  }
  writeFileSync(progress, String(to));
  await scheduler.stop();
}

async function transaction(scheduler: TransactionScheduler, n: number): Promise<void> {
  const crashPoint = isCrash(n) ? crashPoints[Math.floor(Math.random() * crashPoints.length)] : undefined;
  const crashAt = (point: CrashPoint) => {
    if (point === crashPoint) process.kill(process.pid, "SIGKILL");
  };
  await client.query("BEGIN");
  crashAt("before the enqueue");
  await order(scheduler, n);
  if (Math.random() < shares.savepoint) await orderInSavepoint(scheduler, n);
  crashAt("before the commit");
  if (crashPoint === undefined && Math.random() < shares.rolledBack) {
    await client.query("ROLLBACK");
    return;
  }
  const committed = client.query("COMMIT");
  if (crashPoint === "as the commit is sent") setImmediate(() => crashAt("as the commit is sent"));
  await committed;
}

/** An order and its job, in whatever way a business enqueues. */
async function order(scheduler: TransactionScheduler, n: number): Promise<void> {
  const id = randomUUID();
  const input = { order: id };
  const tenant = `tenant-${n % 3}`;
  const enqueue = () => {
    switch (n % 4) {
      case 0:
        return scheduler.enqueue(ship, input, { tenant, key: id });
      case 1:
        return scheduler.enqueue(ship, input, { tenant, delay: n % 1_000 });
      case 2:
        return scheduler.timers.put(ship, input, { tenant, key: id, delay: n % 500 });
      default:
        return scheduler.enqueue(ship, input, { tenant });
    }
  };
  const { id: job } = await enqueue();
  await client.query("INSERT INTO orders (id, job) VALUES ($1, $2)", [id, job]);
}

/** A part of the transaction that is kept, undone, or undone after an error of its own. */
async function orderInSavepoint(scheduler: TransactionScheduler, n: number): Promise<void> {
  await client.query("SAVEPOINT part");
  await order(scheduler, n + 1);
  const fate = orderShare();
  if (fate === "kept") {
    await client.query("RELEASE SAVEPOINT part");
    return;
  }
  if (fate === "failed") await client.query("SELECT 1 / 0").catch(() => {});
  await client.query("ROLLBACK TO SAVEPOINT part");
}

/** A job that runs before its order is there was seen before its transaction had committed. */
async function work({ folder, url }: OutboxProcess): Promise<void> {
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  const journal = new Journal(folder);
  const handler = handle(ship, async ({ order }, ctx) => {
    const { rows } = await pool.query("SELECT FROM orders WHERE id = $1", [order]);
    if (rows.length === 1) journal.write({ kind: "done", job: ctx.job.id, attempt: ctx.attempt });
    else journal.write({ kind: "error", job: ctx.job.id, text: `order ${order} is not there` });
  });
  const scheduler = createScheduler({ engine, handlers: [handler], worker: { concurrency: 20 } });
  scheduler.on("worker:error", ({ where, error }) => journal.write({ kind: "error", text: `${where}: ${error}` }));
  const ended = new Promise<void>((resolve) => process.once("SIGTERM", () => resolve()));
  await scheduler.start();
  await ended;
  await scheduler.stop({ timeout: "10s" });
  await pool.end();
}

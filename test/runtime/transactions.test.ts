// J1: enqueueing and completing inside the user's own transaction, on a SQLite file.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, onTestFinished, test } from "vitest";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { type Context, every, handle, LeaseLostError, task } from "../../src/index.ts";
import { VirtualClock } from "../../src/testing/index.ts";
import { notWritten } from "./faulty.ts";
import { rejection, rigOn, secondMs } from "./rig.ts";

const pay = task<number>("pay", { retry: { attempts: 2, backoff: { type: "fixed", delay: "1s" } } });

/** A scheduler on a file, and the user's own connection to it. */
function ledger(run: (tx: DatabaseSync, context: Context, clock: VirtualClock) => Promise<unknown>) {
  const folder = mkdtempSync(join(tmpdir(), "punctual-runtime-"));
  const path = join(folder, "jobs.db");
  const clock = new VirtualClock();
  const tx = new DatabaseSync(path);
  tx.exec("CREATE TABLE payments (job TEXT)");
  const handler = handle(pay, (_, context) => run(tx, context, clock));
  const made = rigOn(sqlite(path, { clock }), clock, { handlers: [handler] });
  onTestFinished(async () => {
    await made.stop();
    tx.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const payments = () => tx.prepare("SELECT count(*) AS count FROM payments").get()?.["count"];
  return { ...made, tx, payments };
}

/** Pays and completes the job in one transaction. */
async function payAndComplete(
  tx: DatabaseSync,
  context: Context,
  end: "COMMIT" | "ROLLBACK" = "COMMIT",
): Promise<void> {
  tx.exec("BEGIN IMMEDIATE");
  tx.prepare("INSERT INTO payments VALUES (?)").run(context.job.id);
  await context.complete(tx, "paid");
  tx.exec(end);
}

describe("enqueue", () => {
  test("B1 a job enqueued in a transaction is invisible before commit, and gone on rollback", async () => {
    const { scheduler, tx, clock, start, named } = ledger(async () => 0);
    await start();
    tx.exec("BEGIN IMMEDIATE");
    const { id } = await scheduler.using(tx).enqueue(pay, 1);
    tx.exec("ROLLBACK");
    await clock.advance(secondMs);
    expect(await scheduler.jobs.get(id)).toBeUndefined();
    tx.exec("BEGIN IMMEDIATE");
    const kept = await scheduler.using(tx).enqueueMany([{ task: pay, input: 2 }]);
    await scheduler.using(tx).schedules.create("s", { task: pay, input: 3, when: every("1h") });
    tx.exec("COMMIT");
    await clock.advance(secondMs);
    expect(named("job:completed").map((event) => event["id"])).toEqual(kept.map((job) => job.id));
    expect(await scheduler.schedules.get("s")).toMatchObject({ input: 3 });
  });
});

describe("ctx.complete", () => {
  test("J1 the work and its completion commit together", async () => {
    const { scheduler, clock, start, named, payments } = ledger((tx, context) => payAndComplete(tx, context));
    await start();
    const { id } = await scheduler.enqueue(pay, 1);
    await clock.advance(secondMs);
    expect(await scheduler.jobs.get(id)).toMatchObject({ state: "completed", output: "paid", attempt: 1 });
    expect([payments(), named("job:completed").length, named("job:failed").length]).toEqual([1, 1, 0]);
  });

  test("J1 a rollback undoes both, and the attempt has failed", async () => {
    const { scheduler, clock, start, named, payments } = ledger((tx, context) =>
      payAndComplete(tx, context, context.attempt === 1 ? "ROLLBACK" : "COMMIT"),
    );
    await start();
    const { id } = await scheduler.enqueue(pay, 1);
    await clock.advance(10 * secondMs);
    const job = await scheduler.jobs.get(id);
    expect(job).toMatchObject({ state: "completed", attempt: 2, failures: 1 });
    expect(job?.attempts[0]?.error?.message).toContain("not committed");
    expect([payments(), named("job:completed").length]).toEqual([1, 1]);
  });

  test("J1 a handler that goes on after the commit is not told that its lease is lost", async () => {
    const signals: AbortSignal[] = [];
    const { scheduler, clock, start, named, payments } = ledger(async (tx, context, time) => {
      signals.push(context.signal);
      await payAndComplete(tx, context);
      await new Promise<void>((resolve) => time.after(40_000, resolve));
    });
    await start();
    await scheduler.enqueue(pay, 1);
    await clock.advance(60 * secondMs);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    expect([payments(), named("job:completed").length, named("job:lease-lost").length]).toEqual([1, 1, 0]);
  });

  test("J3 a handler that goes on after its rollback keeps its lease, and may complete in another transaction", async () => {
    const signals: AbortSignal[] = [];
    const { scheduler, clock, start, named, payments } = ledger(async (tx, context, time) => {
      signals.push(context.signal);
      await payAndComplete(tx, context, "ROLLBACK");
      await new Promise<void>((resolve) => time.after(90_000, resolve));
      await payAndComplete(tx, context);
    });
    await start();
    const { id } = await scheduler.enqueue(pay, 1);
    await clock.advance(120 * secondMs);
    expect(await scheduler.jobs.get(id)).toMatchObject({ state: "completed", attempt: 1, failures: 0 });
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    expect([payments(), named("job:completed").length, named("job:lease-lost").length]).toEqual([1, 1, 0]);
  });

  test("J3 after a complete(tx) that was refused the lease is watched as before", async () => {
    const signals: AbortSignal[] = [];
    const { scheduler, faulty, clock, start } = ledger(async (tx, context, time) => {
      signals.push(context.signal);
      if (signals.length > 1) return;
      await payAndComplete(tx, context, "ROLLBACK");
      await rejection(context.complete({}));
      await new Promise<void>((resolve) => time.after(90_000, resolve));
    });
    await start();
    await scheduler.enqueue(pay, 1);
    faulty.on("jobs.extend", notWritten);
    await clock.advance(28 * secondMs);
    expect(signals[0]?.aborted).toBe(true);
  });

  test("J1 a handler that throws after the commit has completed its job", async () => {
    const { scheduler, clock, start, named, payments } = ledger(async (tx, context) => {
      await payAndComplete(tx, context);
      throw new Error("after the fact");
    });
    await start();
    const { id } = await scheduler.enqueue(pay, 1);
    await clock.advance(10 * secondMs);
    expect((await scheduler.jobs.get(id))?.state).toBe("completed");
    expect([payments(), named("job:completed").length, named("job:retrying").length]).toEqual([1, 1, 0]);
  });

  test("J3 complete under a lease that is another's is refused, so that the work can be rolled back", async () => {
    const errors: unknown[] = [];
    const { scheduler, clock, faulty, start, payments } = ledger(async (tx, context, time) => {
      if (context.attempt > 1) return;
      await new Promise<void>((resolve) => time.after(50_000, resolve));
      tx.exec("BEGIN IMMEDIATE");
      tx.prepare("INSERT INTO payments VALUES ('late')").run();
      errors.push(await rejection(context.complete(tx)));
      tx.exec("ROLLBACK");
    });
    await start();
    const { id } = await scheduler.enqueue(pay, 1);
    faulty.on("jobs.extend", notWritten);
    await clock.advance(60 * secondMs);
    expect(errors[0]).toBeInstanceOf(LeaseLostError);
    expect([payments(), (await scheduler.jobs.get(id))?.attempt]).toEqual([0, 2]);
  });
});

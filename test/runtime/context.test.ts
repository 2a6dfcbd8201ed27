// What a handler is handed: an object like any other, and an asynchronous context of its own.
import { AsyncLocalStorage } from "node:async_hooks";
import { expect, test } from "vitest";
import { type Context, every, handle, task } from "../../src/index.ts";
import { rig, secondMs } from "./rig.ts";

const mail = task<unknown>("mail");

test("N1 what a handler enters with AsyncLocalStorage no other job sees", async () => {
  const storage = new AsyncLocalStorage<string>();
  const seen: (string | undefined)[] = [];
  const handler = handle(mail, async (input) => {
    seen.push(storage.getStore());
    storage.enterWith(`entered by ${String(input)}`);
    await Promise.resolve();
    if (input === 2) throw new Error("once");
  });
  const { scheduler, clock, start } = rig({ handlers: [handler], worker: { concurrency: 1 } });
  await scheduler.enqueueMany([1, 2, 3, 4].map((input) => ({ task: mail, input })));
  await start("worker");
  await clock.advance(10 * secondMs);
  expect(seen.length).toBeGreaterThan(4);
  expect(new Set(seen)).toEqual(new Set([undefined]));
});

test("J7 a context can be spread, taken apart and looked through", async () => {
  let copied: (Context & { readonly db: string }) | undefined;
  const handler = handle(mail, (_, context) => {
    copied = { ...context, db: "postgres" };
    const { log, progress, signal } = context;
    log("taken apart");
    progress(0.5);
    expect(signal.aborted).toBe(false);
    expect("signal" in context).toBe(true);
    expect(Object.keys(context)).toContain("enqueue");
    expect(copied.signal).toBe(signal);
  });
  const { scheduler, clock, start } = rig({ handlers: [handler] });
  await start("worker", "ticker");
  await scheduler.schedules.create("every", { task: mail, when: every("1m") });
  await clock.advance(60 * secondMs);
  expect(copied).toMatchObject({ db: "postgres", attempt: 1, failures: 0, tenant: "default", delayMs: 0 });
  expect(copied?.schedule?.id).toBe("every");
  expect(copied?.job.schedule?.id).toBe("every");
  const { items } = await scheduler.jobs.list();
  expect(items[0]).toMatchObject({ state: "completed", progress: 0.5, log: [{ text: "taken apart" }] });
});

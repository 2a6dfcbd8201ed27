// J9: stop lets what runs finish until its deadline, then aborts and releases it.
import { describe, expect, test } from "vitest";
import { memory } from "../../src/engines/memory/index.ts";
import { AttemptAbortedError, type Context, handle, task } from "../../src/index.ts";
import { VirtualClock } from "../../src/testing/index.ts";
import { notWritten } from "./faulty.ts";
import { aborted, gate, rig, secondMs } from "./rig.ts";

const mail = task<{ n: number }>("mail");

/** A rig whose handler waits for a gate; `contexts` are the attempts begun. */
function gated(run: (context: Context, open: Promise<void>) => Promise<unknown> = async (_, open) => await open) {
  const clock = new VirtualClock();
  const engine = memory({ clock });
  const held = gate();
  const contexts: Context[] = [];
  const handler = handle(mail, async (_, context) => {
    contexts.push(context);
    return await run(context, held.promise);
  });
  const first = rig({ clock, engine, handlers: [handler] });
  const second = rig({ clock, engine });
  return { ...first, held, contexts, look: second.scheduler };
}

describe("drain", () => {
  test("J9 a running job finishes inside the deadline and completes", async () => {
    const { scheduler, clock, start, held, look } = gated();
    await start();
    const { id } = await scheduler.enqueue(mail, { n: 1 });
    await clock.settle();
    const stopped = scheduler.stop({ timeout: "30s" });
    await clock.advance(10 * secondMs);
    held.open();
    await clock.settle();
    await stopped;
    expect((await look.jobs.get(id))?.state).toBe("completed");
  });

  test("J9 a running job may still enqueue while the worker drains", async () => {
    const { scheduler, clock, start, held, look } = gated(async (context, open) => {
      await open;
      await context.enqueue("follow-up", {});
    });
    await start();
    const { id } = await scheduler.enqueue(mail, { n: 1 });
    await clock.settle();
    const stopped = scheduler.stop({ timeout: "30s" });
    await clock.advance(secondMs);
    held.open();
    await clock.advance(secondMs);
    await stopped;
    expect((await look.jobs.get(id))?.state).toBe("completed");
    expect((await look.jobs.list({ task: "follow-up" })).items).toHaveLength(1);
  });

  test("J9 what still runs at the deadline is aborted and released, due at once, without a failure", async () => {
    const { scheduler, clock, start, stop, contexts, look } = gated(({ signal }) =>
      aborted(signal).then(() => signal.throwIfAborted()),
    );
    await start();
    const { id } = await scheduler.enqueue(mail, { n: 1 });
    await clock.settle();
    await stop(secondMs);
    expect(contexts[0]?.signal.reason).toBeInstanceOf(AttemptAbortedError);
    const job = await look.jobs.get(id);
    expect(job).toMatchObject({ state: "waiting", failures: 0, attempt: 1 });
    expect(job?.attempts.map(({ outcome }) => outcome)).toEqual(["released"]);
  });

  test("J9 a handler that ignores its signal is released at the deadline too", async () => {
    const { scheduler, clock, start, stop, look } = gated(() => new Promise(() => {}));
    await start();
    const { id } = await scheduler.enqueue(mail, { n: 1 });
    await clock.settle();
    await stop(secondMs);
    expect(await look.jobs.get(id)).toMatchObject({ state: "waiting", failures: 0 });
  });

  test("J9 nothing is claimed once stop was called", async () => {
    const { scheduler, clock, start, contexts, look, held } = gated();
    await start();
    await scheduler.enqueue(mail, { n: 1 });
    await clock.settle();
    const stopped = scheduler.stop({ timeout: "30s" });
    const { id } = await look.enqueue(mail, { n: 2 });
    await clock.advance(5 * secondMs);
    expect(contexts).toHaveLength(1);
    held.open();
    await clock.settle();
    await stopped;
    expect((await look.jobs.get(id))?.state).toBe("waiting");
  });

  test("J9 the deadline is 30 s when none is given", async () => {
    const { scheduler, clock, start, contexts } = gated(() => new Promise(() => {}));
    await start();
    await scheduler.enqueue(mail, { n: 1 });
    await clock.settle();
    const stopped = scheduler.stop();
    await clock.advance(29_999);
    expect(contexts[0]?.signal.aborted).toBe(false);
    await clock.advance(1);
    expect(contexts[0]?.signal.aborted).toBe(true);
    await stopped;
  });

  test("J9 prefetched jobs are given back at once, no attempt is recorded", async () => {
    const { scheduler, clock, start, held, look } = gated();
    await start();
    held.open();
    await scheduler.enqueue(mail, { n: 0 });
    await clock.settle();
    // From here on handlers count as quick; these wait all the same.
    const slow = gate();
    scheduler.handle(handle(mail, () => slow.promise));
    await scheduler.enqueueMany(Array.from({ length: 20 }, (_, n) => ({ task: mail, input: { n } })));
    await clock.settle();
    expect((await look.stats()).active).toBe(20);
    const stopped = scheduler.stop({ timeout: "30s" });
    await clock.settle();
    expect(await look.stats()).toMatchObject({ active: 5, waiting: 15 });
    slow.open();
    await clock.settle();
    await stopped;
    const { items } = await look.jobs.list({ state: "waiting" });
    expect(items.map(({ failures, attempts }) => [failures, attempts.length])).toEqual(items.map(() => [0, 0]));
  });

  test("O2 stop with the store away ends without spinning, and the job runs again when its lease ends", async () => {
    const { scheduler, faulty, clock, start, held, look } = gated();
    await start();
    const { id } = await scheduler.enqueue(mail, { n: 1 });
    await clock.settle();
    faulty.on("jobs.settle", notWritten);
    const stopped = scheduler.stop({ timeout: secondMs });
    held.open();
    await clock.advance(10 * secondMs);
    await stopped;
    expect((await look.jobs.get(id))?.state).toBe("active");
    const again = rig({ clock, engine: faulty.engine, handlers: [handle(mail, () => 0)] });
    faulty.off("jobs.settle");
    await again.start("worker");
    await clock.advance(31 * secondMs);
    expect((await look.jobs.get(id))?.state).toBe("completed");
  });

  test("J9 an attempt that was cancelled and ignores it does not outlive the deadline as active", async () => {
    const { scheduler, clock, start, stop, look } = gated(() => new Promise(() => {}));
    await start();
    const { id } = await scheduler.enqueue(mail, { n: 1 });
    await clock.settle();
    expect(await scheduler.jobs.cancel(id)).toBe("cancelling");
    await stop(secondMs);
    expect((await look.jobs.get(id))?.state).toBe("cancelled");
  });
});

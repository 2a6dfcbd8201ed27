// J8: timeouts and cancellation.
import { describe, expect, test } from "vitest";
import {
  AttemptCancelledError,
  AttemptTimeoutError,
  type Context,
  handle,
  type TaskOptions,
  task,
} from "../../src/index.ts";
import { aborted, gate, type RigOptions, rig, secondMs } from "./rig.ts";

/** A rig with a task whose handler is given its context; `contexts` are the attempts begun. */
function watched(run: (context: Context) => unknown, options: TaskOptions<undefined> = {}, more: RigOptions = {}) {
  const mail = task("mail", options);
  const contexts: Context[] = [];
  const handler = handle(mail, (_, context) => {
    contexts.push(context);
    return run(context);
  });
  return { ...rig({ handlers: [handler], ...more }), mail, contexts };
}

const forever = () => new Promise(() => {});

describe("timeout", () => {
  test("J8 a timeout aborts the signal and fails the attempt though the handler ignores it", async () => {
    const { scheduler, clock, start, mail, contexts } = watched(forever, { timeout: "5s", retry: { attempts: 1 } });
    await start("worker");
    const { id } = await scheduler.enqueue(mail, null);
    await clock.advance(4_999);
    expect((await scheduler.jobs.get(id))?.state).toBe("active");
    await clock.advance(1);
    expect(contexts[0]?.signal.reason).toBeInstanceOf(AttemptTimeoutError);
    expect(await scheduler.jobs.get(id)).toMatchObject({
      state: "failed",
      failures: 1,
      attempts: [
        { outcome: "timed-out", error: { code: "ATTEMPT_TIMEOUT", message: "the attempt took longer than 5s" } },
      ],
    });
  });

  test("J8 the handler that ignores its timeout keeps its slot until it returns", async () => {
    const held = gate();
    const { scheduler, clock, start, mail, contexts } = watched(
      ({ attempt, job }) => (job.priority === 1 && attempt === 1 ? held.promise : undefined),
      { timeout: "5s", retry: { attempts: 1 } },
      { worker: { concurrency: 1 } },
    );
    await start("worker");
    await scheduler.enqueue(mail, null, { priority: 1 });
    await clock.settle();
    await scheduler.enqueue(mail, null);
    await clock.advance(20 * secondMs);
    expect(contexts).toHaveLength(1);
    held.open();
    await clock.settle();
    expect(contexts).toHaveLength(2);
  });

  test("J8 a timed-out attempt is retried like any failure", async () => {
    const { scheduler, clock, start, mail, contexts } = watched(forever, { timeout: "5s" });
    await start("worker");
    const { id } = await scheduler.enqueue(mail, null);
    await clock.advance(30 * secondMs);
    expect(contexts.map(({ attempt, failures }) => [attempt, failures])).toEqual([
      [1, 0],
      [2, 1],
      [3, 2],
    ]);
    expect((await scheduler.jobs.get(id))?.state).toBe("failed");
  });

  test("J8 a late return of a timed-out handler changes nothing", async () => {
    const held = gate();
    const { scheduler, clock, start, mail, named } = watched(() => held.promise, {
      timeout: "5s",
      retry: { attempts: 1 },
    });
    await start("worker");
    const { id } = await scheduler.enqueue(mail, null);
    await clock.advance(6 * secondMs);
    held.open();
    await clock.settle();
    expect((await scheduler.jobs.get(id))?.state).toBe("failed");
    expect(named("job:completed")).toEqual([]);
    expect(named("job:failed")).toHaveLength(1);
  });

  test("J8 a handler that throws when its signal aborts is a timeout, not another failure", async () => {
    const { scheduler, clock, start, mail } = watched(
      async ({ signal }) => {
        await aborted(signal);
        throw new Error("stopped halfway");
      },
      { timeout: "5s", retry: { attempts: 1 } },
    );
    await start("worker");
    const { id } = await scheduler.enqueue(mail, null);
    await clock.advance(6 * secondMs);
    expect((await scheduler.jobs.get(id))?.attempts).toMatchObject([{ outcome: "timed-out" }]);
  });

  test("J8 a handler that returns when its signal aborts has timed out all the same", async () => {
    const { scheduler, clock, start, mail } = watched(
      async ({ signal }) => {
        await aborted(signal);
        return "half done";
      },
      { timeout: "5s", retry: { attempts: 1 } },
    );
    await start("worker");
    const { id } = await scheduler.enqueue(mail, null);
    await clock.advance(6 * secondMs);
    expect(await scheduler.jobs.get(id)).toMatchObject({ state: "failed", attempts: [{ outcome: "timed-out" }] });
  });

  test("J8 a handler inside its time is not touched by the timeout", async () => {
    const { scheduler, clock, start, mail, contexts } = watched(() => "done", { timeout: "5s" });
    await start("worker");
    await scheduler.enqueue(mail, null);
    await clock.advance(10 * secondMs);
    expect(contexts.map(({ signal }) => signal.aborted)).toEqual([false]);
  });
});

describe("cancel", () => {
  test("J8 cancelling a pending job is immediate", async () => {
    const { scheduler, mail, named } = watched(forever);
    const { id } = await scheduler.enqueue(mail, null);
    expect(await scheduler.jobs.cancel(id)).toBe("cancelled");
    expect((await scheduler.jobs.get(id))?.state).toBe("cancelled");
    expect(named("job:cancelled")).toMatchObject([{ id }]);
    expect(await scheduler.jobs.cancel(id)).toBe("finished");
  });

  test("J8 cancelling an active job reaches its worker at once where the engine pushes", async () => {
    const { scheduler, clock, start, mail, contexts, named } = watched(async ({ signal }) => {
      await aborted(signal);
      signal.throwIfAborted();
    });
    await start("worker");
    const { id } = await scheduler.enqueue(mail, null);
    await clock.settle();
    expect(await scheduler.jobs.cancel(id)).toBe("cancelling");
    await clock.settle();
    expect(contexts[0]?.signal.reason).toBeInstanceOf(AttemptCancelledError);
    expect(await scheduler.jobs.get(id)).toMatchObject({ state: "cancelled", failures: 0, endCause: "cancelled" });
    expect(named("job:cancelled")).toHaveLength(1);
  });

  test("J8 without push the cancellation arrives with the next extension", async () => {
    const { scheduler, clock, faulty, start, mail, contexts } = watched(({ signal }) => aborted(signal));
    faulty.on("watch", async () => async () => {});
    await start("worker");
    const { id } = await scheduler.enqueue(mail, null);
    await clock.advance(2 * secondMs);
    await scheduler.jobs.cancel(id);
    await clock.advance(5 * secondMs);
    expect(contexts[0]?.signal.aborted).toBe(false);
    await clock.advance(5 * secondMs);
    expect(contexts[0]?.signal.aborted).toBe(true);
  });

  test("J8 a handler that finishes all the same completes its job", async () => {
    const { scheduler, clock, start, mail } = watched(async ({ signal }) => {
      await aborted(signal);
      return "done";
    });
    await start("worker");
    const { id } = await scheduler.enqueue(mail, null);
    await clock.settle();
    await scheduler.jobs.cancel(id);
    await clock.settle();
    expect(await scheduler.jobs.get(id)).toMatchObject({ state: "completed", output: "done" });
  });

  test("J8 a job that failed by itself while it was being cancelled is not run again", async () => {
    const held = gate();
    const { scheduler, clock, start, mail, contexts } = watched(async () => {
      await held.promise;
      throw new Error("boom");
    });
    await start("worker");
    const { id } = await scheduler.enqueue(mail, null);
    await clock.settle();
    await scheduler.jobs.cancel(id);
    held.open();
    await clock.advance(60 * secondMs);
    expect(contexts).toHaveLength(1);
    expect((await scheduler.jobs.get(id))?.state).toBe("cancelled");
  });

  test("J8 a timeout still ends a cancelled attempt whose handler ignores both", async () => {
    const { scheduler, clock, start, mail } = watched(forever, { timeout: "1m", retry: { attempts: 1 } });
    await start("worker");
    const { id } = await scheduler.enqueue(mail, null);
    await clock.settle();
    await scheduler.jobs.cancel(id);
    await clock.advance(61 * secondMs);
    expect((await scheduler.jobs.get(id))?.state).toBe("cancelled");
  });

  test("J8 a prefetched job that is cancelled never starts", async () => {
    const held = gate();
    const quick = { now: true };
    const { scheduler, clock, start, mail, contexts } = watched(
      () => (quick.now ? undefined : held.promise),
      {},
      { worker: { concurrency: 1 } },
    );
    await start("worker");
    await scheduler.enqueue(mail, 0);
    await clock.settle();
    quick.now = false;
    await scheduler.enqueue(mail, 1);
    const { id } = await scheduler.enqueue(mail, 2);
    await clock.settle();
    expect((await scheduler.jobs.get(id))?.state).toBe("active");
    await scheduler.jobs.cancel(id);
    await clock.settle();
    expect((await scheduler.jobs.get(id))?.state).toBe("cancelled");
    held.open();
    await clock.settle();
    expect(contexts).toHaveLength(2);
  });
});

// J3, J4: leases that are extended, lost, or end with their worker.
import { describe, expect, test } from "vitest";
import { memory } from "../../src/engines/memory/index.ts";
import { type Context, handle, LeaseLostError, type TaskOptions, task } from "../../src/index.ts";
import { VirtualClock } from "../../src/testing/index.ts";
import { answersAfter, type Fault, notWritten } from "./faulty.ts";
import { aborted, gate, minuteMs, PollingClock, type RigOptions, rig, secondMs } from "./rig.ts";

const forever = () => new Promise(() => {});

/** Another transaction has the one job in hand that is extended. */
const unextended: Fault = async () => ["unextended"];

/** Two workers on one store: what runs on the first is recorded in `first.contexts`. */
function pair(
  run: (context: Context) => unknown = forever,
  options: TaskOptions<undefined> = {},
  second: RigOptions = {},
) {
  const clock = new VirtualClock();
  const engine = memory({ clock });
  const mail = task("mail", options);
  const worker = (name: string, body: (context: Context) => unknown, more: RigOptions = {}) => {
    const contexts: Context[] = [];
    const handler = handle(mail, (_, context) => {
      contexts.push(context);
      return body(context);
    });
    return { ...rig({ clock, engine, handlers: [handler], worker: { name }, ...more }), contexts };
  };
  return { clock, mail, first: worker("first", run), second: worker("second", () => "done", second) };
}

describe("lease", () => {
  test("J3 a lease is extended for as long as the handler runs", async () => {
    const { clock, mail, first, second } = pair();
    await first.start("worker");
    const { id } = await first.scheduler.enqueue(mail, null);
    await clock.settle();
    await second.start("worker");
    await clock.advance(5 * minuteMs);
    expect(second.contexts).toHaveLength(0);
    expect(await first.scheduler.jobs.get(id)).toMatchObject({ state: "active", attempt: 1, worker: "first" });
    expect(first.faulty.calls("jobs.extend").slice(0, 3)).toEqual([10_000, 20_000, 30_000]);
  });

  test("J3 a job that another worker took over aborts its first attempt and counts no success", async () => {
    const { clock, mail, first, second } = pair(({ signal }) => aborted(signal));
    await first.start("worker");
    const { id } = await first.scheduler.enqueue(mail, null);
    await clock.settle();
    first.faulty.on("jobs.extend", notWritten);
    await second.start("worker");
    await clock.advance(40 * secondMs);
    expect(first.contexts[0]?.signal.reason).toBeInstanceOf(LeaseLostError);
    expect(first.named("job:lease-lost")).toMatchObject([{ id, attempt: 1 }]);
    expect(first.named("job:completed")).toEqual([]);
    const job = await first.scheduler.jobs.get(id);
    expect(job).toMatchObject({ state: "completed", attempt: 2, failures: 0 });
    expect(job?.attempts.map(({ worker, outcome }) => [worker, outcome])).toEqual([
      ["first", "lost"],
      ["second", "completed"],
    ]);
  });

  test("J3 the signal aborts a margin before the lease ends when the store is away", async () => {
    const { clock, mail, first } = pair();
    await first.start("worker");
    await first.scheduler.enqueue(mail, null);
    await clock.advance(10_500);
    // The last extension was sent at 10 s: the lease ends at 40 s.
    first.faulty.away();
    await clock.advance(22_000);
    expect(first.contexts[0]?.signal.aborted).toBe(false);
    await clock.advance(7_000);
    expect(first.contexts[0]?.signal.aborted).toBe(true);
    expect(clock.monotonic()).toBeLessThan(40_000);
  });

  test("J3 a lease counts from when its extension was sent, not from when the answer came", async () => {
    const { clock, mail, first } = pair();
    await first.start("worker");
    await first.scheduler.enqueue(mail, null);
    // Sent and done at 10 s, answered at 19 s: the store's lease ends at 40 s.
    const late = gate();
    first.faulty.on("jobs.extend", answersAfter(late.promise), 1);
    await clock.advance(19_000);
    first.faulty.on("jobs.extend", notWritten);
    late.open();
    await clock.advance(20_900);
    expect(first.contexts[0]?.signal.aborted).toBe(true);
  });

  test("J3 an extension that fails is tried again before the next third", async () => {
    const { clock, mail, first } = pair();
    await first.start("worker");
    await first.scheduler.enqueue(mail, null);
    first.faulty.on("jobs.extend", notWritten, 2);
    await clock.advance(60 * secondMs);
    expect(first.faulty.calls("jobs.extend").slice(0, 3)).toEqual([10_000, 12_500, 15_000]);
    expect(first.contexts[0]?.signal.aborted).toBe(false);
    expect(first.named("worker:error")).toMatchObject([{ where: "extend" }, { where: "extend" }]);
  });

  test("J3 an extension that did not lengthen the lease counts for nothing: the signal aborts in time", async () => {
    const { clock, mail, first } = pair();
    await first.start("worker");
    await first.scheduler.enqueue(mail, null);
    await clock.advance(10_500);
    // The last extension was sent at 10 s: the lease ends at 40 s.
    first.faulty.on("jobs.extend", unextended);
    await clock.advance(22_000);
    expect(first.contexts[0]?.signal.aborted).toBe(false);
    await clock.advance(7_000);
    expect(first.contexts[0]?.signal.aborted).toBe(true);
    expect(clock.monotonic()).toBeLessThan(40_000);
    expect(first.named("worker:error")).toEqual([]);
  });

  test("J3 a lease that was not lengthened is extended with the next look, and its report is told then", async () => {
    const { clock, mail, first } = pair((context) => {
      context.log("half of it");
      context.progress(0.5);
      return forever();
    });
    await first.start("worker");
    const { id } = await first.scheduler.enqueue(mail, null);
    first.faulty.on("jobs.extend", unextended, 2);
    await clock.advance(60 * secondMs);
    expect(first.faulty.calls("jobs.extend").slice(0, 4)).toEqual([10_000, 12_500, 15_000, 25_000]);
    expect(first.contexts[0]?.signal.aborted).toBe(false);
    const job = await first.scheduler.jobs.get(id);
    expect([job?.progress, job?.log.map(({ text }) => text)]).toEqual([0.5, ["half of it"]]);
  });

  test("J3 a stale settlement changes nothing and is told as lost", async () => {
    const { clock, mail, first, second } = pair(async ({ signal }) => {
      await aborted(signal);
      return "too late";
    });
    await first.start("worker");
    const { id } = await first.scheduler.enqueue(mail, null);
    await clock.settle();
    first.faulty.on("jobs.extend", notWritten);
    await second.start("worker");
    await clock.advance(40 * secondMs);
    expect((await first.scheduler.jobs.get(id))?.output).toBe("done");
    expect(first.named("job:completed")).toEqual([]);
  });

  test("J7 what a handler reports reaches the store with the extension", async () => {
    const { clock, mail, first } = pair((context) => {
      context.log("begun");
      context.progress(0.25);
      return forever();
    });
    await first.start("worker");
    const { id } = await first.scheduler.enqueue(mail, null);
    await clock.advance(10_000);
    expect(await first.scheduler.jobs.get(id)).toMatchObject({ progress: 0.25, log: [{ text: "begun", attempt: 1 }] });
  });

  test("J7 what an extension failed to carry is not lost", async () => {
    const { clock, mail, first } = pair(async (context) => {
      context.log("begun");
      context.progress(0.25);
      await new Promise<void>((resolve) => clock.after(15_000, resolve));
      context.log("done");
    });
    await first.start("worker");
    first.faulty.on("jobs.extend", notWritten);
    const { id } = await first.scheduler.enqueue(mail, null);
    await clock.advance(16_000);
    const job = await first.scheduler.jobs.get(id);
    expect(job?.log.map(({ text }) => text)).toEqual(["begun", "done"]);
    expect(job?.progress).toBe(0.25);
  });

  test("J4 a blocked event loop is warned about", async () => {
    const clock = new PollingClock();
    const { monotonic } = clock;
    let blockedMs = 0;
    clock.monotonic = () => monotonic() + blockedMs;
    const { named, start } = rig({ clock, handlers: [handle(task("mail"), () => 0)] });
    await start("worker");
    blockedMs = 20 * secondMs;
    await clock.advance(5 * secondMs);
    expect(named("worker:error")).toMatchObject([
      { where: "watchdog", error: { message: expect.stringContaining("blocked") } },
    ]);
  });
});

describe("crash", () => {
  test("J4 a killed worker's job runs again within 35 s of its last extension", async () => {
    const { clock, mail, first, second } = pair();
    await first.start("worker");
    const { id } = await first.scheduler.enqueue(mail, null);
    await clock.settle();
    // Killed: nothing of it reaches the store any more.
    first.faulty.away();
    await second.start("worker");
    await clock.advance(35 * secondMs);
    expect(second.contexts).toMatchObject([{ attempt: 2, failures: 0 }]);
    expect((await second.scheduler.jobs.get(id))?.state).toBe("completed");
  });

  test("J4 a job that keeps killing its worker ends as failed, its handler not called again", async () => {
    const clock = new VirtualClock();
    const engine = memory({ clock });
    const mail = task("mail", { retry: { attempts: 2 } });
    let calls = 0;
    const { scheduler } = rig({ clock, engine });
    const { id } = await scheduler.enqueue(mail, null);
    let last = rig({ clock, engine });
    for (let round = 0; round < 10; round++) {
      last = rig({
        clock,
        engine,
        handlers: [
          handle(mail, () => {
            calls++;
            return forever();
          }),
        ],
      });
      await last.start("worker");
      await clock.advance(secondMs);
      if ((await scheduler.jobs.get(id))?.state === "failed") break;
      last.faulty.away();
      await clock.advance(31 * secondMs);
    }
    expect(calls).toBe(2 + 5);
    expect(await scheduler.jobs.get(id)).toMatchObject({ state: "failed", endCause: "crashes" });
    expect(last.named("job:failed")).toHaveLength(1);
  });

  test("J4 a prefetched job counts as started only once its handler was called", async () => {
    const gates = [gate(), gate()];
    let calls = 0;
    const { clock, mail, first } = pair(() => gates[Math.floor((calls++ - 1) / 5)]?.promise);
    await first.start("worker");
    await first.scheduler.enqueue(mail, null);
    await clock.settle();
    // The first was quick, so more than the five slots take are claimed.
    const many = await first.scheduler.enqueueMany(Array.from({ length: 6 }, () => ({ task: mail, input: null })));
    await clock.settle();
    const last = many.at(-1)?.id ?? "";
    expect(await first.faulty.engine.jobs.get(last)).toMatchObject({ state: "active", started: false });
    gates[0]?.open();
    await clock.advance(11_000);
    expect(await first.faulty.engine.jobs.get(last)).toMatchObject({ state: "active", started: true });
  });

  test("J8 a job whose worker died before it heard of the cancellation is cancelled, not run again", async () => {
    const { clock, mail, first, second } = pair();
    await first.start("worker");
    const { id } = await first.scheduler.enqueue(mail, null);
    await clock.settle();
    first.faulty.away();
    expect(await second.scheduler.jobs.cancel(id)).toBe("cancelling");
    await second.start("worker");
    await clock.advance(35 * secondMs);
    expect(second.contexts).toEqual([]);
    expect((await second.scheduler.jobs.get(id))?.state).toBe("cancelled");
  });

  test("J4 a job whose lease ended is never prefetched behind busy slots", async () => {
    const quick = { now: true };
    const { clock, mail, first, second } = pair(forever, {}, { worker: { name: "second", concurrency: 1 } });
    second.scheduler.handle(handle(mail, () => (quick.now ? undefined : forever())));
    await second.start("worker");
    await second.scheduler.enqueue(mail, "quick");
    await clock.settle();
    await second.stop();
    // The first worker takes a job and dies.
    await first.start("worker");
    const { id } = await first.scheduler.enqueue(mail, "poison");
    await clock.settle();
    first.faulty.away();
    // The second is quick, so it prefetches; its only slot is then busy.
    await second.start("worker");
    await second.scheduler.enqueue(mail, "quick");
    await clock.settle();
    quick.now = false;
    await second.scheduler.enqueue(mail, "long");
    await clock.advance(60 * secondMs);
    expect(await second.scheduler.jobs.get(id)).toMatchObject({ attempt: 1, worker: "first" });
  });

  test("J4 nothing is prefetched beside a job whose lease had ended", async () => {
    const quick = { now: true };
    const { clock, mail, first, second } = pair(forever, {}, { worker: { name: "second", concurrency: 2 } });
    second.scheduler.handle(handle(mail, () => (quick.now ? undefined : forever())));
    await first.start("worker");
    await first.scheduler.enqueue(mail, "poison");
    await clock.settle();
    first.faulty.away();
    await second.start("worker");
    await second.scheduler.enqueue(mail, "quick");
    await clock.advance(29 * secondMs);
    quick.now = false;
    await clock.advance(2 * secondMs);
    expect(second.contexts).toEqual([]);
    const { items } = await second.scheduler.jobs.list({ state: "active" });
    expect(items).toMatchObject([{ worker: "second", attempt: 2 }]);
    await second.scheduler.enqueueMany([1, 2, 3, 4, 5, 6].map((input) => ({ task: mail, input })));
    await clock.settle();
    expect((await second.scheduler.stats()).active).toBe(2);
  });
});

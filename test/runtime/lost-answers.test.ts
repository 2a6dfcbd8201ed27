// J15: the store does what it is asked and the answer is lost. Nothing is lost, nothing is done twice.
import { describe, expect, test } from "vitest";
import { memory } from "../../src/engines/memory/index.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { every, handle, LimitExceededError, NotWrittenError, OutcomeUnknownError, task } from "../../src/index.ts";
import { VirtualClock } from "../../src/testing/index.ts";
import { answersAfter, type Fault, lostAnswer, notWritten } from "./faulty.ts";
import { aborted, gate, rejection, rig, rigOn, secondMs } from "./rig.ts";

const mail = task<number>("mail", { retry: { backoff: { type: "fixed", delay: 0 } } });

/** One fault after another, then none. */
function inTurn(...faults: readonly Fault[]): Fault {
  const left = [...faults];
  return (call) => (left.shift() ?? ((made) => made()))(call);
}

const strange: Fault = () => Promise.reject(new TypeError("rows is not iterable"));

describe("producers", () => {
  test.each([notWritten, strange])(
    "J15 an enqueue whose first answer was lost is never told as not written, however the store stays away",
    async (fault) => {
      const { scheduler, faulty, clock } = rig();
      faulty.on("jobs.insert", inTurn(lostAnswer, fault, fault));
      const failed = rejection(scheduler.enqueue(mail, 1));
      await clock.advance(5 * secondMs);
      const error = await failed;
      const ids = (await scheduler.jobs.list()).items.map(({ id }) => id);
      expect(error).toBeInstanceOf(OutcomeUnknownError);
      expect(error).toMatchObject({ details: { ids } });
      expect([ids.length, faulty.calls("jobs.insert").length]).toEqual([1, 3]);
    },
  );

  test("J15 an enqueue whose first answer was lost goes on where a try wrote nothing, and finds its job", async () => {
    const { scheduler, faulty, clock } = rig();
    faulty.on("jobs.insert", inTurn(lostAnswer, notWritten));
    const enqueued = scheduler.enqueue(mail, 1);
    await clock.advance(5 * secondMs);
    expect((await scheduler.jobs.list()).items).toMatchObject([{ id: (await enqueued).id }]);
  });

  test("J15 a trigger, a put and a cancellation are not told as not written either", async () => {
    const { scheduler, faulty, clock } = rig();
    const { id } = await scheduler.enqueue(mail, 1);
    await scheduler.schedules.create("s", { task: mail, input: 1, when: every("1h") });
    for (const method of ["jobs.change", "schedules.put", "schedules.fire"] as const) {
      faulty.on(method, inTurn(lostAnswer, notWritten, notWritten));
    }
    const failed = [
      rejection(scheduler.jobs.cancel(id)),
      rejection(scheduler.schedules.ensure("t", { task: mail, input: 1, when: every("1h") })),
      rejection(scheduler.schedules.trigger("s")),
    ];
    await clock.advance(5 * secondMs);
    expect(await Promise.all(failed)).toMatchObject(
      [id, "t", "s"].map((named) => ({ code: "OUTCOME_UNKNOWN", details: { ids: [named] } })),
    );
  });

  test("J15 a refusal after a lost answer, and an outage before any, are told as they are", async () => {
    const { scheduler, faulty, clock } = rig();
    const refused: Fault = () => Promise.reject(new LimitExceededError("one job too many", {}));
    faulty.on("jobs.insert", inTurn(lostAnswer, refused));
    const failed = rejection(scheduler.enqueue(mail, 1));
    await clock.advance(5 * secondMs);
    expect(await failed).toBeInstanceOf(LimitExceededError);
    faulty.on("jobs.insert", notWritten, 1);
    expect(await rejection(scheduler.enqueue(mail, 2))).toBeInstanceOf(NotWrittenError);
  });

  test("J15 an enqueue whose answer was lost, made again, finds its own job", async () => {
    const { scheduler, faulty, clock } = rig();
    faulty.on("jobs.insert", lostAnswer, 1);
    const first = scheduler.enqueue(mail, 1).catch((error: unknown) => error);
    await clock.advance(5 * secondMs);
    const found = await first;
    if (found instanceof OutcomeUnknownError) await scheduler.enqueue(mail, 1);
    expect((await scheduler.jobs.list()).items).toHaveLength(1);
  });

  test("J15 with an idempotencyKey the repeat finds the first job, whatever happened", async () => {
    const { scheduler, faulty, clock } = rig();
    faulty.on("jobs.insert", lostAnswer, 1);
    const first = scheduler.enqueue(mail, 1, { idempotencyKey: "order-1" }).catch(() => {});
    await clock.advance(5 * secondMs);
    await first;
    const again = await scheduler.enqueue(mail, 1, { idempotencyKey: "order-1" });
    const { items } = await scheduler.jobs.list();
    expect([again.outcome, items.map(({ id }) => id)]).toEqual(["existing", [again.id]]);
  });

  test("J15 a schedules.create whose answer was lost, made again, finds its own schedule", async () => {
    const { scheduler, faulty, clock } = rig();
    faulty.on("schedules.put", lostAnswer, 1);
    const create = () => scheduler.schedules.create("s", { task: mail, input: 1, when: every("1m") });
    const first = create().catch((error: unknown) => error);
    await clock.advance(5 * secondMs);
    const found = (await first) instanceof OutcomeUnknownError ? await create() : await first;
    expect(found).toMatchObject({ id: "s", revision: 1 });
  });

  test("J15 a trigger whose answer was lost, made again, makes one job", async () => {
    const { scheduler, faulty, clock } = rig();
    await scheduler.schedules.create("s", { task: mail, input: 1, when: every("1h"), overlap: "allow" });
    faulty.on("schedules.fire", lostAnswer, 1);
    const first = scheduler.schedules.trigger("s").catch((error: unknown) => error);
    await clock.advance(5 * secondMs);
    if ((await first) instanceof OutcomeUnknownError) await scheduler.schedules.trigger("s");
    expect((await scheduler.jobs.list()).items).toHaveLength(1);
  });

  test.each(["skip", "queue", "replace"] as const)(
    "J15 a trigger with overlap %s whose answer was lost finds its job, which waits",
    async (overlap) => {
      const { scheduler, faulty, clock } = rig();
      await scheduler.schedules.create("s", { task: mail, input: 1, when: every("1h"), overlap });
      faulty.on("schedules.fire", lostAnswer, 1);
      const first = scheduler.schedules.trigger("s");
      await clock.advance(5 * secondMs);
      const { items } = await scheduler.jobs.list();
      expect(await first).toMatchObject({ outcome: "fired", job: items[0]?.id });
      expect(items.map(({ state }) => state)).toEqual(["waiting"]);
    },
  );

  test("J15 a trigger whose answer was lost finds its job, which has ended, and leaves the next one alone", async () => {
    const { scheduler, faulty, clock } = rig();
    await scheduler.schedules.create("s", { task: mail, input: 1, when: every("1h"), overlap: "replace" });
    faulty.on("schedules.fire", lostAnswer, 1);
    const first = scheduler.schedules.trigger("s");
    await clock.advance(50);
    const [made] = (await scheduler.jobs.list()).items;
    await scheduler.jobs.cancel(made?.id ?? "");
    const second = await scheduler.schedules.trigger("s");
    await clock.advance(5 * secondMs);
    expect(await first).toMatchObject({ outcome: "fired", job: made?.id });
    const waiting = (await scheduler.jobs.list({ state: "waiting" })).items.map(({ id }) => ({ job: id }));
    expect(waiting).toMatchObject([{ job: "job" in second ? second.job : "none" }]);
  });
});

describe("workers", () => {
  test("J3 a job whose claim is answered in the last moments of its lease is not begun", async () => {
    const begun: number[] = [];
    const clock = new VirtualClock();
    const { scheduler, faulty, start, named } = rig({
      clock,
      worker: { lease: 30 * secondMs },
      handlers: [handle(mail, () => void begun.push(clock.monotonic()))],
    });
    await scheduler.enqueue(mail, 1);
    const answered = gate();
    faulty.on("jobs.claim", answersAfter(answered.promise), 1);
    await start("worker");
    await clock.advance(28 * secondMs);
    answered.open();
    await clock.advance(60 * secondMs);
    // Given back and taken again, with a whole lease before it; nobody's crash.
    expect(begun).toEqual([28 * secondMs]);
    const { items } = await scheduler.jobs.list();
    expect(items).toMatchObject([{ state: "completed", attempt: 2, attempts: [{ attempt: 2 }] }]);
    expect(named("worker:error")).toMatchObject([{ where: "claim" }]);
  });

  test("J15 jobs of a claim whose answer was lost run at once when the store is back, once each", async () => {
    const ran: number[] = [];
    const { scheduler, faulty, clock, start } = rig({ handlers: [handle(mail, (n) => void ran.push(n))] });
    await scheduler.enqueueMany([1, 2, 3].map((input) => ({ task: mail, input })));
    faulty.on("jobs.claim", lostAnswer, 1);
    await start("worker");
    await clock.advance(2 * secondMs);
    expect(ran.sort()).toEqual([1, 2, 3]);
    expect((await scheduler.jobs.list()).items.map(({ attempt }) => attempt)).toEqual([1, 1, 1]);
  });

  test("J3 a claim made again gives its jobs up in time, however slowly the store's clock was read", async () => {
    const clock = new VirtualClock();
    const endedAt: number[] = [];
    const { scheduler, faulty, start, seen } = rig({
      clock,
      worker: { lease: 30 * secondMs },
      handlers: [
        handle(mail, async (_, { signal }) => {
          await aborted(signal);
          endedAt.push(clock.monotonic());
        }),
      ],
    });
    const read = gate();
    faulty.on("now", answersAfter(read.promise), 1);
    const enqueued = scheduler.enqueue(mail, 1);
    await clock.advance(20 * secondMs);
    read.open();
    await enqueued;
    faulty.on("jobs.claim", lostAnswer, 1);
    faulty.on("jobs.extend", notWritten);
    await start("worker");
    const leasedUntil = clock.monotonic() + 30 * secondMs;
    faulty.away();
    await clock.advance(8 * secondMs);
    faulty.back();
    await clock.advance(40 * secondMs);
    expect(seen.map(({ name }) => name)).toContain("job:started");
    expect(endedAt[0]).toBeLessThan(leasedUntil);
  });

  test("J3 the lease of a claim whose answer was lost counts from when it was first asked", async () => {
    const clock = new VirtualClock();
    const engine = memory({ clock });
    const signals: AbortSignal[] = [];
    const { scheduler, faulty, start } = rig({
      clock,
      engine,
      handlers: [
        handle(mail, async (_, { signal }) => {
          signals.push(signal);
          await aborted(signal);
        }),
      ],
    });
    await scheduler.enqueue(mail, 1);
    faulty.on("jobs.claim", lostAnswer, 1);
    await start("worker");
    faulty.on("jobs.claim", notWritten, 3);
    faulty.on("jobs.extend", notWritten);
    // Asked at 0 s, found again at 11 to 15 s; nothing can be extended: the store's lease ends at 30 s.
    await clock.advance(29_999);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  });

  test("J3 jobs first taken by a claim made again long after are held for a whole lease", async () => {
    const { scheduler, faulty, clock, start, named } = rig({
      handlers: [handle(mail, () => new Promise<void>((resolve) => clock.after(8_000, resolve)))],
    });
    const { id } = await scheduler.enqueue(mail, 1);
    // The request itself was lost, which nobody can tell from a lost answer; then the store was away for a minute.
    faulty.on("jobs.claim", () => Promise.reject(new OutcomeUnknownError("the connection broke")), 1);
    await start("worker");
    faulty.on("jobs.claim", notWritten);
    await clock.advance(60 * secondMs);
    faulty.off("jobs.claim");
    await clock.advance(45 * secondMs);
    expect(await scheduler.jobs.get(id)).toMatchObject({ state: "completed", attempt: 1 });
    expect(named("job:lease-lost")).toEqual([]);
  });

  test("J15 a completion whose answer was lost is told once, and the job does not run again", async () => {
    const ran: number[] = [];
    const { scheduler, faulty, clock, start, named } = rig({ handlers: [handle(mail, (n) => void ran.push(n))] });
    faulty.on("jobs.settle", lostAnswer, 1);
    await start("worker");
    const { id } = await scheduler.enqueue(mail, 1);
    await clock.advance(60 * secondMs);
    expect(ran).toEqual([1]);
    expect(await scheduler.jobs.get(id)).toMatchObject({ state: "completed", attempt: 1 });
    expect([named("job:completed").length, named("job:lease-lost").length]).toEqual([1, 0]);
  });

  test("J15 a completion that retention removes at once is told as completed too", async () => {
    const brief = task<number>("brief", { retention: { completed: 0 } });
    const { scheduler, faulty, clock, start, named } = rig({ handlers: [handle(brief, () => 0)] });
    faulty.on("jobs.settle", lostAnswer, 1);
    await start("worker");
    await scheduler.enqueue(brief, 1);
    await clock.advance(60 * secondMs);
    expect([named("job:completed").length, named("job:lease-lost").length]).toEqual([1, 0]);
  });

  test("J15 completions of which the queue keeps none are told as completed after a lost answer", async () => {
    const clock = new VirtualClock();
    const engine = sqlite(":memory:", { clock, retention: { completedCountMax: 0 } });
    const { scheduler, faulty, start, named } = rigOn(engine, clock, { handlers: [handle(mail, () => 0)] });
    faulty.on("jobs.settle", lostAnswer, 1);
    await start("worker");
    await scheduler.enqueueMany([1, 2, 3].map((input) => ({ task: mail, input })));
    await clock.advance(20 * secondMs);
    expect([named("job:completed").length, named("job:lease-lost").length]).toEqual([3, 0]);
    expect((await scheduler.stats()).totals.completed).toBe(3);
  });

  test("J15 a retry whose answer was lost counts one failure", async () => {
    const twice = task<number>("twice", { retry: { backoff: { type: "fixed", delay: "10s" } } });
    const { scheduler, faulty, clock, start } = rig({
      handlers: [
        handle(twice, (_, { attempt }) => {
          if (attempt === 1) throw new Error("boom");
        }),
      ],
    });
    faulty.on("jobs.settle", lostAnswer, 1);
    await start("worker");
    const { id } = await scheduler.enqueue(twice, 1);
    await clock.advance(60 * secondMs);
    expect(await scheduler.jobs.get(id)).toMatchObject({ state: "completed", attempt: 2, failures: 1 });
  });

  test("J3 a job claimed again before its settlement was answered runs under its new lease", async () => {
    const late = gate();
    const { scheduler, faulty, clock, start, named } = rig({
      handlers: [
        handle(mail, async (_, { attempt }) => {
          if (attempt === 1) throw new Error("boom");
          await new Promise<void>((resolve) => clock.after(5_000, resolve));
        }),
      ],
    });
    faulty.on("jobs.settle", answersAfter(late.promise), 1);
    await start("worker");
    const { id } = await scheduler.enqueue(mail, 1);
    await clock.advance(2 * secondMs);
    late.open();
    await clock.advance(10 * secondMs);
    expect(await scheduler.jobs.get(id)).toMatchObject({ state: "completed", attempt: 2, failures: 1 });
    expect(named("job:lease-lost")).toEqual([]);
  });

  test("J15 a settlement that fails is sent again until the store has it", async () => {
    const { scheduler, faulty, clock, start, named } = rig({ handlers: [handle(mail, () => 0)] });
    faulty.on("jobs.settle", notWritten, 5);
    await start("worker");
    const { id } = await scheduler.enqueue(mail, 1);
    await clock.advance(60 * secondMs);
    expect(await scheduler.jobs.get(id)).toMatchObject({ state: "completed", attempt: 1 });
    expect(named("worker:error")).toHaveLength(5);
  });
});

describe("strange errors", () => {
  test("J15 a settlement that fails with what nobody foresaw is sent again, and the work is not done again", async () => {
    const ran: number[] = [];
    const { scheduler, faulty, clock, start } = rig({ handlers: [handle(mail, (n) => void ran.push(n))] });
    faulty.on("jobs.settle", strange, 3);
    await start("worker");
    const { id } = await scheduler.enqueue(mail, 1);
    await clock.advance(60 * secondMs);
    expect(ran).toEqual([1]);
    expect(await scheduler.jobs.get(id)).toMatchObject({ state: "completed", attempt: 1 });
  });
});

describe("tickers", () => {
  test("J15 a tick whose firing was not answered makes exactly one job", async () => {
    const ticks: number[] = [];
    const { scheduler, faulty, clock, start } = rig({
      handlers: [handle(mail, (_, { tick }) => void ticks.push(tick?.at.getTime() ?? 0))],
    });
    await scheduler.schedules.create("s", {
      task: mail,
      input: 1,
      when: every("10s"),
      overlap: "allow",
      catchUp: "all",
    });
    faulty.on("schedules.fire", lostAnswer, 3);
    await start();
    await clock.advance(300 * secondMs);
    const expected = Array.from({ length: 30 }, (_, n) => Date.UTC(2026, 0, 1) + (n + 1) * 10_000);
    expect(ticks).toEqual(expected);
  });
});

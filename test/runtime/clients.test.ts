// Producers: enqueue, jobs and timers.
import { describe, expect, test } from "vitest";
import { handle, task } from "../../src/index.ts";
import { dayMs, gate, hourMs, minuteMs, rejection, rig, secondMs } from "./rig.ts";

const mail = task<unknown>("mail", { queue: "mails" });
const begin = Date.UTC(2026, 0, 1);

describe("enqueue", () => {
  test("J1 the answer says the id, the outcome and when the job is due", async () => {
    const { scheduler, clock } = rig();
    const enqueued = await scheduler.enqueue(mail, { to: "a" }, { delay: "90s", priority: "high" });
    expect(enqueued).toEqual({ id: enqueued.id, outcome: "created", dueAt: new Date(begin + 90_000) });
    expect(await scheduler.jobs.get(enqueued.id)).toMatchObject({
      task: "mail",
      queue: "mails",
      tenant: "default",
      input: { to: "a" },
      priority: 2,
      state: "delayed",
    });
    await clock.advance(90 * secondMs);
    expect((await scheduler.jobs.get(enqueued.id))?.state).toBe("waiting");
  });

  test("T1 a delay of zero and an instant in the past are due now", async () => {
    const { scheduler } = rig();
    const past = { at: new Date(begin - dayMs) };
    for (const options of [{ delay: 0 }, {}, past, { at: "2020-02-29T23:59:60Z".replace(":60", ":59") }]) {
      expect((await scheduler.enqueue(mail, 1, options)).dueAt).toEqual(new Date(begin));
    }
  });

  test("T1 an instant with an offset is that instant", async () => {
    const { scheduler } = rig();
    const { dueAt } = await scheduler.enqueue(mail, 1, { at: "2026-01-01T09:00:00+09:00" });
    expect(dueAt).toEqual(new Date(begin));
  });

  test("T2 ignore, replace and error answer what happened to a pending key", async () => {
    const { scheduler } = rig();
    const first = await scheduler.enqueue(mail, 1, { key: "k", delay: "1h" });
    const ignored = await scheduler.enqueue(mail, 2, { key: "k", delay: "2h" });
    expect(ignored).toEqual({ id: first.id, outcome: "existing", dueAt: first.dueAt });
    const replaced = await scheduler.enqueue(mail, 3, { key: "k", delay: "3h", onConflict: "replace" });
    expect(replaced).toEqual({ id: first.id, outcome: "replaced", dueAt: new Date(begin + 3 * hourMs) });
    const error = await rejection(scheduler.enqueue(mail, 4, { key: "k", onConflict: "error" }));
    expect(error).toMatchObject({ code: "KEY_IN_USE", field: "key", details: { id: first.id } });
    expect((await scheduler.jobs.get(first.id))?.input).toBe(3);
  });

  test("T3 a handler that arms its own key again never loses the new job", async () => {
    const inputs: unknown[] = [];
    const { scheduler, clock, start } = rig({
      handlers: [
        handle(mail, async (input, { enqueue }) => {
          inputs.push(input);
          if (Number(input) < 3) {
            const next = await enqueue(mail, Number(input) + 1, { key: "chain", delay: "1m", onConflict: "replace" });
            expect(next).toMatchObject({ outcome: "created", successor: true });
          }
        }),
      ],
    });
    await start("worker");
    await scheduler.enqueue(mail, 1, { key: "chain" });
    await clock.advance(5 * minuteMs);
    expect(inputs).toEqual([1, 2, 3]);
  });

  test("T5 enqueueMany is all or nothing; shared options apply where an item says nothing", async () => {
    const { scheduler } = rig();
    await scheduler.enqueue(mail, 0, { key: "taken" });
    const items = [
      { task: mail, input: 1 },
      { task: mail, input: 2, key: "taken", onConflict: "error" as const },
    ];
    expect(await rejection(scheduler.enqueueMany(items))).toMatchObject({ code: "KEY_IN_USE", field: "items[1].key" });
    expect((await scheduler.jobs.list()).items).toHaveLength(1);
    const many = await scheduler.enqueueMany(
      [
        { task: mail, input: 1 },
        { task: mail, input: 2, delay: "1s" },
        { task: "other", input: 3, at: new Date(begin) },
      ],
      { delay: "1h", priority: "low", tenant: "acme" },
    );
    expect(many.map(({ dueAt }) => dueAt.getTime() - begin)).toEqual([hourMs, secondMs, 0]);
    const { items: stored } = await scheduler.jobs.list({ tenant: "acme" });
    expect(stored.map(({ priority }) => priority)).toEqual([10, 10, 10]);
    expect(await scheduler.enqueueMany([])).toEqual([]);
  });

  test.each(["key", "id", "idempotencyKey"])("T5 %s is per item: shared among several it is refused", async (name) => {
    const { scheduler } = rig();
    const value = "01234567-89ab-8cde-8f01-23456789abcd";
    const items = [1, 2].map((input) => ({ task: mail, input }));
    const error = await rejection(scheduler.enqueueMany(items, { [name]: value }));
    expect(error).toMatchObject({ code: "INVALID_INPUT", field: `shared.${name}` });
    expect((await scheduler.jobs.list()).items).toEqual([]);
  });

  test("J15 an enqueue with an id of the caller's own finds its job when it is made again", async () => {
    const { scheduler } = rig();
    const { id } = await scheduler.enqueue(mail, 1);
    const again = await scheduler.enqueue(mail, 1, { id });
    expect(again.id).toBe(id);
    expect((await scheduler.jobs.list()).items).toHaveLength(1);
  });

  test("T5 concurrent calls travel together, and one refused by its key harms no other", async () => {
    const { scheduler, faulty } = rig();
    await scheduler.enqueue(mail, 0, { key: "taken" });
    const before = faulty.calls("jobs.insert").length;
    const calls = Array.from({ length: 50 }, (_, n) =>
      scheduler.enqueue(mail, n, n === 25 ? { key: "taken", onConflict: "error" } : {}),
    );
    const settled = await Promise.allSettled(calls);
    expect(settled.filter(({ status }) => status === "rejected")).toHaveLength(1);
    expect(settled[25]?.status).toBe("rejected");
    expect(faulty.calls("jobs.insert").length - before).toBeLessThanOrEqual(3);
  });

  test("J15 an idempotencyKey finds the first job, also after it ended; another request under it is refused", async () => {
    const { scheduler, clock, start } = rig({ handlers: [handle(mail, () => 0)] });
    const first = await scheduler.enqueue(mail, { a: 1, b: 2 }, { idempotencyKey: "order-1" });
    await start("worker");
    await clock.settle();
    expect((await scheduler.jobs.get(first.id))?.state).toBe("completed");
    const again = await scheduler.enqueue(mail, { b: 2, a: 1 }, { idempotencyKey: "order-1" });
    expect([again.id, again.outcome]).toEqual([first.id, "existing"]);
    expect(await rejection(scheduler.enqueue(mail, { a: 2 }, { idempotencyKey: "order-1" }))).toMatchObject({
      code: "IDEMPOTENCY_MISMATCH",
      field: "idempotencyKey",
    });
    const elsewhere = await scheduler.enqueue(mail, {}, { idempotencyKey: "order-1", tenant: "acme" });
    expect(elsewhere.outcome).toBe("created");
    await clock.advance(dayMs);
    const nextDay = await scheduler.enqueue(mail, { a: 2 }, { idempotencyKey: "order-1" });
    expect(nextDay.outcome).toBe("created");
  });

  test("D1 the caller's objects are never changed, nor kept", async () => {
    const { scheduler } = rig();
    const input = Object.freeze({ list: [1] });
    const options = Object.freeze({ metadata: Object.freeze({ a: 1 }), delay: "1m" });
    const { id } = await scheduler.enqueue(mail, input, options);
    input.list.push(2);
    expect((await scheduler.jobs.get(id))?.input).toEqual({ list: [1] });
  });
});

describe("jobs", () => {
  test("J14 listing shows states as people see them", async () => {
    const held = gate();
    const { scheduler, clock, start } = rig({
      handlers: [handle(mail, () => held.promise)],
      worker: { concurrency: 1 },
    });
    const ids = {
      active: (await scheduler.enqueue(mail, 1, { priority: 1, key: "k" })).id,
      waiting: (await scheduler.enqueue(mail, 2)).id,
      delayed: (await scheduler.enqueue(mail, 3, { delay: "1h" })).id,
      cancelled: (await scheduler.enqueue(mail, 4)).id,
    };
    await scheduler.jobs.cancel(ids.cancelled);
    await start("worker");
    const successor = (await scheduler.enqueue(mail, 5, { key: "k", onConflict: "replace" })).id;
    await clock.settle();
    const listed = async (...state: ("active" | "waiting" | "delayed" | "cancelled" | "failed")[]) =>
      (await scheduler.jobs.list({ state })).items.map(({ id }) => id).sort();
    expect(await listed("active")).toEqual([ids.active]);
    expect(await listed("waiting")).toEqual([ids.waiting]);
    expect(await listed("delayed")).toEqual([ids.delayed, successor].sort());
    expect(await listed("waiting", "active")).toEqual([ids.waiting, ids.active].sort());
    expect(await listed("delayed", "cancelled")).toEqual([ids.delayed, ids.cancelled, successor].sort());
    expect(await listed("failed")).toEqual([]);
    held.open();
  });

  test("J14 pages are newest first and follow their cursor to the end", async () => {
    const { scheduler } = rig();
    for (let n = 0; n < 7; n++) await scheduler.enqueue(mail, n);
    const inputs: unknown[] = [];
    for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
      const page = await scheduler.jobs.list({ limit: 3, ...(cursor === undefined ? {} : { cursor }) });
      inputs.push(...page.items.map(({ input }) => input));
      cursor = page.next;
    }
    expect(inputs).toEqual([6, 5, 4, 3, 2, 1, 0]);
  });

  test("B10 a failed job runs again by retry, its failures forgotten; a completed one does not", async () => {
    let fail = true;
    const once = task("once", { retry: { attempts: 1 } });
    const { scheduler, clock, start } = rig({
      handlers: [
        handle(once, () => {
          if (fail) throw new Error("boom");
        }),
      ],
    });
    await start("worker");
    const { id } = await scheduler.enqueue(once, null);
    await clock.settle();
    fail = false;
    await scheduler.jobs.retry(id);
    await clock.settle();
    expect(await scheduler.jobs.get(id)).toMatchObject({ state: "completed", attempt: 2, failures: 0 });
    expect(await rejection(scheduler.jobs.retry(id))).toMatchObject({ code: "STATE_CONFLICT" });
  });

  test("T1 reschedule moves a pending job, retry makes it due now, update changes its input", async () => {
    const { scheduler } = rig();
    const { id } = await scheduler.enqueue(mail, 1, { delay: "1h" });
    await scheduler.jobs.reschedule(id, new Date(begin + 5 * hourMs));
    expect((await scheduler.jobs.get(id))?.dueAt).toEqual(new Date(begin + 5 * hourMs));
    await scheduler.jobs.update(id, { changed: true });
    await scheduler.jobs.retry(id);
    expect(await scheduler.jobs.get(id)).toMatchObject({ state: "waiting", input: { changed: true } });
  });

  test("S2 a producer with a wrong wall clock shows a job as the store sees it", async () => {
    const { scheduler, clock } = rig();
    clock.jumpWall(2 * hourMs);
    const other = rig({ clock });
    const { id } = await other.scheduler.enqueue(mail, 1, { delay: "1h" });
    expect((await other.scheduler.jobs.get(id))?.state).toBe("delayed");
    expect((await scheduler.stats()).delayed).toBe(0);
  });
});

describe("timers", () => {
  test("T2 put sets and replaces, move moves, cancel removes, each says what it did", async () => {
    const { scheduler } = rig();
    const { timers } = scheduler;
    const name = { queue: "mails", key: "remind-1" };
    expect((await timers.put(mail, 1, { key: "remind-1", delay: "1h" })).outcome).toBe("created");
    const { id, outcome } = await timers.put(mail, 2, { key: "remind-1", delay: "2h" });
    expect(outcome).toBe("replaced");
    expect(await timers.move(name, new Date(begin + 9 * hourMs))).toEqual({ outcome: "moved", id });
    expect((await timers.list()).items).toMatchObject([{ id, input: 2, dueAt: new Date(begin + 9 * hourMs) }]);
    expect(await timers.cancel(name)).toEqual({ outcome: "cancelled", id });
    expect([await timers.cancel(name), await timers.move(name, new Date())]).toEqual([
      { outcome: "unknown" },
      { outcome: "unknown" },
    ]);
  });

  test("T4 an active timer is left to finish", async () => {
    const held = gate();
    const { scheduler, clock, start } = rig({ handlers: [handle(mail, () => held.promise)] });
    await start("worker");
    const { id } = await scheduler.timers.put(mail, 1, { key: "k" });
    await clock.settle();
    expect(await scheduler.timers.cancel({ queue: "mails", key: "k" })).toEqual({ outcome: "active", id });
    expect(await scheduler.timers.move({ queue: "mails", key: "k" }, new Date())).toEqual({ outcome: "active", id });
    held.open();
    await clock.settle();
    expect((await scheduler.jobs.get(id))?.state).toBe("completed");
  });

  test("T7 pending timers are listed by tenant, queue, prefix and due time; jobs without a key are none", async () => {
    const { scheduler } = rig();
    await scheduler.enqueue(mail, 0, { delay: "1h" });
    for (const [key, delay] of [
      ["a-1", "1h"],
      ["a-2", "3h"],
      ["b-1", "2h"],
    ] as const)
      await scheduler.timers.put(mail, key, { key, delay });
    await scheduler.timers.put("other", 1, { key: "a-3", tenant: "acme" });
    const keys = async (query: object) => (await scheduler.timers.list(query)).items.map(({ key }) => key).sort();
    expect(await keys({})).toEqual(["a-1", "a-2", "a-3", "b-1"]);
    expect(await keys({ keyPrefix: "a-", tenant: "default" })).toEqual(["a-1", "a-2"]);
    expect(await keys({ queue: "default" })).toEqual(["a-3"]);
    expect(await keys({ dueBefore: new Date(begin + 2 * hourMs), queue: "mails" })).toEqual(["a-1"]);
  });
});

// Operators and tenants: queues, limits, stats, and what a tenant handle sees.
import { describe, expect, test } from "vitest";
import { handle, task } from "../../src/index.ts";
import { rejection, rig, secondMs } from "./rig.ts";

const mail = task<unknown>("mail", { queue: "mails" });

describe("queues and stats", () => {
  test("J14 stats tell every state and the totals, per tenant and queue", async () => {
    const once = task<boolean>("once", { retry: { attempts: 1 }, queue: "work" });
    const { scheduler, clock, start } = rig({
      handlers: [
        handle(once, (fails) => {
          if (fails) throw new Error("boom");
        }),
      ],
    });
    await start("worker");
    await scheduler.enqueue(once, false);
    await scheduler.enqueue(once, true, { tenant: "acme", priority: "low" });
    await clock.settle();
    await scheduler.queues.pause("work");
    await scheduler.enqueue(once, false, { priority: "critical" });
    await scheduler.enqueue(once, false, { delay: "1h" });
    await scheduler.jobs.cancel((await scheduler.enqueue(once, false)).id);
    await clock.settle();
    const counts = { waiting: 1, delayed: 1, active: 0, completed: 1, failed: 1, cancelled: 1 };
    const totals = { completed: 1, failed: 1, cancelled: 1 };
    expect(await scheduler.stats()).toEqual({ ...counts, totals, paused: false, pausedQueues: ["work"] });
    expect(await scheduler.stats({ tenant: "acme" })).toMatchObject({ waiting: 0, failed: 1, completed: 0 });
    expect(await scheduler.stats({ queue: "none" })).toMatchObject({ waiting: 0, failed: 0 });
    expect(await scheduler.queues.list()).toEqual([{ name: "work", paused: true, ...counts }]);
  });

  test("J12 limits are set, shown and lifted one by one", async () => {
    const { scheduler } = rig();
    const { queues } = scheduler;
    await queues.limit("mails", { concurrency: 2, rate: { count: 10, per: "1m" } });
    expect(await queues.list()).toMatchObject([
      { name: "mails", concurrency: 2, rate: { count: 10, periodMs: 60_000 } },
    ]);
    await queues.limit("mails", { concurrency: null });
    const [queue] = await queues.list();
    expect([queue?.concurrency, queue?.rate]).toEqual([undefined, { count: 10, periodMs: 60_000 }]);
  });

  test("J12 a rate limit starts no more than it says in any second", async () => {
    const startedAt: number[] = [];
    const { scheduler, clock, start } = rig({ handlers: [handle(mail, () => startedAt.push(clock.monotonic()))] });
    await scheduler.queues.limit("mails", { rate: { count: 3, per: "1s" } });
    await start("worker");
    await scheduler.enqueueMany(Array.from({ length: 20 }, (_, input) => ({ task: mail, input })));
    await clock.advance(30 * secondMs);
    expect(startedAt).toHaveLength(20);
    for (const [index, at] of startedAt.entries()) {
      const third = startedAt[index + 3] ?? Number.POSITIVE_INFINITY;
      expect(third - at).toBeGreaterThanOrEqual(secondMs);
    }
  });
});

describe("tenants", () => {
  test("N1 a tenant handle sees and touches its own alone", async () => {
    const { scheduler } = rig();
    const acme = scheduler.tenant("acme");
    const own = await acme.enqueue(mail, 1, { key: "k", delay: "1h" });
    const other = await scheduler.enqueue(mail, 2, { key: "k", delay: "1h", tenant: "zeta" });
    expect([own.outcome, other.outcome]).toEqual(["created", "created"]);
    expect((await acme.jobs.list()).items.map(({ id }) => id)).toEqual([own.id]);
    expect((await acme.timers.list()).items).toHaveLength(1);
    expect((await acme.stats()).delayed).toBe(1);
    expect(await acme.jobs.get(other.id)).toBeUndefined();
    expect(await acme.jobs.cancel(other.id)).toBe("unknown");
    expect(await rejection(acme.jobs.retry(other.id))).toMatchObject({ code: "NOT_FOUND" });
    expect(await rejection(acme.jobs.update(other.id, 3))).toMatchObject({ code: "NOT_FOUND" });
    expect(await acme.timers.cancel({ queue: "mails", key: "k" })).toMatchObject({ id: own.id });
    expect((await scheduler.jobs.get(other.id))?.state).toBe("delayed");
  });

  test("N1 a tenant handle cannot name another tenant", async () => {
    const { scheduler } = rig();
    const acme = scheduler.tenant("acme");
    const tenant = "zeta";
    const when = { kind: "every", everyMs: 60_000 } as const;
    const calls = [
      acme.enqueue(mail, 1, { tenant }),
      acme.enqueueMany([{ task: mail, input: 1, tenant }]),
      acme.enqueueMany([{ task: mail, input: 1 }], { tenant }),
      acme.jobs.list({ tenant }),
      acme.jobs.get("01234567-89ab-8cde-8f01-23456789abcd", { tenant }),
      acme.timers.cancel({ key: "k", tenant }),
      acme.timers.list({ tenant }),
      acme.schedules.create("s", { task: mail, input: 1, when, tenant }),
      acme.schedules.list({ tenant }),
      acme.schedules.get("s", { tenant }),
      acme.schedules.remove("s", { tenant }),
    ];
    for (const call of calls) {
      expect(await rejection(call)).toMatchObject({ code: "INVALID_INPUT", field: expect.stringContaining("tenant") });
    }
    expect((await scheduler.jobs.list()).items).toEqual([]);
  });

  test("N1 an id of another tenant's job is refused, and tells nothing of that job", async () => {
    const { scheduler } = rig();
    const other = await scheduler.enqueue(mail, 2, { delay: "1h", tenant: "zeta" });
    const unused = other.id.replace(/.{12}$/, "0123456789ab");
    const acme = scheduler.tenant("acme");
    const errors = [
      await rejection(acme.enqueue(mail, 1, { id: other.id })),
      await rejection(acme.enqueue(mail, 1, { id: unused })),
    ];
    for (const error of errors) expect(error).toMatchObject({ code: "INVALID_INPUT", field: "id" });
    expect((await acme.jobs.list()).items).toEqual([]);
  });

  test("N1 schedules of two tenants may share an id", async () => {
    const { scheduler } = rig();
    const when = { kind: "every", everyMs: 60_000 } as const;
    for (const tenant of ["acme", "zeta"])
      await scheduler.tenant(tenant).schedules.create("s", { task: mail, input: tenant, when });
    await scheduler.tenant("acme").schedules.remove("s");
    expect((await scheduler.schedules.list()).items.map(({ tenant }) => tenant)).toEqual(["zeta"]);
  });
});

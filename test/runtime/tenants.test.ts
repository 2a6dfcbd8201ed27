// `scheduler.tenants`: limits and shares of one tenant, and what a handle bound to it can learn and cannot reach.
import { describe, expect, test } from "vitest";
import { every, handle, task } from "../../src/index.ts";
import { VirtualClock } from "../../src/testing/index.ts";
import { gate, hourMs, minuteMs, PollingClock, rejection, rig, secondMs } from "./rig.ts";

const mail = task<unknown>("mail", { queue: "mails" });
const when = every("1m");

describe("tenants.limit", () => {
  test("N2 answers what holds now: its own over the scheduler's", async () => {
    const { scheduler } = rig({ guardrails: { maxPendingJobs: 5, minInterval: "1m" } });
    const view = await scheduler.tenants.limit("acme", {
      weight: 3,
      concurrency: 2,
      rate: { count: 10, per: "1m" },
      guardrails: { maxPendingJobs: "unlimited", maxHorizon: "1h" },
    });
    expect(view).toEqual({
      id: "acme",
      weight: 3,
      concurrency: 2,
      rate: { count: 10, periodMs: minuteMs },
      ownGuardrails: { maxPendingJobs: "unlimited", maxHorizonMs: hourMs },
      guardrails: { minIntervalMs: minuteMs, maxHorizonMs: hourMs },
      activeSchedules: 0,
      pendingJobs: 0,
      activeJobs: 0,
    });
    const back = {
      weight: null,
      concurrency: null,
      rate: null,
      guardrails: { maxPendingJobs: null, maxHorizon: null },
    };
    await scheduler.tenants.limit("acme", back, { actor: "ann" });
    expect(await scheduler.tenants.get("acme")).toMatchObject({
      weight: 1,
      ownGuardrails: {},
      guardrails: { maxPendingJobs: 5 },
    });
    const { items } = await scheduler.events.list({ type: "tenant:changed", tenant: "acme" });
    expect(items.map(({ actor }) => actor)).toEqual(["ann", undefined]);
  });

  test("N2 what means nothing is refused by its name, and nothing is stored", async () => {
    const { scheduler } = rig();
    const bad: [unknown, string][] = [
      [{ weight: 0 }, "limits.weight"],
      [{ weight: 1_001 }, "limits.weight"],
      [{ weight: 1.5 }, "limits.weight"],
      [{ weight: "2" }, "limits.weight"],
      [{ concurrency: 0 }, "limits.concurrency"],
      [{ rate: { count: 1 } }, "limits.rate.per"],
      [{ rate: { count: 0, per: "1m" } }, "limits.rate.count"],
      [{ rate: { count: 1, per: 0 } }, "limits.rate.per"],
      [{ rate: { count: 1, per: "1m", burst: 1 } }, "limits.rate.burst"],
      [{ guardrails: { maxPendingJobs: -1 } }, "limits.guardrails.maxPendingJobs"],
      [{ guardrails: { maxPendingJobs: "none" } }, "limits.guardrails.maxPendingJobs"],
      [{ guardrails: { minInterval: "often" } }, "limits.guardrails.minInterval"],
      [{ guardrails: { minIntervalMs: 1 } }, "limits.guardrails.minIntervalMs"],
      [{ guardrails: null }, "limits.guardrails"],
      [{ share: 1 }, "limits.share"],
      [null, "limits"],
    ];
    for (const [limits, field] of bad) {
      expect(await rejection(scheduler.tenants.limit("acme", limits as never))).toMatchObject({
        code: "INVALID_INPUT",
        field,
      });
    }
    expect(await rejection(scheduler.tenants.limit("a b", {}))).toMatchObject({ code: "INVALID_INPUT", field: "id" });
    expect(await rejection(scheduler.tenants.limit("a", {}, { by: "x" } as never))).toMatchObject({ field: "by" });
    expect(await rejection(scheduler.tenants.list({ tenant: "a" } as never))).toMatchObject({ field: "tenant" });
    expect((await scheduler.tenants.list()).items).toEqual([]);
  });

  test("N2 tenants are listed in pages", async () => {
    const { scheduler } = rig();
    for (const tenant of ["c", "a", "b"]) await scheduler.enqueue(mail, 1, { tenant });
    const first = await scheduler.tenants.list({ limit: 2 });
    expect(first.items.map(({ id, pendingJobs }) => [id, pendingJobs])).toEqual([
      ["a", 1],
      ["b", 1],
    ]);
    const rest = await scheduler.tenants.list({ limit: 2, cursor: first.next ?? "" });
    expect([rest.items.map(({ id }) => id), rest.next]).toEqual([["c"], undefined]);
  });
});

describe("guardrails of a tenant", () => {
  test("N2 each way to exceed one is a LimitExceededError that names limit, max and value", async () => {
    const { scheduler, clock } = rig();
    const acme = scheduler.tenant("acme");
    const { id } = await acme.enqueue(mail, 1, { key: "k", delay: "1m" });
    const ended = await acme.enqueue(mail, 1);
    await acme.jobs.cancel(ended.id);
    await acme.schedules.create("s", { task: mail, input: 1, when });
    await acme.schedules.create("off", { task: mail, input: 1, when });
    await acme.schedules.disable("off");
    const guardrails = {
      maxActiveSchedules: 1,
      minInterval: "2m",
      maxPendingJobs: 1,
      maxHorizon: "1h",
      payloadBytesMax: 5,
    };
    await scheduler.tenants.limit("acme", { guardrails });
    const late = new Date(clock.now() + 2 * hourMs);
    const calls: [string, number, () => Promise<unknown>][] = [
      ["maxPendingJobs", 1, () => acme.enqueue(mail, 1)],
      ["maxPendingJobs", 1, () => acme.jobs.retry(ended.id)],
      ["maxPendingJobs", 1, () => scheduler.jobs.retry(ended.id)],
      ["maxHorizonMs", hourMs, () => acme.enqueue(mail, 1, { delay: "2h" })],
      ["maxHorizonMs", hourMs, () => acme.jobs.reschedule(id, late)],
      ["maxHorizonMs", hourMs, () => acme.timers.move({ queue: "mails", key: "k" }, late)],
      ["payloadBytesMax", 5, () => acme.jobs.update(id, "long one")],
      ["payloadBytesMax", 5, () => acme.schedules.update("s", { input: "long one" })],
      ["maxActiveSchedules", 1, () => acme.schedules.create("t", { task: mail, input: 1, when: every("2m") })],
      ["maxActiveSchedules", 1, () => acme.schedules.enable("off")],
      ["minIntervalMs", 2 * minuteMs, () => acme.schedules.update("s", { when: every("90s") })],
    ];
    for (const [limit, max, call] of calls) {
      const error = await rejection(call());
      expect(error).toMatchObject({ code: "LIMIT_EXCEEDED", field: limit, details: { limit, max, tenant: "acme" } });
      const { value = 0 } = (error as { details?: { value?: number } }).details ?? {};
      expect(limit === "minIntervalMs" ? value < max : value > max, limit).toBe(true);
    }
    expect(await acme.limits()).toMatchObject({ activeSchedules: 1, pendingJobs: 1 });
    // What is there goes on being said, and used.
    const same = await acme.schedules.ensure("s", { task: mail, input: 1, when });
    expect(same.outcome).toBe("unchanged");
    expect(await acme.schedules.ensure("s", { task: mail, input: 1, when, name: "Mails" })).toMatchObject({
      outcome: "updated",
    });
  });

  test("N2 a tenant's own limit may be wider than the scheduler's", async () => {
    const { scheduler } = rig({ guardrails: { minInterval: "5m", maxActiveSchedules: 1 } });
    const acme = scheduler.tenant("acme");
    const refused = await rejection(acme.schedules.create("s", { task: mail, input: 1, when }));
    expect(refused).toMatchObject({ code: "LIMIT_EXCEEDED", details: { limit: "minIntervalMs", value: minuteMs } });
    const guardrails = { minInterval: "unlimited", maxActiveSchedules: 2 } as const;
    await scheduler.tenants.limit("acme", { guardrails });
    for (const id of ["s", "t"]) await acme.schedules.create(id, { task: mail, input: 1, when });
    expect((await acme.limits()).activeSchedules).toBe(2);
  });

  test("N2 ticks keep to the limit that the scheduler gives everyone", async () => {
    const { scheduler, clock, start } = rig({ guardrails: { maxPendingJobs: 2 } });
    await scheduler.schedules.create("s", { task: mail, input: 1, when, overlap: "allow" });
    await start("ticker");
    await clock.advance(5 * minuteMs);
    expect((await scheduler.stats()).waiting).toBe(2);
    const { items } = await scheduler.schedules.history("s");
    const reasons = items.map((tick) => ("reason" in tick ? tick.reason : "fired")).reverse();
    expect(reasons).toEqual(["fired", "fired", "limit", "limit", "limit"]);
  });
});

describe("limits of a tenant's claims", () => {
  test.each([
    ["polling", () => new PollingClock()],
    ["patient", () => new VirtualClock()],
  ])(
    "J12 a tenant runs no more at once than its concurrency, and each end lets the next one start (%s)",
    async (_, make) => {
      let running = 0;
      let most = 0;
      const gates: ReturnType<typeof gate>[] = [];
      const { scheduler, clock, start } = rig({
        handlers: [
          handle(mail, async () => {
            most = Math.max(most, ++running);
            const held = gate();
            gates.push(held);
            await held.promise;
            running--;
          }),
        ],
        worker: { concurrency: 10 },
        clock: make(),
      });
      await scheduler.tenants.limit("acme", { concurrency: 2 });
      for (let count = 0; count < 6; count++) await scheduler.enqueue(mail, count, { tenant: "acme" });
      await scheduler.enqueue(mail, 9, { tenant: "free" });
      await start("worker");
      expect(running).toBe(3);
      for (let ended = 0; ended < 7; ended++) {
        gates[ended]?.open();
        await clock.advance(1);
      }
      expect([most, running, gates.length]).toEqual([3, 0, 7]);
    },
  );

  test("J12 a tenant's rate spreads its starts, and its worker sleeps until it gives again", async () => {
    const starts: number[] = [];
    const { scheduler, clock, start } = rig({ handlers: [handle(mail, () => void starts.push(clock.now()))] });
    const from = clock.now();
    await scheduler.tenants.limit("acme", { rate: { count: 2, per: "10s" } });
    for (let count = 0; count < 6; count++) await scheduler.enqueue(mail, count, { tenant: "acme" });
    await start("worker");
    await clock.advance(30 * secondMs);
    expect(starts.map((at) => at - from)).toEqual([0, 0, 11_000, 11_000, 22_000, 22_000]);
  });
});

describe("a tenant handle", () => {
  test("N1 shows its own limits and queues, and nothing of others'", async () => {
    const { scheduler } = rig();
    await scheduler.tenants.limit("acme", { weight: 2 });
    await scheduler.tenants.limit("zeta", { weight: 9 });
    await scheduler.enqueue(mail, 1, { tenant: "acme" });
    await scheduler.enqueue(mail, 1, { tenant: "zeta" });
    await scheduler.enqueue(mail, 1, { tenant: "zeta", queue: "secret" });
    for (const queue of ["secret", "mails"]) await scheduler.queues.pause(queue);
    const acme = scheduler.tenant("acme");
    expect(await acme.limits()).toMatchObject({ id: "acme", weight: 2, pendingJobs: 1 });
    expect(await acme.queues.list()).toMatchObject([{ name: "mails", waiting: 1, paused: true }]);
    expect((await acme.stats()).pausedQueues).toEqual(["mails"]);
    await scheduler.pause();
    expect((await acme.stats()).paused).toBe(true);
    expect((await acme.events.list()).items.map(({ tenant }) => tenant)).toEqual(["acme"]);
    expect(Object.keys(acme.queues)).toEqual(["list"]);
    expect("tenants" in acme).toBe(false);
  });

  test("N1 of the default tenant is bound to it like any other", async () => {
    const { scheduler } = rig();
    const own = scheduler.tenant("default");
    await scheduler.enqueue(mail, 1, { tenant: "zeta" });
    await scheduler.tenants.limit("zeta", { weight: 2 });
    expect((await own.jobs.list()).items).toEqual([]);
    expect(await rejection(own.events.purge({ before: new Date() }))).toMatchObject({ code: "INVALID_INPUT" });
    expect((await own.events.list()).items).toEqual([]);
  });

  test("N1 cannot name another tenant anywhere", async () => {
    const { scheduler, clock } = rig();
    const tenant = "zeta";
    const job = await scheduler.enqueue(mail, 1, { tenant, key: "k", delay: "1h" });
    await scheduler.schedules.create("s", { task: mail, input: 1, when, tenant });
    const acme = scheduler.tenant("acme");
    const range = { from: new Date(clock.now() - hourMs), to: new Date(clock.now()) };
    const options = { task: mail, input: 1, when } as const;
    const calls: (() => Promise<unknown>)[] = [
      () => acme.jobs.cancel(job.id, { tenant }),
      () => acme.jobs.retry(job.id, { tenant }),
      () => acme.jobs.update(job.id, 2, { tenant }),
      () => acme.jobs.reschedule(job.id, new Date(clock.now()), { tenant }),
      () => acme.jobs.purge({ before: new Date(), tenant }),
      () => acme.timers.put(mail, 1, { key: "k", tenant }),
      () => acme.timers.move({ key: "k", queue: "mails", tenant }, new Date(clock.now())),
      () => acme.schedules.ensure("s", { ...options, tenant }),
      () => acme.schedules.ensureMany([{ id: "s", ...options, tenant }]),
      () => acme.schedules.update("s", { tenant }),
      () => acme.schedules.enable("s", { tenant }),
      () => acme.schedules.disable("s", { tenant }),
      () => acme.schedules.trigger("s", { tenant }),
      () => acme.schedules.preview("s", { tenant }),
      () => acme.schedules.previewOf("s", { ...options, tenant }),
      () => acme.schedules.history("s", { tenant }),
      () => acme.schedules.backfill("s", { ...range, tenant }),
      () => acme.events.list({ tenant }),
      () => acme.events.tail({ tenant }).next(),
      () => acme.explain({ job: job.id, tenant }),
      () => acme.stats({ tenant } as never),
    ];
    for (const call of calls) {
      const error = await rejection((async () => call())());
      expect(error, String(call)).toMatchObject({
        code: "INVALID_INPUT",
        field: expect.stringContaining("tenant"),
      });
    }
  });

  test("N1 finds nothing under another tenant's names and ids", async () => {
    const { scheduler, clock } = rig();
    const tenant = "zeta";
    const job = await scheduler.enqueue(mail, 1, { tenant, key: "k", delay: "1h" });
    await scheduler.schedules.create("s", { task: mail, input: 1, when, tenant });
    const acme = scheduler.tenant("acme");
    const range = { from: new Date(clock.now() - hourMs), to: new Date(clock.now()) };
    expect(await acme.timers.move({ queue: "mails", key: "k" }, new Date(clock.now()))).toEqual({ outcome: "unknown" });
    expect(await acme.schedules.get("s")).toBeUndefined();
    expect(await acme.schedules.remove("s")).toBe(false);
    expect((await acme.schedules.history("s")).items).toEqual([]);
    expect((await acme.schedules.list()).items).toEqual([]);
    expect((await acme.events.list({ job: job.id })).items).toEqual([]);
    const lost = [
      () => acme.schedules.update("s", { name: "x" }),
      () => acme.schedules.enable("s"),
      () => acme.schedules.disable("s"),
      () => acme.schedules.trigger("s"),
      () => acme.schedules.preview("s"),
      () => acme.schedules.backfill("s", range),
      () => acme.jobs.reschedule(job.id, new Date(clock.now())),
      () => acme.explain({ job: job.id }),
      () => acme.explain({ schedule: "s" }),
    ];
    for (const call of lost) expect(await rejection(call()), String(call)).toMatchObject({ code: "NOT_FOUND" });
    expect(await acme.stats()).toMatchObject({ delayed: 0 });
    expect(await scheduler.jobs.get(job.id)).toMatchObject({ state: "delayed", input: 1 });
    expect(await scheduler.schedules.get("s", { tenant })).toMatchObject({ revision: 1, enabled: true });
  });
});

// Fairness inside a worker: what waits here for a slot is served one tenant after another.
import { describe, expect, test } from "vitest";
import type { Token } from "../../src/core/id.ts";
import type { ClaimedJob } from "../../src/core/job.ts";
import { handle, task } from "../../src/index.ts";
import { WaitingJobs } from "../../src/runtime/waiting-jobs.ts";
import { gate, type Rig, type RigOptions, rig, secondMs } from "./rig.ts";

const visit = task<string>("visit");

function jobsOf(tenant: string, count: number, parts: Partial<ClaimedJob> = {}): ClaimedJob[] {
  return Array.from({ length: count }, (_, n) => {
    return { id: `${tenant}-${n}`, tenant, queue: "default", priority: 5, ...parts } as ClaimedJob;
  });
}

function waitingWith(...jobs: readonly ClaimedJob[]): WaitingJobs {
  const waiting = new WaitingJobs();
  for (const job of jobs) waiting.add(job);
  return waiting;
}

function takeIds(waiting: WaitingJobs, count = Number.POSITIVE_INFINITY): string[] {
  const ids: string[] = [];
  while (ids.length < count) {
    const job = waiting.take();
    if (job === undefined) break;
    ids.push(job.id);
  }
  return ids;
}

describe("jobs that wait for a slot", () => {
  test("J12 lanes are served one after another, each in its own order", () => {
    const waiting = waitingWith(...jobsOf("big", 4), ...jobsOf("a", 1), ...jobsOf("b", 2));
    expect(takeIds(waiting)).toEqual(["big-0", "a-0", "b-0", "big-1", "b-1", "big-2", "big-3"]);
    expect([waiting.size, waiting.lanes]).toEqual([0, 0]);
  });

  test("J12 a tenant's queues are lanes of their own", () => {
    const waiting = waitingWith(...jobsOf("a", 2), ...jobsOf("a", 1, { queue: "other", id: "other" as never }));
    expect(takeIds(waiting)).toEqual(["a-0", "other", "a-1"]);
  });

  test("J12 who comes is served before the lane that was served last", () => {
    const waiting = waitingWith(...jobsOf("big", 4));
    expect(takeIds(waiting, 1)).toEqual(["big-0"]);
    for (const job of [...jobsOf("a", 1), ...jobsOf("b", 1)]) waiting.add(job);
    expect(takeIds(waiting)).toEqual(["a-0", "b-0", "big-1", "big-2", "big-3"]);
  });

  test("J12 a lane is not overtaken again and again by those that come", () => {
    const waiting = waitingWith(...jobsOf("big", 4));
    const served: string[] = [];
    for (let n = 0; n < 8; n++) {
      served.push(...takeIds(waiting, 1));
      for (const job of jobsOf(`late-${n}`, 2)) waiting.add(job);
    }
    expect(served.filter((id) => id.startsWith("big")).length).toBeGreaterThanOrEqual(2);
  });

  test("J5 within a lane an urgent job that is claimed later goes before those that wait", () => {
    const [urgent] = jobsOf("urgent", 1, { tenant: "a", priority: 1 });
    const waiting = waitingWith(...jobsOf("a", 2), ...jobsOf("low", 1, { tenant: "a", priority: 10 }));
    if (urgent !== undefined) waiting.add(urgent);
    expect(takeIds(waiting)).toEqual(["urgent-0", "a-0", "a-1", "low-0"]);
  });

  test("J4 what the store has marked as started goes before all others", () => {
    const waiting = waitingWith(...jobsOf("big", 2), ...jobsOf("a", 1, { started: true }));
    expect(takeIds(waiting)).toEqual(["a-0", "big-0", "big-1"]);
  });

  test("J11 jobs are taken out of turn without a trace", () => {
    const waiting = waitingWith(...jobsOf("a", 2), ...jobsOf("b", 1, { started: true }), ...jobsOf("c", 1));
    expect(waiting.takeWhere(({ tenant }) => tenant !== "a").map(({ id }) => id)).toEqual(["b-0", "c-0"]);
    expect([waiting.size, waiting.lanes, waiting.some(({ tenant }) => tenant === "a")]).toEqual([2, 1, true]);
    expect(waiting.takeAll().map(({ id }) => id)).toEqual(["a-0", "a-1"]);
    expect([waiting.size, waiting.lanes, waiting.take()]).toEqual([0, 0, undefined]);
  });
});

/** A worker of one slot whose handlers have been quick so far; each later one waits for its own gate. */
async function oneSlot(options: RigOptions = {}) {
  const started: string[] = [];
  const gates: (() => void)[] = [];
  const mode = { held: false };
  const handler = handle(visit, (name) => {
    started.push(name);
    if (!mode.held) return undefined;
    const held = gate();
    gates.push(held.open);
    return held.promise;
  });
  const made = rig({ handlers: [handler], worker: { concurrency: 1 }, ...options });
  await made.start("worker");
  await made.scheduler.enqueue(visit, "first");
  await made.clock.settle();
  mode.held = true;
  const enqueue = (tenant: string, count: number) =>
    made.scheduler.enqueueMany(
      Array.from({ length: count }, (_, n) => ({ task: visit, input: `${tenant}-${n}` })),
      { tenant },
    );
  /** Lets the job that runs end. */
  const next = async () => {
    gates.shift()?.();
    await made.clock.settle();
  };
  return { ...made, started, enqueue, next };
}

describe("a worker", () => {
  test("J12 a small tenant's job does not stand behind what was prefetched of a big one's", async () => {
    const { enqueue, clock, started, next } = await oneSlot();
    await enqueue("big", 300);
    await clock.settle();
    await enqueue("small", 1);
    await clock.settle();
    await next();
    await next();
    expect(started.indexOf("small-0")).toBeGreaterThan(0);
    expect(started.length).toBeLessThanOrEqual(4);
  });

  test("J12 a full prefetch does not keep a small tenant's job from being claimed", async () => {
    const { enqueue, clock, started, next, scheduler } = await oneSlot();
    await enqueue("big", 1_000);
    await clock.settle();
    expect(await scheduler.stats()).toMatchObject({ active: 401 });
    for (const tenant of ["a", "b", "c"]) {
      await enqueue(tenant, 1);
      await clock.settle();
    }
    for (let n = 0; n < 5; n++) await next();
    expect(started.slice(1)).toEqual(expect.arrayContaining(["a-0", "b-0", "c-0"]));
  });

  test("J12 however many small tenants come, no more than a few are claimed beyond the prefetch", async () => {
    const { enqueue, clock, scheduler } = await oneSlot();
    await enqueue("big", 1_000);
    await clock.settle();
    for (let n = 0; n < 100; n++) {
      await enqueue(`small-${n}`, 1);
      await clock.settle();
    }
    expect((await scheduler.stats()).active).toBeLessThanOrEqual(401 + 17);
  });

  test("J12 a tenant at its concurrency goes on as soon as one of its jobs has ended", async () => {
    const { clock, scheduler, start, named } = rig({
      handlers: [handle(visit, () => new Promise<void>((resolve) => clock.after(10, resolve)))],
    });
    await scheduler.tenants.limit("small", { concurrency: 1 });
    await scheduler.enqueueMany(
      Array.from({ length: 20 }, () => ({ task: visit, input: "" })),
      { tenant: "small" },
    );
    await start("worker");
    await clock.advance(secondMs / 2);
    expect(named("job:completed")).toHaveLength(20);
  });

  /** A worker of ten slots with 5 ms handlers on a backlog that lasts, so that jobs always wait here for a slot. */
  async function onBacklog(before: (made: Rig) => Promise<void> = async () => {}) {
    const mail = task<string>("mail", { queue: "mail" });
    const done: string[] = [];
    const work = (name: string) =>
      new Promise<void>((resolve) => {
        made.clock.after(4 + (done.length % 3), () => {
          done.push(name);
          resolve();
        });
      });
    const made = rig({ handlers: [handle(visit, work), handle(mail, work)], worker: { concurrency: 10 } });
    await before(made);
    await made.start("worker");
    await made.scheduler.enqueueMany(Array.from({ length: 6_000 }, () => ({ task: visit, input: "backlog" })));
    await made.clock.advance(100);
    return { ...made, mail, countOf: (name: string) => done.filter((one) => one === name).length };
  }

  test("J12 a limited queue is not starved by the backlog of an unlimited one", async () => {
    const { scheduler, clock, mail, countOf } = await onBacklog();
    await scheduler.queues.limit("mail", { concurrency: 3 });
    await scheduler.enqueueMany(Array.from({ length: 30 }, () => ({ task: mail, input: "mail" })));
    await clock.advance(secondMs);
    expect(countOf("mail")).toBe(30);
    expect(countOf("backlog")).toBeGreaterThan(1_000);
  });

  test("J12 a limited tenant is not starved by the backlog of an unlimited one", async () => {
    const { scheduler, clock, countOf } = await onBacklog();
    await scheduler.tenants.limit("small", { concurrency: 3 });
    await scheduler.enqueueMany(
      Array.from({ length: 30 }, () => ({ task: visit, input: "small" })),
      { tenant: "small" },
    );
    await clock.advance(secondMs);
    expect(countOf("small")).toBe(30);
    expect(countOf("backlog")).toBeGreaterThan(1_000);
  });

  test("J4 a crashed worker's job is started again though a backlog keeps every slot busy", async () => {
    const { clock, countOf } = await onBacklog(async ({ scheduler, faulty }) => {
      await scheduler.enqueue(visit, "lost");
      const wants = [{ queue: "default", limit: 1 }];
      const lease = { claimId: "00000000000000aa" as Token, worker: "gone", leaseMs: secondMs / 2 };
      const { jobs } = await faulty.engine.jobs.claim({ ...lease, wants, limit: 1, starts: 1, bytesMax: 1_000 });
      expect(jobs).toHaveLength(1);
    });
    await clock.advance(secondMs);
    expect(countOf("lost")).toBe(1);
    expect(countOf("backlog")).toBeGreaterThan(1_000);
  });
});

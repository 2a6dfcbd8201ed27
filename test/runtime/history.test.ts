// History through the public API: events listed and followed, purges in batches, a schedule's ticks, retention.
import { describe, expect, onTestFinished, test } from "vitest";
import { memory } from "../../src/engines/memory/index.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import {
  createScheduler,
  type EventView,
  every,
  handle,
  PermanentError,
  type Scheduler,
  task,
} from "../../src/index.ts";
import { VirtualClock } from "../../src/testing/index.ts";
import { notWritten } from "./faulty.ts";
import { dayMs, hourMs, minuteMs, rejection, rig, rigOn, secondMs } from "./rig.ts";

const mail = task<unknown>("mail", { queue: "mails" });
const fails = handle(task("fails", { queue: "mails" }), () => {
  throw new PermanentError("no such account");
});

/** Cancels so many jobs, each an event. */
async function cancelJobs({ jobs, enqueue }: Pick<Scheduler, "jobs" | "enqueue">, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let turn = 0; turn < count; turn++) {
    const { id } = await enqueue(mail, turn);
    await jobs.cancel(id, { actor: "ann" });
    ids.push(id);
  }
  return ids;
}

function bound(scheduler: Scheduler) {
  return { jobs: scheduler.jobs, enqueue: scheduler.enqueue.bind(scheduler) as Scheduler["enqueue"] };
}

describe("scheduler.events", () => {
  test("N5 who moved or cancelled a timer, and who created a schedule, is told", async () => {
    const { scheduler, clock } = rig();
    await scheduler.timers.put(mail, 1, { key: "a", delay: "1h" });
    await scheduler.timers.move({ queue: "mails", key: "a" }, new Date(clock.now() + dayMs), { actor: "ann" });
    await scheduler.timers.cancel({ queue: "mails", key: "a" }, { actor: "bob" });
    const options = { task: mail, when: every("1m") };
    await scheduler.schedules.create("one", options, { actor: "cid" });
    await scheduler.schedules.ensure("two", options, { actor: "dee" });
    await scheduler.schedules.ensureMany([{ id: "three", ...options }], { actor: "eve" });
    const { items } = await scheduler.events.list({ order: "oldest" });
    expect(items.map(({ type, actor }) => [type, actor])).toEqual([
      ["job:rescheduled", "ann"],
      ["job:cancelled", "bob"],
      ["schedule:created", "cid"],
      ["schedule:created", "dee"],
      ["schedule:created", "eve"],
    ]);
  });

  test("N5 what failed without a caller goes through redact before it is kept", async () => {
    const clock = new VirtualClock();
    const redact = (error: { name: string; message: string }) => ({
      ...error,
      message: error.message.replace(/=.*/, "=..."),
    });
    const scheduler = createScheduler({ engine: memory({ clock }), clock, redact });
    onTestFinished(() => scheduler.stop());
    scheduler.on("job:scheduled", () => {
      throw new Error("password=secret");
    });
    await scheduler.enqueue(mail, 1);
    await clock.advance(minuteMs);
    const { items } = await scheduler.events.list({ type: "worker:error" });
    expect(items.map(({ data }) => data)).toMatchObject([{ where: "listener", message: "password=..." }]);
  });

  test("N5 events are shown with dates, and schedules as they were given", async () => {
    const { scheduler, clock } = rig();
    await scheduler.schedules.create("report", { task: mail, input: { a: 1 }, when: every("1m") });
    await scheduler.schedules.update("report", { input: { a: 2 } }, { actor: "ann" });
    const { items } = await scheduler.events.list({ type: "schedule:*", order: "oldest" });
    expect(items.map(({ type, schedule, actor }) => [type, schedule, actor])).toEqual([
      ["schedule:created", "report", undefined],
      ["schedule:updated", "report", "ann"],
    ]);
    const [, updated] = items;
    expect(updated?.at).toEqual(new Date(clock.now()));
    expect(updated?.data).toMatchObject({ before: { input: { a: 1 } }, after: { input: { a: 2 }, queue: "mails" } });
    const { id } = await scheduler.enqueue(mail, 1, { delay: "1h" });
    await scheduler.jobs.reschedule(id, new Date(clock.now() + 5_000), { actor: "bob" });
    const moved = await scheduler.events.list({ actor: "bob" });
    expect(moved.items[0]?.data).toEqual({
      task: "mail",
      before: new Date(clock.now() + hourMs),
      after: new Date(clock.now() + 5_000),
    });
  });

  test("N1 a tenant handle sees, follows and purges no other tenant's history", async () => {
    const { scheduler } = rig();
    await cancelJobs(bound(scheduler), 2);
    const acme = scheduler.tenant("acme");
    const [own] = await cancelJobs(acme, 1);
    expect((await acme.events.list()).items.map(({ job }) => job)).toEqual([own]);
    expect(await rejection(acme.events.list({ tenant: "default" }))).toMatchObject({ code: "INVALID_INPUT" });
    expect(await rejection(acme.events.purge({ before: new Date() }))).toMatchObject({ code: "INVALID_INPUT" });
    expect(await acme.jobs.purge({ before: new Date("2999-01-01T00:00:00Z") })).toBe(1);
    expect((await scheduler.jobs.list()).items).toHaveLength(2);
    const tail = acme.events.tail({ after: 0 });
    expect((await tail.next()).value).toMatchObject({ job: own, tenant: "acme" });
    await tail.return();
  });

  test("N5 a query that means nothing is refused before the store is asked", async () => {
    const { scheduler } = rig();
    const bad = [
      { type: "job:nothing" },
      { type: "nothing:*" },
      { since: "yesterday" },
      { order: "sideways" },
      { limit: 0 },
      { job: "no id" },
      { until: 5 },
    ];
    for (const query of bad) {
      const error = await rejection(scheduler.events.list(query as never));
      expect(error).toMatchObject({ code: "INVALID_INPUT", field: Object.keys(query)[0] });
    }
    expect(() => scheduler.events.tail({ after: -1 })).toThrow(/after/);
    expect(() => scheduler.events.tail({ until: "x" } as never)).toThrow(/until/);
  });
});

describe("scheduler.events.tail", () => {
  test("N5 a tail begins with what comes from now on, follows in order, and goes on from an id", async () => {
    const { scheduler, clock } = rig();
    await cancelJobs(bound(scheduler), 3);
    const seen: EventView[] = [];
    const ending = new AbortController();
    const following = (async () => {
      for await (const event of scheduler.events.tail({ signal: ending.signal })) seen.push(event);
    })();
    await clock.settle();
    const ids = await cancelJobs(bound(scheduler), 3);
    await clock.advance(5 * secondMs);
    expect(seen.map(({ job }) => job)).toEqual(ids);
    ids.push(...(await cancelJobs(bound(scheduler), 1)));
    await clock.advance(5 * secondMs);
    expect(seen.map(({ job }) => job)).toEqual(ids);
    ending.abort();
    await clock.settle();
    await following;
    const again = scheduler.events.tail({ after: seen[1]?.id ?? 0 });
    expect((await again.next()).value).toMatchObject({ job: ids[2] });
    expect((await again.next()).value).toMatchObject({ job: ids[3] });
    await again.return();
  });

  test("N5 a tail waits for a store that is away, misses nothing, and ends with the scheduler", async () => {
    const { scheduler, clock, faulty, stop } = rig();
    const ids = await cancelJobs(bound(scheduler), 1);
    const seen: (string | undefined)[] = [];
    const following = (async () => {
      for await (const event of scheduler.events.tail({ after: 0 })) seen.push(event.job);
    })();
    await clock.advance(secondMs);
    ids.push(...(await cancelJobs(bound(scheduler), 1)));
    faulty.on("events.list", notWritten, 3);
    await clock.advance(30 * secondMs);
    expect(seen).toEqual(ids);
    await stop();
    await clock.advance(5 * secondMs);
    await following;
  });

  test("N5 with audit all a tail tells every transition of the jobs it follows", async () => {
    const clock = new VirtualClock();
    const engine = memory({ clock, audit: "all" });
    const { scheduler, start, stop } = rigOn(engine, clock, { handlers: [handle(mail, () => "sent")] });
    await start("worker");
    const { id } = await scheduler.enqueue(mail, 1);
    await clock.advance(secondMs);
    const tail = scheduler.events.tail({ after: 0, job: id });
    const types: string[] = [];
    for (let turn = 0; turn < 3; turn++) types.push(((await tail.next()).value as EventView).type);
    expect(types).toEqual(["job:scheduled", "job:claimed", "job:completed"]);
    await tail.return();
    await stop();
  });
});

describe("purging", () => {
  test.each([["memory"], ["sqlite"]])(
    "J10 a purge of thousands lets other work in between its batches (%s)",
    async (name) => {
      const engine = name === "memory" ? memory({ retention: keepAll }) : sqlite(":memory:", { retention: keepAll });
      const scheduler = createScheduler({ engine: engine as ReturnType<typeof memory> });
      onTestFinished(() => scheduler.stop());
      const many = await scheduler.enqueueMany(Array.from({ length: 4_500 }, (_, input) => ({ task: "old", input })));
      for (let from = 0; from < many.length; from += 500) {
        const names = many
          .slice(from, from + 500)
          .map(({ id }) => ({ name: { id }, change: { kind: "cancel" as const } }));
        await engine.jobs.change(names);
      }
      const before = new Date("2999-01-01T00:00:00Z");
      expect(await scheduler.jobs.purge({ before, dryRun: true })).toBe(4_500);
      await scheduler.enqueueMany(Array.from({ length: 3 }, (_, input) => ({ task: "new", input })));
      const done: string[] = [];
      const purged = scheduler.jobs.purge({ before, actor: "ann" }).then((count) => {
        done.push("purge");
        return count;
      });
      for (let turn = 0; turn < 3; turn++) {
        // Each takes a turn of the event loop of its own, as a worker's claims do.
        await new Promise((resolve) => setImmediate(resolve));
        const { jobs } = await engine.jobs.claim({
          ...{ claimId: `claim-${turn}`, worker: "w", leaseMs: 30_000, wants: [{ queue: "default", limit: 1 }] },
          ...{ limit: 1, starts: 1, bytesMax: 1_000 },
        });
        expect(jobs).toHaveLength(1);
        done.push("claim");
      }
      expect(await purged).toBe(4_500);
      expect(done).toEqual(["claim", "claim", "claim", "purge"]);
      expect(await scheduler.stats()).toMatchObject({ active: 3, cancelled: 0, totals: { cancelled: 4_500 } });
      const told = (await scheduler.events.list({ type: "jobs:purged" })).items.map((event) => event.data);
      expect(told.reduce((sum, data) => sum + ("deleted" in data ? Number(data.deleted) : 0), 0)).toBe(4_500);
      expect(told.length).toBeGreaterThanOrEqual(5);
    },
  );

  test("N5 the janitor deletes old events and finished jobs, one batch a turn", async () => {
    const clock = new VirtualClock();
    const engine = memory({ clock, retention: { ...keepAll, events: "2d" } });
    const { scheduler, start, stop, faulty } = rigOn(engine, clock);
    await cancelJobs(bound(scheduler as unknown as Scheduler), 5);
    await start("janitor");
    await clock.advance(3 * dayMs);
    expect((await scheduler.events.list()).items).toEqual([]);
    expect((await scheduler.jobs.list()).items).toHaveLength(5);
    const [jobs, events] = [faulty.calls("jobs.purge").length, faulty.calls("events.purge").length];
    expect(Math.abs(jobs - events)).toBeLessThanOrEqual(1);
    await stop();
  });

  test("N5 old events go as new ones come, also where no janitor runs", async () => {
    const clock = new VirtualClock();
    const engine = sqlite(":memory:", { clock, retention: { events: "1d" } });
    onTestFinished(() => engine.close());
    await engine.open();
    const note = (count: number) =>
      engine.events.append(
        Array.from({ length: count }, () => ({ type: "worker:error" as const, tenant: "default", at: clock.now() })),
      );
    await note(400);
    await clock.advance(2 * dayMs);
    await note(600);
    const { items } = await engine.events.list({}, { limit: 1_000 });
    expect(items.every(({ at }) => at === clock.now())).toBe(true);
    expect(items).toHaveLength(600);
  });
});

const keepAll = { completedCountMax: 100_000, endedCountMax: 100_000 };

describe("cursors of the log", () => {
  test("N5 each listing refuses those of another listing, and of the other order", async () => {
    const { scheduler } = rig();
    await cancelJobs(bound(scheduler), 2);
    await scheduler.schedules.create("report", { task: "mail", when: every("1h") });
    for (let turn = 0; turn < 2; turn++) await scheduler.schedules.trigger("report");
    const { next: ofEvents } = await scheduler.events.list({ limit: 1 });
    const { next: ofTicks } = await scheduler.schedules.history("report", { limit: 1 });
    const { next: ofJobs } = await scheduler.jobs.list({ limit: 1 });
    if (ofEvents === undefined || ofTicks === undefined || ofJobs === undefined) throw new Error("one page too few");
    const calls = [
      ...[ofTicks, ofJobs].map((cursor) => scheduler.events.list({ cursor })),
      scheduler.events.list({ order: "oldest", cursor: ofEvents }),
      ...[ofEvents, ofJobs].map((cursor) => scheduler.schedules.history("report", { cursor })),
      scheduler.schedules.history("report", { order: "oldest", cursor: ofTicks }),
      ...[ofEvents, ofTicks].map((cursor) => scheduler.jobs.list({ cursor })),
    ];
    for (const call of calls) {
      expect(await rejection(call)).toMatchObject({ code: "INVALID_INPUT", field: "cursor" });
    }
    expect((await scheduler.events.list({ limit: 1, cursor: ofEvents })).items).toHaveLength(1);
    expect((await scheduler.schedules.history("report", { cursor: ofTicks })).items).toHaveLength(1);
  });
});

describe("schedules.history", () => {
  test("S10 history tells the ticks fired, with their lateness and job, and those skipped, with the reason", async () => {
    const { scheduler, clock, start } = rig();
    await scheduler.schedules.create("report", { task: mail, input: 1, when: every("1m"), overlap: "skip" });
    await start("ticker");
    const begin = clock.now();
    await clock.advance(2 * minuteMs + secondMs);
    const { items } = await scheduler.schedules.history("report", { order: "oldest" });
    const { job } = (items[0]?.outcome === "fired" ? items[0] : {}) as { job?: string };
    expect(items).toMatchObject([{ outcome: "fired" }, { outcome: "skipped", reason: "overlap", count: 1 }]);
    expect((await scheduler.jobs.get(job ?? ""))?.schedule?.tick).toEqual(items[0]?.tick);
    expect(items[0]).toMatchObject({ latenessMs: (items[0]?.at.getTime() ?? 0) - (items[0]?.tick.getTime() ?? 0) });
    expect(items[1]).toMatchObject({ tick: (items[1] as { through?: Date }).through });
    const triggered = await scheduler.schedules.trigger("report", { actor: "ann" });
    expect(triggered.outcome).toBe("skipped");
    await scheduler.jobs.cancel(job ?? "");
    await scheduler.schedules.trigger("report", { actor: "ann" });
    const newest = await scheduler.schedules.history("report", { limit: 1 });
    expect(newest.items).toMatchObject([{ outcome: "fired", trigger: true, actor: "ann" }]);
    expect(newest.next).toBeDefined();
    const early = await scheduler.schedules.history("report", { until: new Date(begin + minuteMs + 30 * secondMs) });
    expect(early.items).toHaveLength(1);
    await scheduler.schedules.remove("report");
    expect((await scheduler.schedules.history("report")).items.length).toBeGreaterThanOrEqual(4);
    expect((await scheduler.tenant("acme").schedules.history("report")).items).toEqual([]);
  });
});

describe("job history", () => {
  test("T7 moved and cancelled timers are in the audit log, with who did it", async () => {
    const { scheduler, clock } = rig();
    const { id } = await scheduler.timers.put(mail, 1, { key: "k", queue: "mails", delay: "1h" });
    await scheduler.timers.move({ key: "k", queue: "mails" }, new Date(clock.now() + minuteMs));
    await scheduler.jobs.cancel(id, { actor: "ann" });
    const { items } = await scheduler.events.list({ job: id, order: "oldest" });
    expect(items.map(({ type, actor }) => [type, actor])).toEqual([
      ["job:rescheduled", undefined],
      ["job:cancelled", "ann"],
    ]);
  });

  test("D7 finished jobs are filtered by time and state, sorted by their end, and paged", async () => {
    const { scheduler, clock, start, stop } = rig({ handlers: [fails, handle(mail, () => 1)] });
    await start("worker");
    const ids: string[] = [];
    for (let turn = 0; turn < 4; turn++) {
      ids.push((await scheduler.enqueue(turn % 2 === 0 ? "fails" : mail, turn, { queue: "mails" })).id);
      await clock.advance(minuteMs);
    }
    const page = await scheduler.jobs.list({ sort: "finished", limit: 3 });
    expect(page.items.map(({ id }) => id)).toEqual(ids.slice(1).toReversed());
    const rest = await scheduler.jobs.list({ sort: "finished", limit: 3, cursor: page.next ?? "" });
    expect(rest.items.map(({ id }) => id)).toEqual(ids.slice(0, 1));
    const failed = await scheduler.jobs.list({
      ...{ state: "failed", finishedFrom: page.items[2]?.finishedAt ?? new Date(), sort: "oldest" },
    } as never);
    expect(failed.items.map(({ id }) => id)).toEqual([ids[2]]);
    expect(await rejection(scheduler.jobs.list({ sort: "best" } as never))).toMatchObject({ field: "sort" });
    expect(await rejection(scheduler.jobs.purge({ before: new Date(), state: "waiting" } as never))).toMatchObject({
      field: "state",
    });
    expect(await rejection(scheduler.jobs.purge({} as never))).toMatchObject({ field: "before" });
    await stop();
  });
});

describe("options", () => {
  test.each([
    [{ audit: "most" }, "audit"],
    [{ retention: { events: "-1d" } }, "retention.events"],
    [{ retention: { completedCountMax: 1.5 } }, "retention.completedCountMax"],
    [{ retention: { completed: 1 } }, "retention.completed"],
    [{ audits: "all" }, "audits"],
  ])("J13 %j is refused by every engine", (options, field) => {
    for (const make of [() => memory(options as never), () => sqlite(":memory:", options as never)]) {
      expect(make).toThrow(expect.objectContaining({ code: "INVALID_INPUT", field }));
    }
  });
});

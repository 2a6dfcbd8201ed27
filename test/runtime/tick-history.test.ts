// S10: a schedule's history shows each tick with its lateness, and each run that did not fire with its reason.
import { describe, expect, test } from "vitest";
import { every, handle, once, type TickRecord, task } from "../../src/index.ts";
import { gate, minuteMs, type Rig, rig, secondMs } from "./rig.ts";

const report = task("report");

/** Wakes the ticker once, so late as the clock stands. */
async function tickOnce({ scheduler, clock }: Rig): Promise<void> {
  await scheduler.start({ roles: ["ticker"] });
  await clock.settle();
}

async function told({ scheduler }: Rig, id = "s"): Promise<readonly TickRecord[]> {
  return (await scheduler.schedules.history(id, { order: "oldest" })).items;
}

describe("history", () => {
  test("S10 a fired tick is shown with its nominal and actual instant and its lateness", async () => {
    const rigged = rig();
    const { scheduler, clock } = rigged;
    const begin = clock.now();
    await scheduler.schedules.create("s", { task: report, when: every("1m"), jitter: "30s", overlap: "allow" });
    await clock.advance(minuteMs + 3 * secondMs);
    await tickOnce(rigged);
    const [job] = (await scheduler.jobs.list()).items;
    const expected = {
      outcome: "fired",
      tick: new Date(begin + minuteMs),
      at: new Date(begin + 63_000),
      latenessMs: 3_000,
    };
    expect(await told(rigged)).toEqual([{ ...expected, dueAt: job?.dueAt, job: job?.id }]);
  });

  test("S4 late ticks are shown as late, and those beyond the bound as limit", async () => {
    const rigged = rig();
    const { scheduler, clock } = rigged;
    const begin = clock.now();
    const minute = (n: number) => new Date(begin + n * minuteMs);
    const catchUp = { policy: "all", window: "5m", limit: 2 } as const;
    await scheduler.schedules.create("s", { task: report, when: every("1m"), overlap: "allow", catchUp });
    await clock.advance(10.5 * minuteMs);
    await tickOnce(rigged);
    const records = await told(rigged);
    expect(records.slice(0, 2)).toMatchObject([
      { outcome: "skipped", reason: "late", tick: minute(1), through: minute(5), count: 5, at: minute(10.5) },
      { outcome: "skipped", reason: "limit", tick: minute(6), through: minute(8), count: 3 },
    ]);
    expect(records.slice(2).map(({ outcome, tick }) => [outcome, tick])).toEqual([
      ["fired", minute(9)],
      ["fired", minute(10)],
    ]);
  });

  test("S4 ticks that found an unfinished job are shown as overlap, those of a full tenant as limit", async () => {
    const done = gate();
    const rigged = rig({ handlers: [handle(report, () => done.promise)], guardrails: { maxPendingJobs: 1 } });
    const { scheduler, clock } = rigged;
    await scheduler.schedules.create("s", { task: report, when: every("1m") });
    await scheduler.schedules.create("t", { task: report, when: every("1m"), overlap: "allow" });
    await rigged.start("ticker", "worker");
    await clock.advance(2 * minuteMs);
    expect((await told(rigged)).map((record) => ("reason" in record ? record.reason : record.outcome))).toEqual([
      "fired",
      "overlap",
    ]);
    expect(await told(rigged, "t")).toMatchObject([
      { outcome: "skipped", reason: "limit", count: 1 },
      { outcome: "skipped", reason: "limit", count: 1 },
    ]);
    expect(rigged.named("tick:skipped").map(({ id, reason }) => [id, reason])).toContainEqual(["t", "limit"]);
    done.open();
  });

  test("S4 ticks given up by an operator are shown as disabled, and by whom", async () => {
    const rigged = rig();
    const { schedules } = rigged.scheduler;
    await schedules.create("s", { task: report, when: every("1m") });
    await schedules.create("once", { task: report, when: once(new Date(rigged.clock.now() + minuteMs)) });
    await rigged.clock.advance(2.5 * minuteMs);
    await schedules.disable("s", { actor: "ann" });
    await schedules.remove("once", { actor: "bob" });
    expect(await told(rigged)).toMatchObject([{ reason: "disabled", count: 2, actor: "ann" }]);
    expect(await told(rigged, "once")).toMatchObject([{ reason: "disabled", count: 1, actor: "bob" }]);
  });

  test("S10 a trigger that was let pass is shown as one", async () => {
    const rigged = rig();
    const { schedules } = rigged.scheduler;
    await schedules.create("s", { task: report, when: every("1m") });
    await schedules.trigger("s", { actor: "ann" });
    await schedules.trigger("s", { actor: "bob" });
    expect(await told(rigged)).toMatchObject([
      { outcome: "fired", trigger: true, actor: "ann" },
      { outcome: "skipped", reason: "overlap", count: 1, trigger: true, actor: "bob" },
    ]);
  });
});

// What the compiler refuses and infers: `tsc` reads this file with the rest; each @ts-expect-error is a promise kept.
import { DatabaseSync } from "node:sqlite";
import { describe, expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import { memory } from "../../src/engines/memory/index.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { createScheduler, handle, type InputOf, type ScheduleItem, task } from "../../src/index.ts";
import { rejection } from "./rig.ts";

const schema = z.object({ account: z.string(), day: z.string().transform((text) => new Date(text)) });
const report = task("report", { schema });

describe("types", () => {
  test("J13 the input is typed from the schema for producers, its output for the handler", () => {
    expectTypeOf<InputOf<typeof report>>().toEqualTypeOf<{ account: string; day: string }>();
    const handler = handle(report, (input, context) => {
      expectTypeOf(input).toEqualTypeOf<{ account: string; day: Date }>();
      expectTypeOf(context.signal).toEqualTypeOf<AbortSignal>();
    });
    expect(handler.task?.name).toBe("report");
  });

  test("J13 an input of the wrong type is refused by the compiler, and by the schema", async () => {
    const scheduler = createScheduler({ engine: memory() });
    // @ts-expect-error: `day` is missing
    expect(await rejection(scheduler.enqueue(report, { account: "a" }))).toMatchObject({ field: "input.day" });
    // @ts-expect-error: `account` is a text
    const wrong = scheduler.enqueue(report, { account: 1, day: "2026-01-01" });
    expect(await rejection(wrong)).toMatchObject({ field: "input.account" });
    // @ts-expect-error: a timer has a key
    expect(await rejection(scheduler.timers.put(report, { account: "a", day: "x" }, {}))).toMatchObject({
      field: "key",
    });
    // @ts-expect-error: a typo
    expect(await rejection(scheduler.enqueue("x", 1, { dealy: 1 }))).toMatchObject({ field: "dealy" });
  });

  test("J13 a schedule's input is typed from its task", async () => {
    const { schedules } = createScheduler({ engine: memory() });
    const when = { kind: "every", everyMs: 60_000 } as const;
    // @ts-expect-error: `account` is a text
    const wrong = schedules.create("s", { task: report, input: { account: 1, day: "x" }, when });
    expect(await rejection(wrong)).toMatchObject({ field: "input.account" });
    // @ts-expect-error: the task needs an input
    expect(await rejection(schedules.ensure("s", { task: report, when }))).toMatchObject({ field: "input" });
    const plain = task("plain");
    expect((await schedules.ensure("plain", { task: plain, when })).outcome).toBe("created");
    expect((await schedules.ensure("named", { task: "named", when })).outcome).toBe("created");
    expect((await schedules.update("plain", { jitter: "1s" })).jitterMs).toBe(1_000);
  });

  test("J13 the input of each of many schedules is typed from its own task", async () => {
    const { schedules } = createScheduler({ engine: memory() });
    const when = { kind: "every", everyMs: 60_000 } as const;
    const input = { account: "a", day: "2026-01-01" };
    const counted = task<number>("counted");
    const items = [
      { id: "a", task: report, input, when },
      { id: "b", task: counted, input: 1, when },
    ] as const;
    expect(await schedules.ensureMany(items)).toHaveLength(2);
    expect(await schedules.ensureMany([{ id: "c", task: "named", when }])).toHaveLength(1);
    const many: ScheduleItem[] = ["d", "e"].map((id) => ({ id, task: report, input, when }));
    expect(await schedules.ensureMany(many)).toHaveLength(2);
    const wrong = [
      { id: "f", task: counted, input: 1, when },
      { id: "g", task: report, input: { account: 1, day: "x" }, when },
    ] as const;
    // @ts-expect-error: the second's `account` is a text
    expect(await rejection(schedules.ensureMany(wrong))).toMatchObject({ field: "input.account" });
    expect(
      // @ts-expect-error: `counted` needs an input
      await schedules.ensureMany([{ id: "h", task: counted, when }]),
    ).toHaveLength(1);
  });

  test("J1 using() is a type error on an engine without transactions, and throws", () => {
    const scheduler = createScheduler({ engine: memory() });
    // @ts-expect-error: the memory engine has no transactions to join
    expect(() => scheduler.using({})).toThrow("no transactions");
  });

  test("J1 using() takes the engine's own kind of transaction", async () => {
    const db = new DatabaseSync(":memory:");
    const scheduler = createScheduler({ engine: sqlite(db) });
    await scheduler.stats();
    db.exec("BEGIN");
    const { outcome } = await scheduler.using(db).enqueue("x", 1);
    db.exec("ROLLBACK");
    expect([outcome, (await scheduler.jobs.list()).items]).toEqual(["created", []]);
    await scheduler.stop();
    db.close();
  });

  test("D1 events are typed by their names", () => {
    const scheduler = createScheduler({ engine: memory() });
    scheduler.on("job:failed", (event) => {
      expectTypeOf(event.reason).toEqualTypeOf<string>();
      expectTypeOf(event.attempt).toEqualTypeOf<number>();
    });
    scheduler.on("tick:fired", ({ tick, latenessMs }) => {
      expectTypeOf(tick).toEqualTypeOf<Date>();
      expectTypeOf(latenessMs).toEqualTypeOf<number>();
    });
    // @ts-expect-error: there is no such event
    expect(() => scheduler.on("job:done", () => {})).toThrow("job:done");
  });

  test("N1 a tenant handle changes no queue and no limit, and starts nothing", () => {
    const acme = createScheduler({ engine: memory() }).tenant("acme");
    expectTypeOf(acme.queues).not.toHaveProperty("pause");
    expectTypeOf(acme).not.toHaveProperty("tenants");
    expectTypeOf(acme).not.toHaveProperty("start");
    expect(Object.keys(acme).sort()).toEqual([
      "enqueue",
      "enqueueMany",
      "events",
      "explain",
      "jobs",
      "limits",
      "queues",
      "schedules",
      "stats",
      "timers",
    ]);
  });
});

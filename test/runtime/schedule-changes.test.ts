// S6, S7: changes of schedules that race with others, and definitions that are checked when they are saved.
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { every, handle, task } from "../../src/index.ts";
import { lostAnswer } from "./faulty.ts";
import { rejection, rig, secondMs } from "./rig.ts";

const mail = task("mail", { schema: z.object({ to: z.string() }), queue: "mails" });
const count = task("count", { schema: z.number() });
const when = every("1m");

describe("saving", () => {
  test("S7 a disabled schedule that is changed stays disabled for the reason it was", async () => {
    const { schedules } = rig().scheduler;
    await schedules.create("s", { task: "a", when });
    await schedules.disable("s", { reason: "the customer has not paid" });
    const changed = await schedules.update("s", { overlap: "allow" });
    expect(changed).toMatchObject({ enabled: false, disabledReason: "the customer has not paid" });
  });

  test("S6 another task is refused while the input is not one of its own, and nothing changes", async () => {
    const { scheduler } = rig({ handlers: [handle(count, () => {})] });
    const { schedules } = scheduler;
    const before = await schedules.create("s", { task: mail, input: { to: "ann" }, when });
    for (const other of [count, "count"]) {
      const error = await rejection(schedules.update("s", { task: other as never }));
      expect(error).toMatchObject({ code: "INPUT_REFUSED" });
      expect(await schedules.get("s")).toEqual(before);
    }
    const after = await schedules.update("s", { task: count, input: 1 });
    expect([after.task, after.input, after.queue]).toEqual(["count", 1, "mails"]);
  });

  test("S6 an input alone is held against the task that is stored", async () => {
    const { schedules } = rig({ handlers: [handle(mail, () => {})] }).scheduler;
    const before = await schedules.create("s", { task: mail, input: { to: "ann" }, when });
    expect(await rejection(schedules.update("s", { input: 7 as never }))).toMatchObject({ code: "INPUT_REFUSED" });
    expect(await schedules.get("s")).toEqual(before);
  });

  test("S7 an update of a schedule that was removed and created again is refused", async () => {
    const { schedules } = rig().scheduler;
    const { revision, incarnation } = await schedules.create("s", { task: "a", when });
    await schedules.remove("s");
    const again = await schedules.create("s", { task: "a", when });
    expect(again.revision).toBe(revision);
    const error = await rejection(schedules.update("s", { jitter: "1s" }, { revision, incarnation }));
    expect(error).toMatchObject({ code: "REVISION_CONFLICT", field: "incarnation" });
    expect(await schedules.get("s")).toEqual(again);
    await schedules.update("s", { jitter: "1s" }, { revision, incarnation: again.incarnation });
  });

  test("S7 an update that meets another incarnation between reading and saving changes the new one knowingly", async () => {
    const { scheduler, faulty } = rig();
    const { schedules } = scheduler;
    await schedules.create("s", { task: "a", when, jitter: "5s" });
    faulty.on(
      "schedules.put",
      async (call) => {
        await schedules.remove("s");
        await schedules.create("s", { task: "b", when });
        return call();
      },
      1,
    );
    const { task: stored, attempts, jitterMs } = await schedules.update("s", { attempts: 7 });
    expect([stored, attempts, jitterMs]).toEqual(["b", 7, 0]);
  });

  test("S7 an ensure that races with a removal creates the schedule anew", async () => {
    const { scheduler, faulty } = rig();
    const { schedules } = scheduler;
    const first = await schedules.create("s", { task: "a", when });
    faulty.on("schedules.put", async (call) => (await schedules.remove("s")) && call(), 1);
    const { outcome, schedule } = await schedules.ensure("s", { task: "a", when });
    expect(outcome).toBe("created");
    expect(schedule.incarnation).not.toBe(first.incarnation);
  });

  test("J15 an update with a revision whose answer was lost finds its own change", async () => {
    const { scheduler, faulty, clock } = rig();
    const { revision } = await scheduler.schedules.create("s", { task: "a", when });
    faulty.on("schedules.put", lostAnswer, 1);
    const update = scheduler.schedules.update("s", { jitter: "1s" }, { revision });
    await clock.advance(5 * secondMs);
    expect(await update).toMatchObject({ jitterMs: 1_000, revision: revision + 1 });
  });
});

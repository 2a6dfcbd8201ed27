// Poison: a schedule that cannot be evaluated is disabled with the reason, and harms no neighbour.
import assert from "node:assert/strict";
import { decideFiring } from "../../core/firing.ts";
import type { Rule } from "../../core/rule.ts";
import type { Decide } from "../../core/step.ts";
import { definition, minuteMs, schedulePut, tenant } from "./builders.ts";
import { createSchedule, fire, jobTicks, listEvents, putSchedule, storedSchedule } from "./calls.ts";
import { type Chapter, fact, type Harness, start } from "./harness.ts";

/** A zone that this machine's rules do not know (any more). */
const vanished: Rule = { kind: "cron", expression: "* * * * *", timezone: "Mars/Olympus_Mons" };

/** Decides as a replica does for which schedule "bad" has come to be unreadable since it was saved. */
const spoiled: Decide = (due, now) =>
  decideFiring(
    due.map((one) =>
      one.schedule.id === "bad"
        ? { ...one, schedule: { ...one.schedule, definition: definition({ rule: vanished }) } }
        : one,
    ),
    now,
  );

/** Two schedules whose tick has come, "bad" and "good", fired by a replica that cannot read "bad". */
async function fireSpoiled({ engine, clock }: Harness) {
  await createSchedule(engine, {}, { id: "bad" });
  await createSchedule(engine, {}, { id: "good" });
  clock.advance(minuteMs);
  return engine.schedules.fire({ limit: 10, decide: spoiled });
}

export const poison: Chapter = {
  title: "poison",
  facts: [
    fact("S8 a schedule that cannot be evaluated is disabled with the reason", async (harness) => {
      const { fired } = await fireSpoiled(harness);
      const reason = fired.find((one) => one.id === "bad")?.disabledReason;
      assert.match(reason ?? "", /Mars\/Olympus_Mons/);
      const stored = await storedSchedule(harness.engine, "bad");
      assert.deepEqual([stored.enabled, stored.disabledReason, stored.cursor.nextAt], [false, reason, undefined]);
      assert.deepEqual(await jobTicks(harness.engine, "bad"), []);
    }),

    fact("S8 its neighbours fire in the same call", async (harness) => {
      await fireSpoiled(harness);
      assert.deepEqual(await jobTicks(harness.engine, "good"), [start + minuteMs]);
    }),

    fact("S8 its disabling is recorded", async (harness) => {
      await fireSpoiled(harness);
      const events = await listEvents(harness.engine, { types: ["schedule:disabled"] });
      assert.deepEqual(
        events.map((event) => [event.tenant, event.schedule]),
        [[tenant, "bad"]],
      );
      assert.match(String(events[0]?.data?.["reason"]), /Mars/);
    }),

    fact("S8 it does not come up again", async (harness) => {
      await fireSpoiled(harness);
      const { fired, nextDueAt } = await harness.engine.schedules.fire({ limit: 10, decide: spoiled });
      assert.deepEqual([fired, nextDueAt], [[], start + 2 * minuteMs]);
    }),

    fact("S8 it fires again once its definition is mended and it is enabled", async (harness) => {
      const { engine, clock } = harness;
      await fireSpoiled(harness);
      const answer = await putSchedule(engine, { id: "bad", definition: definition(), enabled: true });
      assert.equal(answer.outcome, "updated");
      clock.advance(minuteMs);
      await fire(engine);
      assert.deepEqual(await jobTicks(engine, "bad"), [start + 2 * minuteMs]);
    }),

    fact("S8 a decision that throws changes nothing", async ({ engine, clock }) => {
      const created = await createSchedule(engine);
      clock.advance(minuteMs);
      const decide: Decide = () => {
        throw new Error("a bug in the decision");
      };
      await assert.rejects(engine.schedules.fire({ limit: 10, decide }), /a bug in the decision/);
      assert.deepEqual(await storedSchedule(engine), created);
      assert.equal((await fire(engine)).fired.length, 1);
    }),

    fact("S8 saving what cannot be evaluated is refused, and nothing of it is stored", async ({ engine, clock }) => {
      const put = schedulePut({ id: "bad", definition: definition({ rule: vanished }) });
      await assert.rejects(engine.schedules.put([put]), { code: "INVALID_TIME_ZONE" });
      assert.equal(await engine.schedules.get({ tenant, id: "bad" }), undefined);
      await createSchedule(engine);
      clock.advance(minuteMs);
      assert.equal((await fire(engine)).fired.length, 1);
    }),
  ],
};

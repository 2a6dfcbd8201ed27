// Catch-up: which late ticks fire, and what is recorded of those that do not.
import assert from "node:assert/strict";
import type { SkippedTicks } from "../../core/catch-up.ts";
import { defaults } from "../../core/defaults.ts";
import type { Engine } from "../../core/engine.ts";
import { once } from "../../core/rule.ts";
import type { CatchUp } from "../../core/schedule.ts";
import { dayMs, everyMinute, hourMs, minuteMs, secondMs } from "./builders.ts";
import { createSchedule, fire, jobTicks, listEvents, putSchedule, scheduleJobs, storedSchedule } from "./calls.ts";
import { type Chapter, fact, start } from "./harness.ts";

const skip: CatchUp = { policy: "skip", windowMs: hourMs, limit: 1_000 };
const latest: CatchUp = { policy: "latest", windowMs: hourMs, limit: 1_000 };
const all: CatchUp = { policy: "all", limit: 1_000 };

/** The n-th minute. */
const minute = (n: number) => start + n * minuteMs;

/** Ten minutes and a half: ten ticks have passed, the last one 30 s ago. */
const outageMs = 10 * minuteMs + 30 * secondMs;

async function skippedEvents(engine: Engine): Promise<unknown[]> {
  return (await listEvents(engine, { types: ["tick:skipped"] })).map((event) => event.data);
}

function late(from: number, to: number, count: number): SkippedTicks {
  return { from, to, count, reason: "late" };
}

export const catchUp: Chapter = {
  title: "catch-up",
  facts: [
    fact("S4 skip fires no late tick, and goes on with the next", async ({ engine, clock }) => {
      await createSchedule(engine, { catchUp: skip });
      clock.advance(outageMs);
      const { fired, nextDueAt } = await fire(engine);
      assert.deepEqual(
        fired.map(({ ticks, skipped }) => [ticks, skipped]),
        [[[], [late(minute(1), minute(10), 10)]]],
      );
      assert.equal(nextDueAt, minute(11));
      assert.deepEqual(await jobTicks(engine), []);
      clock.advance(30 * secondMs);
      await fire(engine);
      assert.deepEqual(await jobTicks(engine), [minute(11)]);
    }),

    fact("S4 skip fires a tick that is noticed a little late", async ({ engine, clock }) => {
      await createSchedule(engine, { catchUp: skip });
      clock.advance(minuteMs + defaults.tickLateMs);
      await fire(engine);
      assert.deepEqual(await jobTicks(engine), [minute(1)]);
    }),

    fact("S4 latest fires the newest late tick alone", async ({ engine, clock }) => {
      await createSchedule(engine, { catchUp: latest });
      clock.advance(outageMs);
      const { fired } = await fire(engine);
      assert.deepEqual(fired[0]?.skipped, [late(minute(1), minute(9), 9)]);
      const [job, ...rest] = await scheduleJobs(engine);
      assert.deepEqual([job?.schedule?.tick, job?.schedule?.missed, rest.length], [minute(10), 9, 0]);
    }),

    fact("S4 latest fires no late tick beside one that is on time", async ({ engine, clock }) => {
      await createSchedule(engine, { catchUp: latest });
      clock.advance(10 * minuteMs);
      await fire(engine);
      assert.deepEqual(await jobTicks(engine), [minute(10)]);
    }),

    fact("S4 latest fires nothing older than its window", async ({ engine, clock }) => {
      await createSchedule(engine, { catchUp: { ...latest, windowMs: 20 * secondMs } });
      clock.advance(outageMs);
      await fire(engine);
      assert.deepEqual(await jobTicks(engine), []);
      assert.deepEqual(await skippedEvents(engine), [late(minute(1), minute(10), 10)]);
    }),

    fact("S4 a late tick at the very edge of the window fires", async ({ engine, clock }) => {
      await createSchedule(engine, { catchUp: { ...latest, windowMs: 30 * secondMs } });
      clock.advance(outageMs);
      await fire(engine);
      assert.deepEqual(await jobTicks(engine), [minute(10)]);
    }),

    fact("S4 all fires every late tick in order", async ({ engine, clock }) => {
      await createSchedule(engine, { catchUp: all });
      clock.advance(outageMs);
      const { fired } = await fire(engine);
      const ticks = Array.from({ length: 10 }, (_, index) => minute(index + 1));
      assert.deepEqual(
        fired[0]?.ticks.map(({ tick }) => tick),
        ticks,
      );
      assert.deepEqual(await jobTicks(engine), ticks);
      assert.deepEqual(await skippedEvents(engine), []);
    }),

    fact("S4 all fires the newest ticks inside its window", async ({ engine, clock }) => {
      await createSchedule(engine, { catchUp: { ...all, windowMs: 3 * minuteMs } });
      clock.advance(outageMs);
      await fire(engine);
      assert.deepEqual(await jobTicks(engine), [minute(8), minute(9), minute(10)]);
      assert.deepEqual(await skippedEvents(engine), [late(minute(1), minute(7), 7)]);
    }),

    fact("S4 all fires no more than its limit, the newest ones", async ({ engine, clock }) => {
      await createSchedule(engine, { catchUp: { ...all, limit: 3 } });
      clock.advance(outageMs);
      const { fired } = await fire(engine);
      assert.deepEqual(await jobTicks(engine), [minute(8), minute(9), minute(10)]);
      const [run, ...rest] = fired[0]?.skipped ?? [];
      assert.deepEqual([run?.from, run?.to, run?.count, rest.length], [minute(1), minute(7), 7, 0]);
    }),

    fact("S4 many late ticks fire in steps, each once", async ({ engine, other, clock }) => {
      await createSchedule(engine, { catchUp: all });
      clock.advance(500 * minuteMs + 30 * secondMs);
      const first = await fire(engine);
      assert.equal(first.fired[0]?.ticks.length, defaults.ticksPerStepMax);
      assert.ok(first.nextDueAt !== undefined && first.nextDueAt <= clock.now());
      await Promise.all([fire(engine), fire(other)]);
      while ((await fire(engine)).fired.length > 0);
      assert.deepEqual(
        await jobTicks(engine),
        Array.from({ length: 500 }, (_, index) => minute(index + 1)),
      );
      assert.equal((await storedSchedule(engine)).cursor.nextAt, minute(501));
    }),

    fact("S4 late ticks are caught up once", async ({ engine, other, clock }) => {
      await createSchedule(engine, { catchUp: latest });
      clock.advance(outageMs);
      await Promise.all([fire(engine), fire(other)]);
      await fire(engine);
      assert.deepEqual(await jobTicks(engine), [minute(10)]);
      assert.equal((await skippedEvents(engine)).length, 1);
    }),

    fact("S4 a single tick fires however late", async ({ engine, clock }) => {
      await createSchedule(engine, { rule: once(new Date(minute(1))), catchUp: latest });
      clock.advance(30 * dayMs);
      await fire(engine);
      assert.deepEqual(await jobTicks(engine), [minute(1)]);
    }),

    fact("S4 a single tick in the past fires at once", async ({ engine }) => {
      await createSchedule(engine, { rule: once(new Date(start - dayMs)), catchUp: latest });
      await fire(engine);
      assert.deepEqual(await jobTicks(engine), [start - dayMs]);
    }),

    fact("S4 a late single tick does not fire under skip", async ({ engine, clock }) => {
      await createSchedule(engine, { rule: once(new Date(minute(1))), catchUp: skip });
      clock.advance(hourMs);
      await fire(engine);
      assert.deepEqual(await jobTicks(engine), []);
      assert.deepEqual(await skippedEvents(engine), [late(minute(1), minute(1), 1)]);
    }),

    fact("S4 time spent disabled is never caught up, and recorded as such", async ({ engine, clock }) => {
      await createSchedule(engine, { catchUp: all });
      await putSchedule(engine, { enabled: false });
      clock.advance(outageMs);
      const definition = { ...(await storedSchedule(engine)).definition };
      await putSchedule(engine, { enabled: true, definition });
      await fire(engine);
      assert.deepEqual(await jobTicks(engine), []);
      assert.deepEqual(await skippedEvents(engine), [
        { from: minute(1), to: minute(10), count: 10, reason: "disabled" },
      ]);
      clock.advance(30 * secondMs);
      await fire(engine);
      assert.deepEqual(await jobTicks(engine), [minute(11)]);
    }),

    fact("S4 a changed policy catches up what came before it", async ({ engine, clock }) => {
      const { definition } = await createSchedule(engine, { catchUp: skip });
      clock.advance(outageMs);
      await putSchedule(engine, { definition: { ...definition, catchUp: all } });
      await fire(engine);
      assert.equal((await jobTicks(engine)).length, 10);
    }),

    fact("S4 counting of skipped ticks stops at its cap, and says so", async ({ engine, clock }) => {
      await createSchedule(engine, {
        rule: { ...everyMinute, kind: "every", everyMs: secondMs, anchor: start },
        catchUp: skip,
      });
      clock.advance(3 * hourMs);
      const { fired } = await fire(engine);
      const run = fired[0]?.skipped[0];
      assert.deepEqual([run?.count, run?.capped, run?.reason], [defaults.skippedCountMax, true, "late"]);
    }),

    fact("S4 the ticks missed before one are counted with it, then forgotten", async ({ engine, clock }) => {
      await createSchedule(engine, { catchUp: skip });
      clock.advance(outageMs);
      await fire(engine);
      assert.equal((await storedSchedule(engine)).missed, 10);
      for (let turn = 0; turn < 2; turn++) {
        clock.advance(turn === 0 ? 30 * secondMs : minuteMs);
        await fire(engine);
      }
      assert.deepEqual(
        (await scheduleJobs(engine)).map((job) => job.schedule?.missed),
        [10, 0],
      );
    }),
  ],
};

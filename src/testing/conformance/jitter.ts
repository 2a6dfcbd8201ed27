// Jitter: one deterministic share of the spread per schedule, never past the next tick.
import assert from "node:assert/strict";
import { jitterOffsetMs, seedOf } from "../../core/tick.ts";
import { definition, hourMs, minuteMs, schedulePut, secondMs, tenant } from "./builders.ts";
import { claim, createSchedule, fire, listJobs, scheduleJobs } from "./calls.ts";
import { type Chapter, fact, start } from "./harness.ts";

const jitterMs = 30 * secondMs;

export const jitter: Chapter = {
  title: "jitter",
  facts: [
    fact("S3 the job is inserted at the tick and due at the tick and its offset", async ({ engine, clock }) => {
      await createSchedule(engine, { jitterMs });
      clock.advance(minuteMs);
      const { fired } = await fire(engine);
      const offsetMs = jitterOffsetMs(seedOf(tenant, "report"), jitterMs, minuteMs);
      const [job] = await scheduleJobs(engine);
      assert.deepEqual([job?.schedule?.tick, job?.dueAt], [start + minuteMs, start + minuteMs + offsetMs]);
      assert.equal(fired[0]?.ticks[0]?.dueAt, job?.dueAt);
      assert.ok(offsetMs > 0);
      assert.deepEqual(await claim(engine), []);
      clock.advance(offsetMs);
      assert.equal((await claim(engine)).length, 1);
    }),

    fact("S3 the offset is the same at every tick, so that the interval is kept", async ({ engine, clock }) => {
      await createSchedule(engine, { jitterMs });
      for (let turn = 0; turn < 5; turn++) {
        clock.advance(minuteMs);
        await fire(engine);
      }
      const dueTimes = (await scheduleJobs(engine)).map((job) => job.dueAt);
      const gaps = dueTimes.slice(1).map((dueAt, index) => dueAt - (dueTimes[index] ?? 0));
      assert.deepEqual(gaps, [minuteMs, minuteMs, minuteMs, minuteMs]);
    }),

    fact("S3 no offset reaches the next tick, however large the jitter", async ({ engine, clock }) => {
      await engine.schedules.put(
        Array.from({ length: 100 }, (_, index) =>
          schedulePut({ id: `s-${index}`, definition: definition({ jitterMs: hourMs }) }),
        ),
      );
      clock.advance(minuteMs);
      await fire(engine);
      const jobs = await listJobs(engine);
      assert.equal(jobs.length, 100);
      for (const job of jobs) assert.ok(job.dueAt >= start + minuteMs && job.dueAt < start + 2 * minuteMs);
    }),

    fact("S3 offsets are spread evenly, even for ids that resemble one another", async ({ engine, clock }) => {
      const ids = Array.from({ length: 400 }, (_, index) => `s-${index}`);
      await engine.schedules.put(ids.map((id) => schedulePut({ id, definition: definition({ jitterMs }) })));
      clock.advance(minuteMs);
      await fire(engine);
      const quarters = [0, 0, 0, 0];
      for (const job of await listJobs(engine)) {
        const quarter = Math.floor(((job.dueAt - start - minuteMs) / jitterMs) * 4);
        quarters[quarter] = (quarters[quarter] ?? 0) + 1;
      }
      for (const count of quarters) assert.ok(count > 65 && count < 135, `quarters of 400: ${quarters.join(" ")}`);
    }),

    fact("S3 tenants' schedules of one id have offsets of their own", async ({ engine, clock }) => {
      const tenants = Array.from({ length: 8 }, (_, index) => `t-${index}`);
      for (const name of tenants) await createSchedule(engine, { jitterMs }, { tenant: name });
      clock.advance(minuteMs);
      await fire(engine);
      const offsets = new Set((await listJobs(engine)).map((job) => job.dueAt));
      assert.ok(offsets.size > 4);
    }),

    fact("S3 a jitter of 0 delays nothing", async ({ engine, clock }) => {
      await createSchedule(engine, { jitterMs: 0 });
      clock.advance(minuteMs);
      await fire(engine);
      assert.equal((await scheduleJobs(engine))[0]?.dueAt, start + minuteMs);
    }),

    fact("S3 jitter keeps each tick to one job", async ({ engine, other, clock }) => {
      await createSchedule(engine, { jitterMs });
      for (let turn = 0; turn < 4; turn++) {
        clock.advance(minuteMs / 2);
        await Promise.all([fire(engine), fire(other)]);
      }
      assert.equal((await scheduleJobs(engine)).length, 2);
    }),
  ],
};

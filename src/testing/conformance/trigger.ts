// Triggers: an operator's job of a schedule, outside its ticks, once per operation.
import assert from "node:assert/strict";
import { completion, hourMs, minuteMs, secondMs, tenant } from "./builders.ts";
import {
  claimJob,
  createSchedule,
  fire,
  insertJob,
  insertJobs,
  jobTicks,
  listEvents,
  listJobs,
  putSchedule,
  scheduleJobs,
  settleJob,
  storedSchedule,
  trigger,
} from "./calls.ts";
import { type Chapter, fact, start } from "./harness.ts";

export const triggers: Chapter = {
  title: "trigger",
  facts: [
    fact("S10 a trigger makes a job now, and the cursor stays", async ({ engine, other, clock }) => {
      const { cursor } = await createSchedule(engine, { input: '"in"' });
      clock.advance(10);
      const result = await trigger(other, "op-1");
      assert.equal(result?.ticks.length, 1);
      const [job] = await scheduleJobs(engine);
      assert.deepEqual([job?.input, job?.dueAt, job?.schedule?.tick], ['"in"', start + 10, start + 10]);
      const stored = await storedSchedule(engine);
      assert.deepEqual([stored.cursor, stored.ticksFired, stored.revision], [cursor, 0, 1]);
    }),

    fact("S10 a trigger may name a nominal tick", async ({ engine }) => {
      await createSchedule(engine);
      await trigger(engine, "op-1", start - hourMs);
      const job = await claimJob(engine);
      assert.deepEqual([job.schedule?.tick, job.dueAt], [start - hourMs, start]);
    }),

    fact("S10 a disabled schedule can be triggered", async ({ engine }) => {
      await putSchedule(engine, { enabled: false });
      assert.equal((await trigger(engine, "op-1"))?.ticks.length, 1);
      assert.equal((await storedSchedule(engine)).enabled, false);
    }),

    fact("S10 a trigger of a schedule that does not exist does nothing", async ({ engine }) => {
      assert.equal(await trigger(engine, "op-1"), undefined);
      assert.deepEqual(await listJobs(engine), []);
    }),

    fact("S10 triggers of different operations each make a job", async ({ engine, other }) => {
      await createSchedule(engine);
      await Promise.all([trigger(engine, "op-1"), trigger(other, "op-2")]);
      assert.equal((await scheduleJobs(engine)).length, 2);
    }),

    fact("J15 a trigger repeated with its operation makes no second job", async ({ engine, other }) => {
      await createSchedule(engine);
      await trigger(engine, "op-1");
      await trigger(other, "op-1");
      assert.equal((await scheduleJobs(engine)).length, 1);
    }),

    fact("J15 a trigger repeated a second later makes no second job", async ({ engine, clock }) => {
      await createSchedule(engine);
      await trigger(engine, "op-1");
      clock.advance(secondMs);
      await trigger(engine, "op-1");
      assert.equal((await scheduleJobs(engine)).length, 1);
    }),

    fact("J15 a trigger that takes effect again when its job has ended leaves the others alone", async ({ engine }) => {
      await createSchedule(engine, { overlap: "replace" });
      await trigger(engine, "op-1");
      await settleJob(engine, completion(await claimJob(engine)));
      const later = await trigger(engine, "op-2");
      const again = await trigger(engine, "op-1");
      assert.equal(again?.ticks.length, 1);
      const jobs = await scheduleJobs(engine);
      assert.equal(jobs.length, 2);
      assert.equal(jobs.find(({ id }) => id === later?.ticks[0]?.job)?.state, "pending");
    }),

    fact("J15 a trigger whose job has ended and left nothing makes no second one", async ({ engine }) => {
      await createSchedule(engine);
      await trigger(engine, "op-1");
      await settleJob(engine, completion(await claimJob(engine), { keep: "nothing" }));
      assert.equal((await trigger(engine, "op-1"))?.ticks.length, 1);
      assert.deepEqual(await listJobs(engine), []);
    }),

    ...(["allow", "skip", "queue", "replace"] as const).map((overlap) =>
      fact(
        `J15 with overlap ${overlap} a trigger repeated finds its job, though there is no room left`,
        async ({ engine, other }) => {
          await createSchedule(engine, { overlap });
          await engine.tenants.put([{ id: tenant, guardrails: { maxPendingJobs: 1 } }]);
          const first = await trigger(engine, "op-1");
          assert.equal((await trigger(other, "op-1"))?.ticks[0]?.job, first?.ticks[0]?.job);
          // Its job has ended meanwhile, and another has taken the room.
          await settleJob(engine, completion(await claimJob(engine)));
          await insertJob(engine);
          const again = await trigger(other, "op-1");
          assert.deepEqual([again?.ticks[0]?.job, again?.skipped], [first?.ticks[0]?.job, []]);
          assert.equal((await listJobs(engine)).length, 2);
        },
      ),
    ),

    fact("N2 a trigger for which a tenant has no room is refused with the limit", async ({ engine, other }) => {
      const before = await createSchedule(engine);
      await insertJobs(engine, [{}, {}, {}]);
      await engine.tenants.put([{ id: tenant, guardrails: { maxPendingJobs: 2 } }]);
      const refused = {
        code: "LIMIT_EXCEEDED",
        message: `tenant ${tenant}: maxPendingJobs is 2, this would make it 4`,
      };
      for (const handle of [engine, other]) await assert.rejects(trigger(handle, "op-1"), refused);
      assert.deepEqual([(await listJobs(engine)).length, await storedSchedule(engine)], [3, before]);
      assert.deepEqual(await listEvents(engine, { types: ["tick:fired", "tick:skipped"] }), []);
    }),

    fact("S10 a trigger beside a due tick leaves the tick to fire", async ({ engine, clock }) => {
      await createSchedule(engine);
      clock.advance(minuteMs);
      await trigger(engine, "op-1", start);
      assert.equal((await fire(engine)).fired.length, 1);
      assert.deepEqual(await jobTicks(engine), [start, start + minuteMs]);
    }),

    fact("J15 a held trigger repeated with its operation is held once", async ({ engine }) => {
      await createSchedule(engine, { overlap: "queue" });
      await trigger(engine, "op-1");
      const active = await claimJob(engine);
      await trigger(engine, "op-2");
      await trigger(engine, "op-2");
      assert.equal((await storedSchedule(engine)).held?.operation, "op-2");
      await settleJob(engine, completion(active));
      await settleJob(engine, completion(await claimJob(engine)));
      assert.equal((await scheduleJobs(engine)).length, 2);
    }),

    fact(
      "S10 a held trigger counts for no tick, neither when it is held nor when it fires",
      async ({ engine, clock }) => {
        await createSchedule(engine, { overlap: "queue" });
        clock.advance(minuteMs);
        await fire(engine);
        const job = await claimJob(engine);
        const counts = async () => {
          const { ticksFired, missed, lastTick, cursor } = await storedSchedule(engine);
          return { ticksFired, missed, lastTick, cursor };
        };
        const before = await counts();
        assert.equal(before.ticksFired, 1);
        await trigger(engine, "op-1");
        assert.deepEqual(await counts(), before);
        await settleJob(engine, completion(job));
        assert.deepEqual(await counts(), before);
        assert.equal((await scheduleJobs(engine)).length, 2);
      },
    ),

    fact("N1 another tenant's schedule cannot be triggered", async ({ engine }) => {
      await createSchedule(engine, {}, { tenant: "globex" });
      assert.equal(await trigger(engine, "op-1"), undefined);
      assert.deepEqual(await listJobs(engine), []);
    }),
  ],
};

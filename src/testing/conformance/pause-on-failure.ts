// Pausing a schedule whose jobs fail again and again.
import assert from "node:assert/strict";
import type { ClaimedJob } from "../../core/job.ts";
import { cancellation, completion, failure, minuteMs, retrying, tenant } from "./builders.ts";
import {
  changeJob,
  claim,
  claimJob,
  createSchedule,
  fire,
  jobTicks,
  listEvents,
  putSchedule,
  settleJob,
  storedSchedule,
} from "./calls.ts";
import { type Chapter, fact, type Harness, start } from "./harness.ts";

/** Fires the next tick and claims its job. */
async function nextJob({ engine, clock }: Harness): Promise<ClaimedJob> {
  clock.advance(minuteMs);
  await fire(engine);
  return claimJob(engine, { leaseMs: 100 * minuteMs });
}

/** Lets the next tick's job fail, and answers with its settlement's answer. */
async function fail(harness: Harness) {
  return settleJob(harness.engine, failure(await nextJob(harness)));
}

export const pauseOnFailure: Chapter = {
  title: "pause-on-failure",
  facts: [
    fact("S9 a schedule is paused after n failed jobs in a row, in the step of the last one", async (harness) => {
      const { engine } = harness;
      await createSchedule(engine, { pauseOnFailure: 2 });
      assert.equal((await fail(harness)).schedulePaused, undefined);
      assert.equal((await storedSchedule(engine)).failuresInRow, 1);
      const { tenant: owner, id } = (await fail(harness)).schedulePaused ?? {};
      assert.deepEqual([owner, id], [tenant, "report"]);
      const stored = await storedSchedule(engine);
      assert.deepEqual([stored.enabled, stored.failuresInRow, stored.revision], [false, 2, 2]);
      assert.match(stored.disabledReason ?? "", /2/);
    }),

    fact("S9 a paused schedule fires no more", async (harness) => {
      await createSchedule(harness.engine, { pauseOnFailure: 1 });
      await fail(harness);
      harness.clock.advance(10 * minuteMs);
      assert.deepEqual(await fire(harness.engine), { fired: [], nextDueAt: undefined });
    }),

    fact("S9 the pause is recorded once", async (harness) => {
      await createSchedule(harness.engine, { pauseOnFailure: 1 });
      const job = await nextJob(harness);
      await settleJob(harness.engine, failure(job));
      await settleJob(harness.engine, failure(job));
      const events = await listEvents(harness.engine, { types: ["schedule:paused"] });
      assert.deepEqual(
        events.map((event) => event.schedule),
        ["report"],
      );
    }),

    fact("S9 a completed job ends the row of failures", async (harness) => {
      await createSchedule(harness.engine, { pauseOnFailure: 2 });
      await fail(harness);
      await settleJob(harness.engine, completion(await nextJob(harness)));
      assert.equal((await storedSchedule(harness.engine)).failuresInRow, 0);
      await fail(harness);
      assert.equal((await storedSchedule(harness.engine)).enabled, true);
    }),

    fact("S9 retries and cancelled jobs are no failed jobs", async (harness) => {
      const { engine, clock } = harness;
      await createSchedule(engine, { pauseOnFailure: 1 });
      await settleJob(engine, retrying(await nextJob(harness)));
      clock.advance(1_000);
      const job = await claimJob(engine);
      await changeJob(engine, { id: job.id }, { kind: "cancel" });
      await settleJob(engine, cancellation(job));
      const stored = await storedSchedule(engine);
      assert.deepEqual([stored.enabled, stored.failuresInRow], [true, 0]);
    }),

    fact("S9 without pauseOnFailure failures are counted and nothing is paused", async (harness) => {
      await createSchedule(harness.engine);
      for (let turn = 0; turn < 5; turn++) assert.equal((await fail(harness)).schedulePaused, undefined);
      const stored = await storedSchedule(harness.engine);
      assert.deepEqual([stored.enabled, stored.failuresInRow], [true, 5]);
    }),

    fact("S9 a paused schedule gives up the tick it held, and records it", async (harness) => {
      const { engine, clock } = harness;
      await createSchedule(engine, { pauseOnFailure: 1, overlap: "queue" });
      const job = await nextJob(harness);
      clock.advance(minuteMs);
      await fire(engine);
      await settleJob(engine, failure(job));
      assert.deepEqual(await claim(engine), []);
      assert.equal((await storedSchedule(engine)).held, undefined);
      const [event] = await listEvents(engine, { types: ["tick:skipped"] });
      assert.deepEqual([event?.data?.["from"], event?.data?.["reason"]], [start + 2 * minuteMs, "disabled"]);
    }),

    fact("S9 a job of a removed schedule pauses nothing", async (harness) => {
      const { engine } = harness;
      await createSchedule(engine, { pauseOnFailure: 1 });
      const job = await nextJob(harness);
      await engine.schedules.remove([{ tenant, id: "report" }]);
      await createSchedule(engine, { pauseOnFailure: 1 });
      assert.equal((await settleJob(engine, failure(job))).schedulePaused, undefined);
      assert.equal((await storedSchedule(engine)).enabled, true);
    }),

    fact("S9 an enabled schedule ticks on after its pause", async (harness) => {
      const { engine } = harness;
      await createSchedule(engine, { pauseOnFailure: 1 });
      await fail(harness);
      await putSchedule(engine, { definition: (await storedSchedule(engine)).definition, enabled: true });
      await settleJob(engine, completion(await nextJob(harness)));
      assert.deepEqual(await jobTicks(engine), [start + minuteMs, start + 2 * minuteMs]);
    }),

    fact(
      "S9 a cancelled job pauses nothing, whatever failed before the schedule was enabled again",
      async (harness) => {
        const { engine } = harness;
        await createSchedule(engine, { pauseOnFailure: 1 });
        await fail(harness);
        await putSchedule(engine, { definition: (await storedSchedule(engine)).definition, enabled: true });
        const job = await nextJob(harness);
        await changeJob(engine, { id: job.id }, { kind: "cancel" });
        await settleJob(engine, cancellation(job));
        assert.equal((await storedSchedule(engine)).enabled, true);
      },
    ),

    fact("S9 the schedule remembers when a job of it last completed", async (harness) => {
      await createSchedule(harness.engine);
      await settleJob(harness.engine, completion(await nextJob(harness)));
      assert.equal((await storedSchedule(harness.engine)).lastCompletedAt, start + minuteMs);
    }),

    fact("S9 failures at once are all counted", async (harness) => {
      const { engine, other, clock } = harness;
      await createSchedule(engine, { pauseOnFailure: 4, catchUp: { policy: "all", limit: 10 } });
      clock.advance(4 * minuteMs);
      await fire(engine);
      const jobs = await claim(engine);
      assert.equal(jobs.length, 4);
      await Promise.all(jobs.map((job, turn) => settleJob(turn % 2 === 0 ? engine : other, failure(job))));
      assert.equal((await storedSchedule(engine)).enabled, false);
    }),
  ],
};

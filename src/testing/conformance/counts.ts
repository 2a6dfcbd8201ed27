// Counts: every state of every lane, exact at any moment, and totals that retention does not touch.
import assert from "node:assert/strict";
import { everyQueue } from "../../core/queue.ts";
import { cancellation, completion, failure, leaseMs, minuteMs, queue, release, retrying, tenant } from "./builders.ts";
import {
  activeJob,
  changeJob,
  claim,
  claimJob,
  emptyLane,
  insertJob,
  insertJobs,
  laneCounts,
  settleJob,
} from "./calls.ts";
import { type Chapter, fact } from "./harness.ts";

const nothing = emptyLane;

export const counts: Chapter = {
  title: "counts",
  facts: [
    fact("J14 a queue without jobs counts nothing", async ({ engine }) => {
      assert.deepEqual(await laneCounts(engine), nothing);
    }),

    fact("J14 pending jobs are waiting when due and delayed when not", async ({ engine, other, clock }) => {
      await insertJobs(engine, [{}, {}, { due: { afterMs: minuteMs } }]);
      assert.deepEqual(await laneCounts(other), { ...nothing, waiting: 2, delayed: 1 });
      clock.advance(minuteMs);
      assert.deepEqual(await laneCounts(engine), { ...nothing, waiting: 3 });
    }),

    fact("J14 a job is counted in one state at a time from insert to completion", async ({ engine }) => {
      await insertJob(engine);
      assert.deepEqual(await laneCounts(engine), { ...nothing, waiting: 1 });
      const job = await claimJob(engine);
      assert.deepEqual(await laneCounts(engine), { ...nothing, active: 1 });
      await settleJob(engine, completion(job));
      const totals = { ...nothing.totals, completed: 1 };
      assert.deepEqual(await laneCounts(engine), { ...nothing, completed: 1, totals });
    }),

    fact("J14 a retry moves its job from active to delayed, a release to waiting", async ({ engine }) => {
      await settleJob(engine, retrying(await activeJob(engine)));
      assert.deepEqual(await laneCounts(engine), { ...nothing, delayed: 1 });
      await settleJob(engine, release(await activeJob(engine)));
      assert.deepEqual(await laneCounts(engine), { ...nothing, delayed: 1, waiting: 1 });
    }),

    fact("J14 failed and cancelled jobs are counted apart", async ({ engine }) => {
      await settleJob(engine, failure(await activeJob(engine)));
      const asked = await activeJob(engine);
      await changeJob(engine, { id: asked.id }, { kind: "cancel" });
      await settleJob(engine, cancellation(asked));
      const { id } = await insertJob(engine);
      await changeJob(engine, { id }, { kind: "cancel" });
      const totals = { completed: 0, failed: 1, cancelled: 2 };
      assert.deepEqual(await laneCounts(engine), { ...nothing, failed: 1, cancelled: 2, totals });
    }),

    fact("J14 a job whose lease was lost is active until it ends", async ({ engine, clock }) => {
      await activeJob(engine);
      clock.advance(leaseMs);
      assert.equal((await laneCounts(engine)).active, 1);
      const job = await claimJob(engine);
      assert.deepEqual(await laneCounts(engine), { ...nothing, active: 1 });
      await settleJob(engine, completion(job));
      assert.equal((await laneCounts(engine)).active, 0);
    }),

    fact("J14 a stale settlement moves no count", async ({ engine, clock }) => {
      const stale = await activeJob(engine);
      clock.advance(leaseMs);
      await claimJob(engine);
      await settleJob(engine, completion(stale));
      assert.deepEqual(await laneCounts(engine), { ...nothing, active: 1 });
    }),

    fact("J14 jobs of any priority and of a paused queue are counted", async ({ engine }) => {
      await insertJobs(engine, [{ priority: 1 }, { priority: 10 }]);
      await engine.queues.put([
        { name: queue, paused: true },
        { name: everyQueue, paused: true },
      ]);
      assert.deepEqual(await laneCounts(engine), { ...nothing, waiting: 2 });
    }),

    fact("J14 a successor is delayed until its turn comes", async ({ engine }) => {
      const current = await activeJob(engine, { key: "k" });
      await insertJob(engine, { key: "k", onConflict: "replace" });
      assert.deepEqual(await laneCounts(engine), { ...nothing, active: 1, delayed: 1 });
      await settleJob(engine, completion(current));
      assert.equal((await laneCounts(engine)).waiting, 1);
    }),

    fact("J14 a replaced or moved job is counted once, where it is due", async ({ engine }) => {
      const { id } = await insertJob(engine, { key: "k" });
      await insertJob(engine, { key: "k", onConflict: "replace", due: { afterMs: minuteMs } });
      assert.deepEqual(await laneCounts(engine), { ...nothing, delayed: 1 });
      await changeJob(engine, { id }, { kind: "reschedule", due: { afterMs: 0 } });
      assert.deepEqual(await laneCounts(engine), { ...nothing, waiting: 1 });
    }),

    fact("J14 a revived job leaves its end, and the totals remember it", async ({ engine }) => {
      const job = await activeJob(engine);
      await settleJob(engine, failure(job));
      await changeJob(engine, { id: job.id }, { kind: "retry" });
      const totals = { ...nothing.totals, failed: 1 };
      assert.deepEqual(await laneCounts(engine), { ...nothing, waiting: 1, totals });
    }),

    fact("J14 lanes are counted by tenant and queue", async ({ engine }) => {
      await insertJobs(engine, [{}, {}, { queue: "other" }, { tenant: "globex" }]);
      const lanes = async (filter: { tenant?: string; queue?: string }) =>
        (await engine.jobs.stats(filter)).map((lane) => [lane.tenant, lane.queue, lane.waiting].join(" ")).sort();
      assert.deepEqual(await lanes({}), [`acme ${queue} 2`, "acme other 1", `globex ${queue} 1`]);
      assert.deepEqual(await lanes({ tenant }), [`acme ${queue} 2`, "acme other 1"]);
      assert.deepEqual(await lanes({ queue }), [`acme ${queue} 2`, `globex ${queue} 1`]);
    }),

    fact("J14 totals outlive the jobs that retention removes", async ({ engine, clock }) => {
      for (let count = 0; count < 3; count++) await settleJob(engine, completion(await activeJob(engine)));
      await settleJob(engine, failure(await activeJob(engine)));
      clock.advance(1);
      await engine.jobs.purge({ completedCountMax: 1, endedCountMax: 0, limit: 100 });
      const totals = { completed: 3, failed: 1, cancelled: 0 };
      assert.deepEqual(await laneCounts(engine), { ...nothing, completed: 1, totals });
    }),

    fact("J14 counts stay exact among concurrent writers", async ({ engine, other }) => {
      await insertJobs(
        engine,
        Array.from({ length: 20 }, () => ({})),
      );
      const taken = await Promise.all([claim(engine, { limit: 10 }), claim(other, { limit: 10 })]);
      const [first = [], second = []] = taken;
      await Promise.all([
        engine.jobs.settle(first.map((job) => completion(job))),
        other.jobs.settle(second.slice(0, 5).map((job) => failure(job))),
        insertJobs(engine, [{}, {}]),
      ]);
      const totals = { completed: 10, failed: 5, cancelled: 0 };
      assert.deepEqual(await laneCounts(other), {
        ...nothing,
        waiting: 2,
        active: 5,
        completed: 10,
        failed: 5,
        totals,
      });
    }),
  ],
};

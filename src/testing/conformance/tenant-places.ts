// A place of a tenant's concurrency that a dead worker holds: its lease has ended, and whoever would recover it may
// never come, as the queue is paused or nobody serves it. A lease later the place is given up for jobs that wait.
import assert from "node:assert/strict";
import type { Engine } from "../../core/engine.ts";
import type { ClaimedJob } from "../../core/job.ts";
import { claimRequest, completion, hourMs, leaseMs, minuteMs, newJob, queue, secondMs, tenant } from "./builders.ts";
import { activeJob, changeJob, claim, claimJob, extendJob, insertJob, settleJob, storedJob } from "./calls.ts";
import { type Chapter, fact, type Harness, start } from "./harness.ts";

const reports = [{ queue: "reports", limit: 9 }];
const both = [{ queue, limit: 9 }, ...reports];

/** A tenant that runs one job at once has one in "reports" whose worker dies, and one that waits in the usual queue. */
async function abandon(engine: Engine, parts: { readonly key?: string } = {}): Promise<ClaimedJob> {
  await engine.tenants.put([{ id: tenant, concurrency: 1 }]);
  const job = await activeJob(engine, { queue: "reports", ...parts });
  await insertJob(engine);
  return job;
}

/** The worker of the usual queue finds the place given up. */
async function giveUp({ engine, clock }: Pick<Harness, "engine" | "clock">): Promise<ClaimedJob> {
  clock.advance(2 * leaseMs);
  return claimJob(engine);
}

export const tenantPlaces: Chapter = {
  title: "tenants' places",
  facts: [
    fact(
      "J12 a lease that ended in a queue nobody serves does not keep its tenant's place for ever",
      async (harness) => {
        const { engine, other, clock } = harness;
        const lost = await abandon(engine);
        clock.advance(leaseMs);
        const { jobs, nextDueAt } = await other.jobs.claim(claimRequest());
        assert.deepEqual([jobs, nextDueAt], [[], start + 2 * leaseMs], "its own queue's workers have a lease's time");
        clock.advance(leaseMs);
        const job = await claimJob(engine);
        assert.equal(job.queue, queue);
        assert.deepEqual(await claim(other, { wants: both }), [], "and it is the only place");
        const { state, crashes, attempts } = await storedJob(engine, lost.id);
        assert.deepEqual([state, crashes, attempts.map(({ outcome }) => outcome)], ["pending", 1, ["lost"]]);
        await settleJob(engine, completion(job));
        assert.equal((await claimJob(other, { wants: both })).id, lost.id);
      },
    ),

    fact("J12 a lease that ended in a paused queue does not keep its tenant's place for ever", async (harness) => {
      const { engine, other } = harness;
      const lost = await abandon(engine);
      await engine.queues.put([{ name: "reports", paused: true }]);
      const job = await giveUp(harness);
      assert.equal(job.queue, queue);
      await settleJob(engine, completion(job));
      assert.deepEqual(await claim(other, { wants: both }), []);
      await engine.queues.put([{ name: "reports", paused: false }]);
      assert.equal((await claimJob(other, { wants: both })).id, lost.id);
    }),

    fact(
      "J12 a place is given up for jobs that wait for it, and only when the tenant has none left",
      async (harness) => {
        const { engine, clock } = harness;
        await engine.tenants.put([{ id: tenant, concurrency: 2 }]);
        const lost = await activeJob(engine, { queue: "reports" });
        clock.advance(hourMs);
        await insertJob(engine, { tenant: "free" });
        await claimJob(engine);
        assert.equal((await storedJob(engine, lost.id)).state, "active");
        await insertJob(engine);
        await claimJob(engine);
        assert.equal((await storedJob(engine, lost.id)).state, "active");
      },
    ),

    fact("J12 a claim that starts nothing gives up no place", async ({ engine, clock }) => {
      const lost = await abandon(engine);
      clock.advance(hourMs);
      assert.deepEqual(await claim(engine, { starts: 0 }), []);
      assert.equal((await storedJob(engine, lost.id)).state, "active");
    }),

    fact(
      "J12 a queue that is served recovers its lost job, which keeps its place",
      async ({ engine, other, clock }) => {
        const lost = await abandon(engine);
        clock.advance(hourMs);
        const [job] = await claim(other, { wants: both });
        assert.deepEqual([job?.id, job?.recovered], [lost.id, true]);
        assert.deepEqual(await claim(engine, { wants: both }), []);
      },
    ),

    fact("J3 whose place was given up has lost its lease", async (harness) => {
      const lost = await abandon(harness.engine);
      await giveUp(harness);
      assert.equal(await extendJob(harness.other, lost), "lost");
      assert.equal((await settleJob(harness.other, completion(lost))).outcome, "lost");
      assert.equal((await storedJob(harness.engine, lost.id)).state, "pending");
    }),

    fact("J4 a job whose place was given up comes alone, as one that is recovered", async (harness) => {
      const { engine } = harness;
      const lost = await abandon(engine);
      await giveUp(harness);
      await engine.jobs.insert([{ jobs: [newJob({ tenant: "free", queue: "reports" })] }]);
      await insertJob(engine, { queue: "reports" });
      await engine.tenants.put([{ id: tenant, concurrency: null }]);
      const [job, ...beside] = await claim(engine, { wants: reports });
      assert.deepEqual([job?.id, job?.recovered, job?.attempt, beside.length], [lost.id, true, 2, 0]);
      assert.equal((await claim(engine, { wants: reports })).length, 2);
    }),

    fact("T3 a job whose place is given up ends where its successor waits", async (harness) => {
      const { engine } = harness;
      const lost = await abandon(engine, { key: "k" });
      const next = await insertJob(engine, { key: "k", queue: "reports", onConflict: "replace" });
      const job = await giveUp(harness);
      assert.equal((await storedJob(engine, lost.id)).endCause, "superseded");
      await settleJob(engine, completion(job));
      assert.equal((await claimJob(engine, { wants: reports })).id, next.id);
    }),

    fact("J8 a job that was to be cancelled ends when its place is given up", async (harness) => {
      const { engine } = harness;
      const lost = await abandon(engine);
      await changeJob(engine, { id: lost.id }, { kind: "cancel" });
      await giveUp(harness);
      assert.equal((await storedJob(engine, lost.id)).state, "cancelled");
    }),

    fact("J12 a lease that is extended keeps its place", async ({ engine, clock }) => {
      const job = await abandon(engine);
      for (let turn = 0; turn < 10; turn++) {
        clock.advance(leaseMs - secondMs);
        assert.equal(await extendJob(engine, job), "held");
        assert.deepEqual(await claim(engine), []);
      }
      assert.equal((await settleJob(engine, completion(job))).outcome, "settled");
      assert.equal((await claimJob(engine, { leaseMs: minuteMs })).queue, queue);
    }),
  ],
};

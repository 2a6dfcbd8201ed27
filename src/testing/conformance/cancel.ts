// Cancellation: at once for what waits, a request for what runs.
import assert from "node:assert/strict";
import { leaseOf } from "../../core/settling.ts";
import { cancellation, completion, leaseMs, newJob, release, retrying, secondMs, tenant } from "./builders.ts";
import { activeJob, changeJob, claim, claimJob, extendJob, insertJob, settleJob, storedJob } from "./calls.ts";
import { type Chapter, fact, start } from "./harness.ts";

export const cancel: Chapter = {
  title: "cancel",
  facts: [
    fact("J8 cancelling a pending job ends it at once", async ({ engine, clock }) => {
      const { id } = await insertJob(engine);
      clock.advance(3);
      const answer = await changeJob(engine, { id }, { kind: "cancel" });
      assert.deepEqual([answer.outcome, answer.id, answer.state], ["changed", id, "cancelled"]);
      const stored = await storedJob(engine, id);
      assert.deepEqual([stored.state, stored.endCause, stored.finishedAt], ["cancelled", "cancelled", start + 3]);
      assert.deepEqual(await claim(engine), []);
    }),

    fact("J8 cancelling a delayed job ends it at once", async ({ engine, clock }) => {
      const { id } = await insertJob(engine, { due: { afterMs: secondMs } });
      assert.equal((await changeJob(engine, { id }, { kind: "cancel" })).outcome, "changed");
      clock.advance(secondMs);
      assert.deepEqual(await claim(engine), []);
    }),

    fact("J8 cancelling an active job asks its worker with the next extension", async ({ engine, other }) => {
      const job = await activeJob(engine);
      const answer = await changeJob(other, { id: job.id }, { kind: "cancel" });
      assert.deepEqual([answer.outcome, answer.id], ["cancelling", job.id]);
      const stored = await storedJob(engine, job.id);
      assert.deepEqual([stored.state, stored.cancelRequested], ["active", true]);
      assert.equal(await extendJob(engine, job), "cancelling");
      assert.equal(await extendJob(engine, job), "cancelling");
    }),

    fact("J8 an extension that is told to cancel still lengthens the lease", async ({ engine, clock }) => {
      const job = await activeJob(engine);
      await changeJob(engine, { id: job.id }, { kind: "cancel" });
      clock.advance(secondMs);
      await extendJob(engine, job, leaseMs);
      assert.equal((await storedJob(engine, job.id)).leaseUntil, start + secondMs + leaseMs);
    }),

    fact("J8 a worker that obeys ends its job as cancelled", async ({ engine }) => {
      const job = await activeJob(engine);
      await changeJob(engine, { id: job.id }, { kind: "cancel" });
      const answer = await settleJob(engine, cancellation(job));
      assert.deepEqual([answer.outcome, answer.state], ["settled", "cancelled"]);
      assert.equal((await storedJob(engine, job.id)).endCause, "cancelled");
    }),

    fact("J8 a job that completes before it hears of its cancellation is completed", async ({ engine }) => {
      const job = await activeJob(engine);
      await changeJob(engine, { id: job.id }, { kind: "cancel" });
      assert.equal((await settleJob(engine, completion(job))).state, "completed");
    }),

    fact("J8 a job asked to stop does not wait again: its retry ends it as cancelled", async ({ engine }) => {
      const job = await activeJob(engine);
      await changeJob(engine, { id: job.id }, { kind: "cancel" });
      const answer = await settleJob(engine, retrying(job));
      assert.deepEqual([answer.outcome, answer.state], ["settled", "cancelled"]);
      assert.deepEqual(await claim(engine), []);
    }),

    fact("J8 a job asked to stop does not wait again: its release ends it as cancelled", async ({ engine }) => {
      const job = await activeJob(engine);
      await changeJob(engine, { id: job.id }, { kind: "cancel" });
      assert.equal((await settleJob(engine, release(job))).state, "cancelled");
      assert.deepEqual(await claim(engine), []);
    }),

    fact("J8 a job asked to stop whose worker died is ended by whoever claims it", async ({ engine, other, clock }) => {
      const { id } = await activeJob(engine);
      await changeJob(engine, { id }, { kind: "cancel" });
      clock.advance(leaseMs);
      const job = await claimJob(other);
      assert.deepEqual([job.id, job.recovered, job.cancelRequested], [id, true, true]);
      assert.equal(await extendJob(other, job), "cancelling");
      assert.equal((await settleJob(other, cancellation(job, { record: undefined }))).state, "cancelled");
      assert.deepEqual(await claim(engine), []);
    }),

    fact("J8 an active job is left alone when only unleased ones are to go", async ({ engine }) => {
      const job = await activeJob(engine);
      const answer = await changeJob(engine, { id: job.id }, { kind: "cancel", unleased: true });
      assert.equal(answer.outcome, "active");
      assert.equal(await extendJob(engine, job), "held");
    }),

    fact("J8 cancelling a finished job changes nothing", async ({ engine }) => {
      const job = await activeJob(engine);
      await settleJob(engine, completion(job));
      const answer = await changeJob(engine, { id: job.id }, { kind: "cancel" });
      assert.deepEqual([answer.outcome, answer.state], ["finished", "completed"]);
      assert.equal((await storedJob(engine, job.id)).state, "completed");
    }),

    fact("J8 cancelling a job that the store does not know answers unknown", async ({ engine }) => {
      assert.equal((await changeJob(engine, { id: newJob().id }, { kind: "cancel" })).outcome, "unknown");
      const name = { tenant, queue: "mail", key: "nobody" };
      assert.equal((await changeJob(engine, name, { kind: "cancel" })).outcome, "unknown");
    }),

    fact("J8 changes are answered in the order of their list, each by itself", async ({ engine }) => {
      const active = await activeJob(engine);
      const { id } = await insertJob(engine);
      const changes = [newJob().id, id, active.id].map((name) => ({
        name: { id: name },
        change: { kind: "cancel" } as const,
      }));
      const answers = await engine.jobs.change(changes);
      assert.deepEqual(
        answers.map((answer) => answer.outcome),
        ["unknown", "changed", "cancelling"],
      );
    }),

    fact("J8 a claim and a cancellation at once: exactly one of them has the job", async ({ engine, other }) => {
      const { id } = await insertJob(engine);
      const [answer, jobs] = await Promise.all([changeJob(engine, { id }, { kind: "cancel" }), claim(other)]);
      const [job] = jobs;
      if (job === undefined) assert.equal(answer.outcome, "changed");
      else {
        assert.equal(answer.outcome, "cancelling");
        assert.deepEqual(await engine.jobs.extend([{ lease: leaseOf(job) }], leaseMs), ["cancelling"]);
      }
    }),

    fact("J8 a revived job forgets that it was asked to stop", async ({ engine }) => {
      const job = await activeJob(engine);
      await changeJob(engine, { id: job.id }, { kind: "cancel" });
      await settleJob(engine, cancellation(job));
      await changeJob(engine, { id: job.id }, { kind: "retry" });
      assert.equal(await extendJob(engine, await claimJob(engine)), "held");
    }),
  ],
};

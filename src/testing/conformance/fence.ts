// Fencing: extend and settle apply only while (job, attempt, token) all hold.
import assert from "node:assert/strict";
import { defaults } from "../../core/defaults.ts";
import type { Lease } from "../../core/lease.ts";
import { leaseOf } from "../../core/settling.ts";
import { completion, failure, leaseMs, newJob, queue, release, retrying, secondMs, token } from "./builders.ts";
import {
  activeJob,
  changeJob,
  claim,
  claimJob,
  extendJob,
  insertJobs,
  laneCounts,
  settleJob,
  storedJob,
} from "./calls.ts";
import { type Chapter, fact, start } from "./harness.ts";

const unknownLease = (): Lease => ({ id: newJob().id, queue, attempt: 1, token: token() });

export const fence: Chapter = {
  title: "fence",
  facts: [
    fact("J3 a holder's extension lengthens its lease from now on", async ({ engine, clock }) => {
      const job = await activeJob(engine);
      clock.advance(secondMs);
      assert.equal(await extendJob(engine, job, leaseMs), "held");
      assert.equal((await storedJob(engine, job.id)).leaseUntil, start + secondMs + leaseMs);
    }),

    fact("J3 an expired lease that nobody has claimed still holds", async ({ engine, clock }) => {
      const [first, second] = [await activeJob(engine), await activeJob(engine)];
      clock.advance(leaseMs * 2);
      assert.equal(await extendJob(engine, first), "held");
      assert.equal((await settleJob(engine, completion(second))).outcome, "settled");
    }),

    fact("J3 an extension by a stale attempt changes nothing and answers lost", async ({ engine, other, clock }) => {
      const stale = await activeJob(engine);
      clock.advance(leaseMs);
      const held = await claimJob(other);
      assert.equal(await extendJob(engine, stale, leaseMs * 5), "lost");
      assert.equal((await storedJob(engine, held.id)).leaseUntil, held.leaseUntil);
    }),

    fact("J3 an extension under another token changes nothing and answers lost", async ({ engine }) => {
      const job = await activeJob(engine);
      assert.equal(await extendJob(engine, { ...job, token: token() }, leaseMs * 5), "lost");
      assert.equal((await storedJob(engine, job.id)).leaseUntil, job.leaseUntil);
    }),

    fact("J3 an extension of a settled or unknown job answers lost", async ({ engine }) => {
      const job = await activeJob(engine);
      await settleJob(engine, completion(job));
      const extensions = [{ lease: leaseOf(job) }, { lease: unknownLease() }];
      assert.deepEqual(await engine.jobs.extend(extensions, leaseMs), ["lost", "lost"]);
    }),

    fact("J3 one stale lease in a list does not harm its neighbours", async ({ engine }) => {
      await insertJobs(engine, [{}, {}, {}]);
      const [first, second, third] = await claim(engine);
      assert.ok(first && second && third);
      const stale = { ...leaseOf(second), token: token() };
      const leases = [leaseOf(first), stale, leaseOf(third)];
      assert.deepEqual(
        await engine.jobs.extend(
          leases.map((lease) => ({ lease })),
          leaseMs,
        ),
        ["held", "lost", "held"],
      );
      const settlements = [completion(first), completion(second, { lease: stale }), completion(third)];
      const answers = await engine.jobs.settle(settlements);
      assert.deepEqual(
        answers.map((answer) => answer.outcome),
        ["settled", "lost", "settled"],
      );
      assert.equal((await storedJob(engine, second.id)).state, "active");
    }),

    fact("J3 extend stores what its holder reports", async ({ engine }) => {
      const job = await activeJob(engine);
      const log = [{ at: start, attempt: 1, text: "half way" }];
      await engine.jobs.extend([{ lease: leaseOf(job), started: true, progress: 0.5, log }], leaseMs);
      const more = [{ at: start + 1, attempt: 1, text: "nearly" }];
      await engine.jobs.extend([{ lease: leaseOf(job), log: more }], leaseMs);
      const stored = await storedJob(engine, job.id);
      assert.equal(stored.progress, 0.5);
      assert.deepEqual(stored.log, [...log, ...more]);
    }),

    fact("J3 what a stale holder reports is not stored", async ({ engine, other, clock }) => {
      const stale = await activeJob(engine);
      clock.advance(leaseMs);
      await claimJob(other);
      const log = [{ at: start, attempt: 1, text: "I am still here" }];
      await engine.jobs.extend([{ lease: leaseOf(stale), progress: 0.9, log }], leaseMs);
      const stored = await storedJob(engine, stale.id);
      assert.deepEqual([stored.progress, stored.log], [undefined, []]);
    }),

    fact("J7 a job keeps its newest log lines", async ({ engine }) => {
      const job = await activeJob(engine);
      const lines = (from: number, count: number) =>
        Array.from({ length: count }, (_, index) => ({ at: start, attempt: 1, text: `line ${from + index}` }));
      await engine.jobs.extend([{ lease: leaseOf(job), log: lines(0, 150) }], leaseMs);
      await engine.jobs.extend([{ lease: leaseOf(job), log: lines(150, 150) }], leaseMs);
      const { log } = await storedJob(engine, job.id);
      assert.equal(log.length, defaults.logLinesMax);
      assert.deepEqual([log[0]?.text, log.at(-1)?.text], ["line 100", "line 299"]);
    }),

    fact("J3 a settlement by a stale attempt changes nothing and answers lost", async ({ engine, other, clock }) => {
      const stale = await activeJob(engine);
      clock.advance(leaseMs);
      const held = await claimJob(other);
      for (const settlement of [completion(stale), retrying(stale), release(stale), failure(stale)]) {
        assert.equal((await settleJob(engine, settlement)).outcome, "lost");
      }
      const stored = await storedJob(engine, held.id);
      assert.deepEqual([stored.state, stored.attempt, stored.token], ["active", 2, held.token]);
      assert.equal((await settleJob(other, completion(held))).outcome, "settled");
    }),

    fact("J3 a stale settlement stays lost after the new holder has completed", async ({ engine, other, clock }) => {
      const stale = await activeJob(engine);
      clock.advance(leaseMs);
      await settleJob(other, completion(await claimJob(other), { output: '"new"' }));
      assert.equal((await settleJob(engine, completion(stale, { output: '"old"' }))).outcome, "lost");
      assert.equal((await storedJob(engine, stale.id)).output, '"new"');
      assert.equal((await laneCounts(engine)).totals.completed, 1);
    }),

    fact("J3 a settlement under another token answers lost", async ({ engine }) => {
      const job = await activeJob(engine);
      const settlement = completion({ ...job, token: token() });
      assert.equal((await settleJob(engine, settlement)).outcome, "lost");
      assert.equal((await storedJob(engine, job.id)).state, "active");
    }),

    fact("J3 a settlement of a job that the store does not know answers unknown", async ({ engine }) => {
      const job = await activeJob(engine);
      const answer = await settleJob(engine, completion(job, { lease: unknownLease() }));
      assert.equal(answer.outcome, "unknown");
    }),

    fact("J15 a completion repeated by its own holder answers settled and counts once", async ({ engine, other }) => {
      const job = await activeJob(engine);
      const first = await settleJob(engine, completion(job));
      assert.deepEqual([first.outcome, first.state], ["settled", "completed"]);
      assert.equal((await settleJob(other, completion(job))).outcome, "settled");
      const counts = await laneCounts(engine);
      assert.deepEqual([counts.completed, counts.totals.completed], [1, 1]);
      assert.equal((await storedJob(engine, job.id)).attempts.length, 1);
    }),

    fact("J15 a completion repeated by two handles at once counts once", async ({ engine, other }) => {
      const job = await activeJob(engine);
      const answers = await Promise.all([engine, other, engine].map((handle) => settleJob(handle, completion(job))));
      assert.deepEqual(
        answers.map((answer) => answer.outcome),
        ["settled", "settled", "settled"],
      );
      assert.equal((await laneCounts(engine)).totals.completed, 1);
    }),

    fact("J15 a retry repeated by its own holder counts one failure", async ({ engine, clock }) => {
      const job = await activeJob(engine);
      await settleJob(engine, retrying(job));
      clock.advance(500);
      assert.equal((await settleJob(engine, retrying(job))).outcome, "settled");
      const stored = await storedJob(engine, job.id);
      assert.deepEqual([stored.failures, stored.attempts.length, stored.dueAt], [1, 1, start + secondMs]);
    }),

    fact("J3 a revived job's old holder stays out", async ({ engine }) => {
      const job = await activeJob(engine);
      await settleJob(engine, failure(job));
      await changeJob(engine, { id: job.id }, { kind: "retry" });
      assert.equal(await extendJob(engine, job), "lost");
      const again = await claimJob(engine);
      assert.equal(again.attempt, 2);
      assert.equal((await settleJob(engine, completion(job))).outcome, "lost");
    }),
  ],
};

// Settle: what each outcome makes of the job, what is counted, and what is recorded.
import assert from "node:assert/strict";
import { resolveRetry } from "../../core/retry.ts";
import { type AttemptEnd, settle as decideSettlement } from "../../core/settling.ts";
import {
  attemptRecord,
  completion,
  dayMs,
  failure,
  leaseMs,
  minuteMs,
  release,
  retrying,
  secondMs,
} from "./builders.ts";
import { activeJob, claim, claimJob, insertJob, insertJobs, listEvents, settleJob, storedJob } from "./calls.ts";
import { type Chapter, fact, type Harness, start } from "./harness.ts";

/** Claims the job and ends its attempt as a worker with the default retry policy would. */
async function endAttempt({ engine, clock }: Harness, end: AttemptEnd): Promise<void> {
  const policy = { retry: resolveRetry(undefined), keepCompleted: {}, keepFailed: {} };
  const frame = { startedAt: clock.now(), endedAt: clock.now(), random: 0 };
  await settleJob(engine, decideSettlement(await claimJob(engine), policy, end, frame));
}

export const settling: Chapter = {
  title: "settle",
  facts: [
    fact("J1 a completed job keeps its output and is not claimed again", async ({ engine, clock }) => {
      const job = await activeJob(engine);
      clock.advance(700);
      const answer = await settleJob(engine, completion(job, { output: '{"ok":true}', progress: 1 }));
      assert.deepEqual([answer.outcome, answer.state], ["settled", "completed"]);
      const stored = await storedJob(engine, job.id);
      assert.deepEqual([stored.state, stored.output, stored.progress], ["completed", '{"ok":true}', 1]);
      assert.deepEqual([stored.finishedAt, stored.leaseUntil, stored.worker], [start + 700, undefined, undefined]);
      clock.advance(leaseMs * 2);
      assert.deepEqual(await claim(engine), []);
    }),

    fact("J6 a retry makes the job pending, due when it says, with one failure more", async ({ engine, clock }) => {
      const job = await activeJob(engine);
      clock.advance(100);
      const answer = await settleJob(engine, retrying(job, { due: { afterMs: minuteMs } }));
      assert.deepEqual([answer.outcome, answer.state], ["settled", "pending"]);
      const stored = await storedJob(engine, job.id);
      assert.deepEqual([stored.state, stored.failures, stored.dueAt], ["pending", 1, start + 100 + minuteMs]);
      assert.deepEqual([stored.worker, stored.leaseUntil], [undefined, undefined]);
      clock.advance(minuteMs - 1);
      assert.deepEqual(await claim(engine), []);
      clock.advance(1);
      assert.equal((await claimJob(engine)).failures, 1);
    }),

    fact("J6 by default a job fails after three attempts, with waits of 1 s and 2 s", async (harness) => {
      const { engine, clock } = harness;
      const { id } = await insertJob(engine);
      for (const waitMs of [secondMs, 2 * secondMs]) {
        await endAttempt(harness, { kind: "threw", error: new Error("boom") });
        assert.equal((await storedJob(engine, id)).dueAt, clock.now() + waitMs);
        clock.advance(waitMs);
      }
      await endAttempt(harness, { kind: "threw", error: new Error("boom") });
      const stored = await storedJob(engine, id);
      assert.deepEqual([stored.state, stored.failures, stored.endCause], ["failed", 3, "attempts"]);
      assert.deepEqual(await claim(engine), []);
    }),

    fact("J6 a job that allows itself one attempt fails at the first error", async (harness) => {
      const { id } = await insertJob(harness.engine, { attemptsMax: 1 });
      await endAttempt(harness, { kind: "threw", error: new Error("boom") });
      assert.equal((await storedJob(harness.engine, id)).state, "failed");
    }),

    fact("J6 lost leases and releases use up none of a job's attempts", async (harness) => {
      const { engine, clock } = harness;
      const { id } = await insertJob(engine, { attemptsMax: 1 });
      await claimJob(engine);
      clock.advance(leaseMs);
      await endAttempt(harness, { kind: "aborted" });
      await endAttempt(harness, { kind: "unstarted" });
      const pending = await storedJob(engine, id);
      assert.deepEqual([pending.state, pending.attempt, pending.failures], ["pending", 3, 0]);
      await endAttempt(harness, { kind: "completed", output: "1" });
      assert.equal((await storedJob(engine, id)).state, "completed");
    }),

    fact("J8 a timeout counts as a failure", async (harness) => {
      const { id } = await insertJob(harness.engine);
      await endAttempt(harness, { kind: "timed-out", error: new Error("too slow") });
      const stored = await storedJob(harness.engine, id);
      assert.deepEqual([stored.failures, stored.attempts[0]?.outcome], [1, "timed-out"]);
    }),

    fact("J9 a released job is due at once and no failure is counted", async ({ engine, other }) => {
      const job = await activeJob(engine);
      const answer = await settleJob(engine, release(job));
      assert.deepEqual([answer.outcome, answer.state], ["settled", "pending"]);
      const again = await claimJob(other);
      assert.deepEqual([again.id, again.attempt, again.failures, again.recovered], [job.id, 2, 0, false]);
    }),

    fact("J9 a released job keeps the place its priority gives it", async ({ engine }) => {
      const ids = await insertJobs(engine, [{ priority: 1 }, { priority: 5 }]);
      const [first] = await claim(engine, { limit: 1 });
      assert.ok(first);
      await settleJob(engine, release(first, { record: undefined }));
      assert.deepEqual(
        (await claim(engine)).map((job) => job.id),
        ids,
      );
    }),

    fact("J9 a job given back without a time keeps its place in the line", async ({ engine, clock }) => {
      const first = await insertJob(engine);
      const job = await claimJob(engine);
      clock.advance(secondMs);
      await insertJob(engine);
      clock.advance(secondMs);
      await settleJob(engine, release(job, { due: undefined }));
      assert.equal((await claimJob(engine, { limit: 1 })).id, first.id);
    }),

    fact(
      "J13 releases that make a job wait are counted in a row, what is given back unstarted is not",
      async (harness) => {
        const { engine, clock } = harness;
        const { id } = await insertJob(engine);
        for (const releases of [1, 2]) {
          const waits = { record: undefined, due: { afterMs: secondMs } };
          await settleJob(engine, release(await claimJob(engine), waits));
          clock.advance(secondMs);
          await settleJob(engine, release(await claimJob(engine), { record: undefined }));
          assert.equal((await storedJob(engine, id)).releases, releases);
        }
        await settleJob(engine, release(await claimJob(engine)));
        assert.equal((await storedJob(engine, id)).releases, 0);
      },
    ),

    fact("J13 an unknown task's job is released for 5 s, then 10 s", async (harness) => {
      const { engine, clock } = harness;
      const { id } = await insertJob(engine);
      for (const waitMs of [5 * secondMs, 10 * secondMs]) {
        await endAttempt(harness, { kind: "unknown-task" });
        assert.equal((await storedJob(engine, id)).dueAt, clock.now() + waitMs);
        clock.advance(waitMs);
      }
    }),

    fact("J6 a release until an instant counts no failure", async ({ engine, clock }) => {
      const job = await activeJob(engine);
      const record = attemptRecord(job, "deferred");
      await settleJob(engine, release(job, { due: { at: start + dayMs }, record }));
      const stored = await storedJob(engine, job.id);
      assert.deepEqual([stored.dueAt, stored.failures, stored.attempts[0]?.outcome], [start + dayMs, 0, "deferred"]);
      clock.advance(dayMs);
      await claimJob(engine);
    }),

    fact("J7 a failed job keeps why it failed", async ({ engine, clock }) => {
      const job = await activeJob(engine);
      clock.advance(5);
      const answer = await settleJob(engine, failure(job, { endCause: "permanent", reason: "no such account" }));
      assert.deepEqual([answer.outcome, answer.state], ["settled", "failed"]);
      const stored = await storedJob(engine, job.id);
      assert.deepEqual([stored.state, stored.endCause, stored.reason], ["failed", "permanent", "no such account"]);
      assert.deepEqual([stored.failures, stored.finishedAt], [1, start + 5]);
    }),

    fact("J7 each attempt keeps start, end, worker, outcome and error", async ({ engine, clock }) => {
      const { id } = await insertJob(engine);
      const error = { name: "TypeError", message: "x", stack: "at y", code: "E_X" };
      const first = await claimJob(engine, { worker: "w-1" });
      const record = {
        attempt: 1,
        worker: "w-1",
        startedAt: start,
        endedAt: start + 9,
        outcome: "failed",
        error,
      } as const;
      await settleJob(engine, retrying(first, { record, due: { afterMs: 0 } }));
      clock.advance(10);
      const second = await claimJob(engine, { worker: "w-2" });
      await settleJob(engine, completion(second));
      const stored = await storedJob(engine, id);
      assert.deepEqual(stored.attempts, [record, attemptRecord(second, "completed")]);
    }),

    fact("J7 the failure of a job is recorded once, after its last attempt", async ({ engine, clock }) => {
      const job = await activeJob(engine);
      await settleJob(engine, retrying(job));
      assert.deepEqual(await listEvents(engine, { types: ["job:failed"] }), []);
      clock.advance(secondMs);
      await settleJob(engine, failure(await claimJob(engine)));
      const events = await listEvents(engine, { types: ["job:failed"] });
      assert.deepEqual(
        events.map((event) => event.job),
        [job.id],
      );
    }),

    fact("J7 a settlement's log lines and progress are kept with the job", async ({ engine }) => {
      const job = await activeJob(engine);
      const log = [{ at: start, attempt: 1, text: "done" }];
      await settleJob(engine, completion(job, { log, progress: 0.25 }));
      const stored = await storedJob(engine, job.id);
      assert.deepEqual([stored.log, stored.progress], [log, 0.25]);
    }),
  ],
};

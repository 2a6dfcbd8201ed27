// Keys: two slots, current and successor, and what fills and frees them.
import assert from "node:assert/strict";
import type { Engine, InsertedJob } from "../../core/engine.ts";
import type { ClaimedJob, NewJob } from "../../core/job.ts";
import {
  cancellation,
  completion,
  failure,
  leaseMs,
  minuteMs,
  newJob,
  queue,
  release,
  retrying,
  secondMs,
  tenant,
} from "./builders.ts";
import { activeJob, changeJob, claim, claimAll, claimJob, insertJob, listJobs, settleJob, storedJob } from "./calls.ts";
import { type Chapter, fact, start } from "./harness.ts";

const key = "report-a1";

function replacing(parts: Partial<NewJob> = {}): Partial<NewJob> {
  return { key, onConflict: "replace", ...parts };
}

/** An active job with a successor beside it. */
async function currentAndSuccessor(engine: Engine): Promise<{ current: ClaimedJob; successor: InsertedJob }> {
  const current = await activeJob(engine, { key });
  const successor = await insertJob(engine, replacing({ input: '"next"' }));
  return { current, successor };
}

/** Asserts that the current job ended as superseded and that its successor is the one job to claim. */
async function assertSuperseded(engine: Engine, current: ClaimedJob, successor: InsertedJob): Promise<void> {
  assert.deepEqual(
    (await claimAll(engine)).flat().map((job) => job.id),
    [successor.id],
  );
  const ended = await storedJob(engine, current.id);
  assert.deepEqual([ended.state, ended.endCause], ["failed", "superseded"]);
  const promoted = await storedJob(engine, successor.id);
  assert.deepEqual([promoted.state, promoted.successor ?? false], ["active", false]);
}

export const keys: Chapter = {
  title: "keys",
  facts: [
    fact("T2 ignore finds the pending job with its key, and the first input wins", async ({ engine, other }) => {
      const first = await insertJob(engine, { key, input: '"first"' });
      const second = await insertJob(other, { key, input: '"second"', onConflict: "ignore" });
      assert.deepEqual([second.outcome, second.id, second.successor ?? false], ["existing", first.id, false]);
      assert.equal((await storedJob(engine, first.id)).input, '"first"');
      assert.equal((await listJobs(engine)).length, 1);
    }),

    fact("T2 ignore is what happens when nothing is said", async ({ engine }) => {
      const first = await insertJob(engine, { key });
      assert.equal((await insertJob(engine, { key })).id, first.id);
    }),

    fact("T2 ignore finds the active job with its key", async ({ engine }) => {
      const active = await activeJob(engine, { key });
      const second = await insertJob(engine, { key });
      assert.deepEqual([second.outcome, second.id], ["existing", active.id]);
      assert.deepEqual(await claim(engine), []);
    }),

    fact("T2 error answers that the key is in use, and by which job", async ({ engine }) => {
      const first = await insertJob(engine, { key });
      const [answer] = await engine.jobs.insert([{ jobs: [newJob({ key, onConflict: "error" })] }]);
      assert.deepEqual(answer, { outcome: "key-in-use", index: 0, id: first.id });
      await claimJob(engine);
      const [again] = await engine.jobs.insert([{ jobs: [newJob({ key, onConflict: "error" })] }]);
      assert.deepEqual(again, { outcome: "key-in-use", index: 0, id: first.id });
      assert.equal((await listJobs(engine)).length, 1);
    }),

    fact(
      "T2 replace gives a pending job another input, due time and priority, and keeps its id",
      async ({ engine, clock }) => {
        const first = await insertJob(engine, { key, input: '"first"', due: { afterMs: minuteMs } });
        const parts = { input: '"second"', priority: 1, metadata: '{"n":2}', due: { afterMs: secondMs } };
        const second = await insertJob(engine, replacing(parts));
        assert.deepEqual([second.outcome, second.id, second.dueAt], ["replaced", first.id, start + secondMs]);
        const stored = await storedJob(engine, first.id);
        assert.deepEqual([stored.input, stored.priority, stored.metadata], ['"second"', 1, '{"n":2}']);
        assert.equal(stored.dueAt, start + secondMs);
        clock.advance(secondMs);
        assert.equal((await claimJob(engine)).input, '"second"');
        assert.equal((await listJobs(engine)).length, 1);
      },
    ),

    fact("T2 a replaced job has fresh failures", async ({ engine }) => {
      const job = await activeJob(engine, { key });
      await settleJob(engine, retrying(job));
      assert.equal((await insertJob(engine, replacing())).id, job.id);
      const again = await claimJob(engine);
      assert.deepEqual([again.id, again.failures, again.attempt], [job.id, 0, 2]);
    }),

    fact("T2 replace beside an active job sets a successor, which waits for it", async ({ engine, other }) => {
      const current = await activeJob(engine, { key });
      const job = newJob(replacing());
      const successor = await insertJob(other, job);
      assert.deepEqual([successor.outcome, successor.id, successor.successor], ["created", job.id, true]);
      assert.deepEqual(await claim(engine), []);
      assert.deepEqual(await claim(other), []);
      await settleJob(engine, completion(current));
      const promoted = await claimJob(other);
      assert.deepEqual([promoted.id, promoted.attempt, promoted.successor ?? false], [job.id, 1, false]);
    }),

    fact("T2 a second replace beside an active job changes the successor", async ({ engine }) => {
      const { current, successor } = await currentAndSuccessor(engine);
      const again = await insertJob(engine, replacing({ input: '"last"' }));
      assert.deepEqual([again.outcome, again.id, again.successor], ["replaced", successor.id, true]);
      await settleJob(engine, completion(current));
      assert.equal((await claimJob(engine)).input, '"last"');
      assert.equal((await listJobs(engine)).length, 2);
    }),

    fact("T2 a successor waits for its own due time too", async ({ engine, clock }) => {
      const current = await activeJob(engine, { key });
      await insertJob(engine, replacing({ due: { afterMs: minuteMs } }));
      await settleJob(engine, completion(current));
      assert.deepEqual(await claim(engine), []);
      clock.advance(minuteMs);
      await claimJob(engine);
    }),

    fact("T2 a successor follows a current job that failed", async ({ engine }) => {
      const { current, successor } = await currentAndSuccessor(engine);
      await settleJob(engine, failure(current));
      assert.equal((await claimJob(engine)).id, successor.id);
      assert.equal((await storedJob(engine, current.id)).endCause, "attempts");
    }),

    fact("T2 a successor follows a current job that was cancelled", async ({ engine }) => {
      const { current, successor } = await currentAndSuccessor(engine);
      await changeJob(engine, { id: current.id }, { kind: "cancel" });
      await settleJob(engine, cancellation(current));
      assert.equal((await claimJob(engine)).id, successor.id);
    }),

    fact("T2 a promoted successor holds the key", async ({ engine }) => {
      const { current, successor } = await currentAndSuccessor(engine);
      await settleJob(engine, completion(current));
      assert.deepEqual((await insertJob(engine, { key })).id, successor.id);
      assert.equal((await insertJob(engine, replacing())).outcome, "replaced");
    }),

    fact("T2 a key is free again when both its slots are empty", async ({ engine }) => {
      const { current } = await currentAndSuccessor(engine);
      await settleJob(engine, completion(current));
      await settleJob(engine, completion(await claimJob(engine)));
      const next = await insertJob(engine, { key, onConflict: "error" });
      assert.deepEqual([next.outcome, next.successor ?? false], ["created", false]);
      assert.equal((await claimJob(engine)).id, next.id);
    }),

    fact("T2 a cancelled job frees its key", async ({ engine }) => {
      const { id } = await insertJob(engine, { key });
      await changeJob(engine, { id }, { kind: "cancel" });
      assert.equal((await insertJob(engine, { key })).outcome, "created");
    }),

    fact("T2 a cancelled successor leaves its place to another", async ({ engine }) => {
      const { current, successor } = await currentAndSuccessor(engine);
      await changeJob(engine, { id: successor.id }, { kind: "cancel" });
      const next = await insertJob(engine, replacing());
      assert.deepEqual([next.outcome, next.successor], ["created", true]);
      await settleJob(engine, completion(current));
      assert.equal((await claimJob(engine)).id, next.id);
    }),

    fact("T2 the same key in another queue or of another tenant is another key", async ({ engine }) => {
      const outcomes: string[] = [];
      for (const parts of [{}, { queue: "other" }, { tenant: "globex" }]) {
        outcomes.push((await insertJob(engine, { key, onConflict: "error", ...parts })).outcome);
      }
      assert.deepEqual(outcomes, ["created", "created", "created"]);
    }),

    fact("T2 inserts of one key at once make one job", async ({ engine, other }) => {
      const handles = [engine, other, engine, other, engine, other];
      const answers = await Promise.all(handles.map((handle) => insertJob(handle, { key })));
      assert.equal(answers.filter((answer) => answer.outcome === "created").length, 1);
      assert.equal(new Set(answers.map((answer) => answer.id)).size, 1);
      assert.equal((await listJobs(engine)).length, 1);
    }),

    fact("T2 replaces of one key beside its claim make one successor at most", async ({ engine, other }) => {
      await insertJob(engine, { key });
      const replaces = [engine, other, engine].map((handle) => insertJob(handle, replacing()));
      const [jobs, answers] = await Promise.all([claim(other), Promise.all(replaces)]);
      assert.ok(jobs.length <= 1);
      const unfinished = await listJobs(engine, { states: ["pending", "active"] });
      assert.ok(unfinished.length <= 2);
      assert.ok(answers.every((answer) => unfinished.some((job) => job.id === answer.id)));
    }),

    fact("T3 a job that re-arms its own key while active never loses the new job", async ({ engine, clock }) => {
      const current = await activeJob(engine, { key });
      const next = await insertJob(engine, replacing({ due: { afterMs: minuteMs } }));
      await settleJob(engine, completion(current));
      clock.advance(minuteMs);
      const job = await claimJob(engine);
      assert.equal(job.id, next.id);
      assert.equal((await storedJob(engine, current.id)).state, "completed");
    }),

    fact("T3 a retry beside a successor ends as superseded", async ({ engine }) => {
      const { current, successor } = await currentAndSuccessor(engine);
      const answer = await settleJob(engine, retrying(current));
      assert.deepEqual([answer.outcome, answer.state], ["settled", "failed"]);
      await assertSuperseded(engine, current, successor);
    }),

    fact("T3 a release beside a successor ends as superseded", async ({ engine }) => {
      const { current, successor } = await currentAndSuccessor(engine);
      assert.equal((await settleJob(engine, release(current))).state, "failed");
      await assertSuperseded(engine, current, successor);
    }),

    fact("T3 an expired lease beside a successor ends as superseded", async ({ engine, clock }) => {
      const { current, successor } = await currentAndSuccessor(engine);
      clock.advance(leaseMs);
      await assertSuperseded(engine, current, successor);
      assert.equal((await storedJob(engine, current.id)).attempts[0]?.outcome, "lost");
      assert.equal((await settleJob(engine, completion(current))).outcome, "lost");
    }),

    fact("T3 a superseded retry keeps the failure it had", async ({ engine }) => {
      const { current } = await currentAndSuccessor(engine);
      await settleJob(engine, retrying(current));
      const ended = await storedJob(engine, current.id);
      assert.deepEqual([ended.failures, ended.attempts[0]?.error?.message], [1, "boom"]);
    }),

    fact("T3 a retry and a replace at once leave one job to run", async ({ engine, other }) => {
      const current = await activeJob(engine, { key });
      const [, replaced] = await Promise.all([
        settleJob(engine, retrying(current, { due: { afterMs: 0 } })),
        insertJob(other, replacing({ input: '"next"' })),
      ]);
      const job = await claimJob(engine);
      assert.deepEqual([job.id, job.input], [replaced.id, '"next"']);
    }),

    fact("T3 an ended job is not revived while another holds its key", async ({ engine }) => {
      const job = await activeJob(engine, { key });
      await settleJob(engine, failure(job));
      await insertJob(engine, { key });
      const answer = await changeJob(engine, { id: job.id }, { kind: "retry" });
      assert.equal(answer.outcome, "key-in-use");
      assert.equal((await storedJob(engine, job.id)).state, "failed");
    }),

    fact("T3 a revived job holds its key again", async ({ engine }) => {
      const job = await activeJob(engine, { key });
      await settleJob(engine, failure(job));
      assert.equal((await changeJob(engine, { id: job.id }, { kind: "retry" })).outcome, "changed");
      assert.equal((await insertJob(engine, { key })).id, job.id);
    }),

    fact("J15 a replace repeated answers what the first call answered", async ({ engine, other, clock }) => {
      const { id } = await insertJob(engine, { key, due: { afterMs: minuteMs } });
      const job = newJob(replacing({ due: { afterMs: secondMs } }));
      const first = await insertJob(engine, job);
      clock.advance(500);
      assert.deepEqual(await insertJob(other, job), first);
      assert.deepEqual([first.id, (await storedJob(engine, id)).dueAt], [id, start + secondMs]);
    }),

    fact("J15 a replace repeated after its job was claimed sets no successor", async ({ engine }) => {
      await insertJob(engine, { key });
      const job = newJob(replacing());
      const first = await insertJob(engine, job);
      const claimed = await claimJob(engine);
      const again = await insertJob(engine, job);
      assert.deepEqual([again.id, again.successor ?? false], [first.id, false]);
      await settleJob(engine, completion(claimed));
      assert.deepEqual(await claim(engine), []);
    }),

    fact("J15 a successor inserted again answers the same", async ({ engine }) => {
      await activeJob(engine, { key });
      const job = newJob(replacing());
      const first = await insertJob(engine, job);
      assert.deepEqual(await insertJob(engine, job), first);
      assert.equal((await listJobs(engine, { tenant, queue })).length, 2);
    }),
  ],
};

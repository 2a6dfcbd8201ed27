// Insert: what is stored of a new job, and that its repeat finds it.
import assert from "node:assert/strict";
import { completion, newJob, queue, secondMs, tenant } from "./builders.ts";
import { activeJob, claim, claimJob, insertJob, listJobs, settleJob, storedJob } from "./calls.ts";
import { type Chapter, fact, start } from "./harness.ts";

export const insert: Chapter = {
  title: "insert",
  facts: [
    fact("J1 an inserted job is stored pending with all that its caller gave", async ({ engine }) => {
      const job = newJob({ key: "k", attemptsMax: 7, metadata: '{"a":1}', priority: 2, input: '{"to":"x"}' });
      const [answer] = await engine.jobs.insert([{ jobs: [job] }]);
      assert.equal(answer?.outcome, "inserted");
      const { due: _, ...given } = job;
      const stored = await storedJob(engine, job.id);
      const shown = Object.fromEntries(Object.entries(stored).filter(([name]) => name in given));
      assert.deepEqual(shown, given);
      assert.equal(stored.state, "pending");
      assert.equal(stored.createdAt, start);
      assert.equal(stored.dueAt, start);
      assert.deepEqual([stored.attempt, stored.failures, stored.crashes, stored.releases], [0, 0, 0, 0]);
      assert.deepEqual([stored.attempts, stored.log], [[], []]);
    }),

    fact("J1 an inserted job is seen by every handle", async ({ engine, other }) => {
      const { id } = await insertJob(engine);
      assert.equal((await storedJob(other, id)).id, id);
      const back = await insertJob(other);
      assert.equal((await storedJob(engine, back.id)).id, back.id);
    }),

    fact("J1 insert answers in the order of its list", async ({ engine }) => {
      const jobs = Array.from({ length: 50 }, () => newJob());
      const answers = await engine.jobs.insert(jobs.map((job) => ({ jobs: [job] })));
      const ids = answers.map((answer) => (answer.outcome === "inserted" ? answer.jobs[0]?.id : answer.outcome));
      assert.deepEqual(
        ids,
        jobs.map((job) => job.id),
      );
    }),

    fact("J1 an empty list of inserts answers nothing and stores nothing", async ({ engine }) => {
      assert.deepEqual(await engine.jobs.insert([]), []);
      assert.deepEqual(await listJobs(engine), []);
    }),

    fact("J1 a job that was never inserted is not found", async ({ engine }) => {
      assert.equal(await engine.jobs.get(newJob().id), undefined);
    }),

    fact("J1 a job beside the same task and input is another job", async ({ engine }) => {
      const first = await insertJob(engine);
      const second = await insertJob(engine);
      assert.notEqual(first.id, second.id);
      assert.equal((await listJobs(engine, { tenant, queue })).length, 2);
    }),

    fact("J15 the same id inserted again answers what the first call answered", async ({ engine, other, clock }) => {
      const job = newJob({ due: { afterMs: secondMs } });
      const first = await engine.jobs.insert([{ jobs: [job] }]);
      clock.advance(500);
      assert.deepEqual(await other.jobs.insert([{ jobs: [job] }]), first);
      assert.equal((await listJobs(engine)).length, 1);
      assert.equal((await storedJob(engine, job.id)).dueAt, start + secondMs);
    }),

    fact("J15 the same id inserted by two handles at once makes one job", async ({ engine, other }) => {
      const job = newJob();
      const handles = [engine, other, engine, other];
      const answers = await Promise.all(handles.map((handle) => handle.jobs.insert([{ jobs: [job] }])));
      for (const answer of answers) assert.deepEqual(answer, answers[0]);
      assert.equal((await listJobs(engine)).length, 1);
    }),

    fact("J15 an insert repeated while its job is active starts nothing", async ({ engine }) => {
      const job = newJob();
      const first = await engine.jobs.insert([{ jobs: [job] }]);
      await claimJob(engine);
      assert.deepEqual(await engine.jobs.insert([{ jobs: [job] }]), first);
      assert.equal((await storedJob(engine, job.id)).state, "active");
      assert.deepEqual(await claim(engine), []);
    }),

    fact("J15 an insert repeated after its job has completed starts nothing", async ({ engine }) => {
      const job = newJob();
      await engine.jobs.insert([{ jobs: [job] }]);
      await settleJob(engine, completion(await claimJob(engine)));
      const [again] = await engine.jobs.insert([{ jobs: [job] }]);
      assert.equal(again?.outcome, "inserted");
      assert.equal(again.jobs[0]?.id, job.id);
      assert.equal((await storedJob(engine, job.id)).state, "completed");
      assert.deepEqual(await claim(engine), []);
    }),

    fact("J15 the same id twice in one list makes one job", async ({ engine }) => {
      const job = newJob();
      const [first, second] = await engine.jobs.insert([{ jobs: [job] }, { jobs: [job] }]);
      assert.deepEqual(second, first);
      assert.equal((await listJobs(engine)).length, 1);
    }),

    fact("J15 a repeated insert leaves its job's lease alone", async ({ engine }) => {
      const job = await activeJob(engine);
      await engine.jobs.insert([{ jobs: [newJob({ id: job.id })] }]);
      assert.equal((await settleJob(engine, completion(job))).outcome, "settled");
    }),
  ],
};

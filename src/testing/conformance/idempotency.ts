// Idempotency keys: one request under one key for a day, whatever has become of its job.
import assert from "node:assert/strict";
import { completion, dayMs, newJob } from "./builders.ts";
import { activeJob, claimJob, insertJob, listJobs, settleJob } from "./calls.ts";
import { type Chapter, fact } from "./harness.ts";

const idempotency = { key: "request-1", body: "a" };

export const idempotencyKeys: Chapter = {
  title: "idempotency",
  facts: [
    fact("J15 the same request under one key finds its first job", async ({ engine, other }) => {
      const first = await insertJob(engine, { idempotency });
      const again = await insertJob(other, { idempotency });
      assert.deepEqual([first.outcome, again.outcome, again.id], ["created", "existing", first.id]);
      assert.equal((await listJobs(engine)).length, 1);
    }),

    fact("J15 the same key with another body is refused", async ({ engine }) => {
      await insertJob(engine, { idempotency });
      const [answer] = await engine.jobs.insert([{ jobs: [newJob({ idempotency: { key: "request-1", body: "b" } })] }]);
      assert.deepEqual(answer, { outcome: "idempotency-mismatch", index: 0 });
      assert.equal((await listJobs(engine)).length, 1);
    }),

    fact("J15 a key is remembered for 24 h and then free", async ({ engine, clock }) => {
      const first = await insertJob(engine, { idempotency });
      clock.advance(dayMs - 1);
      assert.equal((await insertJob(engine, { idempotency })).id, first.id);
      clock.advance(1);
      const next = await insertJob(engine, { idempotency: { key: "request-1", body: "b" } });
      assert.equal(next.outcome, "created");
      assert.notEqual(next.id, first.id);
    }),

    fact("J15 a key is remembered though its job is done", async ({ engine }) => {
      const job = await activeJob(engine, { idempotency });
      await settleJob(engine, completion(job));
      const again = await insertJob(engine, { idempotency });
      assert.deepEqual([again.outcome, again.id], ["existing", job.id]);
    }),

    fact("J15 a key is remembered though retention has removed its job", async ({ engine, clock }) => {
      const job = await activeJob(engine, { idempotency });
      await settleJob(engine, completion(job, { keep: "nothing" }));
      clock.advance(1);
      await engine.jobs.purge({ completedCountMax: 0, endedCountMax: 0, limit: 1_000 });
      assert.equal(await engine.jobs.get(job.id), undefined);
      const again = await insertJob(engine, { idempotency });
      assert.deepEqual([again.outcome, again.id], ["existing", job.id]);
    }),

    fact("J15 a key belongs to its tenant", async ({ engine }) => {
      const first = await insertJob(engine, { idempotency });
      const second = await insertJob(engine, { idempotency, tenant: "globex" });
      assert.equal(second.outcome, "created");
      assert.notEqual(second.id, first.id);
    }),

    fact("J15 a key spans queues and tasks", async ({ engine }) => {
      const first = await insertJob(engine, { idempotency });
      assert.equal((await insertJob(engine, { idempotency, queue: "other", task: "fetch" })).id, first.id);
    }),

    fact("J15 a refused batch remembers none of its keys", async ({ engine }) => {
      await insertJob(engine, { key: "taken" });
      const refused = [newJob({ idempotency }), newJob({ key: "taken", onConflict: "error" })];
      const [answer] = await engine.jobs.insert([{ jobs: refused }]);
      assert.equal(answer?.outcome, "key-in-use");
      assert.equal((await insertJob(engine, { idempotency: { key: "request-1", body: "b" } })).outcome, "created");
    }),

    fact("J15 the same key from two handles at once makes one job", async ({ engine, other }) => {
      const answers = await Promise.all(
        [engine, other, engine, other].map((handle) => insertJob(handle, { idempotency })),
      );
      assert.equal(new Set(answers.map((answer) => answer.id)).size, 1);
      assert.equal((await listJobs(engine)).length, 1);
    }),

    fact("J15 a job's own id and its idempotency key together find the job", async ({ engine }) => {
      const job = newJob({ idempotency });
      const first = await insertJob(engine, job);
      assert.equal((await insertJob(engine, job)).id, first.id);
      assert.equal((await claimJob(engine)).id, first.id);
    }),

    fact("J15 a request that found a taken key is remembered with the job it found", async ({ engine }) => {
      const holder = await insertJob(engine, { key: "k" });
      const found = await insertJob(engine, { key: "k", idempotency });
      assert.deepEqual([found.outcome, found.id], ["existing", holder.id]);
      await settleJob(engine, completion(await claimJob(engine)));
      assert.equal((await insertJob(engine, { key: "k", idempotency })).id, holder.id);
    }),
  ],
};

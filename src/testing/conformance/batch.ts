// Batches: what is inserted together is inserted whole or not at all, and harms no neighbour.
import assert from "node:assert/strict";
import { newJob } from "./builders.ts";
import { claim, insertJob, laneCounts, listJobs, storedJob } from "./calls.ts";
import { type Chapter, fact } from "./harness.ts";

const taken = { key: "taken" } as const;

export const batch: Chapter = {
  title: "batch",
  facts: [
    fact("T5 jobs inserted together are all stored, in order", async ({ engine }) => {
      const jobs = Array.from({ length: 1_000 }, () => newJob());
      const [answer] = await engine.jobs.insert([{ jobs }]);
      assert.equal(answer?.outcome, "inserted");
      assert.deepEqual(
        answer.jobs.map((job) => job.id),
        jobs.map((job) => job.id),
      );
      const claimed = await claim(engine, { limit: 1_000, wants: [{ queue: "mail", limit: 1_000 }] });
      assert.deepEqual(
        claimed.map((job) => job.id),
        jobs.map((job) => job.id),
      );
    }),

    fact("T5 one key in use and nothing of its batch is stored", async ({ engine }) => {
      const { id } = await insertJob(engine, taken);
      const jobs = [newJob(), newJob({ key: "free" }), newJob({ ...taken, onConflict: "error" }), newJob()];
      const [answer] = await engine.jobs.insert([{ jobs }]);
      assert.deepEqual(answer, { outcome: "key-in-use", index: 2, id });
      assert.deepEqual(
        (await listJobs(engine)).map((job) => job.id),
        [id],
      );
      assert.equal((await laneCounts(engine)).waiting, 1);
      assert.equal((await insertJob(engine, { key: "free" })).outcome, "created");
    }),

    fact("T5 one idempotency mismatch and nothing of its batch is stored", async ({ engine }) => {
      await insertJob(engine, { idempotency: { key: "i", body: "one" } });
      const jobs = [newJob(), newJob({ idempotency: { key: "i", body: "two" } })];
      const [answer] = await engine.jobs.insert([{ jobs }]);
      assert.deepEqual(answer, { outcome: "idempotency-mismatch", index: 1 });
      assert.equal((await listJobs(engine)).length, 1);
    }),

    fact("T5 a replace is undone with its batch", async ({ engine }) => {
      const { id } = await insertJob(engine, { key: "k", input: "1" });
      await insertJob(engine, taken);
      const jobs = [newJob({ key: "k", onConflict: "replace", input: "2" }), newJob({ ...taken, onConflict: "error" })];
      await engine.jobs.insert([{ jobs }]);
      assert.equal((await storedJob(engine, id)).input, "1");
    }),

    fact("T5 a refused batch leaves its neighbours in the same call alone", async ({ engine }) => {
      await insertJob(engine, taken);
      const answers = await engine.jobs.insert([
        { jobs: [newJob(), newJob()] },
        { jobs: [newJob(), newJob({ ...taken, onConflict: "error" })] },
        { jobs: [newJob()], guardrails: { maxPendingJobs: 0 } },
        { jobs: [newJob()] },
      ]);
      assert.deepEqual(
        answers.map((answer) => answer.outcome),
        ["inserted", "key-in-use", "limit", "inserted"],
      );
      assert.equal((await listJobs(engine)).length, 4);
    }),

    fact("T5 keys are per item: one key twice in a batch is one job", async ({ engine }) => {
      const first = newJob({ key: "k", input: "1" });
      const [answer] = await engine.jobs.insert([{ jobs: [first, newJob({ key: "k", input: "2" })] }]);
      assert.equal(answer?.outcome, "inserted");
      assert.deepEqual(
        answer.jobs.map(({ outcome, id }) => [outcome, id]),
        [
          ["created", first.id],
          ["existing", first.id],
        ],
      );
      assert.equal((await storedJob(engine, first.id)).input, "1");
    }),

    fact("T5 one key twice in a batch with onConflict error is refused whole", async ({ engine }) => {
      const first = newJob({ key: "k", onConflict: "error" });
      const [answer] = await engine.jobs.insert([{ jobs: [first, newJob({ key: "k", onConflict: "error" })] }]);
      assert.deepEqual(answer, { outcome: "key-in-use", index: 1, id: first.id });
      assert.deepEqual(await listJobs(engine), []);
    }),

    fact("T5 an empty batch is inserted", async ({ engine }) => {
      assert.deepEqual(await engine.jobs.insert([{ jobs: [] }]), [{ outcome: "inserted", jobs: [] }]);
    }),

    fact("J15 a batch inserted again answers the same and stores nothing more", async ({ engine, other }) => {
      const jobs = [newJob(), newJob({ key: "k" }), newJob()];
      const first = await engine.jobs.insert([{ jobs }]);
      assert.deepEqual(await other.jobs.insert([{ jobs }]), first);
      assert.equal((await listJobs(engine)).length, 3);
    }),

    fact("T5 batches of two handles at once are each whole", async ({ engine, other }) => {
      const contested = () => ({ jobs: [newJob(), newJob({ key: "k", onConflict: "error" }), newJob()] });
      const answers = await Promise.all(
        [engine, other, engine, other].map((handle) => handle.jobs.insert([contested()])),
      );
      const outcomes = answers
        .flat()
        .map((answer) => answer.outcome)
        .sort();
      assert.deepEqual(outcomes, ["inserted", "key-in-use", "key-in-use", "key-in-use"]);
      assert.equal((await listJobs(engine)).length, 3);
    }),
  ],
};

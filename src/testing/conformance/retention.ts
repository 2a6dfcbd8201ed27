// Retention: what is kept of finished jobs, by count per queue and by age, trimmed in bounded batches.
import assert from "node:assert/strict";
import type { Engine, PurgeRequest } from "../../core/engine.ts";
import type { JobId } from "../../core/id.ts";
import type { NewJob } from "../../core/job.ts";
import type { Settlement } from "../../core/settling.ts";
import { completion, dayMs, failure, hourMs, queue } from "./builders.ts";
import { activeJob, changeJob, insertJob, laneCounts, listJobs, settleJob, storedJob } from "./calls.ts";
import { type Chapter, fact, type Harness } from "./harness.ts";

const everything: PurgeRequest = { completedCountMax: 1_000, endedCountMax: 1_000, limit: 1_000 };

/** Purges until nothing more is to go. */
async function purge(engine: Engine, request: Partial<PurgeRequest> = {}): Promise<void> {
  for (let turn = 0; turn < 100; turn++) {
    if (!(await engine.jobs.purge({ ...everything, ...request })).more) return;
  }
  assert.fail("a purge comes to an end");
}

/** Jobs that completed one after another, a millisecond apart. */
async function completed({ engine, clock }: Harness, count: number, parts: Partial<NewJob> = {}): Promise<JobId[]> {
  const ids: JobId[] = [];
  for (let turn = 0; turn < count; turn++) {
    const job = await activeJob(engine, parts);
    await settleJob(engine, completion(job));
    ids.push(job.id);
    clock.advance(1);
  }
  return ids;
}

/** The ids of finished jobs that are still there, oldest first. */
async function kept(engine: Engine, ids: readonly JobId[]): Promise<JobId[]> {
  const jobs = await Promise.all(ids.map((id) => engine.jobs.get(id)));
  return jobs.flatMap((job) => (job === undefined ? [] : [job.id]));
}

async function ended({ engine }: Harness, keep: Settlement["keep"]): Promise<JobId> {
  const job = await activeJob(engine);
  await settleJob(engine, completion(job, { keep }));
  return job.id;
}

export const retention: Chapter = {
  title: "retention",
  facts: [
    fact("J10 the newest completed jobs of a queue stay, older ones go", async (harness) => {
      const ids = await completed(harness, 5);
      await purge(harness.engine, { completedCountMax: 2 });
      assert.deepEqual(await kept(harness.engine, ids), ids.slice(3));
      assert.deepEqual(
        (await listJobs(harness.engine)).map((job) => job.id),
        ids.slice(3).toReversed(),
      );
      assert.equal((await laneCounts(harness.engine)).completed, 2);
    }),

    fact("J10 jobs are kept per queue", async (harness) => {
      const mail = await completed(harness, 3);
      const other = await completed(harness, 3, { queue: "other" });
      await purge(harness.engine, { completedCountMax: 1 });
      assert.deepEqual(await kept(harness.engine, [...mail, ...other]), [mail[2], other[2]]);
    }),

    fact("J10 failed and cancelled jobs are kept together, apart from completed ones", async (harness) => {
      const { engine, clock } = harness;
      const done = await completed(harness, 2);
      const failed = await activeJob(engine);
      await settleJob(engine, failure(failed));
      clock.advance(1);
      const { id } = await insertJob(engine);
      await changeJob(engine, { id }, { kind: "cancel" });
      clock.advance(1);
      await purge(engine, { endedCountMax: 1 });
      assert.deepEqual(await kept(engine, [...done, failed.id, id]), [...done, id]);
    }),

    fact("J10 what is within the counts and its age stays", async (harness) => {
      const ids = await completed(harness, 4);
      await purge(harness.engine, { completedCountMax: 4 });
      assert.deepEqual(await kept(harness.engine, ids), ids);
    }),

    fact("J10 a job past its own age goes, however few there are", async (harness) => {
      const short = await ended(harness, { ageMs: hourMs });
      const long = await ended(harness, { ageMs: dayMs });
      const endless = await ended(harness, {});
      harness.clock.advance(hourMs - 1);
      await purge(harness.engine);
      assert.deepEqual(await kept(harness.engine, [short, long, endless]), [short, long, endless]);
      harness.clock.advance(2);
      await purge(harness.engine);
      assert.deepEqual(await kept(harness.engine, [short, long, endless]), [long, endless]);
    }),

    fact("J10 a job of which nothing is kept is gone with the next purge", async (harness) => {
      const id = await ended(harness, "nothing");
      harness.clock.advance(1);
      await purge(harness.engine);
      assert.deepEqual(await kept(harness.engine, [id]), []);
      const counts = await laneCounts(harness.engine);
      assert.deepEqual([counts.completed, counts.active, counts.totals.completed], [0, 0, 1]);
    }),

    fact("J10 a settlement of which nothing is kept answers settled", async (harness) => {
      const job = await activeJob(harness.engine);
      const answer = await settleJob(harness.engine, completion(job, { keep: "nothing" }));
      assert.deepEqual([answer.outcome, answer.state], ["settled", "completed"]);
    }),

    fact("J10 purging a failed job follows its age too", async ({ engine, clock }) => {
      const job = await activeJob(engine);
      await settleJob(engine, failure(job, { keep: { ageMs: 10 } }));
      clock.advance(11);
      await purge(engine);
      assert.equal(await engine.jobs.get(job.id), undefined);
    }),

    fact("J10 pending and active jobs are never purged", async ({ engine, clock }) => {
      const active = await activeJob(engine);
      const { id } = await insertJob(engine);
      clock.advance(400 * dayMs);
      await purge(engine, { completedCountMax: 0, endedCountMax: 0 });
      assert.deepEqual(await kept(engine, [active.id, id]), [active.id, id]);
    }),

    fact("J10 a revived job is not purged for the age it had", async ({ engine, clock }) => {
      const job = await activeJob(engine);
      await settleJob(engine, failure(job, { keep: { ageMs: 10 } }));
      await changeJob(engine, { id: job.id }, { kind: "retry" });
      clock.advance(dayMs);
      await purge(engine, { completedCountMax: 0, endedCountMax: 0 });
      assert.equal((await storedJob(engine, job.id)).state, "pending");
    }),

    fact("J10 a purge deletes no more than it may, and says that there is more", async (harness) => {
      const ids = await completed(harness, 10);
      const request = { ...everything, completedCountMax: 1, limit: 4 };
      const first = await harness.engine.jobs.purge(request);
      assert.equal(first.more, true);
      assert.ok(first.deleted <= 4);
      assert.ok((await kept(harness.engine, ids)).length >= 6);
      await purge(harness.engine, request);
      assert.deepEqual(await kept(harness.engine, ids), ids.slice(9));
    }),

    fact("J10 purges of two replicas at once keep the same jobs", async (harness) => {
      const { engine, other } = harness;
      const ids = await completed(harness, 12);
      await Promise.all([engine, other, engine].map((handle) => purge(handle, { completedCountMax: 3, limit: 2 })));
      assert.deepEqual(await kept(engine, ids), ids.slice(9));
      assert.equal((await laneCounts(engine, { tenant: "acme", queue })).completed, 3);
    }),

    fact(
      "J10 a purge keeps the newest N by when they ended, not by when they were inserted",
      async ({ engine, clock }) => {
        const first = await activeJob(engine);
        const second = await activeJob(engine);
        await settleJob(engine, completion(second));
        clock.advance(1);
        await settleJob(engine, completion(first));
        await purge(engine, { completedCountMax: 1 });
        assert.deepEqual(await kept(engine, [first.id, second.id]), [first.id]);
      },
    ),

    fact("J10 purge goes on until expired records are gone", async ({ engine, clock }) => {
      const keys = ["a", "b", "c", "d", "e"];
      await engine.records.put(keys.map((key) => ({ key, value: "1", expected: "any", ttlMs: 1 })));
      clock.advance(2);
      await purge(engine, { limit: 2 });
      assert.deepEqual(
        await engine.records.get(keys),
        keys.map(() => undefined),
      );
      assert.equal((await engine.jobs.purge({ ...everything, limit: 2 })).more, false);
    }),
  ],
};

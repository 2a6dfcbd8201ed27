// Claim: one holder per job, crash recovery, order, and when to come back.
import assert from "node:assert/strict";
import { claimRequest, completion, leaseMs, minuteMs, queue, retrying, secondMs, token } from "./builders.ts";
import {
  activeJob,
  claim,
  claimAll,
  claimJob,
  extendJob,
  insertJob,
  insertJobs,
  plain,
  settleJob,
  storedJob,
} from "./calls.ts";
import { type Chapter, fact, start } from "./harness.ts";

export const claims: Chapter = {
  title: "claim",
  facts: [
    fact("J2 claim gives a due job with a lease that names its holder", async ({ engine }) => {
      const { id } = await insertJob(engine);
      const claimId = token();
      const job = await claimJob(engine, { claimId, worker: "w-7" });
      assert.equal(job.id, id);
      assert.deepEqual([job.state, job.attempt, job.worker, job.token], ["active", 1, "w-7", claimId]);
      assert.deepEqual([job.claimedAt, job.leaseUntil, job.recovered], [start, start + leaseMs, false]);
      const { recovered: _, ref: __, ...rest } = job;
      assert.deepEqual(plain(await storedJob(engine, id)), plain(rest));
    }),

    fact("J2 claim gives a due job to exactly one worker", async ({ engine, other }) => {
      await insertJobs(
        engine,
        Array.from({ length: 60 }, () => ({})),
      );
      const handles = [engine, other, engine, other, engine, other];
      const taken = await Promise.all(handles.map((handle) => claim(handle, { limit: 15 })));
      const ids = taken.flat().map((job) => job.id);
      assert.equal(ids.length, 60);
      assert.equal(new Set(ids).size, 60);
    }),

    fact("J2 a claimed job is not given again while its lease lasts", async ({ engine, other, clock }) => {
      await activeJob(engine);
      clock.advance(leaseMs - 1);
      assert.deepEqual(await claim(other), []);
    }),

    fact("J2 every claim of a job counts one attempt more", async ({ engine, clock }) => {
      await insertJob(engine);
      for (const attempt of [1, 2, 3]) {
        const job = await claimJob(engine);
        assert.equal(job.attempt, attempt);
        await settleJob(engine, retrying(job));
        clock.advance(secondMs);
      }
    }),

    fact("J2 a job that is not due is not given", async ({ engine, clock }) => {
      await insertJob(engine, { due: { afterMs: secondMs } });
      clock.advance(secondMs - 1);
      assert.deepEqual(await claim(engine), []);
      clock.advance(1);
      await claimJob(engine);
    }),

    fact("J2 claim looks only at the queues it wants and keeps to their limits", async ({ engine }) => {
      await insertJobs(engine, [{ queue: "a" }, { queue: "a" }, { queue: "a" }, { queue: "b" }, { queue: "c" }]);
      const jobs = await claim(engine, {
        wants: [
          { queue: "a", limit: 2 },
          { queue: "b", limit: 5 },
        ],
      });
      assert.deepEqual(
        jobs.map((job) => job.queue),
        ["a", "a", "b"],
      );
    }),

    fact("J2 queues are served in the order they are wanted until the claim is full", async ({ engine }) => {
      await insertJobs(engine, [{ queue: "a" }, { queue: "b" }, { queue: "b" }]);
      const wants = [
        { queue: "b", limit: 5 },
        { queue: "a", limit: 5 },
      ];
      const jobs = await claim(engine, { wants, limit: 2 });
      assert.deepEqual(
        jobs.map((job) => job.queue),
        ["b", "b"],
      );
    }),

    fact("J4 a job whose lease has ended is given again", async ({ engine, other, clock }) => {
      const lost = await activeJob(engine);
      clock.advance(leaseMs);
      const job = await claimJob(other, { worker: "w-2" });
      assert.equal(job.id, lost.id);
      assert.deepEqual([job.attempt, job.recovered, job.worker], [2, true, "w-2"]);
      assert.deepEqual(
        job.attempts.map(({ attempt, worker, outcome }) => [attempt, worker, outcome]),
        [[1, "worker-1", "lost"]],
      );
    }),

    fact(
      "J4 an expired lease is given to exactly one of the workers that ask for it",
      async ({ engine, other, clock }) => {
        const lost = await activeJob(engine);
        clock.advance(leaseMs);
        const taken = await Promise.all([engine, other, engine, other].map((handle) => claim(handle)));
        assert.deepEqual(
          taken.flat().map((job) => job.id),
          [lost.id],
        );
      },
    ),

    fact("J4 an extended lease ends later", async ({ engine, other, clock }) => {
      const job = await activeJob(engine);
      clock.advance(leaseMs - 1);
      assert.equal(await extendJob(engine, job, leaseMs), "held");
      clock.advance(leaseMs - 1);
      assert.deepEqual(await claim(other), []);
      clock.advance(1);
      await claimJob(other);
    }),

    fact("J4 a job whose lease has ended comes alone", async ({ engine, clock }) => {
      const lost = await activeJob(engine);
      clock.advance(leaseMs);
      await insertJobs(engine, [{}, {}, {}]);
      const claimed = await claimAll(engine);
      assert.equal(claimed.flat().length, 4);
      const alone = claimed.find((jobs) => jobs.some((job) => job.recovered));
      assert.deepEqual(
        alone?.map((job) => job.id),
        [lost.id],
      );
    }),

    fact("J4 a backlog of due jobs does not keep a lost one from running again", async ({ engine, clock }) => {
      const lost = await activeJob(engine);
      await insertJobs(
        engine,
        Array.from({ length: 200 }, () => ({ priority: 1 })),
      );
      clock.advance(leaseMs);
      const claims = await claimAll(engine, { limit: 10 });
      const place = claims.findIndex((jobs) => jobs.some((job) => job.id === lost.id));
      assert.ok(place >= 0 && place <= 2, `it comes with the claim after next at the latest, not with claim ${place}`);
    }),

    fact("J4 only attempts that started count as crashes", async ({ engine, clock }) => {
      await insertJobs(engine, [{}, {}]);
      const [begun, prefetched] = await claim(engine, { starts: 1 });
      assert.deepEqual([begun?.started ?? false, prefetched?.started ?? false], [true, false]);
      clock.advance(leaseMs);
      const again = (await claimAll(engine)).flat();
      assert.equal(again.find((job) => job.id === begun?.id)?.crashes, 1);
      assert.equal(again.find((job) => job.id === prefetched?.id)?.crashes, 0);
    }),

    fact("J4 an attempt that an extension reports as started counts as a crash", async ({ engine, clock }) => {
      await insertJob(engine);
      const job = await claimJob(engine, { starts: 0 });
      const { id, attempt } = job;
      await engine.jobs.extend([{ lease: { id, queue, attempt, token: job.token }, started: true }], leaseMs);
      clock.advance(leaseMs);
      assert.equal((await claimJob(engine)).crashes, 1);
    }),

    fact("J4 every worker that a job kills is counted, and no failure", async ({ engine, clock }) => {
      await activeJob(engine);
      for (const crashes of [1, 2, 3]) {
        clock.advance(leaseMs);
        const job = await claimJob(engine);
        assert.deepEqual([job.crashes, job.failures, job.started], [crashes, 0, true]);
      }
    }),

    fact("J4 a lost job is given only to a claim that can start it at once", async ({ engine, clock }) => {
      await activeJob(engine);
      clock.advance(leaseMs);
      assert.deepEqual(await claim(engine, { starts: 0 }), []);
      assert.equal((await claimJob(engine, { starts: 1 })).started, true);
      clock.advance(leaseMs);
      assert.equal((await claimJob(engine)).crashes, 2);
    }),

    fact("J5 priority comes first, then the due time, then the order of insertion", async ({ engine, clock }) => {
      const ids = await insertJobs(engine, [
        { priority: 10 },
        { priority: 5, due: { afterMs: 20 } },
        { priority: 5, due: { afterMs: 10 } },
        { priority: 5, due: { afterMs: 10 } },
        { priority: 1, due: { afterMs: 30 } },
      ]);
      clock.advance(secondMs);
      const order = (await claim(engine)).map((job) => ids.indexOf(job.id));
      assert.deepEqual(order, [4, 2, 3, 1, 0]);
    }),

    fact("J5 jobs of one priority and instant come in the order of insertion", async ({ engine, other }) => {
      const ids: string[] = [];
      for (let turn = 0; turn < 20; turn++) ids.push((await insertJob(turn % 2 === 0 ? engine : other)).id);
      const order: string[] = [];
      for (const jobs of await claimAll(engine, { limit: 3 })) order.push(...jobs.map((job) => job.id));
      assert.deepEqual(order, ids);
    }),

    fact("J13 a claim takes its first job however large, and no more beyond its bytes", async ({ engine }) => {
      await insertJobs(
        engine,
        Array.from({ length: 6 }, () => ({ input: JSON.stringify("x".repeat(998)) })),
      );
      assert.equal((await claim(engine, { bytesMax: 10 })).length, 1);
      const some = await claim(engine, { bytesMax: 2_500 });
      assert.ok(
        some.length === 2 || some.length === 3,
        `2,500 bytes hold two inputs, or end with the third: ${some.length}`,
      );
    }),

    fact("J15 a claim repeated after a lost answer gives the same jobs again", async ({ engine }) => {
      await insertJobs(engine, [{}, {}, {}]);
      const request = claimRequest({ limit: 2, wants: [{ queue, limit: 2 }] });
      const first = await engine.jobs.claim(request);
      const again = await engine.jobs.claim({ ...request, repeat: true });
      assert.deepEqual(
        again.jobs.map(({ id, attempt, token }) => [id, attempt, token]),
        first.jobs.map(({ id, attempt, token }) => [id, attempt, token]),
      );
      assert.equal((await claim(engine)).length, 1);
    }),

    fact("J15 a repeated claim that had taken nothing takes what is due", async ({ engine }) => {
      const { id } = await insertJob(engine);
      assert.equal((await claimJob(engine, { repeat: true })).id, id);
    }),

    fact("J15 a job that was settled is not given again by a repeated claim", async ({ engine }) => {
      await insertJob(engine);
      const request = claimRequest();
      const [job] = (await engine.jobs.claim(request)).jobs;
      assert.ok(job);
      await settleJob(engine, completion(job));
      assert.deepEqual((await engine.jobs.claim({ ...request, repeat: true })).jobs, []);
    }),

    fact("T6 claim answers when the next job is due", async ({ engine }) => {
      assert.equal((await engine.jobs.claim(claimRequest())).nextDueAt, undefined);
      await insertJobs(engine, [{ due: { afterMs: minuteMs } }, { due: { afterMs: secondMs } }]);
      await insertJob(engine, { queue: "elsewhere", due: { afterMs: 1 } });
      assert.equal((await engine.jobs.claim(claimRequest())).nextDueAt, start + secondMs);
    }),

    fact("T6 a claim that leaves due jobs behind answers that there is more now", async ({ engine }) => {
      await insertJobs(engine, [{}, {}]);
      const { nextDueAt } = await engine.jobs.claim(claimRequest({ limit: 1 }));
      assert.ok(nextDueAt !== undefined && nextDueAt <= start);
    }),

    fact("T6 a lease's end is a due time too", async ({ engine, clock }) => {
      await activeJob(engine);
      const { nextDueAt } = await engine.jobs.claim(claimRequest());
      assert.equal(nextDueAt, start + leaseMs);
      clock.advance(leaseMs);
      await claimJob(engine);
    }),
  ],
};

// Timers: due times, cancelling and moving by key, and listing what waits.
import assert from "node:assert/strict";
import type { JobFilter } from "../../core/engine.ts";
import { completion, dayMs, failure, hourMs, minuteMs, newJob, queue, retrying, secondMs, tenant } from "./builders.ts";
import {
  activeJob,
  changeJob,
  claim,
  claimJob,
  insertJob,
  insertJobs,
  listJobs,
  settleJob,
  storedJob,
} from "./calls.ts";
import { type Chapter, fact, type Harness, start } from "./harness.ts";

const key = "remind-a1";
const byKey = { tenant, queue, key };

/** The keys of the jobs that pass a filter, sorted. */
async function listedKeys({ engine }: Harness, filter: JobFilter): Promise<(string | undefined)[]> {
  return (await listJobs(engine, filter)).map((job) => job.key).sort();
}

export const timers: Chapter = {
  title: "timers",
  facts: [
    fact("T1 a delay is counted on the store's clock", async ({ engine, clock }) => {
      clock.advance(7);
      const { id, dueAt } = await insertJob(engine, { due: { afterMs: minuteMs } });
      assert.equal(dueAt, start + 7 + minuteMs);
      assert.equal((await storedJob(engine, id)).dueAt, dueAt);
    }),

    fact("T1 an instant is kept to the millisecond", async ({ engine, clock }) => {
      const { id } = await insertJob(engine, { due: { at: start + 12_345 } });
      clock.advance(12_344);
      assert.deepEqual(await claim(engine), []);
      clock.advance(1);
      assert.equal((await claimJob(engine)).id, id);
    }),

    fact("T1 an instant in the past and a delay of zero are due now", async ({ engine }) => {
      const past = await insertJob(engine, { due: { at: start - dayMs } });
      const zero = await insertJob(engine, { due: { afterMs: 0 } });
      assert.deepEqual([past.dueAt, zero.dueAt], [start, start]);
      assert.equal((await claim(engine)).length, 2);
    }),

    fact("T1 a timer may be a hundred years away", async ({ engine }) => {
      const { id } = await insertJob(engine, { due: { afterMs: 36_525 * dayMs } });
      assert.equal((await storedJob(engine, id)).dueAt, start + 36_525 * dayMs);
    }),

    fact("T4 cancelling by key removes the timer that waits", async ({ engine, clock }) => {
      const { id } = await insertJob(engine, { key, due: { afterMs: minuteMs } });
      const answer = await changeJob(engine, byKey, { kind: "cancel", unleased: true });
      assert.deepEqual([answer.outcome, answer.id], ["changed", id]);
      clock.advance(minuteMs);
      assert.deepEqual(await claim(engine), []);
    }),

    fact("T4 cancelling by key leaves an active job to finish", async ({ engine }) => {
      const job = await activeJob(engine, { key });
      const answer = await changeJob(engine, byKey, { kind: "cancel", unleased: true });
      assert.deepEqual([answer.outcome, answer.id], ["active", job.id]);
      assert.equal((await settleJob(engine, completion(job))).state, "completed");
    }),

    fact("T4 cancelling by key removes the successor and names the active job", async ({ engine }) => {
      const job = await activeJob(engine, { key });
      const next = await insertJob(engine, { key, onConflict: "replace" });
      const answer = await changeJob(engine, byKey, { kind: "cancel", unleased: true });
      assert.deepEqual([answer.outcome, answer.id, answer.activeId], ["changed", next.id, job.id]);
      assert.equal((await storedJob(engine, next.id)).state, "cancelled");
      await settleJob(engine, completion(job));
      assert.deepEqual(await claim(engine), []);
    }),

    fact("T4 a key that nothing unfinished holds is unknown", async ({ engine }) => {
      const job = await activeJob(engine, { key });
      await settleJob(engine, completion(job));
      assert.equal((await changeJob(engine, byKey, { kind: "cancel", unleased: true })).outcome, "unknown");
      assert.equal((await changeJob(engine, byKey, { kind: "reschedule", due: { afterMs: 0 } })).outcome, "unknown");
    }),

    fact("T7 a timer is moved, sooner or later", async ({ engine, clock }) => {
      const { id } = await insertJob(engine, { key, due: { afterMs: hourMs } });
      const answer = await changeJob(engine, byKey, { kind: "reschedule", due: { afterMs: minuteMs } });
      assert.deepEqual([answer.outcome, answer.id, answer.state], ["changed", id, "pending"]);
      await changeJob(engine, { id }, { kind: "reschedule", due: { at: start + 2 * minuteMs } });
      clock.advance(2 * minuteMs - 1);
      assert.deepEqual(await claim(engine), []);
      clock.advance(1);
      assert.equal((await claimJob(engine)).id, id);
    }),

    fact("T7 pending jobs are listed by whether they are due and claimable", async ({ engine, clock }) => {
      const waiting = await insertJob(engine);
      const soon = await insertJob(engine, { due: { afterMs: secondMs } });
      const later = await insertJob(engine, { due: { afterMs: hourMs } });
      clock.advance(secondMs);
      const idsOf = async (pending: "waiting" | "delayed") => {
        const { items } = await engine.jobs.list({ states: ["pending", "active"], pending }, { limit: 10 });
        return items.map(({ id }) => id);
      };
      assert.deepEqual(await idsOf("waiting"), [soon.id, waiting.id]);
      assert.deepEqual(await idsOf("delayed"), [later.id]);
    }),

    fact("T7 a timer moved into the past is due now", async ({ engine }) => {
      const { id } = await insertJob(engine, { due: { afterMs: hourMs } });
      await changeJob(engine, { id }, { kind: "reschedule", due: { at: start - 1 } });
      assert.equal((await claimJob(engine)).dueAt, start);
    }),

    fact("T7 an active or finished job is not moved", async ({ engine }) => {
      const job = await activeJob(engine);
      const move = { kind: "reschedule", due: { afterMs: 5 } } as const;
      assert.equal((await changeJob(engine, { id: job.id }, move)).outcome, "active");
      await settleJob(engine, completion(job));
      assert.equal((await changeJob(engine, { id: job.id }, move)).outcome, "finished");
    }),

    fact("T7 a pending job's input is updated, and nothing else of it", async ({ engine }) => {
      const { id, dueAt } = await insertJob(engine, { input: "1", due: { afterMs: minuteMs }, priority: 2 });
      assert.equal((await changeJob(engine, { id }, { kind: "update", input: "2" })).outcome, "changed");
      const stored = await storedJob(engine, id);
      assert.deepEqual([stored.input, stored.dueAt, stored.priority, stored.attempt], ["2", dueAt, 2, 0]);
    }),

    fact("T7 an active or finished job's input stays", async ({ engine }) => {
      const job = await activeJob(engine, { input: "1" });
      assert.equal((await changeJob(engine, { id: job.id }, { kind: "update", input: "2" })).outcome, "active");
      await settleJob(engine, completion(job));
      assert.equal((await changeJob(engine, { id: job.id }, { kind: "update", input: "2" })).outcome, "finished");
      assert.equal((await storedJob(engine, job.id)).input, "1");
    }),

    fact("T7 retrying a delayed job makes it due now", async ({ engine }) => {
      const { id } = await insertJob(engine, { due: { afterMs: hourMs } });
      assert.equal((await changeJob(engine, { id }, { kind: "retry" })).outcome, "changed");
      assert.equal((await claimJob(engine)).id, id);
    }),

    fact("T7 a failed job is revived with fresh failures and its attempts counted on", async ({ engine, clock }) => {
      const job = await activeJob(engine);
      await settleJob(engine, failure(job));
      clock.advance(minuteMs);
      const answer = await changeJob(engine, { id: job.id }, { kind: "retry" });
      assert.deepEqual([answer.outcome, answer.state], ["changed", "pending"]);
      const stored = await storedJob(engine, job.id);
      assert.deepEqual([stored.failures, stored.finishedAt, stored.endCause], [0, undefined, undefined]);
      assert.deepEqual([stored.dueAt, stored.attempts.length], [start + minuteMs, 1]);
      assert.equal((await claimJob(engine)).attempt, 2);
    }),

    fact("T7 a cancelled job is revived", async ({ engine }) => {
      const { id } = await insertJob(engine);
      await changeJob(engine, { id }, { kind: "cancel" });
      assert.equal((await changeJob(engine, { id }, { kind: "retry" })).outcome, "changed");
      assert.equal((await claimJob(engine)).id, id);
    }),

    fact("T7 a completed or active job is not run again", async ({ engine }) => {
      const job = await activeJob(engine);
      assert.equal((await changeJob(engine, { id: job.id }, { kind: "retry" })).outcome, "active");
      await settleJob(engine, completion(job));
      assert.equal((await changeJob(engine, { id: job.id }, { kind: "retry" })).outcome, "finished");
    }),

    fact("T7 pending timers are listed by tenant, queue, key prefix and due time", async (harness) => {
      await insertJobs(harness.engine, [
        { key: "a-1", due: { afterMs: 10 } },
        { key: "a-2", due: { afterMs: 20 } },
        { key: "b-1", due: { afterMs: 30 }, queue: "q2" },
        { key: "a-3", due: { afterMs: 10 }, tenant: "globex" },
        { due: { afterMs: 10 } },
      ]);
      assert.deepEqual(await listedKeys(harness, { tenant, keyed: true }), ["a-1", "a-2", "b-1"]);
      assert.deepEqual(await listedKeys(harness, { queue: "q2" }), ["b-1"]);
      assert.deepEqual(await listedKeys(harness, { keyPrefix: "a-" }), ["a-1", "a-2", "a-3"]);
      assert.deepEqual(await listedKeys(harness, { keyed: true, dueBefore: start + 20 }), ["a-1", "a-3"]);
      assert.deepEqual(await listedKeys(harness, { keyed: true, dueFrom: start + 20 }), ["a-2", "b-1"]);
      assert.deepEqual(await listedKeys(harness, { tenant, keyPrefix: "a-", dueFrom: start + 11 }), ["a-2"]);
    }),

    fact("T7 a key prefix is taken letter by letter", async (harness) => {
      await insertJobs(
        harness.engine,
        ["a_1", "ab1", "A_1", "a/1"].map((name) => ({ key: name })),
      );
      assert.deepEqual(await listedKeys(harness, { keyPrefix: "a_" }), ["a_1"]);
      assert.deepEqual(await listedKeys(harness, { keyPrefix: "A" }), ["A_1"]);
    }),

    fact("T7 jobs are listed by state, task and schedule", async ({ engine }) => {
      const done = await activeJob(engine);
      await settleJob(engine, completion(done));
      const retried = await activeJob(engine, { task: "fetch" });
      await settleJob(engine, retrying(retried));
      const ids = async (filter: JobFilter) => (await listJobs(engine, filter)).map((job) => job.id);
      assert.deepEqual(await ids({ states: ["completed"] }), [done.id]);
      assert.deepEqual(await ids({ states: ["pending", "active"] }), [retried.id]);
      assert.deepEqual(await ids({ task: "fetch" }), [retried.id]);
      assert.deepEqual(await ids({ schedule: "none" }), []);
    }),

    fact("T7 a listing is newest first, and its pages hold each job once", async ({ engine, clock }) => {
      const ids: string[] = [];
      for (let count = 0; count < 7; count++) {
        ids.push((await insertJob(engine)).id);
        clock.advance(count % 2);
      }
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await engine.jobs.list({ tenant }, cursor === undefined ? { limit: 3 } : { limit: 3, cursor });
        assert.ok(page.items.length <= 3);
        seen.push(...page.items.map((job) => job.id));
        cursor = page.next;
      } while (cursor !== undefined);
      assert.deepEqual(seen, ids.toReversed());
    }),

    fact("T7 jobs inserted between two pages neither repeat nor hide another", async ({ engine }) => {
      const [old = "", middle, young] = await insertJobs(engine, [{}, {}, {}]);
      const first = await engine.jobs.list({}, { limit: 2 });
      assert.deepEqual(
        first.items.map((job) => job.id),
        [young, middle],
      );
      await engine.jobs.insert([{ jobs: [newJob()] }]);
      assert.ok(first.next !== undefined);
      const second = await engine.jobs.list({}, { limit: 2, cursor: first.next });
      assert.deepEqual(
        second.items.map((job) => job.id),
        [old],
      );
    }),
  ],
};

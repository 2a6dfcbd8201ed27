// Transactions: the contract inside a caller's own transaction, where the engine has one to join.
import assert from "node:assert/strict";
import type { Engine } from "../../core/engine.ts";
import { completion, failure, minuteMs, newJob, queue, schedulePut, tenant } from "./builders.ts";
import {
  activeJob,
  changeJob,
  claim,
  claimJob,
  createSchedule,
  extendJob,
  fire,
  insertJob,
  laneCounts,
  listEvents,
  putSchedule,
  settleJob,
  storedJob,
} from "./calls.ts";
import { type Chapter, type Fact, fact, type Harness, type OpenTx } from "./harness.ts";

/** A fact about a caller's transaction. An engine that says it has none has no `using`, which is what is checked then. */
function joining(title: string, run: (harness: Harness, begin: () => Promise<OpenTx>) => Promise<void>): Fact {
  return fact(title, async (harness) => {
    const { engine, beginTx } = harness;
    if (engine.capabilities.transactions) {
      assert.ok(beginTx, "the harness begins transactions where the engine joins them");
      return run(harness, beginTx);
    }
    assert.deepEqual([engine.using, beginTx], [undefined, undefined]);
  });
}

/** Asserts what others see while the transaction is open, unless they wait for its end. */
async function assertSeen<T>(tx: OpenTx, read: () => Promise<T>, expected: T): Promise<void> {
  if (tx.othersReadOn) assert.deepEqual(await read(), expected);
}

/** What the rest of the world sees of the queue. */
async function waiting(engine: Engine): Promise<number> {
  return (await laneCounts(engine)).waiting;
}

export const transactions: Chapter = {
  title: "transactions",
  facts: [
    joining(
      "J1 a job inserted in a transaction is there once it commits, and not before",
      async ({ engine, other }, begin) => {
        const tx = await begin();
        const { id } = await insertJob(tx.joined);
        for (const handle of [engine, other]) await assertSeen(tx, () => handle.jobs.get(id), undefined);
        await tx.commit();
        for (const handle of [engine, other]) assert.equal((await storedJob(handle, id)).state, "pending");
        assert.equal((await claimJob(engine)).id, id);
      },
    ),

    joining("J1 a job inserted in a transaction is gone when it rolls back", async ({ engine }, begin) => {
      const tx = await begin();
      const { id } = await insertJob(tx.joined);
      await tx.rollback();
      assert.equal(await engine.jobs.get(id), undefined);
      assert.deepEqual([await claim(engine), await waiting(engine)], [[], 0]);
    }),

    joining("J1 a transaction reads what it wrote", async (_harness, begin) => {
      const tx = await begin();
      const { id } = await insertJob(tx.joined, { key: "k" });
      assert.equal((await tx.joined.jobs.get(id))?.id, id);
      assert.equal((await insertJob(tx.joined, { key: "k" })).outcome, "existing");
      await tx.commit();
    }),

    joining("J1 a job is completed inside the transaction of its effect", async ({ engine }, begin) => {
      const job = await activeJob(engine);
      const tx = await begin();
      assert.equal((await settleJob(tx.joined, completion(job, { output: "7" }))).outcome, "settled");
      await assertSeen(tx, async () => (await storedJob(engine, job.id)).state, "active");
      await tx.commit();
      const stored = await storedJob(engine, job.id);
      assert.deepEqual([stored.state, stored.output], ["completed", "7"]);
      assert.equal((await laneCounts(engine)).totals.completed, 1);
    }),

    joining("J1 a completion that is rolled back leaves the lease as it was", async ({ engine }, begin) => {
      const job = await activeJob(engine);
      const tx = await begin();
      await settleJob(tx.joined, completion(job));
      await tx.rollback();
      assert.equal(await extendJob(engine, job), "held");
      assert.equal((await settleJob(engine, completion(job))).outcome, "settled");
      assert.equal((await laneCounts(engine)).totals.completed, 1);
    }),

    joining("J3 a stale holder's completion in a transaction answers lost", async ({ engine, clock }, begin) => {
      const stale = await activeJob(engine);
      clock.advance(minuteMs);
      await claimJob(engine);
      const tx = await begin();
      assert.equal((await settleJob(tx.joined, completion(stale))).outcome, "lost");
      await tx.commit();
      assert.equal((await storedJob(engine, stale.id)).state, "active");
    }),

    joining("J1 a job's next one commits with its completion", async ({ engine }, begin) => {
      const job = await activeJob(engine, { key: "k" });
      const tx = await begin();
      await insertJob(tx.joined, { key: "k", onConflict: "replace", input: '"next"' });
      await settleJob(tx.joined, completion(job));
      await tx.commit();
      assert.equal((await claimJob(engine)).input, '"next"');
    }),

    joining("T4 a cancellation by key is undone by a rollback", async ({ engine }, begin) => {
      const { id } = await insertJob(engine, { key: "k" });
      const tx = await begin();
      const answer = await changeJob(tx.joined, { tenant, queue, key: "k" }, { kind: "cancel", unleased: true });
      assert.equal(answer.outcome, "changed");
      await tx.rollback();
      assert.equal((await claimJob(engine)).id, id);
      assert.deepEqual(await listEvents(engine), []);
    }),

    joining("T4 a cancellation by key takes hold when its transaction commits", async ({ engine }, begin) => {
      const { id } = await insertJob(engine, { key: "k" });
      const tx = await begin();
      await changeJob(tx.joined, { tenant, queue, key: "k" }, { kind: "cancel", unleased: true });
      await tx.commit();
      assert.equal((await storedJob(engine, id)).state, "cancelled");
      assert.deepEqual(await claim(engine), []);
    }),

    joining("S6 a schedule saved in a transaction ticks once it commits", async ({ engine, clock }, begin) => {
      const undone = await begin();
      await undone.joined.schedules.put([schedulePut({ id: "undone" })]);
      await undone.rollback();
      const tx = await begin();
      await createSchedule(tx.joined);
      await assertSeen(tx, () => engine.schedules.get({ tenant, id: "report" }), undefined);
      await tx.commit();
      clock.advance(minuteMs);
      assert.deepEqual(
        (await fire(engine)).fired.map((one) => one.id),
        ["report"],
      );
    }),

    joining("S7 a removal that is rolled back leaves the schedule ticking", async ({ engine, clock }, begin) => {
      await putSchedule(engine);
      const tx = await begin();
      assert.deepEqual(await tx.joined.schedules.remove([{ tenant, id: "report" }]), ["removed"]);
      await tx.rollback();
      clock.advance(minuteMs);
      assert.equal((await fire(engine)).fired.length, 1);
    }),

    joining("J14 counts commit and roll back with their jobs", async ({ engine }, begin) => {
      const job = await activeJob(engine);
      const undone = await begin();
      await settleJob(undone.joined, failure(job));
      await insertJob(undone.joined);
      await undone.rollback();
      assert.deepEqual([await waiting(engine), (await laneCounts(engine)).active], [0, 1]);
      const tx = await begin();
      await settleJob(tx.joined, failure(job));
      await insertJob(tx.joined);
      await tx.commit();
      const { active, failed } = await laneCounts(engine);
      assert.deepEqual([await waiting(engine), active, failed], [1, 0, 1]);
    }),

    joining("J15 an idempotency key is remembered only if its transaction commits", async ({ engine }, begin) => {
      const idempotency = { key: "i", body: "a" };
      const undone = await begin();
      await insertJob(undone.joined, { idempotency });
      await undone.rollback();
      const tx = await begin();
      const first = await insertJob(tx.joined, { idempotency });
      assert.equal(first.outcome, "created");
      await tx.commit();
      assert.equal((await insertJob(engine, { idempotency })).id, first.id);
    }),

    joining("N2 a limit holds inside a transaction", async (_harness, begin) => {
      const tx = await begin();
      const guardrails = { maxPendingJobs: 1 };
      const insert = () => tx.joined.jobs.insert([{ jobs: [newJob()], guardrails }]);
      assert.equal((await insert())[0]?.outcome, "inserted");
      assert.equal((await insert())[0]?.outcome, "limit");
      await tx.commit();
    }),

    joining("T5 a refused batch leaves the transaction usable", async ({ engine }, begin) => {
      await insertJob(engine, { key: "taken" });
      const tx = await begin();
      const [answer] = await tx.joined.jobs.insert([
        { jobs: [newJob(), newJob({ key: "taken", onConflict: "error" })] },
      ]);
      assert.equal(answer?.outcome, "key-in-use");
      await insertJob(tx.joined);
      await tx.commit();
      assert.equal(await waiting(engine), 2);
    }),

    joining("T6 a commit wakes a watcher, a rollback nobody", async ({ engine }, begin) => {
      let wake: () => void = () => {};
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const unwatch = await engine.watch?.(() => wake());
      const tx = await begin();
      await insertJob(tx.joined);
      await tx.commit();
      if (unwatch !== undefined) await woken;
      await unwatch?.();
      assert.equal((await claim(engine)).length, 1);
    }),
  ],
};

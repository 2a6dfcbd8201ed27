// Overlap: what becomes of a tick while a job of the same schedule is unfinished.
import assert from "node:assert/strict";
import type { OverlapPolicy } from "../../core/schedule.ts";
import { cancellation, completion, failure, leaseMs, minuteMs, release, retrying, tenant } from "./builders.ts";
import {
  changeJob,
  claimAll,
  claimJob,
  createSchedule,
  extendJob,
  fire,
  jobTicks,
  listEvents,
  scheduleJobs,
  settleJob,
  storedJob,
  storedSchedule,
  trigger,
} from "./calls.ts";
import { type Chapter, fact, type Harness, start } from "./harness.ts";

/** The n-th minute. */
const minute = (n: number) => start + n * minuteMs;

/** Fires the next tick of a schedule that ticks every minute. */
async function nextTick({ engine, other, clock }: Harness) {
  clock.advance(minuteMs);
  await fire(other);
  return fire(engine);
}

/** A schedule whose first tick's job waits. */
async function withPending(harness: Harness, overlap: OverlapPolicy) {
  await createSchedule(harness.engine, { overlap });
  await nextTick(harness);
  const [job] = await scheduleJobs(harness.engine);
  assert.ok(job);
  return job;
}

/** A schedule whose first tick's job is active, for so long that its lease outlasts the fact. */
async function withActive(harness: Harness, overlap: OverlapPolicy, leaseFor = 100 * minuteMs) {
  await withPending(harness, overlap);
  return claimJob(harness.engine, { leaseMs: leaseFor });
}

const overlapped = (tick: number) => ({ from: tick, to: tick, count: 1, reason: "overlap" });

async function skipped({ engine }: Harness): Promise<unknown[]> {
  return (await listEvents(engine, { types: ["tick:skipped"] })).map((event) => event.data);
}

const simple: Chapter["facts"] = [
  fact("S5 allow makes a job for every tick", async (harness) => {
    await withActive(harness, "allow");
    await nextTick(harness);
    await nextTick(harness);
    assert.deepEqual(await jobTicks(harness.engine), [minute(1), minute(2), minute(3)]);
  }),

  fact("S5 skip passes over a tick while a job waits", async (harness) => {
    await withPending(harness, "skip");
    await nextTick(harness);
    assert.deepEqual(await jobTicks(harness.engine), [minute(1)]);
    assert.deepEqual(await skipped(harness), [overlapped(minute(2))]);
  }),

  fact("S5 skip passes over a tick while a job is active, or waits for its retry", async (harness) => {
    const job = await withActive(harness, "skip");
    await nextTick(harness);
    await settleJob(harness.engine, retrying(job, { due: { afterMs: 10 * minuteMs } }));
    await nextTick(harness);
    assert.deepEqual(await jobTicks(harness.engine), [minute(1)]);
    assert.deepEqual(await skipped(harness), [overlapped(minute(2)), overlapped(minute(3))]);
  }),

  fact("S5 skip fires again once the job has ended", async (harness) => {
    const job = await withActive(harness, "skip");
    await nextTick(harness);
    await settleJob(harness.engine, completion(job));
    await nextTick(harness);
    assert.deepEqual(await jobTicks(harness.engine), [minute(1), minute(3)]);
    assert.equal((await scheduleJobs(harness.engine))[1]?.schedule?.missed, 1);
  }),

  fact("S5 a job of an earlier incarnation holds nothing up", async (harness) => {
    const { engine } = harness;
    await withActive(harness, "skip");
    await engine.schedules.remove([{ tenant, id: "report" }]);
    await createSchedule(engine, { overlap: "skip" });
    await nextTick(harness);
    assert.deepEqual(await jobTicks(engine), [minute(1), minute(2)]);
  }),

  fact("S5 a job of another schedule holds nothing up", async (harness) => {
    const { engine } = harness;
    await createSchedule(engine, { overlap: "skip" }, { id: "another" });
    await withPending(harness, "skip");
    assert.equal((await scheduleJobs(engine, "another")).length, 1);
    assert.equal((await scheduleJobs(engine, "report")).length, 1);
  }),
];

const queueing: Chapter["facts"] = [
  fact("S5 queue holds one tick in the schedule, and passes over those after it", async (harness) => {
    await withActive(harness, "queue");
    await nextTick(harness);
    const held = (await storedSchedule(harness.engine)).held;
    assert.equal(held?.tick, minute(2));
    await nextTick(harness);
    assert.equal((await storedSchedule(harness.engine)).held?.tick, minute(2));
    assert.deepEqual(await jobTicks(harness.engine), [minute(1)]);
    assert.deepEqual(await skipped(harness), [overlapped(minute(3))]);
  }),

  fact("S5 the end of the job makes the held tick due in the same step", async (harness) => {
    const { engine, other, clock } = harness;
    const job = await withActive(harness, "queue");
    await nextTick(harness);
    clock.advance(7);
    await settleJob(other, completion(job));
    const next = await claimJob(engine);
    assert.deepEqual([next.schedule?.tick, next.dueAt], [minute(2), clock.now()]);
    const { held, ticksFired, lastTick } = await storedSchedule(engine);
    assert.deepEqual([held, ticksFired, lastTick], [undefined, 2, minute(2)]);
    const fired = await listEvents(engine, { types: ["tick:fired"] });
    assert.deepEqual(
      fired.map((event) => event.data?.["tick"]),
      [minute(1), minute(2)],
    );
  }),

  fact("S5 a job that failed or was cancelled makes the held tick due too", async (harness) => {
    const { engine } = harness;
    const first = await withActive(harness, "queue");
    await nextTick(harness);
    await settleJob(engine, failure(first));
    const second = await claimJob(engine, { leaseMs: 100 * minuteMs });
    await nextTick(harness);
    await changeJob(engine, { id: second.id }, { kind: "cancel" });
    await settleJob(engine, cancellation(second));
    assert.equal((await claimJob(engine)).schedule?.tick, minute(3));
  }),

  fact("S5 a waiting job that is cancelled makes the held tick due", async (harness) => {
    const { engine } = harness;
    const job = await withPending(harness, "queue");
    await nextTick(harness);
    await changeJob(engine, { id: job.id }, { kind: "cancel" });
    assert.equal((await claimJob(engine)).schedule?.tick, minute(2));
  }),

  fact("S5 a retry or a release lets the held tick wait on", async (harness) => {
    const { engine } = harness;
    const job = await withActive(harness, "queue");
    await nextTick(harness);
    await settleJob(engine, release(job));
    const again = await claimJob(engine);
    await settleJob(engine, retrying(again));
    assert.deepEqual(await jobTicks(engine), [minute(1)]);
    assert.equal((await storedSchedule(engine)).held?.tick, minute(2));
  }),

  fact("S5 a held tick becomes one job, though its settlement is repeated and replicas fire", async (harness) => {
    const { engine, other } = harness;
    const job = await withActive(harness, "queue");
    await nextTick(harness);
    await Promise.all([
      settleJob(engine, completion(job)),
      fire(other),
      settleJob(other, completion(job)),
      fire(engine),
    ]);
    assert.deepEqual(await jobTicks(engine), [minute(1), minute(2)]);
  }),

  fact("S5 a stale settlement lets the held tick wait on", async (harness) => {
    const { engine, clock } = harness;
    const stale = await withActive(harness, "queue", leaseMs);
    await nextTick(harness);
    const held = await claimJob(engine);
    await settleJob(engine, completion(stale));
    assert.deepEqual(await jobTicks(engine), [minute(1)]);
    clock.advance(1);
    await settleJob(engine, completion(held));
    assert.deepEqual(await jobTicks(engine), [minute(1), minute(2)]);
  }),

  fact("S5 disabling gives up the held tick and records it", async (harness) => {
    const { engine } = harness;
    const job = await withActive(harness, "queue");
    await nextTick(harness);
    await engine.schedules.put([{ ...(await storedSchedule(engine)), expected: "any", enabled: false }]);
    await settleJob(engine, completion(job));
    assert.deepEqual(await jobTicks(engine), [minute(1)]);
    assert.deepEqual(await skipped(harness), [{ ...overlapped(minute(2)), reason: "disabled" }]);
  }),
];

const replacing: Chapter["facts"] = [
  fact("S5 replace cancels a job that waits and makes the new tick's", async (harness) => {
    const { engine } = harness;
    const old = await withPending(harness, "replace");
    await nextTick(harness);
    const ended = await storedJob(engine, old.id);
    assert.deepEqual([ended.state, ended.endCause], ["cancelled", "replaced"]);
    assert.equal((await claimJob(engine)).schedule?.tick, minute(2));
  }),

  fact("S5 replace asks an active job to stop and holds the new tick until it has", async (harness) => {
    const { engine } = harness;
    const job = await withActive(harness, "replace");
    await nextTick(harness);
    assert.equal(await extendJob(engine, job, 100 * minuteMs), "cancelling");
    assert.deepEqual(await jobTicks(engine), [minute(1)]);
    assert.equal((await storedSchedule(engine)).held?.tick, minute(2));
    await settleJob(engine, cancellation(job));
    assert.equal((await claimJob(engine)).schedule?.tick, minute(2));
  }),

  fact("S5 replace holds the newest tick", async (harness) => {
    const { engine } = harness;
    const job = await withActive(harness, "replace");
    await nextTick(harness);
    await nextTick(harness);
    assert.deepEqual(await skipped(harness), [overlapped(minute(2))]);
    await settleJob(engine, completion(job));
    assert.equal((await claimJob(engine)).schedule?.tick, minute(3));
    assert.deepEqual(await jobTicks(engine), [minute(1), minute(3)]);
  }),

  fact("S5 replace waits for whoever ends a dead worker's job", async (harness) => {
    const { engine, clock } = harness;
    const { id } = await withActive(harness, "replace", 90_000);
    await nextTick(harness);
    clock.advance(30_000);
    const job = await claimJob(engine);
    assert.deepEqual([job.id, job.cancelRequested], [id, true]);
    assert.deepEqual(await jobTicks(engine), [minute(1)]);
    await settleJob(engine, cancellation(job));
    assert.equal((await claimJob(engine)).schedule?.tick, minute(2));
  }),

  fact("S5 replace runs no two jobs of a schedule at once", async (harness) => {
    const { engine } = harness;
    let active = await withActive(harness, "replace");
    for (let turn = 0; turn < 5; turn++) {
      await nextTick(harness);
      assert.deepEqual((await claimAll(engine)).flat(), []);
      await settleJob(engine, retrying(active));
      active = await claimJob(engine, { leaseMs: 100 * minuteMs });
    }
    assert.equal(active.schedule?.tick, minute(6));
  }),
];

const operators: Chapter["facts"] = [
  fact("S5 a trigger passes the same gate: skip", async (harness) => {
    await withActive(harness, "skip");
    const result = await trigger(harness.engine, "op-1");
    const skippedOne = { ...overlapped(minute(1)), trigger: true };
    assert.deepEqual([result?.ticks, result?.skipped], [[], [skippedOne]]);
    assert.deepEqual(await skipped(harness), [skippedOne]);
    assert.equal((await scheduleJobs(harness.engine)).length, 1);
  }),

  fact("S5 a trigger passes the same gate: queue", async (harness) => {
    const { engine } = harness;
    const job = await withActive(harness, "queue");
    const result = await trigger(engine, "op-1", minute(0));
    assert.deepEqual([result?.ticks, result?.held?.tick], [[], minute(0)]);
    await settleJob(engine, completion(job));
    const next = await claimJob(engine);
    assert.deepEqual([next.schedule?.tick, next.dueAt], [minute(0), minute(1)]);
  }),

  fact("S5 a trigger passes the same gate: replace", async (harness) => {
    const { engine } = harness;
    const job = await withPending(harness, "replace");
    await trigger(engine, "op-1", minute(0));
    assert.equal((await storedJob(engine, job.id)).state, "cancelled");
    assert.equal((await claimJob(engine)).schedule?.tick, minute(0));
  }),

  fact("S5 a trigger passes the same gate: allow", async (harness) => {
    await withActive(harness, "allow");
    assert.equal((await trigger(harness.engine, "op-1"))?.ticks.length, 1);
    assert.equal((await scheduleJobs(harness.engine)).length, 2);
  }),

  fact("S5 a triggered job holds up the ticks after it", async (harness) => {
    const { engine } = harness;
    await createSchedule(engine, { overlap: "skip" });
    await trigger(engine, "op-1");
    await nextTick(harness);
    assert.deepEqual(await skipped(harness), [overlapped(minute(1))]);
    assert.equal((await scheduleJobs(engine)).length, 1);
  }),

  fact("S5 a revived job holds up the ticks after it", async (harness) => {
    const { engine } = harness;
    const job = await withActive(harness, "skip");
    await settleJob(engine, failure(job));
    await changeJob(engine, { id: job.id }, { kind: "retry" });
    await nextTick(harness);
    assert.deepEqual(await jobTicks(engine), [minute(1)]);
  }),
];

export const overlap: Chapter = { title: "overlap", facts: [...simple, ...queueing, ...replacing, ...operators] };

// Firing: one job per tick, the cursor and its jobs in one step, whoever fires and however often.
import assert from "node:assert/strict";
import { decideFiring } from "../../core/firing.ts";
import { tickJobId } from "../../core/id.ts";
import { every, once } from "../../core/rule.ts";
import type { Schedule } from "../../core/schedule.ts";
import type { Decide, DueSchedule } from "../../core/step.ts";
import { completion, definition, hourMs, minuteMs, schedulePut, secondMs, tenant } from "./builders.ts";
import {
  claimJob,
  createSchedule,
  fire,
  jobTicks,
  listEvents,
  listJobs,
  putSchedule,
  scheduleJobs,
  settleJob,
  storedJob,
  storedSchedule,
} from "./calls.ts";
import { type Chapter, fact, type Harness, start } from "./harness.ts";

const report = { tenant, id: "report" };

/** Decides upon what was read, as though it had been read when the schedule was as `change` makes it. */
function decidingOn(change: (schedule: Schedule) => Schedule): Decide {
  return (due, now) =>
    decideFiring(
      due.map((one) => ({ ...one, schedule: change(one.schedule) })),
      now,
    );
}

/** Asserts that a step made from what is no longer stored changes nothing. */
async function assertStale({ engine, clock }: Harness, decide: Decide): Promise<void> {
  clock.advance(minuteMs);
  const before = await storedSchedule(engine);
  const { fired } = await engine.schedules.fire({ limit: 10, decide });
  assert.deepEqual(fired, []);
  assert.deepEqual(await listJobs(engine), []);
  assert.deepEqual(await listEvents(engine, { types: ["tick:fired", "tick:skipped"] }), []);
  assert.deepEqual(await storedSchedule(engine), before);
  assert.equal((await fire(engine)).fired.length, 1);
}

const uniqueness: Chapter["facts"] = [
  fact("S2 a tick makes one job, which carries it", async ({ engine, clock }) => {
    const parts = { task: "t", queue: "q", input: '{"a":1}', priority: 3, attemptsMax: 2, metadata: "[1]" };
    const { incarnation } = await createSchedule(engine, parts);
    clock.advance(minuteMs + 7);
    const tick = start + minuteMs;
    const { fired } = await fire(engine);
    const id = tickJobId(tenant, incarnation, tick);
    assert.deepEqual(
      fired.map(({ ticks }) => ticks),
      [[{ tick, job: id, dueAt: tick }]],
    );
    const job = await storedJob(engine, id);
    assert.deepEqual(job.schedule, { id: "report", incarnation, tick, missed: 0 });
    const { task, queue, input, priority, attemptsMax, metadata } = job;
    assert.deepEqual({ task, queue, input, priority, attemptsMax, metadata }, parts);
    assert.deepEqual([job.tenant, job.state], [tenant, "pending"]);
    assert.equal((await claimJob(engine, { wants: [{ queue: "q", limit: 1 }] })).id, id);
  }),

  fact("S2 nothing fires before its tick", async ({ engine, clock }) => {
    await createSchedule(engine);
    clock.advance(minuteMs - 1);
    assert.deepEqual((await fire(engine)).fired, []);
    clock.advance(1);
    assert.equal((await fire(engine)).fired.length, 1);
  }),

  fact("S2 the cursor moves with the jobs, and the revision stays", async ({ engine, clock }) => {
    const created = await createSchedule(engine);
    clock.advance(minuteMs);
    await fire(engine);
    const { cursor, revision, ticksFired, lastTick, lastFiredAt } = await storedSchedule(engine);
    assert.deepEqual([cursor.after, cursor.nextAt, revision], [clock.now(), start + 2 * minuteMs, created.revision]);
    assert.deepEqual([ticksFired, lastTick, lastFiredAt], [1, start + minuteMs, clock.now()]);
  }),

  fact("S2 firing again inserts nothing", async ({ engine, other, clock }) => {
    await createSchedule(engine);
    clock.advance(minuteMs);
    await fire(engine);
    for (const handle of [engine, other, engine]) assert.deepEqual((await fire(handle)).fired, []);
    assert.deepEqual(await jobTicks(engine), [start + minuteMs]);
  }),

  fact("S2 replicas that fire at once make one job per tick", async ({ engine, other, clock }) => {
    await createSchedule(engine);
    for (let turn = 1; turn <= 5; turn++) {
      clock.advance(minuteMs);
      const answers = await Promise.all([engine, other, engine, other].map((handle) => fire(handle)));
      const ticks = answers.flatMap(({ fired }) => fired.flatMap((one) => one.ticks));
      assert.deepEqual(
        ticks.map(({ tick }) => tick),
        [start + turn * minuteMs],
      );
    }
    assert.deepEqual(
      await jobTicks(engine),
      [1, 2, 3, 4, 5].map((turn) => start + turn * minuteMs),
    );
  }),

  fact("S2 many schedules fired by many replicas fire once each", async ({ engine, other, clock }) => {
    const ids = Array.from({ length: 40 }, (_, index) => `s-${index}`);
    await engine.schedules.put(ids.map((id) => schedulePut({ id })));
    clock.advance(minuteMs);
    const answers = await Promise.all([engine, other, engine, other, engine, other].map((handle) => fire(handle, 15)));
    const rest = [await fire(engine, 100)];
    const fired = [...answers, ...rest].flatMap((answer) => answer.fired.map((one) => one.id));
    assert.deepEqual(fired.sort(), [...ids].sort());
    assert.equal((await listJobs(engine)).length, 40);
  }),

  fact("S2 a clock that goes back fires nothing twice", async ({ engine, clock }) => {
    await createSchedule(engine);
    clock.advance(minuteMs);
    await fire(engine);
    clock.advance(-30 * secondMs);
    await fire(engine);
    clock.advance(30 * secondMs);
    await fire(engine);
    assert.deepEqual(await jobTicks(engine), [start + minuteMs]);
  }),

  fact("S2 a tick that comes again after its rule was set anew makes no second job", async ({ engine, clock }) => {
    await createSchedule(engine);
    clock.advance(minuteMs);
    await fire(engine);
    clock.advance(-30 * secondMs);
    await putSchedule(engine, { definition: definition({ rule: every("30s", { anchor: new Date(start) }) }) });
    clock.advance(30 * secondMs);
    await fire(engine);
    assert.deepEqual(await jobTicks(engine), [start + minuteMs]);
  }),

  fact("S2 a removed and created schedule fires its own ticks", async ({ engine, clock }) => {
    await createSchedule(engine);
    clock.advance(minuteMs);
    await fire(engine);
    clock.advance(-1);
    await engine.schedules.remove([report]);
    await createSchedule(engine);
    clock.advance(1);
    await fire(engine);
    assert.deepEqual(await jobTicks(engine), [start + minuteMs, start + minuteMs]);
  }),

  fact("S2 each tenant's schedule of one id fires its own tick", async ({ engine, clock }) => {
    await createSchedule(engine);
    await createSchedule(engine, {}, { tenant: "globex" });
    clock.advance(minuteMs);
    await fire(engine);
    assert.deepEqual((await listJobs(engine)).map((job) => job.tenant).sort(), [tenant, "globex"]);
  }),
];

const stale: Chapter["facts"] = [
  fact("S2 a step made from an older cursor changes nothing", async (harness) => {
    await createSchedule(harness.engine);
    const older = (schedule: Schedule) => ({ ...schedule, cursor: { ...schedule.cursor, after: start - minuteMs } });
    await assertStale(harness, decidingOn(older));
  }),

  fact("S2 a step made from an older revision changes nothing", async (harness) => {
    await createSchedule(harness.engine);
    await putSchedule(harness.engine, { definition: definition({ input: "2" }) });
    await assertStale(
      harness,
      decidingOn((schedule) => ({ ...schedule, revision: 1 })),
    );
  }),

  fact("S2 a step made from a removed incarnation changes nothing", async (harness) => {
    const removed = await createSchedule(harness.engine);
    await harness.engine.schedules.remove([report]);
    await createSchedule(harness.engine);
    await assertStale(
      harness,
      decidingOn(() => removed),
    );
  }),

  fact("S7 a step made before a removal does not bring the schedule back", async ({ engine, clock }) => {
    const removed = await createSchedule(engine);
    await createSchedule(engine, {}, { id: "another" });
    await engine.schedules.remove([report]);
    clock.advance(minuteMs);
    const decide: Decide = (_due, now) => decideFiring([{ schedule: removed, unfinished: [] }], now);
    assert.deepEqual((await engine.schedules.fire({ limit: 10, decide })).fired, []);
    assert.equal(await engine.schedules.get(report), undefined);
    assert.deepEqual(await jobTicks(engine), []);
  }),

  fact("S2 what is decided upon is what is stored", async ({ engine, clock }) => {
    const created = await createSchedule(engine);
    clock.advance(minuteMs);
    const seen: DueSchedule[] = [];
    const decide: Decide = (due) => {
      seen.push(...due);
      return [];
    };
    await engine.schedules.fire({ limit: 10, decide });
    assert.deepEqual(seen, [{ schedule: created, unfinished: [] }]);
  }),

  fact("S2 a schedule that was not decided upon is still due", async ({ engine, clock }) => {
    await createSchedule(engine);
    clock.advance(minuteMs);
    const answer = await engine.schedules.fire({ limit: 10, decide: () => [] });
    assert.deepEqual(answer, { fired: [], nextDueAt: start + minuteMs });
    assert.equal((await fire(engine)).fired.length, 1);
  }),
];

const when: Chapter["facts"] = [
  fact("S2 firing leaves other jobs of the queue alone", async ({ engine, clock }) => {
    await createSchedule(engine);
    clock.advance(minuteMs);
    await fire(engine);
    await settleJob(engine, completion(await claimJob(engine)));
    clock.advance(minuteMs);
    await fire(engine);
    assert.deepEqual(
      (await scheduleJobs(engine)).map((job) => job.state),
      ["completed", "pending"],
    );
  }),

  fact("S11 fire answers when the next tick is", async ({ engine, clock }) => {
    assert.equal((await fire(engine)).nextDueAt, undefined);
    await createSchedule(engine);
    await createSchedule(engine, { rule: every("10m", { anchor: new Date(start) }) }, { id: "slow" });
    assert.equal((await fire(engine)).nextDueAt, start + minuteMs);
    clock.advance(minuteMs);
    assert.equal((await fire(engine)).nextDueAt, start + 2 * minuteMs);
  }),

  fact("S11 a tick is kept to the second", async ({ engine, clock }) => {
    await createSchedule(engine, { rule: every("1s", { anchor: new Date(start) }) });
    for (let turn = 1; turn <= 5; turn++) {
      clock.advance(secondMs);
      await fire(engine);
    }
    assert.deepEqual(
      await jobTicks(engine),
      [1, 2, 3, 4, 5].map((turn) => start + turn * secondMs),
    );
  }),

  fact("S12 fire looks at no more schedules than it may, and says that there are more", async ({ engine, clock }) => {
    await engine.schedules.put(["a", "b", "c"].map((id) => schedulePut({ id })));
    clock.advance(minuteMs);
    const first = await fire(engine, 2);
    assert.equal(first.fired.length, 2);
    assert.ok(first.nextDueAt !== undefined && first.nextDueAt <= clock.now());
    assert.equal((await fire(engine, 2)).fired.length, 1);
    assert.equal((await listJobs(engine)).length, 3);
  }),

  fact("S1 a schedule ticks from startAt on to endAt, both included", async ({ engine, clock }) => {
    await createSchedule(engine, { startAt: start + 2 * minuteMs, endAt: start + 4 * minuteMs });
    for (let turn = 1; turn <= 6; turn++) {
      clock.advance(minuteMs);
      await fire(engine);
    }
    assert.deepEqual(
      await jobTicks(engine),
      [2, 3, 4].map((turn) => start + turn * minuteMs),
    );
    assert.equal((await storedSchedule(engine)).cursor.nextAt, undefined);
    assert.equal((await fire(engine)).nextDueAt, undefined);
  }),

  fact("S1 a schedule ends after maxTicks", async ({ engine, clock }) => {
    await createSchedule(engine, { maxTicks: 2 });
    for (let turn = 1; turn <= 4; turn++) {
      clock.advance(minuteMs);
      await fire(engine);
    }
    assert.deepEqual(
      await jobTicks(engine),
      [1, 2].map((turn) => start + turn * minuteMs),
    );
    assert.equal((await storedSchedule(engine)).cursor.nextAt, undefined);
  }),

  fact("S1 a single tick fires once", async ({ engine, clock }) => {
    await createSchedule(engine, { rule: once(new Date(start + hourMs)) });
    for (let turn = 0; turn < 3; turn++) {
      clock.advance(hourMs);
      await fire(engine);
    }
    assert.deepEqual(await jobTicks(engine), [start + hourMs]);
  }),
];

export const firing: Chapter = { title: "firing", facts: [...uniqueness, ...stale, ...when] };

// Accounting: every tick that does not fire is told with its reason, in the step that gives it up.
import assert from "node:assert/strict";
import type { SkipReason } from "../../core/catch-up.ts";
import type { Engine } from "../../core/engine.ts";
import { decideFiring } from "../../core/firing.ts";
import { every, once, type Rule } from "../../core/rule.ts";
import type { CatchUp, OverlapPolicy, ScheduleDefinition } from "../../core/schedule.ts";
import type { Decide } from "../../core/step.ts";
import { completion, definition, failure, hourMs, minuteMs, secondMs, tenant, token } from "./builders.ts";
import {
  claimJob,
  createSchedule,
  fire,
  jobTicks,
  listEvents,
  putSchedule,
  scheduleJobs,
  settleJob,
  storedSchedule,
  trigger,
} from "./calls.ts";
import { type Chapter, fact, type Harness, start } from "./harness.ts";

const report = { tenant, id: "report" };
const all: CatchUp = { policy: "all", limit: 1_000 };

/** The n-th minute. */
const minute = (n: number) => start + n * minuteMs;

/** Ten minutes and a half: ten ticks have passed, the last one 30 s ago. */
const outageMs = 10 * minuteMs + 30 * secondMs;

function run(from: number, to: number, reason: SkipReason) {
  return { from: minute(from), to: minute(to), count: to - from + 1, reason };
}

/** The runs that were told, oldest first. */
async function told(engine: Engine): Promise<unknown[]> {
  return (await listEvents(engine, { types: ["tick:skipped"] })).map((event) => event.data);
}

/** A schedule with an active job of its first tick, and its second tick held. */
async function withHeld({ engine, clock }: Harness, overlap: OverlapPolicy, parts: Partial<ScheduleDefinition> = {}) {
  await createSchedule(engine, { overlap, ...parts });
  clock.advance(minuteMs);
  await fire(engine);
  const job = await claimJob(engine, { leaseMs: hourMs });
  clock.advance(minuteMs);
  await fire(engine);
  assert.equal((await storedSchedule(engine)).held?.tick, minute(2));
  return job;
}

/** Decides as a replica does that cannot read the rule, which is stored as it was. */
const unreading: Decide = (due, now) => {
  const rule: Rule = { kind: "cron", expression: "* * * * *", timezone: "Mars/Olympus_Mons" };
  const spoiled = due.map((one) => ({ ...one, schedule: { ...one.schedule, definition: definition({ rule }) } }));
  return decideFiring(spoiled, now).map((step, index) => {
    const from = due[index]?.schedule ?? step.from;
    return { ...step, from, to: { ...step.to, definition: from.definition } };
  });
};

async function enable(engine: Engine, enabled: boolean): Promise<void> {
  const { definition: stored } = await storedSchedule(engine);
  await putSchedule(engine, { definition: stored, enabled });
}

const disabling: Chapter["facts"] = [
  fact("S4 disabling tells the ticks that were late, at once", async ({ engine, clock }) => {
    await createSchedule(engine, { catchUp: all });
    clock.advance(outageMs);
    await enable(engine, false);
    assert.deepEqual(await told(engine), [run(1, 10, "disabled")]);
    clock.advance(2 * minuteMs);
    await enable(engine, true);
    assert.deepEqual(await told(engine), [run(1, 10, "disabled"), run(11, 12, "disabled")]);
    const { missed, cursor } = await storedSchedule(engine);
    assert.deepEqual([missed, cursor.after], [12, clock.now()]);
    assert.deepEqual((await fire(engine)).fired, []);
  }),

  fact("S4 a single tick that has come is told when its schedule is disabled before it fired", async (harness) => {
    const { engine, clock } = harness;
    await createSchedule(engine, { rule: once(new Date(minute(1))) });
    clock.advance(outageMs);
    await enable(engine, false);
    await enable(engine, true);
    await fire(engine);
    assert.deepEqual([await told(engine), await jobTicks(engine)], [[run(1, 1, "disabled")], []]);
  }),

  fact("S4 a pause after failures tells the ticks that were late, and the one that was held", async (harness) => {
    const { engine, clock } = harness;
    const job = await withHeld(harness, "queue", { pauseOnFailure: 1 });
    clock.advance(3 * minuteMs + secondMs);
    await settleJob(engine, failure(job));
    assert.deepEqual(await told(engine), [run(2, 2, "disabled"), run(3, 5, "disabled")]);
    assert.equal((await storedSchedule(engine)).missed, 4);
    clock.advance(minuteMs);
    await enable(engine, true);
    assert.deepEqual((await told(engine)).at(-1), run(6, 6, "disabled"));
  }),

  fact("S8 a schedule that cannot be evaluated tells the tick that it held", async (harness) => {
    const { engine, clock } = harness;
    await withHeld(harness, "queue");
    clock.advance(minuteMs);
    await engine.schedules.fire({ limit: 1, decide: unreading });
    const { held, enabled } = await storedSchedule(engine);
    assert.deepEqual([held, enabled], [undefined, false]);
    assert.deepEqual(await told(engine), [run(2, 2, "disabled")]);
  }),

  fact("S8 ticks that one replica could not evaluate are told by one that can", async ({ engine, clock }) => {
    await createSchedule(engine, { catchUp: all });
    clock.advance(outageMs);
    await engine.schedules.fire({ limit: 1, decide: unreading });
    assert.deepEqual([await told(engine), (await storedSchedule(engine)).enabled], [[], false]);
    clock.advance(minuteMs);
    await enable(engine, true);
    assert.deepEqual(await told(engine), [run(1, 11, "disabled")]);
  }),
];

const changing: Chapter["facts"] = [
  fact("S4 another rule tells the ticks of the old one that were late", async ({ engine, clock }) => {
    await createSchedule(engine, { catchUp: all });
    clock.advance(outageMs);
    await putSchedule(engine, { definition: definition({ catchUp: all, rule: every("1h") }) });
    await fire(engine);
    assert.deepEqual([await told(engine), await jobTicks(engine)], [[run(1, 10, "late")], []]);
  }),

  fact("S4 another rule set while disabled tells the ticks that the old one had", async ({ engine, clock }) => {
    await createSchedule(engine);
    await enable(engine, false);
    clock.advance(outageMs);
    await putSchedule(engine, { definition: definition({ rule: every("1h") }), enabled: false });
    assert.deepEqual(await told(engine), [run(1, 10, "disabled")]);
    clock.advance(outageMs);
    await enable(engine, true);
    assert.equal((await told(engine)).length, 1);
  }),

  fact("S4 a schedule that is removed tells the ticks that were late, and the one that was held", async (harness) => {
    const { engine, clock } = harness;
    await withHeld(harness, "replace");
    clock.advance(3 * minuteMs + secondMs);
    await engine.schedules.remove([report]);
    assert.deepEqual(await told(engine), [run(2, 2, "disabled"), run(3, 5, "disabled")]);
  }),

  fact("S4 a schedule that is removed while disabled tells the ticks that it passed", async ({ engine, clock }) => {
    await createSchedule(engine);
    await enable(engine, false);
    clock.advance(outageMs);
    await engine.schedules.remove([report]);
    assert.deepEqual(await told(engine), [run(1, 10, "disabled")]);
  }),

  fact("S4 a schedule whose maxTicks is raised after its end goes on from now", async ({ engine, clock }) => {
    await createSchedule(engine, { maxTicks: 1, catchUp: all });
    clock.advance(minuteMs);
    await fire(engine);
    clock.advance(outageMs);
    await putSchedule(engine, { definition: definition({ maxTicks: 2, catchUp: all }) });
    await fire(engine);
    assert.deepEqual([await told(engine), await jobTicks(engine)], [[], [minute(1)]]);
    clock.advance(minuteMs);
    await fire(engine);
    assert.deepEqual(await jobTicks(engine), [minute(1), minute(12)]);
  }),

  fact("S4 a held tick is given up, and told, when maxTicks is lowered to what has fired", async (harness) => {
    const { engine, clock } = harness;
    const job = await withHeld(harness, "queue");
    await putSchedule(engine, { definition: definition({ overlap: "queue", maxTicks: 1 }) });
    assert.deepEqual([(await storedSchedule(engine)).held, await told(engine)], [undefined, [run(2, 2, "late")]]);
    await settleJob(engine, completion(job));
    clock.advance(minuteMs);
    await fire(engine);
    const { ticksFired, missed } = await storedSchedule(engine);
    assert.deepEqual([ticksFired, missed, await jobTicks(engine)], [1, 1, [minute(1)]]);
  }),

  fact("S10 what an operator had held stays held, however many ticks have fired", async (harness) => {
    const { engine, clock } = harness;
    await createSchedule(engine, { overlap: "queue" });
    clock.advance(minuteMs);
    await fire(engine);
    const job = await claimJob(engine, { leaseMs: hourMs });
    await trigger(engine, "op-1");
    await putSchedule(engine, { definition: definition({ overlap: "queue", maxTicks: 1 }) });
    await settleJob(engine, completion(job));
    assert.deepEqual([(await scheduleJobs(engine)).length, await told(engine)], [2, []]);
  }),

  fact("S6 a change of the end keeps the beat of a rule without an anchor", async ({ engine, clock }) => {
    await createSchedule(engine, { rule: every("10m") });
    clock.advance(3 * minuteMs);
    await putSchedule(engine, { definition: definition({ rule: every("10m"), endAt: start + hourMs }) });
    assert.equal((await storedSchedule(engine)).cursor.nextAt, minute(10));
  }),

  fact("S6 an update of one incarnation leaves the next alone", async ({ engine }) => {
    const { incarnation } = await createSchedule(engine);
    await engine.schedules.remove([report]);
    const again = await createSchedule(engine);
    const changed = { definition: definition({ input: '"late"' }), expected: again.revision, of: incarnation };
    assert.equal((await putSchedule(engine, changed)).outcome, "conflict");
    assert.deepEqual(await storedSchedule(engine), again);
    assert.deepEqual(await engine.schedules.remove([{ ...report, of: incarnation }]), ["conflict"]);
    assert.equal((await putSchedule(engine, { ...changed, of: again.incarnation })).outcome, "updated");
    assert.equal((await putSchedule(engine, { ...changed, of: token(), expected: 2 })).outcome, "conflict");
  }),
];

const firing: Chapter["facts"] = [
  fact("S4 all tells what is older than its window as late, and what is beyond its bound as limit", async (harness) => {
    const { engine, clock } = harness;
    await createSchedule(engine, { catchUp: { policy: "all", limit: 3, windowMs: 5 * minuteMs } });
    clock.advance(outageMs);
    await fire(engine);
    assert.deepEqual(await told(engine), [run(1, 5, "late"), run(6, 7, "limit")]);
    assert.deepEqual(await jobTicks(engine), [minute(8), minute(9), minute(10)]);
  }),

  fact("S5 replace fires the newest of many late ticks, and counts the others as missed", async ({ engine, clock }) => {
    await createSchedule(engine, { overlap: "replace", catchUp: all, maxTicks: 1 });
    clock.advance(outageMs);
    const { fired } = await fire(engine);
    assert.deepEqual(fired[0]?.skipped, [run(1, 9, "overlap")]);
    const [job, ...others] = await scheduleJobs(engine);
    assert.deepEqual([job?.schedule?.tick, job?.schedule?.missed, others.length], [minute(10), 9, 0]);
    assert.deepEqual([(await storedSchedule(engine)).ticksFired, (await fire(engine)).nextDueAt], [1, undefined]);
  }),

  fact("S5 replace fires the newest tick however many were late", async ({ engine, clock }) => {
    await createSchedule(engine, { overlap: "replace", catchUp: all });
    clock.advance(500 * minuteMs + 30 * secondMs);
    while ((await fire(engine)).fired.length > 0);
    assert.deepEqual([await told(engine), await jobTicks(engine)], [[run(1, 499, "overlap")], [minute(500)]]);
  }),

  fact("S5 what was passed over while a tick was held is missed by the tick after it", async (harness) => {
    const { engine, clock } = harness;
    const first = await withHeld(harness, "queue");
    for (let turn = 0; turn < 2; turn++) {
      clock.advance(minuteMs);
      await fire(engine);
    }
    await settleJob(engine, completion(first));
    await settleJob(engine, completion(await claimJob(engine)));
    clock.advance(minuteMs);
    await fire(engine);
    const missed = (await scheduleJobs(engine)).map((job) => [job.schedule?.tick, job.schedule?.missed]);
    assert.deepEqual(missed, [
      [minute(1), 0],
      [minute(2), 0],
      [minute(5), 2],
    ]);
  }),

  fact("S1 the last tick that may fire leaves no next one, though it was held", async (harness) => {
    const { engine } = harness;
    const job = await withHeld(harness, "queue", { maxTicks: 2 });
    await settleJob(engine, completion(job));
    assert.deepEqual((await storedSchedule(engine)).cursor.nextAt, undefined);
    assert.equal((await fire(engine)).nextDueAt, undefined);
  }),
];

export const accounting: Chapter = { title: "accounting", facts: [...disabling, ...changing, ...firing] };

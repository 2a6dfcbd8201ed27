// Backfills: ticks that were, made again at an operator's wish, each once per operation.
import assert from "node:assert/strict";
import { every } from "../../core/rule.ts";
import { completion, definition, hourMs, minuteMs, secondMs, tenant } from "./builders.ts";
import {
  backfill,
  claimAll,
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
import { type Chapter, fact, start } from "./harness.ts";

/** The n-th minute; those before the beginning are negative. */
const minute = (n: number) => start + n * minuteMs;

/** The minutes from one to another. */
const minutes = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => minute(from + index));

/** Ticks at every full minute, also of the day before. */
const longSince = every("1m", { anchor: new Date(start - 24 * hourMs) });

const making: Chapter["facts"] = [
  fact("S10 a backfill makes a job of each tick, now, and the cursor stays", async ({ engine, other, clock }) => {
    const { cursor } = await createSchedule(engine, { rule: longSince, input: '"in"' });
    clock.advance(10);
    const result = await backfill(other, "op-1", minutes(-3, -1));
    assert.deepEqual(
      result?.ticks.map(({ tick }) => tick),
      minutes(-3, -1),
    );
    const jobs = await scheduleJobs(engine);
    assert.deepEqual(
      jobs.map((job) => [job.schedule?.tick, job.schedule?.missed, job.dueAt, job.input]),
      minutes(-3, -1).map((tick) => [tick, 0, start + 10, '"in"']),
    );
    const stored = await storedSchedule(engine);
    assert.deepEqual(
      [stored.cursor, stored.ticksFired, stored.revision, stored.missed, stored.lastTick],
      [cursor, 0, 1, 0, undefined],
    );
  }),

  fact("S10 a backfill makes ticks of the rule alone, and none that is to come", async ({ engine }) => {
    await createSchedule(engine, { rule: longSince, startAt: minute(-4), endAt: minute(-2) });
    const ticks = [minute(-5), minute(-4), minute(-3) + secondMs, minute(-2), minute(-1), minute(1)];
    await backfill(engine, "op-1", ticks);
    assert.deepEqual(await jobTicks(engine), [minute(-4), minute(-2)]);
  }),

  fact("S10 a tick that has fired can be made again, and counts for no tick", async ({ engine, clock }) => {
    await createSchedule(engine, { maxTicks: 1 });
    clock.advance(minuteMs);
    await fire(engine);
    await backfill(engine, "op-1", [minute(1)]);
    assert.deepEqual(await jobTicks(engine), [minute(1), minute(1)]);
    assert.equal((await storedSchedule(engine)).ticksFired, 1);
  }),

  fact("S10 a disabled schedule can be backfilled, and stays disabled", async ({ engine }) => {
    await putSchedule(engine, { enabled: false, definition: definition({ rule: longSince }) });
    assert.equal((await backfill(engine, "op-1", minutes(-2, -1)))?.ticks.length, 2);
    assert.equal((await storedSchedule(engine)).enabled, false);
  }),

  fact("S10 a backfill's jobs are due one after another, and have its priority", async ({ engine }) => {
    await createSchedule(engine, { rule: longSince, jitterMs: 30 * secondMs });
    await backfill(engine, "op-1", minutes(-3, -1), { dueFrom: start + hourMs, spacingMs: 1_500, priority: 9 });
    const jobs = await scheduleJobs(engine);
    assert.deepEqual(
      jobs.map((job) => [job.dueAt - start - hourMs, job.priority]),
      [
        [0, 9],
        [1_500, 9],
        [3_000, 9],
      ],
    );
  }),

  fact("S10 a backfill is recorded as one, and by whom", async ({ engine }) => {
    await createSchedule(engine, { rule: longSince, overlap: "skip" });
    await backfill(engine, "op-1", minutes(-3, -1), { actor: "ann" });
    const events = await listEvents(engine, { types: ["tick:fired", "tick:skipped"] });
    const skipped = { from: minute(-2), to: minute(-1), count: 2, reason: "overlap", backfill: true };
    const fired = { tick: minute(-3), dueAt: start, latenessMs: 3 * minuteMs, backfill: true };
    assert.deepEqual(
      events.map((event) => [event.type, event.actor, event.data]),
      [
        ["tick:skipped", "ann", skipped],
        ["tick:fired", "ann", fired],
      ],
    );
  }),

  fact("S10 a backfill leaves another incarnation alone", async ({ engine }) => {
    const { incarnation } = await createSchedule(engine, { rule: longSince });
    await engine.schedules.remove([{ tenant, id: "report" }]);
    await createSchedule(engine, { rule: longSince });
    assert.equal(await backfill(engine, "op-1", minutes(-2, -1), { incarnation }), undefined);
    assert.deepEqual(await listJobs(engine), []);
  }),
];

const gate: Chapter["facts"] = [
  fact("S5 a backfill passes the same gate: queue", async ({ engine }) => {
    await createSchedule(engine, { rule: longSince, overlap: "queue" });
    const result = await backfill(engine, "op-1", minutes(-4, -1), { priority: 2 });
    assert.deepEqual([result?.ticks.length, result?.held?.tick], [1, minute(-3)]);
    assert.deepEqual(
      result?.skipped.map(({ from, to, count }) => [from, to, count]),
      [[minute(-2), minute(-1), 2]],
    );
    await settleJob(engine, completion(await claimJob(engine)));
    const next = await claimJob(engine);
    assert.deepEqual([next.schedule?.tick, next.priority], [minute(-3), 2]);
    const { ticksFired, missed } = await storedSchedule(engine);
    assert.deepEqual([ticksFired, missed], [0, 0]);
    const fired = await listEvents(engine, { types: ["tick:fired"] });
    assert.deepEqual(
      fired.map((event) => event.data?.["backfill"]),
      [true, true],
    );
  }),

  fact("S5 a backfill passes the same gate: replace", async ({ engine, clock }) => {
    await createSchedule(engine, { rule: longSince, overlap: "replace" });
    clock.advance(minuteMs);
    await fire(engine);
    const [old] = await scheduleJobs(engine);
    const result = await backfill(engine, "op-1", minutes(-4, -1));
    assert.deepEqual(
      result?.ticks.map(({ tick }) => tick),
      [minute(-1)],
    );
    assert.equal((await storedJob(engine, old?.id ?? "")).state, "cancelled");
    assert.equal((await claimJob(engine)).schedule?.tick, minute(-1));
  }),

  fact("S5 a backfill may pass the gate by another policy than the schedule's", async ({ engine, clock }) => {
    await createSchedule(engine, { rule: longSince, overlap: "skip" });
    clock.advance(minuteMs);
    await fire(engine);
    await backfill(engine, "op-1", minutes(-3, -1), { overlap: "allow" });
    assert.deepEqual(await jobTicks(engine), [...minutes(-3, -1), minute(1)]);
    clock.advance(minuteMs);
    await fire(engine);
    assert.equal((await scheduleJobs(engine)).length, 4);
  }),

  fact("S5 a backfill of a schedule that allows overlap may look at its unfinished jobs", async ({ engine }) => {
    await createSchedule(engine, { rule: longSince, overlap: "allow" });
    await backfill(engine, "op-1", [minute(-5)]);
    const result = await backfill(engine, "op-2", minutes(-3, -1), { overlap: "skip" });
    assert.deepEqual([result?.ticks, result?.skipped[0]?.count], [[], 3]);
  }),
];

const repeats: Chapter["facts"] = [
  ...(["allow", "skip", "queue", "replace"] as const).map((overlap) =>
    fact(`J15 with overlap ${overlap} a backfill that is repeated makes no more jobs`, async ({ engine, other }) => {
      await createSchedule(engine, { rule: longSince, overlap });
      const first = await backfill(engine, "op-1", minutes(-5, -1));
      const jobs = await scheduleJobs(engine);
      const { held } = await storedSchedule(engine);
      const again = await backfill(other, "op-1", minutes(-5, -1));
      assert.deepEqual(
        again?.ticks.map(({ job }) => job),
        first?.ticks.map(({ job }) => job),
      );
      assert.deepEqual(await scheduleJobs(engine), jobs);
      assert.deepEqual((await storedSchedule(engine)).held, held);
      assert.equal((await listEvents(engine, { types: ["tick:fired"] })).length, jobs.length);
    }),
  ),

  fact("J15 a backfill that is repeated finds its jobs, though they have taken the room", async ({ engine, other }) => {
    await createSchedule(engine, { rule: longSince });
    await engine.tenants.put([{ id: tenant, guardrails: { maxPendingJobs: 6 } }]);
    const first = await backfill(engine, "op-1", minutes(-5, -1));
    assert.deepEqual((await backfill(other, "op-1", minutes(-5, -1)))?.ticks, first?.ticks);
    assert.deepEqual(await jobTicks(engine), minutes(-5, -1));
    const refused = { code: "LIMIT_EXCEEDED", message: `tenant ${tenant}: maxPendingJobs is 6, this would make it 8` };
    await assert.rejects(backfill(other, "op-2", minutes(-3, -1)), refused);
    assert.equal((await scheduleJobs(engine)).length, 5);
  }),

  fact("J15 a backfill whose jobs have ended and left nothing makes no more", async ({ engine }) => {
    await createSchedule(engine, { rule: longSince });
    await backfill(engine, "op-1", minutes(-2, -1));
    for (const job of (await claimAll(engine)).flat()) await settleJob(engine, completion(job, { keep: "nothing" }));
    assert.equal((await backfill(engine, "op-1", minutes(-2, -1)))?.ticks.length, 2);
    assert.deepEqual(await listJobs(engine), []);
  }),

  fact("S10 backfills of two operations each make their jobs", async ({ engine, other }) => {
    await createSchedule(engine, { rule: longSince });
    await Promise.all([backfill(engine, "op-1", [minute(-1)]), backfill(other, "op-2", [minute(-1)])]);
    assert.equal((await scheduleJobs(engine)).length, 2);
  }),
];

export const backfills: Chapter = { title: "backfill", facts: [...making, ...gate, ...repeats] };

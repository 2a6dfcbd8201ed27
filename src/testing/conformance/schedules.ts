// Schedules: saving, revisions, incarnations, disabling and removing, and listing.
import assert from "node:assert/strict";
import { cron, every, everyCalendar, except, once, type Rule, union } from "../../core/rule.ts";
import type { CatchUp, ScheduleDefinition, SchedulePut } from "../../core/schedule.ts";
import { completion, definition, hourMs, minuteMs, schedulePut, tenant, token } from "./builders.ts";
import {
  claim,
  claimJob,
  createSchedule,
  fire,
  jobTicks,
  putSchedule,
  scheduleJobs,
  settleJob,
  storedJob,
  storedSchedule,
} from "./calls.ts";
import { type Chapter, fact, type Harness, start } from "./harness.ts";

const report = { tenant, id: "report" };

/** A schedule with one job in hand and one that waits. */
async function activeAndPending(harness: Harness) {
  const { engine, clock } = harness;
  await createSchedule(engine);
  clock.advance(minuteMs);
  await fire(engine);
  const active = await claimJob(engine, { leaseMs: hourMs });
  clock.advance(minuteMs);
  await fire(engine);
  const [, pending] = await scheduleJobs(engine);
  assert.ok(pending);
  return { active, pending };
}

const rules: readonly (readonly [string, Rule])[] = [
  ["cron", cron("0 9 * * 1-5", { timezone: "Europe/Paris", onGap: "skip", onOverlap: "both" })],
  ["every", every("15m", { anchor: new Date(start) })],
  ["every without an anchor", every("90s")],
  ["every-calendar", everyCalendar({ months: 1 }, { anchor: new Date(start), timezone: "America/New_York" })],
  ["once", once(new Date(start + hourMs))],
  ["union", union(cron("0 9 * * *"), every("2h"))],
  ["except", except(cron("0 0 * * *"), ["2030-12-25", new Date(start + hourMs)], { timezone: "Asia/Tokyo" })],
];

const kinds = rules.map(([name, rule]) =>
  fact(`S1 a rule of the kind ${name} is stored as it was given, with its next tick`, async ({ engine, other }) => {
    const { cursor } = await createSchedule(engine, { rule });
    const stored = await other.schedules.get(report);
    assert.deepEqual(stored?.definition, definition({ rule }));
    assert.ok(cursor.nextAt !== undefined && cursor.nextAt > start);
    assert.deepEqual(stored?.cursor.nextAt, cursor.nextAt);
  }),
);

const saving: Chapter["facts"] = [
  fact("S6 a created schedule is at its first revision, enabled, and ticks from now on", async ({ engine, clock }) => {
    clock.advance(90_000);
    const put = schedulePut({ expected: "absent" });
    const [answer] = await engine.schedules.put([put]);
    assert.equal(answer?.outcome, "created");
    const { schedule } = answer;
    assert.deepEqual([schedule.revision, schedule.enabled, schedule.incarnation], [1, true, put.incarnation]);
    assert.deepEqual([schedule.cursor.after, schedule.cursor.nextAt], [clock.now(), start + 2 * minuteMs]);
    assert.deepEqual([schedule.createdAt, schedule.updatedAt, schedule.ticksFired], [clock.now(), clock.now(), 0]);
    assert.deepEqual(await engine.schedules.get(report), schedule);
  }),

  fact("S6 every part of a definition is stored", async ({ engine }) => {
    const catchUp: CatchUp = { policy: "all", limit: 7 };
    const parts: Partial<ScheduleDefinition> = { task: "t", queue: "q", input: '{"a":1}', priority: 2, attemptsMax: 4 };
    const more: Partial<ScheduleDefinition> = {
      jitterMs: 9,
      overlap: "queue",
      catchUp,
      startAt: start,
      endAt: start + hourMs,
    };
    const rest: Partial<ScheduleDefinition> = { maxTicks: 3, pauseOnFailure: 2, name: "A report", metadata: "[1]" };
    const whole = definition({ ...parts, ...more, ...rest });
    await createSchedule(engine, whole);
    assert.deepEqual((await storedSchedule(engine)).definition, whole);
  }),

  fact("S6 ensuring an equal definition changes nothing", async ({ engine, other, clock }) => {
    const created = await createSchedule(engine);
    clock.advance(30_000);
    const [answer] = await other.schedules.put([schedulePut()]);
    assert.deepEqual([answer?.outcome, answer?.outcome === "unchanged" && answer.schedule], ["unchanged", created]);
    assert.deepEqual(await storedSchedule(engine), created);
  }),

  fact("S6 definitions are equal whatever the order of their members", async ({ engine }) => {
    await createSchedule(engine);
    const reversed = Object.fromEntries(Object.entries(definition()).reverse());
    const answer = await putSchedule(engine, { definition: { ...definition(), ...reversed } });
    assert.equal(answer.outcome, "unchanged");
    const turned = JSON.parse(
      JSON.stringify(definition({ catchUp: { limit: 1_000, windowMs: hourMs, policy: "latest" } })),
    );
    assert.equal((await putSchedule(engine, { definition: turned })).outcome, "unchanged");
  }),

  fact("S6 another input or policy keeps the cursor", async ({ engine, clock }) => {
    const { cursor } = await createSchedule(engine);
    clock.advance(30_000);
    const answer = await putSchedule(engine, { definition: definition({ input: '"new"', overlap: "skip" }) });
    assert.equal(answer.outcome, "updated");
    const stored = await storedSchedule(engine);
    assert.deepEqual([stored.revision, stored.cursor, stored.definition.input], [2, cursor, '"new"']);
  }),

  fact("S6 another rule computes the next tick anew from now", async ({ engine, clock }) => {
    await createSchedule(engine);
    clock.advance(30_000);
    await putSchedule(engine, { definition: definition({ rule: every("10s") }) });
    const { cursor, revision } = await storedSchedule(engine);
    assert.deepEqual([revision, cursor.after, cursor.nextAt], [2, start + 30_000, start + 40_000]);
  }),

  fact("S6 an update under another revision is a conflict and changes nothing", async ({ engine }) => {
    const created = await createSchedule(engine);
    const changed = definition({ input: "2" });
    assert.equal((await putSchedule(engine, { definition: changed, expected: 7 })).outcome, "conflict");
    assert.deepEqual(await storedSchedule(engine), created);
    assert.equal((await putSchedule(engine, { definition: changed, expected: 1 })).outcome, "updated");
    assert.equal(
      (await putSchedule(engine, { definition: definition({ input: "3" }), expected: 1 })).outcome,
      "conflict",
    );
  }),

  fact("S6 of updates of one revision at once exactly one wins", async ({ engine, other }) => {
    await createSchedule(engine);
    const handles = [engine, other, engine, other];
    const answers = await Promise.all(
      handles.map((handle, turn) => putSchedule(handle, { definition: definition({ input: `${turn}` }), expected: 1 })),
    );
    assert.deepEqual(answers.map((answer) => answer.outcome).sort(), ["conflict", "conflict", "conflict", "updated"]);
    assert.equal((await storedSchedule(engine)).revision, 2);
  }),

  fact("S6 creating what exists is a conflict, updating what does not is absent", async ({ engine }) => {
    assert.equal((await putSchedule(engine, { expected: 1 })).outcome, "absent");
    assert.equal(await engine.schedules.get(report), undefined);
    await createSchedule(engine);
    assert.equal((await putSchedule(engine, { expected: "absent" })).outcome, "conflict");
  }),

  fact("S6 of creates at once exactly one wins", async ({ engine, other }) => {
    const handles = [engine, other, engine, other];
    const answers = await Promise.all(handles.map((handle) => putSchedule(handle, { expected: "absent" })));
    assert.deepEqual(answers.map((answer) => answer.outcome).sort(), ["conflict", "conflict", "conflict", "created"]);
  }),

  fact("J15 a create repeated with its own incarnation finds its own", async ({ engine, other, clock }) => {
    const put = schedulePut({ expected: "absent" });
    const [first] = await engine.schedules.put([put]);
    clock.advance(1);
    const [again] = await other.schedules.put([put]);
    assert.deepEqual(again, first);
  }),

  fact("S6 puts are answered in order, each by itself", async ({ engine }) => {
    await createSchedule(engine);
    const puts = [{ id: "a" }, { expected: "absent" }, { id: "b", expected: 3 }, { id: "c" }, {}] as const;
    const answers = await engine.schedules.put(puts.map((parts: Partial<SchedulePut>) => schedulePut(parts)));
    assert.deepEqual(
      answers.map((answer) => answer.outcome),
      ["created", "conflict", "absent", "created", "unchanged"],
    );
  }),

  fact("S6 every replica fires the definition that was saved last", async ({ engine, other, clock }) => {
    await createSchedule(engine);
    await putSchedule(engine, { definition: definition({ input: '"new"' }) });
    clock.advance(minuteMs);
    await fire(other);
    assert.equal((await claimJob(engine)).input, '"new"');
  }),
];

const stopping: Chapter["facts"] = [
  fact("S7 a disabled schedule has no next tick and fires nothing on any replica", async ({ engine, other, clock }) => {
    await createSchedule(engine);
    await putSchedule(engine, { enabled: false, disabledReason: "holidays" });
    const stored = await storedSchedule(other);
    assert.deepEqual([stored.enabled, stored.disabledReason, stored.cursor.nextAt], [false, "holidays", undefined]);
    clock.advance(hourMs);
    for (const handle of [engine, other]) {
      assert.deepEqual(await fire(handle), { fired: [], nextDueAt: undefined });
    }
    assert.deepEqual(await jobTicks(engine), []);
  }),

  fact("S7 an enabled schedule ticks again, from now on", async ({ engine, clock }) => {
    await createSchedule(engine);
    await putSchedule(engine, { enabled: false });
    clock.advance(90_000);
    await putSchedule(engine, { enabled: true });
    const stored = await storedSchedule(engine);
    assert.deepEqual([stored.enabled, stored.disabledReason, stored.revision], [true, undefined, 3]);
    assert.equal(stored.cursor.nextAt, start + 2 * minuteMs);
  }),

  fact("S7 disabling leaves jobs that exist alone", async (harness) => {
    const { engine } = harness;
    const { active, pending } = await activeAndPending(harness);
    await putSchedule(engine, { enabled: false });
    assert.equal((await settleJob(engine, completion(active))).outcome, "settled");
    assert.equal((await claimJob(engine)).id, pending.id);
  }),

  fact("S7 disabling with cancelPending ends the jobs that have not started", async (harness) => {
    const { engine } = harness;
    const { active, pending } = await activeAndPending(harness);
    await putSchedule(engine, { enabled: false, cancelPending: true });
    assert.equal((await storedJob(engine, pending.id)).state, "cancelled");
    assert.deepEqual(await claim(engine), []);
    assert.equal((await settleJob(engine, completion(active))).state, "completed");
  }),

  fact("S7 a removed schedule is gone and fires nothing on any replica", async ({ engine, other, clock }) => {
    await createSchedule(engine);
    assert.deepEqual(await engine.schedules.remove([report]), ["removed"]);
    assert.equal(await other.schedules.get(report), undefined);
    clock.advance(hourMs);
    for (const handle of [engine, other]) assert.deepEqual((await fire(handle)).fired, []);
    assert.deepEqual(await jobTicks(engine), []);
    assert.deepEqual(await engine.schedules.remove([report]), ["absent"]);
  }),

  fact("S7 a removal under another revision is a conflict", async ({ engine }) => {
    await createSchedule(engine);
    assert.deepEqual(await engine.schedules.remove([{ ...report, expected: 4 }]), ["conflict"]);
    assert.equal((await storedSchedule(engine)).revision, 1);
    assert.deepEqual(await engine.schedules.remove([{ ...report, expected: 1 }]), ["removed"]);
  }),

  fact("S7 removing leaves jobs that exist alone", async (harness) => {
    const { engine } = harness;
    const { active, pending } = await activeAndPending(harness);
    await engine.schedules.remove([report]);
    assert.equal((await settleJob(engine, completion(active))).outcome, "settled");
    assert.equal((await claimJob(engine)).id, pending.id);
  }),

  fact("S7 removing with cancelPending ends the jobs that have not started", async (harness) => {
    const { engine } = harness;
    const { active, pending } = await activeAndPending(harness);
    await engine.schedules.remove([{ ...report, cancelPending: true }]);
    assert.equal((await storedJob(engine, pending.id)).state, "cancelled");
    assert.equal((await storedJob(engine, active.id)).state, "active");
    assert.equal((await settleJob(engine, completion(active))).state, "completed");
  }),

  fact("S7 a late writer does not bring a removed schedule back", async ({ engine, other }) => {
    const { revision } = await createSchedule(engine);
    await engine.schedules.remove([report]);
    const late = { definition: definition({ input: '"late"' }), expected: revision };
    assert.equal((await putSchedule(other, late)).outcome, "absent");
    assert.equal(await engine.schedules.get(report), undefined);
  }),

  fact("S7 a schedule created again is a new incarnation with nothing of the old one", async ({ engine, clock }) => {
    const first = await createSchedule(engine);
    clock.advance(minuteMs);
    await fire(engine);
    await engine.schedules.remove([report]);
    const incarnation = token();
    const answer = await putSchedule(engine, { incarnation, expected: "absent" });
    assert.ok(answer.outcome === "created" && answer.schedule.incarnation === incarnation);
    assert.notEqual(incarnation, first.incarnation);
    const { revision, ticksFired, lastTick, cursor } = answer.schedule;
    assert.deepEqual([revision, ticksFired, lastTick, cursor.after], [1, 0, undefined, clock.now()]);
  }),
];

const listing: Chapter["facts"] = [
  fact("S12 schedules are listed by tenant and id, in pages that hold each once", async ({ engine }) => {
    const ids = ["b", "a", "c", "B", "a_1", "a-1", "e"];
    await engine.schedules.put(ids.map((id) => schedulePut({ id })));
    await engine.schedules.put([schedulePut({ id: "z", tenant: "aaa" })]);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await engine.schedules.list({}, cursor === undefined ? { limit: 3 } : { limit: 3, cursor });
      assert.ok(page.items.length <= 3);
      seen.push(...page.items.map((schedule) => `${schedule.tenant} ${schedule.id}`));
      cursor = page.next;
    } while (cursor !== undefined);
    assert.deepEqual(seen, ["aaa z", ...ids.sort().map((id) => `${tenant} ${id}`)]);
  }),

  fact("S2 a single tick that has fired stays fired when the schedule's end is moved", async ({ engine, clock }) => {
    await putSchedule(engine, { definition: definition({ rule: once(new Date(start + minuteMs)) }) });
    clock.advance(minuteMs);
    assert.equal((await fire(engine)).fired.length, 1);
    const endAt = start + hourMs;
    await putSchedule(engine, { definition: definition({ rule: once(new Date(start + minuteMs)), endAt }) });
    assert.deepEqual((await fire(engine)).fired, []);
    assert.equal((await storedSchedule(engine)).ticksFired, 1);
  }),

  fact("S2 a clock that goes back brings no tick again, whatever is changed meanwhile", async ({ engine, clock }) => {
    const rule = every("1m");
    await putSchedule(engine, { definition: definition({ rule, overlap: "allow" }) });
    clock.advance(10 * minuteMs);
    await fire(engine);
    const { cursor } = await storedSchedule(engine);
    clock.advance(-5 * minuteMs);
    await putSchedule(engine, { enabled: false, definition: definition({ rule, overlap: "allow" }) });
    await putSchedule(engine, { enabled: true, definition: definition({ rule, overlap: "allow" }) });
    assert.ok((await storedSchedule(engine)).cursor.after >= cursor.after);
  }),

  fact("S12 schedules are listed by task, queue, state and id prefix", async ({ engine }) => {
    await createSchedule(engine, { task: "t" }, { id: "a_1" });
    await createSchedule(engine, { queue: "q" }, { id: "ab1" });
    await putSchedule(engine, { id: "A_1", enabled: false });
    const ids = async (filter: Parameters<typeof engine.schedules.list>[0]) =>
      (await engine.schedules.list(filter, { limit: 10 })).items.map((schedule) => schedule.id);
    assert.deepEqual(await ids({ task: "t" }), ["a_1"]);
    assert.deepEqual(await ids({ queue: "q" }), ["ab1"]);
    assert.deepEqual(await ids({ enabled: false }), ["A_1"]);
    assert.deepEqual(await ids({ enabled: true }), ["a_1", "ab1"]);
    assert.deepEqual(await ids({ idPrefix: "a_" }), ["a_1"]);
    assert.deepEqual(await ids({ tenant, idPrefix: "A" }), ["A_1"]);
  }),
];

export const schedules: Chapter = { title: "schedules", facts: [...kinds, ...saving, ...stopping, ...listing] };

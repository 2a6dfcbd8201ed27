// Guardrails: a tenant's limits, enforced in the same step as what they limit.
import assert from "node:assert/strict";
import type { Engine, InsertAnswer } from "../../core/engine.ts";
import type { Guardrails } from "../../core/guardrails.ts";
import type { NewJob } from "../../core/job.ts";
import { once } from "../../core/rule.ts";
import { completion, definition, hourMs, minuteMs, newJob, schedulePut, tenant } from "./builders.ts";
import {
  activeJob,
  changeJob,
  claimJob,
  createSchedule,
  fire,
  insertJob,
  insertJobs,
  listJobs,
  putSchedule,
  settleJob,
  storedJob,
  storedSchedule,
} from "./calls.ts";
import { type Chapter, fact, start } from "./harness.ts";

async function tryInsert(engine: Engine, guardrails: Guardrails, ...jobs: Partial<NewJob>[]): Promise<InsertAnswer> {
  const [answer] = await engine.jobs.insert([{ jobs: jobs.map((parts) => newJob(parts)), guardrails }]);
  assert.ok(answer);
  return answer;
}

const pending: Chapter["facts"] = [
  fact("N2 a tenant has no more unfinished jobs than maxPendingJobs", async ({ engine, other }) => {
    const guardrails = { maxPendingJobs: 2 };
    assert.equal((await tryInsert(engine, guardrails, {})).outcome, "inserted");
    assert.equal((await tryInsert(other, guardrails, { queue: "other" })).outcome, "inserted");
    const refused = await tryInsert(engine, guardrails, {});
    assert.deepEqual(refused, { outcome: "limit", limit: "maxPendingJobs", max: 2, value: 3 });
    assert.equal((await listJobs(engine)).length, 2);
  }),

  fact("N2 active jobs count towards maxPendingJobs, finished ones do not", async ({ engine }) => {
    const job = await activeJob(engine);
    assert.equal((await tryInsert(engine, { maxPendingJobs: 1 }, {})).outcome, "limit");
    await settleJob(engine, completion(job));
    assert.equal((await tryInsert(engine, { maxPendingJobs: 1 }, {})).outcome, "inserted");
  }),

  fact("N2 a cancelled job makes room", async ({ engine }) => {
    const { id } = await insertJob(engine);
    await changeJob(engine, { id }, { kind: "cancel" });
    assert.equal((await tryInsert(engine, { maxPendingJobs: 1 }, {})).outcome, "inserted");
  }),

  fact("N2 a batch over maxPendingJobs stores nothing", async ({ engine }) => {
    const refused = await tryInsert(engine, { maxPendingJobs: 3 }, {}, {}, {}, {});
    assert.deepEqual(refused.outcome === "limit" && [refused.limit, refused.max], ["maxPendingJobs", 3]);
    assert.deepEqual(await listJobs(engine), []);
    assert.equal((await tryInsert(engine, { maxPendingJobs: 3 }, {}, {}, {})).outcome, "inserted");
  }),

  fact("N2 concurrent inserts together keep to maxPendingJobs", async ({ engine, other }) => {
    const handles = [engine, other, engine, other, engine, other, engine, other];
    const answers = await Promise.all(handles.map((handle) => tryInsert(handle, { maxPendingJobs: 5 }, {})));
    assert.equal(answers.filter((answer) => answer.outcome === "inserted").length, 5);
    assert.equal((await listJobs(engine)).length, 5);
  }),

  fact("N2 each tenant has its own maxPendingJobs", async ({ engine }) => {
    await insertJobs(engine, [{}, {}]);
    assert.equal((await tryInsert(engine, { maxPendingJobs: 1 }, { tenant: "globex" })).outcome, "inserted");
  }),

  fact("N2 what makes no new job needs no room", async ({ engine }) => {
    const job = newJob({ key: "k" });
    const guardrails = { maxPendingJobs: 1 };
    const [first] = await engine.jobs.insert([{ jobs: [job], guardrails }]);
    assert.deepEqual(await engine.jobs.insert([{ jobs: [job], guardrails }]), [first]);
    assert.equal((await tryInsert(engine, guardrails, { key: "k" })).outcome, "inserted");
    assert.equal((await tryInsert(engine, guardrails, { key: "k", onConflict: "replace" })).outcome, "inserted");
    await claimJob(engine);
    assert.equal((await tryInsert(engine, guardrails, { key: "k", onConflict: "replace" })).outcome, "limit");
  }),

  fact("N2 without guardrails nothing is limited", async ({ engine }) => {
    await insertJobs(engine, [{}, {}, {}]);
    assert.equal((await tryInsert(engine, {}, { due: { afterMs: 1_000 * hourMs } })).outcome, "inserted");
  }),
];

const shape: Chapter["facts"] = [
  fact("N2 no job is due beyond maxHorizonMs", async ({ engine, clock }) => {
    const guardrails = { maxHorizonMs: hourMs };
    clock.advance(minuteMs);
    assert.equal((await tryInsert(engine, guardrails, { due: { afterMs: hourMs } })).outcome, "inserted");
    assert.equal((await tryInsert(engine, guardrails, { due: { at: start + hourMs } })).outcome, "inserted");
    const refused = await tryInsert(engine, guardrails, { due: { afterMs: hourMs + 1 } });
    assert.deepEqual(refused, { outcome: "limit", limit: "maxHorizonMs", max: hourMs, value: hourMs + 1 });
    const far = { due: { at: clock.now() + 2 * hourMs } };
    assert.deepEqual(await tryInsert(engine, guardrails, far), { ...refused, value: 2 * hourMs });
    assert.equal((await listJobs(engine)).length, 2);
  }),

  fact("N2 no input has more bytes than payloadBytesMax", async ({ engine }) => {
    const guardrails = { payloadBytesMax: 10 };
    assert.equal((await tryInsert(engine, guardrails, { input: JSON.stringify("éééé") })).outcome, "inserted");
    const refused = await tryInsert(engine, guardrails, { input: JSON.stringify("ééééx") });
    assert.deepEqual(refused, { outcome: "limit", limit: "payloadBytesMax", max: 10, value: 11 });
    assert.equal((await listJobs(engine)).length, 1);
  }),

  fact("N2 a replace is held to the limits too", async ({ engine }) => {
    const { id } = await insertJob(engine, { key: "k", input: "1" });
    const parts = { key: "k", onConflict: "replace", due: { afterMs: hourMs } } as const;
    assert.equal((await tryInsert(engine, { maxHorizonMs: minuteMs }, parts)).outcome, "limit");
    assert.equal((await storedJob(engine, id)).dueAt, start);
  }),
];

const active: Chapter["facts"] = [
  fact("N2 a tenant has no more active schedules than maxActiveSchedules", async ({ engine, other }) => {
    const guardrails = { maxActiveSchedules: 2 };
    const put = (id: string) => schedulePut({ id, expected: "absent" });
    const answers = await engine.schedules.put([put("a"), put("b"), put("c")], guardrails);
    assert.deepEqual(
      answers.map((answer) => answer.outcome),
      ["created", "created", "limit"],
    );
    assert.deepEqual(answers[2], { outcome: "limit", limit: "maxActiveSchedules", max: 2, value: 3 });
    assert.equal(await engine.schedules.get({ tenant, id: "c" }), undefined);
    assert.deepEqual(await other.schedules.put([put("d")], guardrails), [answers[2]]);
  }),

  fact("N2 disabled and removed schedules make room", async ({ engine }) => {
    const guardrails = { maxActiveSchedules: 1 };
    const outcome = async (parts: Parameters<typeof schedulePut>[0]) =>
      (await engine.schedules.put([schedulePut(parts)], guardrails))[0]?.outcome;
    await createSchedule(engine);
    assert.equal(await outcome({ id: "b", enabled: false }), "created");
    assert.equal(await outcome({ id: "b", enabled: true }), "limit");
    assert.equal((await storedSchedule(engine, "b")).enabled, false);
    await putSchedule(engine, { enabled: false });
    assert.equal(await outcome({ id: "b", enabled: true }), "updated");
    await engine.schedules.remove([{ tenant, id: "b" }]);
    assert.equal(await outcome({ id: "c" }), "created");
  }),

  fact("N2 a schedule at its end makes room, and needs it again when it gets new times", async ({ engine, clock }) => {
    const guardrails = { maxActiveSchedules: 1 };
    const outcome = async (parts: Parameters<typeof schedulePut>[0]) =>
      (await engine.schedules.put([schedulePut(parts)], guardrails))[0]?.outcome;
    await createSchedule(engine, { rule: once(new Date(start + minuteMs)) });
    assert.equal(await outcome({ id: "b" }), "limit");
    clock.advance(minuteMs);
    await fire(engine);
    assert.equal(await outcome({ id: "b" }), "created");
    const ended = (await storedSchedule(engine)).definition;
    assert.equal(await outcome({ definition: { ...ended, priority: 1 } }), "updated");
    assert.equal(await outcome({ definition: definition() }), "limit");
    await engine.schedules.remove([{ tenant, id: "b" }]);
    assert.equal(await outcome({ definition: definition() }), "updated");
    assert.equal(await outcome({ id: "c" }), "limit");
  }),

  fact("N2 an enabled schedule is changed though the tenant is at its limit", async ({ engine }) => {
    await createSchedule(engine);
    const guardrails = { maxActiveSchedules: 1 };
    const changed = schedulePut({ definition: definition({ input: "2" }) });
    const answers = await engine.schedules.put(
      [changed, schedulePut({ definition: definition({ input: "2" }) })],
      guardrails,
    );
    assert.deepEqual(
      answers.map((answer) => answer.outcome),
      ["updated", "unchanged"],
    );
  }),

  fact("N2 concurrent puts together keep to maxActiveSchedules", async ({ engine, other }) => {
    const handles = [engine, other, engine, other, engine, other];
    const answers = await Promise.all(
      handles.map((handle, turn) =>
        handle.schedules.put([schedulePut({ id: `s-${turn}` })], { maxActiveSchedules: 4 }),
      ),
    );
    assert.equal(answers.flat().filter((answer) => answer.outcome === "created").length, 4);
    assert.equal((await engine.schedules.list({ enabled: true }, { limit: 10 })).items.length, 4);
  }),

  fact("N2 each tenant has its own maxActiveSchedules", async ({ engine }) => {
    await createSchedule(engine);
    const [answer] = await engine.schedules.put([schedulePut({ tenant: "globex" })], { maxActiveSchedules: 1 });
    assert.equal(answer?.outcome, "created");
  }),
];

export const guardrails: Chapter = { title: "guardrails", facts: [...pending, ...shape, ...active] };

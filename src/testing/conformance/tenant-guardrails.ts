// A tenant's own guardrails over those that every tenant has, and the limits of what is not inserted: changes and ticks.
import assert from "node:assert/strict";
import type { Change, ChangeAnswer, Engine, JobName, PutAnswer } from "../../core/engine.ts";
import { decideFiring } from "../../core/firing.ts";
import type { Guardrails, TenantGuardrails } from "../../core/guardrails.ts";
import type { NewJob } from "../../core/job.ts";
import type { SchedulePut } from "../../core/schedule.ts";
import {
  completion,
  definition,
  everyMinute,
  failure,
  hourMs,
  minuteMs,
  newJob,
  queue,
  schedulePut,
  tenant,
} from "./builders.ts";
import {
  activeJob,
  claim,
  createSchedule,
  fire,
  insertJob,
  insertJobs,
  listEvents,
  listJobs,
  putSchedule,
  scheduleJobs,
  settleJob,
  storedJob,
  storedSchedule,
} from "./calls.ts";
import { type Chapter, fact } from "./harness.ts";

async function own(engine: Engine, guardrails: TenantGuardrails): Promise<void> {
  await engine.tenants.put([{ id: tenant, guardrails }]);
}

async function inserted(
  engine: Engine,
  guardrails: Guardrails | undefined,
  ...jobs: Partial<NewJob>[]
): Promise<string | undefined> {
  const [answer] = await engine.jobs.insert([{ jobs: jobs.map((parts) => newJob(parts)), guardrails }]);
  return answer?.outcome === "limit" ? answer.limit : answer?.outcome;
}

async function put(
  engine: Engine,
  guardrails: Guardrails | undefined,
  parts: Partial<SchedulePut>,
): Promise<PutAnswer | undefined> {
  return (await engine.schedules.put([schedulePut(parts)], guardrails))[0];
}

async function change(
  engine: Engine,
  guardrails: Guardrails | undefined,
  name: JobName,
  wish: Change["change"],
): Promise<ChangeAnswer | undefined> {
  return (await engine.jobs.change([{ name, change: wish }], guardrails))[0];
}

const records: Chapter["facts"] = [
  fact("N2 a tenant's own limits stand over those of all, one by one", async ({ engine, other }) => {
    const all = { maxPendingJobs: 1, maxHorizonMs: hourMs };
    await own(other, { maxPendingJobs: 3 });
    assert.equal(await inserted(engine, all, {}, {}, {}), "inserted");
    assert.equal(await inserted(other, all, {}), "maxPendingJobs");
    assert.equal(await inserted(other, undefined, {}), "maxPendingJobs");
    assert.equal(await inserted(engine, all, { tenant: "globex" }, { tenant: "globex" }), "maxPendingJobs");
    await own(engine, { maxPendingJobs: "unlimited" });
    assert.equal(await inserted(other, all, {}, {}), "inserted");
    assert.equal(await inserted(other, all, { due: { afterMs: 2 * hourMs } }), "maxHorizonMs");
    await own(engine, { maxHorizonMs: 3 * hourMs });
    assert.equal(await inserted(other, all, { due: { afterMs: 2 * hourMs } }), "inserted");
    await engine.tenants.put([{ id: tenant, guardrails: { maxPendingJobs: null, maxHorizonMs: null } }]);
    assert.equal(await inserted(other, all, {}), "maxPendingJobs");
  }),

  fact(
    "N2 concurrent inserts together keep to a tenant's own maxPendingJobs, 0 among them",
    async ({ engine, other }) => {
      await own(engine, { maxPendingJobs: 5 });
      const handles = [engine, other, engine, other, engine, other, engine, other];
      const answers = await Promise.all(handles.map((handle) => inserted(handle, { maxPendingJobs: 9 }, {})));
      assert.equal(answers.filter((answer) => answer === "inserted").length, 5);
      await own(other, { maxPendingJobs: 0 });
      assert.equal(await inserted(engine, undefined, {}), "maxPendingJobs");
    },
  ),

  fact("N2 a tightened limit leaves what exists, and refuses only what is new", async ({ engine, clock }) => {
    await insertJobs(engine, [{}, {}, { due: { afterMs: hourMs } }]);
    await createSchedule(engine, { input: JSON.stringify("long") });
    await createSchedule(engine, {}, { id: "second" });
    await own(engine, {
      maxPendingJobs: 1,
      maxActiveSchedules: 1,
      minIntervalMs: hourMs,
      maxHorizonMs: minuteMs,
      payloadBytesMax: 2,
    });
    assert.deepEqual([(await listJobs(engine)).length, (await storedSchedule(engine)).enabled], [3, true]);
    assert.equal(
      (await put(engine, undefined, { definition: definition({ input: JSON.stringify("long") }) }))?.outcome,
      "unchanged",
    );
    const renamed = definition({ input: JSON.stringify("long"), name: "Report" });
    assert.equal((await put(engine, undefined, { definition: renamed }))?.outcome, "updated");
    clock.advance(minuteMs);
    assert.equal((await claim(engine)).length, 2);
  }),
];

const ofSchedules: Chapter["facts"] = [
  fact(
    "N2 a rule whose smallest gap is under minInterval is refused, at every way to save it",
    async ({ engine, other }) => {
      await own(engine, { minIntervalMs: 2 * minuteMs });
      const hit = { outcome: "limit", limit: "minIntervalMs", max: 2 * minuteMs, value: minuteMs };
      // The gap travels with the put; where it does not, the store finds out.
      assert.deepEqual(await put(other, { minIntervalMs: 1 }, { smallestGapMs: minuteMs }), hit);
      assert.deepEqual(await put(engine, undefined, {}), hit);
      const twoMinutes = definition({ rule: { ...everyMinute, everyMs: 2 * minuteMs } as typeof everyMinute });
      assert.equal((await put(engine, undefined, { definition: twoMinutes }))?.outcome, "created");
      assert.deepEqual(await put(engine, undefined, {}), hit);
      await own(engine, { minIntervalMs: "unlimited" });
      assert.equal((await put(other, { minIntervalMs: hourMs }, {}))?.outcome, "updated");
      await putSchedule(engine, { enabled: false });
      await own(engine, { minIntervalMs: hourMs });
      const enabled = await put(engine, undefined, { enabled: true });
      assert.deepEqual(enabled, { ...hit, max: hourMs });
    },
  ),

  fact("N2 concurrent puts together keep to a tenant's own maxActiveSchedules", async ({ engine, other }) => {
    await own(engine, { maxActiveSchedules: 4 });
    const handles = [engine, other, engine, other, engine, other];
    const answers = await Promise.all(
      handles.map((handle, turn) => put(handle, { maxActiveSchedules: 1 }, { id: `s-${turn}` })),
    );
    assert.equal(answers.filter((answer) => answer?.outcome === "created").length, 4);
  }),

  fact("N2 a schedule's input has no more bytes than payloadBytesMax", async ({ engine }) => {
    const guardrails = { payloadBytesMax: 10 };
    const input = JSON.stringify("ééééx");
    const refused = await put(engine, guardrails, { definition: definition({ input }) });
    assert.deepEqual(refused, { outcome: "limit", limit: "payloadBytesMax", max: 10, value: 11 });
    assert.equal((await put(engine, guardrails, {}))?.outcome, "created");
    assert.equal((await put(engine, guardrails, { definition: definition({ input }) }))?.outcome, "limit");
    assert.equal((await storedSchedule(engine)).definition.input, "{}");
  }),
];

const ofChanges: Chapter["facts"] = [
  fact("N2 a job is not moved beyond maxHorizon, by id or by key", async ({ engine, other }) => {
    const { id } = await insertJob(engine, { key: "k", due: { afterMs: minuteMs } });
    const wish = { kind: "reschedule", due: { afterMs: 2 * hourMs } } as const;
    const hit = { limit: "maxHorizonMs", max: hourMs, value: 2 * hourMs, tenant };
    const all = { maxHorizonMs: hourMs };
    const before = await storedJob(engine, id);
    assert.deepEqual((await change(engine, all, { id }, wish))?.hit, hit);
    assert.deepEqual((await change(other, all, { tenant, queue, key: "k" }, wish))?.outcome, "limit");
    assert.deepEqual([await storedJob(engine, id), await listEvents(engine)], [before, []]);
    await own(engine, { maxHorizonMs: 3 * hourMs });
    assert.equal((await change(other, all, { id }, wish))?.outcome, "changed");
  }),

  fact("N2 a job is given no input over payloadBytesMax", async ({ engine }) => {
    const { id } = await insertJob(engine);
    const wish = { kind: "update", input: JSON.stringify("ééééx") } as const;
    await own(engine, { payloadBytesMax: 10 });
    const answer = await change(engine, { payloadBytesMax: 100 }, { id }, wish);
    assert.deepEqual(answer?.hit, { limit: "payloadBytesMax", max: 10, value: 11, tenant });
    assert.equal((await storedJob(engine, id)).input, "{}");
  }),

  fact("N2 a finished job that is to run again needs room among maxPendingJobs", async ({ engine, other }) => {
    const job = await activeJob(engine);
    await settleJob(engine, failure(job));
    const waiting = await insertJob(engine);
    await own(engine, { maxPendingJobs: 1 });
    const answer = await change(other, undefined, { id: job.id }, { kind: "retry" });
    assert.deepEqual(answer?.hit, { limit: "maxPendingJobs", max: 1, value: 2, tenant });
    assert.equal((await storedJob(engine, job.id)).state, "failed");
    assert.equal((await change(engine, undefined, { id: waiting.id }, { kind: "retry" }))?.outcome, "changed");
    assert.equal((await change(engine, undefined, { id: waiting.id }, { kind: "cancel" }))?.outcome, "changed");
    assert.equal((await change(other, undefined, { id: job.id }, { kind: "retry" }))?.outcome, "changed");
  }),
];

const ofTicks: Chapter["facts"] = [
  fact(
    "N2 ticks for which a tenant has no room are skipped with the reason limit",
    async ({ engine, other, clock }) => {
      await own(engine, { maxPendingJobs: 2 });
      for (const id of ["a", "b", "c"]) await createSchedule(engine, {}, { id });
      await createSchedule(engine, {}, { tenant: "globex" });
      clock.advance(minuteMs);
      await Promise.all([fire(engine), fire(other)]);
      const jobs = await listJobs(engine, { tenant });
      assert.equal(jobs.length, 2);
      const skipped = await listEvents(engine, { tenant, types: ["tick:skipped"] });
      assert.deepEqual(
        skipped.map(({ data }) => [data?.["reason"], data?.["count"]]),
        [["limit", 1]],
      );
      assert.equal((await listJobs(engine, { tenant: "globex" })).length, 1);
      for (const job of await claim(engine)) await settleJob(engine, completion(job));
      clock.advance(minuteMs);
      await fire(other);
      assert.equal((await listJobs(engine, { tenant, states: ["pending"] })).length, 2);
    },
  ),

  fact("N2 what is given to all limits ticks too, where a tenant has nothing of its own", async ({ engine, clock }) => {
    await createSchedule(engine, { catchUp: { policy: "all", limit: 1_000 } });
    await insertJob(engine);
    clock.advance(5 * minuteMs);
    await engine.schedules.fire({ limit: 10, decide: decideFiring, guardrails: { maxPendingJobs: 3 } });
    assert.equal((await scheduleJobs(engine)).length, 2);
  }),

  fact("N2 a decision is told the room only where there is a limit", async ({ engine, clock }) => {
    await own(engine, { maxPendingJobs: 2 });
    await createSchedule(engine);
    await createSchedule(engine, {}, { tenant: "globex" });
    await insertJobs(engine, [{}, {}, {}].slice(0, 2));
    clock.advance(minuteMs);
    const rooms: Record<string, number | undefined> = {};
    await engine.schedules.fire({
      limit: 10,
      decide: (due, now) => {
        for (const { schedule, room } of due) rooms[schedule.tenant] = room;
        return decideFiring(due, now);
      },
    });
    assert.deepEqual(rooms, { [tenant]: 0, globex: undefined });
  }),

  fact("N2 a held tick takes the place of the job that ended, whatever the limit", async ({ engine, clock }) => {
    await createSchedule(engine, { overlap: "queue" });
    clock.advance(minuteMs);
    await fire(engine);
    const [job] = await claim(engine, { leaseMs: hourMs });
    assert.ok(job);
    clock.advance(minuteMs);
    await fire(engine);
    assert.ok((await storedSchedule(engine)).held);
    await own(engine, { maxPendingJobs: 0 });
    await settleJob(engine, completion(job));
    assert.equal((await scheduleJobs(engine)).filter(({ state }) => state === "pending").length, 1);
  }),
];

export const tenantGuardrails: Chapter = {
  title: "tenants' own guardrails",
  facts: [...records, ...ofSchedules, ...ofChanges, ...ofTicks],
};

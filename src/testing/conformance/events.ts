// The audit log: each mutation writes its own events in the same step; listing, paging, purging.
import assert from "node:assert/strict";
import type { EventType } from "../../core/events.ts";
import {
  cancellation,
  completion,
  definition,
  failure,
  hourMs,
  minuteMs,
  newJob,
  queue,
  retrying,
  tenant,
} from "./builders.ts";
import {
  activeJob,
  changeJob,
  claimJob,
  createSchedule,
  fire,
  insertJob,
  insertJobs,
  jobTicks,
  listEvents,
  putSchedule,
  settleJob,
  storedSchedule,
  trigger,
} from "./calls.ts";
import { type Chapter, fact, type Harness, start } from "./harness.ts";

/** The one event of a type. */
async function theEvent({ engine }: Harness, type: EventType) {
  const [event, ...rest] = await listEvents(engine, { types: [type] });
  assert.ok(event, `there is an event ${type}`);
  assert.equal(rest.length, 0, `there is one event ${type}`);
  return event;
}

async function allTypes({ engine }: Harness): Promise<EventType[]> {
  return (await listEvents(engine)).map((event) => event.type);
}

const jobs: Chapter["facts"] = [
  fact("N5 the failure of a job is recorded with its cause", async (harness) => {
    const job = await activeJob(harness.engine);
    harness.clock.advance(9);
    await settleJob(harness.engine, failure(job, { endCause: "permanent", reason: "no such account" }));
    const event = await theEvent(harness, "job:failed");
    assert.deepEqual([event.tenant, event.job, event.queue, event.at], [tenant, job.id, queue, start + 9]);
    assert.deepEqual([event.data?.["cause"], event.data?.["reason"]], ["permanent", "no such account"]);
  }),

  fact("N5 the cancellation of a job is recorded when it ends", async (harness) => {
    const { engine } = harness;
    const job = await activeJob(engine);
    await changeJob(engine, { id: job.id }, { kind: "cancel" });
    assert.deepEqual(await listEvents(engine, { types: ["job:cancelled"] }), []);
    await settleJob(engine, cancellation(job));
    assert.equal((await theEvent(harness, "job:cancelled")).job, job.id);
  }),

  fact("N5 the cancellation of a waiting job is recorded with who asked for it", async (harness) => {
    const { id } = await insertJob(harness.engine);
    await changeJob(harness.engine, { id }, { kind: "cancel" });
    const event = await theEvent(harness, "job:cancelled");
    assert.deepEqual([event.job, event.actor], [id, "ann"]);
  }),

  fact("N5 moving, updating and reviving are recorded with who did it", async (harness) => {
    const { engine } = harness;
    const { id } = await insertJob(engine, { due: { afterMs: minuteMs } });
    await changeJob(engine, { id }, { kind: "reschedule", due: { at: start + hourMs } });
    await changeJob(engine, { id }, { kind: "update", input: "2" });
    await changeJob(engine, { id }, { kind: "cancel" });
    await changeJob(engine, { id }, { kind: "retry" });
    const events = await listEvents(engine, { job: id });
    const types = ["job:rescheduled", "job:updated", "job:cancelled", "job:revived"];
    assert.deepEqual(
      events.map((event) => event.type),
      types,
    );
    assert.deepEqual(
      events.map((event) => event.actor),
      ["ann", "ann", "ann", "ann"],
    );
    assert.equal(events[0]?.data?.["before"], start + minuteMs);
  }),

  fact("N5 inserts, claims, retries and completions are not recorded", async (harness) => {
    const { engine, clock } = harness;
    await settleJob(engine, retrying(await activeJob(engine)));
    clock.advance(minuteMs);
    await settleJob(engine, completion(await claimJob(engine)));
    assert.deepEqual(await allTypes(harness), []);
  }),

  fact("N5 what changed nothing is not recorded", async (harness) => {
    const { engine } = harness;
    const job = await activeJob(engine);
    await changeJob(engine, { id: job.id }, { kind: "reschedule", due: { afterMs: 5 } });
    await changeJob(engine, { id: newJob().id }, { kind: "cancel" });
    await changeJob(engine, { id: job.id }, { kind: "retry" });
    await settleJob(engine, failure({ ...job, attempt: 7 }));
    assert.deepEqual(await allTypes(harness), []);
  }),

  fact("N5 a repeated settlement is recorded once", async (harness) => {
    const job = await activeJob(harness.engine);
    await settleJob(harness.engine, failure(job));
    await settleJob(harness.other, failure(job));
    await theEvent(harness, "job:failed");
  }),

  fact("N5 a superseded job is recorded as failed", async (harness) => {
    const job = await activeJob(harness.engine, { key: "k" });
    await insertJob(harness.engine, { key: "k", onConflict: "replace" });
    await settleJob(harness.engine, retrying(job));
    assert.equal((await theEvent(harness, "job:failed")).data?.["cause"], "superseded");
  }),
];

const ticks: Chapter["facts"] = [
  fact("N5 a fired tick is recorded with its job, due time and lateness", async (harness) => {
    const { engine, clock } = harness;
    await createSchedule(engine);
    clock.advance(minuteMs + 40);
    await fire(engine);
    const event = await theEvent(harness, "tick:fired");
    assert.deepEqual([event.tenant, event.schedule, event.at], [tenant, "report", clock.now()]);
    assert.equal((await engine.jobs.get(event.job ?? ""))?.schedule?.tick, start + minuteMs);
    const { tick, dueAt, latenessMs } = event.data ?? {};
    assert.deepEqual([tick, dueAt, latenessMs], [start + minuteMs, start + minuteMs, 40]);
  }),

  fact("N5 a trigger is recorded as a fired tick", async (harness) => {
    await createSchedule(harness.engine);
    await trigger(harness.engine, "op-1");
    assert.equal((await theEvent(harness, "tick:fired")).data?.["tick"], start);
  }),

  fact("N5 a tick fired by one of many replicas is recorded once", async (harness) => {
    const { engine, other, clock } = harness;
    await createSchedule(engine);
    clock.advance(minuteMs);
    await Promise.all([fire(engine), fire(other), fire(engine), fire(other)]);
    await theEvent(harness, "tick:fired");
  }),
];

const changes: Chapter["facts"] = [
  fact("N5 the creation of a schedule is recorded with its definition", async (harness) => {
    await createSchedule(harness.engine);
    const event = await theEvent(harness, "schedule:created");
    assert.deepEqual([event.tenant, event.schedule, event.at], [tenant, "report", start]);
    assert.deepEqual(event.data?.["after"], definition());
  }),

  fact("N5 an update of a schedule is recorded with before and after", async (harness) => {
    await createSchedule(harness.engine);
    await putSchedule(harness.engine, { definition: definition({ input: "2" }) });
    const event = await theEvent(harness, "schedule:updated");
    assert.deepEqual([event.data?.["before"], event.data?.["after"]], [definition(), definition({ input: "2" })]);
  }),

  fact("N5 enabling and disabling are recorded with the reason", async (harness) => {
    const { engine } = harness;
    await createSchedule(engine);
    await putSchedule(engine, { enabled: false, disabledReason: "holidays" });
    await putSchedule(engine, { enabled: true });
    assert.deepEqual(await allTypes(harness), ["schedule:created", "schedule:disabled", "schedule:enabled"]);
    assert.equal((await theEvent(harness, "schedule:disabled")).data?.["reason"], "holidays");
  }),

  fact("N5 the removal of a schedule is recorded with what it was and who removed it", async (harness) => {
    const { engine } = harness;
    await createSchedule(engine);
    await engine.schedules.remove([{ tenant, id: "report", actor: "ann" }]);
    const event = await theEvent(harness, "schedule:removed");
    assert.deepEqual([event.schedule, event.actor, event.data?.["before"]], ["report", "ann", definition()]);
  }),

  fact("N5 a pause after failures is recorded with its reason", async (harness) => {
    const { engine, clock } = harness;
    await createSchedule(engine, { pauseOnFailure: 1 });
    clock.advance(minuteMs);
    await fire(engine);
    await settleJob(engine, failure(await claimJob(engine)));
    const event = await theEvent(harness, "schedule:paused");
    assert.equal(event.data?.["reason"], (await storedSchedule(engine)).disabledReason);
  }),

  fact("N5 a put that changed nothing is not recorded", async (harness) => {
    const { engine } = harness;
    await createSchedule(engine);
    await putSchedule(engine);
    await putSchedule(engine, { expected: 9, definition: definition({ input: "2" }) });
    await putSchedule(engine, { expected: "absent" });
    await engine.schedules.remove([{ tenant, id: "nothing" }]);
    assert.deepEqual(await allTypes(harness), ["schedule:created"]);
  }),

  fact("N5 a change of a queue is recorded with before and after, and who made it", async (harness) => {
    await harness.engine.queues.put([{ name: queue, concurrency: 3 }]);
    await harness.engine.queues.put([{ name: queue, paused: true }], "ann");
    const [, event] = await listEvents(harness.engine, { types: ["queue:changed"], queue });
    assert.equal(event?.actor, "ann");
    const [before, after] = [event?.data?.["before"], event?.data?.["after"]];
    assert.deepEqual(JSON.parse(JSON.stringify([before, after])), [
      { name: queue, paused: false, concurrency: 3 },
      { name: queue, paused: true, concurrency: 3 },
    ]);
  }),
];

/** Cancels so many jobs, a minute apart; their ids, oldest first. */
async function cancelJobs({ engine, clock }: Harness, count: number): Promise<string[]> {
  const ids = await insertJobs(
    engine,
    Array.from({ length: count }, () => ({})),
  );
  for (const id of ids) {
    await changeJob(engine, { id }, { kind: "cancel" });
    clock.advance(minuteMs);
  }
  return ids;
}

const listing: Chapter["facts"] = [
  fact("N5 events are listed newest first, in pages that hold each once", async (harness) => {
    const ids = await cancelJobs(harness, 7);
    const seen: (string | undefined)[] = [];
    let cursor: string | undefined;
    do {
      const page = await harness.engine.events.list({}, cursor === undefined ? { limit: 3 } : { limit: 3, cursor });
      seen.push(...page.items.map((event) => event.job));
      cursor = page.next;
    } while (cursor !== undefined);
    assert.deepEqual(seen, ids.toReversed());
  }),

  fact("N5 events are listed by job, schedule, queue, type and time", async (harness) => {
    const { engine } = harness;
    const [first, second] = await cancelJobs(harness, 2);
    await createSchedule(engine);
    await engine.queues.put([{ name: "q", paused: true }]);
    const types = async (filter: Parameters<typeof listEvents>[1]) =>
      (await listEvents(engine, filter)).map((event) => event.job ?? event.schedule ?? event.queue);
    assert.deepEqual(await types({ job: second }), [second]);
    assert.deepEqual(await types({ schedule: "report" }), ["report"]);
    assert.deepEqual(await types({ queue: "q" }), ["q"]);
    assert.deepEqual(await types({ types: ["schedule:created", "queue:changed"] }), ["report", "q"]);
    assert.deepEqual(await types({ from: start, before: start + minuteMs }), [first]);
    assert.deepEqual(await types({ from: start + minuteMs, types: ["job:cancelled"] }), [second]);
  }),

  fact("N5 each event has an id greater than the one before", async (harness) => {
    await cancelJobs(harness, 5);
    const ids = (await listEvents(harness.engine)).map((event) => event.id);
    assert.deepEqual(
      ids,
      [...ids].sort((a, b) => a - b),
    );
    assert.equal(new Set(ids).size, 5);
  }),

  fact("N5 old events are purged in bounded batches, and the rest stays", async (harness) => {
    const ids = await cancelJobs(harness, 6);
    const request = { olderThanMs: 2.5 * minuteMs, limit: 3 };
    assert.deepEqual(await harness.engine.events.purge(request), { deleted: 3, more: true });
    assert.deepEqual(await harness.engine.events.purge(request), { deleted: 1, more: false });
    assert.deepEqual(
      (await listEvents(harness.engine)).map((event) => event.job),
      ids.slice(4),
    );
  }),

  fact("N5 purging events leaves what they tell of alone", async (harness) => {
    const { engine, clock } = harness;
    await createSchedule(engine);
    clock.advance(minuteMs);
    await fire(engine);
    clock.advance(minuteMs);
    await engine.events.purge({ olderThanMs: 1, limit: 100 });
    assert.deepEqual(await listEvents(engine), []);
    assert.deepEqual(await jobTicks(engine), [start + minuteMs]);
  }),
];

export const events: Chapter = { title: "events", facts: [...jobs, ...ticks, ...changes, ...listing] };

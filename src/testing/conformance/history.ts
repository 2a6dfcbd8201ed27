// History: jobs by when they ended, purges that someone asks for, the log from both ends, and the audit of everything.
import assert from "node:assert/strict";
import type { Engine, FinishedPurge, JobFilter, JobSort } from "../../core/engine.ts";
import type { EventFilter, EventType } from "../../core/events.ts";
import type { JobId } from "../../core/id.ts";
import type { Order } from "../../core/page.ts";
import {
  completion,
  dayMs,
  definition,
  failure,
  minuteMs,
  newJob,
  queue,
  release,
  retrying,
  secondMs,
  tenant,
} from "./builders.ts";
import {
  activeJob,
  changeJob,
  claimJob,
  createSchedule,
  insertJob,
  laneCounts,
  listEvents,
  listJobs,
  putSchedule,
  settleJob,
  trigger,
} from "./calls.ts";
import { type Chapter, fact, type Harness, start } from "./harness.ts";

/** Jobs that ended a minute apart, in turn completed and failed, in turn of two queues; in the order of their ends. */
async function endedJobs({ engine, clock }: Pick<Harness, "engine" | "clock">, count: number): Promise<JobId[]> {
  const ids: JobId[] = [];
  for (let turn = 0; turn < count; turn++) {
    const job = await activeJob(engine, { queue: turn % 3 === 2 ? "other" : queue });
    await settleJob(engine, turn % 2 === 0 ? completion(job) : failure(job));
    ids.push(job.id);
    clock.advance(minuteMs);
  }
  return ids;
}

/** All pages of a listing of jobs; `between` is called after each. */
async function pages(
  { jobs }: Engine,
  sort: JobSort,
  { filter = {}, limit = 2, between = async () => {} }: Paging = {},
): Promise<JobId[]> {
  const ids: JobId[] = [];
  let cursor: string | undefined;
  do {
    const page = await jobs.list(filter, { limit, sort, cursor });
    assert.ok(page.items.length <= limit);
    ids.push(...page.items.map((job) => job.id));
    cursor = page.next;
    await between();
  } while (cursor !== undefined);
  return ids;
}

interface Paging {
  readonly filter?: JobFilter;
  readonly limit?: number;
  readonly between?: () => Promise<unknown>;
}

const listing: Chapter["facts"] = [
  fact("J14 jobs are listed from either end of their insertion", async (harness) => {
    const ids = await endedJobs(harness, 5);
    ids.push((await insertJob(harness.engine)).id);
    assert.deepEqual(await pages(harness.engine, "oldest"), ids);
    assert.deepEqual(await pages(harness.engine, "newest"), ids.toReversed());
  }),

  fact("J14 finished jobs of all queues are listed by when they ended, last first", async (harness) => {
    const { engine, clock } = harness;
    const late = await activeJob(engine, { queue: "slow" });
    const ids = await endedJobs(harness, 7);
    await settleJob(engine, completion(late));
    await insertJob(engine);
    clock.advance(minuteMs);
    const expected = [late.id, ...ids.toReversed()];
    assert.deepEqual(await pages(engine, "finished"), expected);
    assert.deepEqual(await pages(engine, "finished", { limit: 3 }), expected);
    assert.deepEqual(await pages(engine, "finished", { filter: { states: ["failed"] } }), [ids[5], ids[3], ids[1]]);
    assert.deepEqual(await pages(engine, "finished", { filter: { queue: "other" } }), [ids[5], ids[2]]);
    assert.deepEqual(await pages(engine, "finished", { filter: { states: ["pending"] } }), []);
  }),

  fact("J14 jobs that ended in the same instant are each listed once", async ({ engine }) => {
    const ids: JobId[] = [];
    for (let turn = 0; turn < 5; turn++) {
      const job = await activeJob(engine);
      await settleJob(engine, completion(job));
      ids.push(job.id);
    }
    assert.deepEqual(await pages(engine, "finished"), ids.toReversed());
  }),

  fact("J14 a page goes on where it was while jobs come and go", async (harness) => {
    const { engine, clock } = harness;
    const ids = await endedJobs(harness, 6);
    const between = async () => {
      await endedJobs(harness, 1);
      await engine.jobs.purge({ finished: { before: start + secondMs }, limit: 10 });
      clock.advance(secondMs);
    };
    assert.deepEqual(await pages(engine, "finished", { between }), ids.slice(1).toReversed());
  }),

  fact("J14 jobs are listed by when they were created and ended", async (harness) => {
    const { engine, clock } = harness;
    const ids = await endedJobs(harness, 4);
    const waiting = await insertJob(engine);
    const found = async (filter: JobFilter) => (await listJobs(engine, filter)).map((job) => job.id).reverse();
    const [from, before] = [start + minuteMs, start + 3 * minuteMs];
    assert.deepEqual(await found({ finishedFrom: from, finishedBefore: before }), ids.slice(1, 3));
    assert.deepEqual(await found({ finishedFrom: from }), ids.slice(1));
    assert.deepEqual(await found({ createdFrom: before }), [ids[3], waiting.id]);
    assert.deepEqual(await found({ createdBefore: from }), [ids[0]]);
    assert.deepEqual(await found({ finishedBefore: clock.now() + 1, states: ["pending"] }), []);
    const filter = { finishedFrom: from, finishedBefore: before };
    assert.deepEqual(await pages(engine, "finished", { filter, limit: 1 }), [ids[2], ids[1]]);
  }),

  fact("J14 the cursor of one order is refused by another", async (harness) => {
    await endedJobs(harness, 3);
    const { next } = await harness.engine.jobs.list({}, { limit: 1, sort: "oldest" });
    assert.ok(next);
    for (const sort of ["newest", "finished"] as const) {
      await assert.rejects(harness.engine.jobs.list({}, { limit: 1, sort, cursor: next }), { code: "INVALID_INPUT" });
    }
  }),

  fact("N5 the log refuses the cursor of its other order, and of a listing of jobs", async (harness) => {
    const { jobs, events } = harness.engine;
    await endedJobs(harness, 3);
    const at = harness.clock.now();
    await events.append([1, 2].map(() => ({ type: "worker:error", tenant, at })));
    const page = { limit: 1 };
    const { next: ofJobs } = await jobs.list({}, page);
    const { next: ofOldest } = await events.list({}, { ...page, order: "oldest" });
    assert.ok(ofJobs !== undefined && ofOldest !== undefined);
    for (const cursor of [ofJobs, ofOldest]) {
      await assert.rejects(events.list({}, { ...page, cursor }), { code: "INVALID_INPUT" });
    }
    await assert.rejects(jobs.list({}, { ...page, sort: "oldest", cursor: ofOldest }), { code: "INVALID_INPUT" });
  }),
];

/** Purges to the end; how many rows each call deleted. */
async function purge({ jobs }: Engine, finished: FinishedPurge, limit = 100): Promise<number[]> {
  const deleted: number[] = [];
  let cursor: string | undefined;
  for (let turn = 0; turn < 100; turn++) {
    const answer = await jobs.purge({ finished: { ...finished, cursor }, limit });
    assert.ok(answer.deleted <= limit || finished.dryRun === true);
    deleted.push(answer.deleted);
    if (!answer.more) return deleted;
    cursor = answer.next;
  }
  assert.fail("a purge comes to an end");
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

const purging: Chapter["facts"] = [
  fact(
    "J10 an operator's purge deletes the finished jobs that ended before an instant, and no others",
    async (harness) => {
      const { engine, clock } = harness;
      const active = await activeJob(engine, { queue: "slow" });
      const ids = await endedJobs(harness, 6);
      const { id } = await insertJob(engine);
      clock.advance(400 * dayMs);
      assert.equal(sum(await purge(engine, { before: start + 4 * minuteMs })), 4);
      const left = (await listJobs(engine)).map((job) => job.id).sort();
      assert.deepEqual(left, [active.id, ...ids.slice(4), id].sort());
    },
  ),

  fact("J10 an operator's purge takes only the states, the queue and the tenant that it names", async (harness) => {
    const { engine } = harness;
    const ids = await endedJobs(harness, 6);
    const theirs = await activeJob(engine, { tenant: "globex" });
    await settleJob(engine, completion(theirs));
    const before = harness.clock.now() + 1;
    const left = async () => (await listJobs(engine)).map((job) => job.id).reverse();
    await purge(engine, { before, states: ["failed"], queue: "other" });
    assert.deepEqual(await left(), [...ids.slice(0, 5), theirs.id]);
    await purge(engine, { before, states: ["failed", "cancelled"] });
    assert.deepEqual(await left(), [ids[0], ids[2], ids[4], theirs.id]);
    await purge(engine, { before, tenant });
    assert.deepEqual(await left(), [theirs.id]);
  }),

  fact("J10 an operator's purge goes in bounded batches, and counts follow exactly", async (harness) => {
    const { engine, clock } = harness;
    await endedJobs(harness, 12);
    const { totals } = await laneCounts(engine);
    const batches = await purge(engine, { before: clock.now() }, 3);
    assert.equal(sum(batches), 12);
    assert.ok(batches.length >= 4);
    assert.deepEqual(await laneCounts(engine), { ...(await laneCounts(engine)), completed: 0, failed: 0, totals });
  }),

  fact("J10 a dry run of a purge counts and deletes nothing", async (harness) => {
    const { engine, clock } = harness;
    await endedJobs(harness, 7);
    assert.equal(sum(await purge(engine, { before: clock.now(), states: ["completed"], dryRun: true }, 2)), 4);
    assert.equal((await listJobs(engine)).length, 7);
    assert.deepEqual(await listEvents(engine, { types: ["jobs:purged"] }), []);
  }),

  fact("N5 an operator's purge is recorded with who asked for what, and how many went", async (harness) => {
    const { engine, clock } = harness;
    await endedJobs(harness, 5);
    const before = clock.now();
    await purge(engine, { before, states: ["completed"], queue, tenant, actor: "ann" });
    const [event, ...rest] = await listEvents(engine, { types: ["jobs:purged"] });
    assert.deepEqual(rest, []);
    assert.deepEqual([event?.tenant, event?.queue, event?.actor], [tenant, queue, "ann"]);
    assert.deepEqual(event?.data, { before, states: ["completed"], deleted: 2, allTenants: false });
  }),

  fact("N5 an operator's purge of the log is recorded in it", async (harness) => {
    const { engine, clock } = harness;
    await endedJobs(harness, 6);
    clock.advance(minuteMs);
    const named = { before: start + 4 * minuteMs, actor: "ann" };
    assert.deepEqual(await engine.events.purge({ named, limit: 1 }), { deleted: 1, more: true });
    assert.deepEqual(await engine.events.purge({ named, limit: 1 }), { deleted: 1, more: false });
    const types = (await listEvents(engine)).map((event) => event.type);
    assert.deepEqual(types, ["job:failed", "events:purged", "events:purged"]);
    const [event] = await listEvents(engine, { actor: "ann" });
    assert.deepEqual(event?.data, { before: named.before, deleted: 1 });
  }),

  fact("N5 the engine's own retention of events is the option that it was given", async ({ openWith, clock }) => {
    const engine = await openWith({ retention: { events: "2d" } });
    for (let day = 0; day < 4; day++) {
      await settleJob(engine, failure(await activeJob(engine)));
      clock.advance(dayMs);
    }
    await engine.events.purge({ limit: 100 });
    assert.deepEqual(
      (await listEvents(engine)).map((event) => event.at),
      [start + 2 * dayMs, start + 3 * dayMs],
    );
  }),

  fact("N5 an engine that keeps no events writes none", async ({ openWith }) => {
    const engine = await openWith({ retention: { events: 0 }, audit: "all" });
    await createSchedule(engine);
    await settleJob(engine, failure(await activeJob(engine)));
    assert.deepEqual(await listEvents(engine), []);
  }),
];

const log: Chapter["facts"] = [
  fact("N5 events are listed from either end, and beyond an id", async (harness) => {
    const { engine } = harness;
    await endedJobs(harness, 14);
    const ids = async (order: Order, filter: EventFilter = {}) => {
      const found: number[] = [];
      let cursor: string | undefined;
      do {
        const page = await engine.events.list(filter, { limit: 2, order, cursor });
        found.push(...page.items.map((event) => event.id));
        cursor = page.next;
      } while (cursor !== undefined);
      return found;
    };
    const all = (await listEvents(engine)).map((event) => event.id);
    assert.equal(all.length, 7);
    assert.deepEqual(await ids("oldest"), all);
    assert.deepEqual(await ids("newest"), all.toReversed());
    assert.deepEqual(await ids("oldest", { afterId: all[2] }), all.slice(3));
    assert.deepEqual(await ids("newest", { afterId: all[2] }), all.slice(3).toReversed());
    assert.deepEqual(await ids("oldest", { afterId: all.at(-1) }), []);
  }),

  fact("N5 a reader beyond the last id it saw misses no event of many writers", async ({ engine, other }) => {
    const seen: number[] = [];
    const read = async () => {
      const { items } = await engine.events.list({ afterId: seen.at(-1) ?? 0 }, { limit: 1_000, order: "oldest" });
      seen.push(...items.map((event) => event.id));
    };
    const write = async (handle: Engine) => {
      for (let turn = 0; turn < 10; turn++) {
        const { id } = await insertJob(handle);
        await changeJob(handle, { id }, { kind: "cancel" });
        await read();
      }
    };
    await Promise.all([write(engine), write(other), write(engine)]);
    await read();
    const all = (await listEvents(engine)).map((event) => event.id);
    assert.equal(all.length, 30);
    assert.deepEqual(
      [...new Set(seen)].sort((a, b) => a - b),
      all,
    );
  }),

  fact("N5 ids go on after everything has been purged", async (harness) => {
    const { engine, clock } = harness;
    await endedJobs(harness, 2);
    const last = (await listEvents(engine)).at(-1)?.id ?? 0;
    clock.advance(minuteMs);
    await engine.events.purge({ olderThanMs: 0, limit: 100 });
    await endedJobs(harness, 2);
    assert.ok(((await listEvents(engine))[0]?.id ?? 0) > last);
  }),

  fact("N5 a request to stop a running job is recorded once, with who asked", async ({ engine }) => {
    const job = await activeJob(engine);
    await changeJob(engine, { id: job.id }, { kind: "cancel" });
    await changeJob(engine, { id: job.id }, { kind: "cancel" });
    const [event, ...rest] = await listEvents(engine, { types: ["job:cancelling"] });
    assert.deepEqual([event?.job, event?.actor, rest], [job.id, "ann", []]);
  }),

  fact("S10 a trigger's tick is told apart from a tick of the rule", async ({ engine }) => {
    await createSchedule(engine);
    await trigger(engine, "op-1");
    const [event] = await listEvents(engine, { types: ["tick:fired"] });
    assert.equal(event?.data?.["trigger"], true);
  }),

  fact("N5 a long input of a schedule is told by its size and a fingerprint", async ({ engine }) => {
    const long = (letter: string) => JSON.stringify(letter.repeat(100_000));
    await createSchedule(engine, { input: long("a") });
    await putSchedule(engine, { definition: definition({ input: long("b") }) });
    const [event] = await listEvents(engine, { types: ["schedule:updated"] });
    assert.ok(JSON.stringify(event).length < 5_000);
    type Side = { readonly inputLeftOut: { readonly characters: number; readonly fingerprint: string } };
    const [before, after] = [event?.data?.["before"] as Side, event?.data?.["after"] as Side];
    assert.equal(before.inputLeftOut.characters, 100_002);
    assert.notEqual(before.inputLeftOut.fingerprint, after.inputLeftOut.fingerprint);
  }),
];

const everything: Chapter["facts"] = [
  fact("N5 with audit all every transition of a job is recorded in its order", async ({ openWith, clock }) => {
    const engine = await openWith({ audit: "all" });
    const job = await activeJob(engine);
    await settleJob(engine, retrying(job));
    clock.advance(secondMs);
    await settleJob(engine, release(await claimJob(engine)));
    await claimJob(engine);
    clock.advance(minuteMs);
    const recovered = await claimJob(engine);
    await settleJob(engine, completion(recovered));
    await settleJob(engine, completion(recovered));
    const events = await listEvents(engine, { job: job.id });
    const types: EventType[] = [
      ...(["job:scheduled", "job:claimed", "job:retrying", "job:claimed", "job:released"] as const),
      ...(["job:claimed", "job:claimed", "job:completed"] as const),
    ];
    assert.deepEqual(
      events.map((event) => event.type),
      types,
    );
    assert.deepEqual(
      events.map((event) => event.data?.["attempt"]),
      [0, 1, 1, 2, 2, 3, 4, 4],
    );
    assert.deepEqual([events[6]?.data?.["recovered"], events[5]?.data?.["recovered"]], [true, undefined]);
    assert.deepEqual([events[7]?.tenant, events[7]?.queue, events[7]?.data?.["task"]], [tenant, queue, "send"]);
  }),

  fact("N5 with audit all a replaced job is recorded, and a refused insert is not", async ({ openWith }) => {
    const engine = await openWith({ audit: "all" });
    const { id } = await insertJob(engine, { key: "k" });
    await insertJob(engine, { key: "k", onConflict: "replace" });
    await insertJob(engine, { key: "k", onConflict: "ignore" });
    const jobs = [newJob(), newJob({ key: "k", onConflict: "error" })];
    const [answer] = await engine.jobs.insert([{ jobs }]);
    assert.equal(answer?.outcome, "key-in-use");
    const events = await listEvents(engine);
    assert.deepEqual(
      events.map((event) => [event.type, event.job, event.data?.["outcome"]]),
      [
        ["job:scheduled", id, "created"],
        ["job:scheduled", id, "replaced"],
      ],
    );
  }),

  fact("N5 with audit all the jobs of one call are each recorded", async ({ openWith }) => {
    const engine = await openWith({ audit: "all" });
    const ids: JobId[] = [];
    for (let turn = 0; turn < 25; turn++) ids.push((await insertJob(engine)).id);
    const { jobs } = await engine.jobs.claim({
      ...{ claimId: "0123456789abcdef", worker: "w", leaseMs: 30_000, wants: [{ queue, limit: 100 }], limit: 100 },
      ...{ starts: 100, bytesMax: 1_000_000 },
    });
    await engine.jobs.settle(jobs.map((job) => completion(job)));
    for (const type of ["job:scheduled", "job:claimed", "job:completed"] as const) {
      const told = (await listEvents(engine, { types: [type] })).map((event) => event.job);
      assert.deepEqual([...told].sort(), [...ids].sort(), type);
    }
  }),
];

export const history: Chapter = { title: "history", facts: [...listing, ...purging, ...log, ...everything] };

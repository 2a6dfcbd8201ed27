// A whole store as values (O6): what is read from one is what another becomes, however often it is written and wherever
// it was cut off.
import assert from "node:assert/strict";
import type { Engine } from "../../core/engine.ts";
import { comparePositions, positionOf, type TransferItem, textOf, transferKinds } from "../../core/transfer.ts";
import { completion, failure, hourMs, minuteMs, queue, retrying, tenant } from "./builders.ts";
import {
  activeJob,
  changeJob,
  claim,
  claimJob,
  createSchedule,
  fire,
  insertJob,
  insertJobs,
  laneCounts,
  listEvents,
  listJobs,
  plain,
  scheduleJobs,
  settleJob,
  storedSchedule,
} from "./calls.ts";
import { type Chapter, fact, type Harness } from "./harness.ts";

/** Everything a store holds, in pages of a size. */
async function readAll({ transfer }: Engine, limit = 1_000): Promise<TransferItem[]> {
  const items: TransferItem[] = [];
  let cursor: string | undefined;
  do {
    const page = await transfer.read({ limit, ...(cursor === undefined ? {} : { cursor }) });
    assert.ok(page.items.length <= limit);
    items.push(...page.items);
    cursor = page.next;
  } while (cursor !== undefined);
  return items;
}

/** Takes everything out of a store and puts items in, as a copy into a fresh one would. */
async function replaceAll(engine: Engine, items: readonly TransferItem[]): Promise<void> {
  await engine.transfer.write({ items: [], remove: (await readAll(engine)).map(positionOf) });
  for (const kind of transferKinds) {
    await engine.transfer.write({ items: items.filter((item) => item.kind === kind), remove: [] });
  }
}

const texts = (items: readonly TransferItem[]) => items.map(textOf);

/** A store with something of everything: jobs in every state, a key with both slots, a held tick, limits, history. */
async function fill({ engine, clock }: Harness): Promise<void> {
  await settleJob(engine, completion(await activeJob(engine, { metadata: '{"a":1}' })));
  await settleJob(engine, failure(await activeJob(engine)));
  await settleJob(engine, retrying(await activeJob(engine, { attemptsMax: 7 })));
  const { id } = await insertJob(engine);
  await changeJob(engine, { id }, { kind: "cancel" });
  await activeJob(engine, { key: "k" });
  await insertJob(engine, { key: "k", onConflict: "replace", input: '{"next":true}' });
  await insertJob(engine, { tenant: "other", idempotency: { key: "once", body: "b" } });
  await insertJob(engine, { due: { afterMs: hourMs }, priority: 1 });
  await createSchedule(engine, { overlap: "queue", queue: "ticks" });
  await createSchedule(engine, { jitterMs: minuteMs, metadata: "{}" }, { tenant: "other", id: "more" });
  clock.advance(minuteMs);
  await fire(engine);
  clock.advance(minuteMs);
  await fire(engine);
  await engine.queues.put([{ name: queue, concurrency: 3, rate: { count: 5, periodMs: minuteMs } }], "ann");
  await engine.tenants.put([
    { id: tenant, weight: 3, concurrency: 9, rate: { count: 9, periodMs: minuteMs } },
    { id: "globex", guardrails: { maxPendingJobs: "unlimited", minIntervalMs: minuteMs } },
  ]);
  await claim(engine, { limit: 1 });
  await engine.records.put([
    { key: "note", value: '{"n":1}', expected: "absent" },
    { key: "brief", value: "1", expected: "absent", ttlMs: hourMs },
  ]);
}

const whole: Chapter["facts"] = [
  fact("O6 pages of any size cover everything once, in one order", async (harness) => {
    await fill(harness);
    const { engine, other } = harness;
    const items = await readAll(engine);
    for (const limit of [1, 3, 7]) assert.deepEqual(texts(await readAll(other, limit)), texts(items));
    const inOrder = items.every((item, index) => {
      const before = items[index - 1];
      return before === undefined || comparePositions(positionOf(before), positionOf(item)) < 0;
    });
    assert.ok(inOrder);
    assert.deepEqual([...new Set(items.map(({ kind }) => kind))], [...transferKinds]);
    const counts = await engine.transfer.counts();
    for (const kind of transferKinds) {
      assert.equal(items.filter((item) => item.kind === kind).length, counts[kind], kind);
    }
  }),

  fact("O6 a store that was emptied and written from what was read of it is the same store", async (harness) => {
    await fill(harness);
    const { engine, other } = harness;
    const [items, jobs, stats, events] = [
      await readAll(engine),
      await listJobs(engine),
      await engine.jobs.stats({}),
      await listEvents(engine),
    ];
    await replaceAll(engine, items);
    assert.deepEqual(texts(await readAll(other)), texts(items));
    assert.deepEqual(plain(await listJobs(other)), plain(jobs));
    const byLane = (lanes: typeof stats) => lanes.map((lane) => JSON.stringify(lane)).sort();
    assert.deepEqual(byLane(await other.jobs.stats({})), byLane(stats));
    assert.deepEqual(plain(await listEvents(other)), plain(events));
  }),

  fact("O6 what is written again changes nothing, counters least of all", async (harness) => {
    await fill(harness);
    const { engine, other } = harness;
    const items = await readAll(engine);
    const stats = await engine.jobs.stats({});
    for (const kind of transferKinds) {
      await other.transfer.write({ items: items.filter((item) => item.kind === kind), remove: [] });
    }
    assert.deepEqual(texts(await readAll(engine)), texts(items));
    assert.deepEqual(plain(await engine.jobs.stats({})), plain(stats));
  }),

  fact("O6 writing tells nobody and leaves no event", async (harness) => {
    await fill(harness);
    const { engine } = harness;
    const items = await readAll(engine);
    const signals: unknown[] = [];
    const unwatch = await engine.watch?.((signal) => signals.push(signal));
    await engine.transfer.write({ items, remove: [] });
    assert.deepEqual(signals, []);
    await unwatch?.();
    assert.equal((await listEvents(engine)).length, items.filter(({ kind }) => kind === "event").length);
  }),

  fact("O6 a cursor that no page gave out is refused", async ({ engine }) => {
    await assert.rejects(engine.transfer.read({ limit: 1, cursor: "nonsense" }), { code: "INVALID_INPUT" });
  }),
];

const afterwards: Chapter["facts"] = [
  fact("O6 copied jobs are claimed in the order they had", async ({ engine }) => {
    const ids = await insertJobs(engine, [{ priority: 7 }, { priority: 2 }, {}, {}, { priority: 2 }]);
    await replaceAll(engine, await readAll(engine));
    const added = await insertJob(engine);
    const order = [ids[1], ids[4], ids[2], ids[3], added.id, ids[0]];
    assert.deepEqual(
      (await claim(engine)).map(({ id }) => id),
      order,
    );
  }),

  fact("O6 a copied key keeps both its slots, and its successor runs in turn", async ({ engine, other, clock }) => {
    const current = await activeJob(engine, { key: "k" });
    const { id } = await insertJob(engine, { key: "k", onConflict: "replace" });
    await replaceAll(engine, await readAll(engine));
    assert.equal((await insertJob(other, { key: "k" })).id, current.id);
    await settleJob(engine, completion(current));
    clock.advance(1);
    assert.equal((await claimJob(engine)).id, id);
  }),

  fact("O6 a copied idempotencyKey still finds its job, for as long as it would have", async ({ engine, clock }) => {
    const first = await insertJob(engine, { idempotency: { key: "once", body: "b" } });
    clock.advance(23 * hourMs);
    await replaceAll(engine, await readAll(engine));
    const again = await insertJob(engine, { idempotency: { key: "once", body: "b" } });
    assert.deepEqual([again.outcome, again.id], ["existing", first.id]);
    clock.advance(2 * hourMs);
    assert.equal((await insertJob(engine, { idempotency: { key: "once", body: "c" } })).outcome, "created");
  }),

  fact("O6 a copied schedule goes on where it was, with its held tick", async (harness) => {
    const { engine, clock } = harness;
    await createSchedule(engine, { overlap: "queue" });
    clock.advance(minuteMs);
    await fire(engine);
    const running = await claimJob(engine, { leaseMs: hourMs });
    clock.advance(minuteMs);
    await fire(engine);
    const before = await storedSchedule(engine);
    assert.ok(before.held);
    await replaceAll(engine, await readAll(engine));
    assert.deepEqual(plain(await storedSchedule(engine)), plain(before));
    assert.deepEqual((await fire(engine)).fired, []);
    await settleJob(engine, completion(running));
    assert.deepEqual(
      (await scheduleJobs(engine)).map((job) => job.schedule?.tick),
      [before.cursor.after - minuteMs, before.cursor.after],
    );
  }),

  fact("O6 a copied rate limit has spent what it had spent", async ({ engine }) => {
    await engine.queues.put([{ name: queue, rate: { count: 2, periodMs: minuteMs } }]);
    await insertJobs(engine, [{}, {}, {}]);
    assert.equal((await claim(engine)).length, 2);
    await replaceAll(engine, await readAll(engine));
    assert.equal((await claim(engine)).length, 0);
  }),

  fact("O6 ids of events go on after the last one that the source ever gave", async ({ engine, clock }) => {
    await createSchedule(engine);
    clock.advance(hourMs);
    await engine.events.purge({ olderThanMs: 1, limit: 1_000 });
    const items = await readAll(engine);
    const sequence = items.find((item) => item.kind === "eventSequence");
    assert.ok(sequence !== undefined && sequence.lastId > 0);
    await replaceAll(engine, items);
    await createSchedule(engine, {}, { id: "second" });
    const [event] = await listEvents(engine);
    assert.ok(event !== undefined && event.id > sequence.lastId);
  }),

  fact("O6 an item over another state of itself moves its counters along", async ({ engine, other }) => {
    const waiting = await insertJob(engine);
    const items = await readAll(engine);
    const job = await claimJob(engine);
    await settleJob(engine, completion(job));
    assert.equal((await laneCounts(engine)).completed, 1);
    await other.transfer.write({ items: items.filter(({ kind }) => kind === "job"), remove: [] });
    const { waiting: count, completed, totals } = await laneCounts(engine);
    assert.deepEqual([count, completed, totals.completed], [1, 0, 1]);
    assert.equal((await claimJob(engine)).id, waiting.id);
  }),

  fact("O6 removed jobs free their keys and their schedule", async ({ engine, clock }) => {
    await insertJob(engine, { key: "k" });
    await createSchedule(engine, { overlap: "skip", queue: "ticks" });
    clock.advance(minuteMs);
    await fire(engine);
    const jobs = (await readAll(engine)).filter(({ kind }) => kind === "job");
    await engine.transfer.write({ items: [], remove: jobs.map(positionOf) });
    assert.equal((await insertJob(engine, { key: "k" })).outcome, "created");
    clock.advance(minuteMs);
    assert.equal((await fire(engine)).fired[0]?.ticks.length, 1);
    assert.deepEqual((await laneCounts(engine, { tenant, queue })).waiting, 1);
  }),
];

export const transfer: Chapter = { title: "transfer", facts: [...whole, ...afterwards] };

// Acceptance on PostgreSQL: what users of outbox timers (PARITY.md, B) have there, here. Producers: transactions and timers.
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { postgres } from "../../src/engines/postgres/index.ts";
import { handle, KeyInUseError, task } from "../../src/index.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { gate, rejection } from "../runtime/rig.ts";
import { sharedPostgres } from "../servers/shared.ts";
import { eventually, processOn } from "./deployment.ts";
import { connected, Ear } from "./ear.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
vi.setConfig({ testTimeout: 60_000 });

let url: string;
let admin: Awaited<ReturnType<typeof connected>>;

beforeAll(async () => {
  url = await sharedPostgres();
  admin = await connected(url);
  await admin.query("CREATE TABLE orders (id text PRIMARY KEY)");
});

afterAll(() => admin?.end());

async function orders(): Promise<string[]> {
  return (await admin.query("SELECT id FROM orders ORDER BY id")).rows.map(({ id }) => id);
}

/** A client with an open transaction. */
async function begun() {
  const client = await connected(url);
  await client.query("BEGIN");
  return client;
}

test("B1 what is enqueued in the caller's transaction is invisible before its commit, and gone with its rollback", async () => {
  const ship = task<string>("ship", { queue: "b1" });
  const ran: string[] = [];
  const worker = processOn(url, [handle(ship, (id) => void ran.push(id))]);
  await worker.start();
  const producer = processOn(url);
  const order = async (id: string, end: "COMMIT" | "ROLLBACK") => {
    await using client = await begun();
    await client.query("INSERT INTO orders VALUES ($1)", [id]);
    const inside = producer.using(client);
    const job = await inside.enqueue(ship, id);
    expect(await worker.jobs.get(job.id)).toBeUndefined();
    expect(await inside.jobs.get(job.id)).toMatchObject({ input: id, state: "waiting" });
    await client.query(end);
    return job.id;
  };
  const undone = await order("undone", "ROLLBACK");
  await order("kept", "COMMIT");
  await eventually(() => ran).toEqual(["kept"]);
  await eventually(() => worker.stats({ queue: "b1" })).toMatchObject({
    waiting: 0,
    active: 0,
    totals: { completed: 1 },
  });
  expect(await orders()).toEqual(["kept"]);
  expect(await worker.jobs.get(undone)).toBeUndefined();
});

test("B2 a delay counts from the server's now, an instant has a zone, both are an error; the past and zero are now", async () => {
  const call = task<number>("call", { queue: "b2" });
  // Its own clock is an hour ahead.
  const producer = processOn(url, [], { clock: { ...systemClock, wall: () => Date.now() + hourMs } });
  const serverNow = async () =>
    Number((await admin.query("SELECT extract(epoch FROM clock_timestamp()) * 1000 AS now")).rows[0].now);
  const before = Math.floor(await serverNow());
  const delayed = await producer.enqueue(call, 1, { delay: "5m" });
  const after = await serverNow();
  expect(delayed.dueAt.getTime()).toBeGreaterThanOrEqual(before + 5 * minuteMs);
  expect(delayed.dueAt.getTime()).toBeLessThanOrEqual(after + 5 * minuteMs);
  const at = new Date(before + 30 * minuteMs);
  expect((await producer.enqueue(call, 2, { at: at.toISOString() })).dueAt).toEqual(at);
  for (const wrong of [{ at: "2040-01-01T00:00:00" }, { at, delay: "5m" }, { delay: -1 }, { delay: Number.NaN }]) {
    expect(await rejection(producer.enqueue(call, 3, wrong))).toMatchObject({ code: "INVALID_INPUT" });
  }
  for (const now of [{ at: new Date(before - hourMs) }, { delay: 0 }]) {
    const { dueAt } = await producer.enqueue(call, 4, now);
    expect(dueAt.getTime()).toBeGreaterThanOrEqual(before);
    expect(dueAt.getTime()).toBeLessThanOrEqual(await serverNow());
  }
  expect(await producer.stats({ queue: "b2" })).toMatchObject({ waiting: 2, delayed: 2 });
});

test("B3 a batch shares its delay, and an item's own goes before it; all are stored or none is", async () => {
  const call = task<number>("call", { queue: "b3" });
  const producer = processOn(url);
  const items = [1, 2, 3].map((input) => ({ task: call, input }));
  const made = await producer.enqueueMany([...items, { task: call, input: 4, delay: 0 }], { delay: "1h" });
  const [first, ...others] = made.map(({ dueAt }) => dueAt.getTime());
  expect(others).toEqual([first, first, (first ?? 0) - hourMs]);
  await producer.enqueue(call, 5, { key: "taken", delay: "1h" });
  const refused = producer.enqueueMany([...items, { task: call, input: 6, key: "taken", onConflict: "error" }]);
  expect(await rejection(refused)).toBeInstanceOf(KeyInUseError);
  expect(await producer.stats({ queue: "b3" })).toMatchObject({ waiting: 1, delayed: 4 });
});

test("B4 a key has one unfinished job per queue; the first input wins, and the answer says so", async () => {
  const call = task<number>("call", { queue: "b4" });
  const running = gate();
  const goOn = gate();
  const worker = processOn(url, [
    handle(call, async () => {
      running.open();
      await goOn.promise;
    }),
  ]);
  const producers = [processOn(url), processOn(url)];
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, n) => producers[n % 2]?.enqueue(call, n, { key: "k", onConflict: "ignore" })),
  );
  const created = answers.findIndex((answer) => answer?.outcome === "created");
  const id = answers[created]?.id ?? "";
  expect(answers.filter((answer) => answer?.outcome === "existing" && answer.id === id)).toHaveLength(19);
  expect(await worker.jobs.get(id)).toMatchObject({ input: created, key: "k" });
  expect(await rejection(worker.enqueue(call, 1, { key: "k", onConflict: "error" }))).toMatchObject({
    code: "KEY_IN_USE",
    details: { id },
  });
  for (const elsewhere of [{ queue: "b4-other" }, { tenant: "other", delay: "1h" }]) {
    expect(await worker.enqueue(call, 1, { key: "k", ...elsewhere })).toMatchObject({ outcome: "created" });
  }
  await worker.start();
  await running.promise;
  expect(await worker.enqueue(call, 1, { key: "k" })).toMatchObject({ outcome: "existing", id });
  goOn.open();
  await eventually(async () => (await worker.jobs.get(id))?.state).toBe("completed");
  // Free again; and what was never committed has taken nothing.
  await using client = await begun();
  await worker.using(client).enqueue(call, 7, { key: "k", delay: "1h" });
  await client.query("ROLLBACK");
  expect(await worker.enqueue(call, 8, { key: "k", delay: "1h" })).toMatchObject({ outcome: "created" });
});

test("B5 only what does not run is cancelled; what runs is left to finish; a rollback takes a cancellation back", async () => {
  const call = task<number>("call", { queue: "b5" });
  const running = gate();
  const goOn = gate();
  const worker = processOn(url, [
    handle(call, async () => {
      running.open();
      await goOn.promise;
    }),
  ]);
  await worker.start();
  const { id } = await worker.enqueue(call, 1, { key: "runs" });
  await running.promise;
  expect(await worker.timers.cancel({ queue: "b5", key: "runs" })).toEqual({ outcome: "active", id });
  goOn.open();
  await eventually(async () => (await worker.jobs.get(id))?.state).toBe("completed");
  const waits = { queue: "b5", key: "waits" };
  const waiting = await worker.timers.put(call, 2, { key: "waits", delay: "1h" });
  await using client = await begun();
  expect(await worker.using(client).timers.cancel(waits)).toMatchObject({ outcome: "cancelled" });
  expect((await worker.using(client).timers.list({ queue: "b5" })).items).toEqual([]);
  await client.query("ROLLBACK");
  expect((await worker.timers.list({ queue: "b5" })).items).toMatchObject([{ id: waiting.id, state: "delayed" }]);
  expect(await worker.timers.cancel(waits)).toEqual({ outcome: "cancelled", id: waiting.id });
  expect(await worker.timers.cancel(waits)).toEqual({ outcome: "unknown" });
});

test("B6 a wake-up commits with its rows, once for each queue; conflicts and what is due much later wake nobody", async () => {
  const producer = processOn(url);
  await producer.enqueue("call", 0, { queue: "b6-conflict", key: "k", delay: "1d" });
  const listening = postgres(url);
  await listening.open();
  const ear = await Ear.of(listening);
  await using client = await begun();
  const inside = producer.using(client);
  for (const n of [1, 2, 3]) await inside.enqueue("call", n, { queue: "b6-due" });
  await inside.enqueueMany([{ task: "call", input: 4 }], { queue: "b6-batch" });
  await inside.enqueue("call", 5, { queue: "b6-past", at: new Date(0) });
  await inside.enqueue("call", 6, { queue: "b6-later", delay: "1d" });
  expect(await inside.enqueue("call", 7, { queue: "b6-conflict", key: "k" })).toMatchObject({ outcome: "existing" });
  await producer.enqueue("call", 8, { queue: "b6-outside" });
  await ear.wake("b6-outside");
  expect(ear.wakes()).toEqual(["b6-outside"]);
  ear.forget();
  await client.query("COMMIT");
  await ear.wake("b6-past");
  await producer.enqueue("call", 9, { queue: "b6-end" });
  await ear.wake("b6-end");
  expect(ear.wakes().toSorted()).toEqual(["b6-batch", "b6-due", "b6-end", "b6-past"]);
  await listening.close();
});

test("B13 a handler that sets its own timer again keeps the new one, in the transaction of its completion too", async () => {
  const poll = task<number>("poll", { queue: "b13" });
  const ran: number[] = [];
  const worker = processOn(url, [
    handle(poll, async (n, ctx) => {
      ran.push(n);
      if (n === 4) return;
      if (n % 2 === 1) {
        expect(await worker.timers.put(poll, n + 1, { key: "poll" })).toMatchObject({ successor: true });
        return;
      }
      await using client = await begun();
      await worker.using(client).timers.put(poll, n + 1, { key: "poll" });
      await ctx.complete(client);
      await client.query("COMMIT");
    }),
  ]);
  await worker.start();
  await worker.timers.put(poll, 1, { key: "poll" });
  await eventually(() => worker.stats({ queue: "b13" })).toMatchObject({
    active: 0,
    totals: { completed: 4, failed: 0 },
  });
  expect(ran).toEqual([1, 2, 3, 4]);
});

test("B14 a timer is replaced or moved in one call, and a rollback takes that back", async () => {
  const call = task<string>("call", { queue: "b14" });
  const producer = processOn(url);
  const { id, dueAt } = await producer.timers.put(call, "first", { key: "k", delay: "1h" });
  const name = { queue: "b14", key: "k" };
  await using client = await begun();
  const inside = producer.using(client);
  expect(await inside.timers.put(call, "undone", { key: "k", delay: "2h" })).toMatchObject({ outcome: "replaced" });
  expect(await inside.timers.move(name, new Date(dueAt.getTime() + hourMs))).toMatchObject({ outcome: "moved" });
  await client.query("ROLLBACK");
  const only = async () => (await producer.timers.list({ queue: "b14" })).items;
  expect(await only()).toMatchObject([{ id, input: "first", dueAt }]);
  const second = await producer.timers.put(call, "second", { key: "k", delay: "2h" });
  expect(second.outcome).toBe("replaced");
  expect(await only()).toMatchObject([{ input: "second", dueAt: second.dueAt }]);
  const moved = new Date(dueAt.getTime() - minuteMs);
  expect(await producer.timers.move(name, moved)).toMatchObject({ outcome: "moved" });
  expect(await only()).toMatchObject([{ input: "second", dueAt: moved }]);
});

test("B15 pending timers are listed by queue, key and due time, and a queue is emptied of them", async () => {
  const call = task<number>("call", { queue: "b15" });
  const producer = processOn(url);
  const items = Array.from({ length: 25 }, (_, n) => ({
    task: call,
    input: n,
    key: `${n % 2 === 0 ? "even" : "odd"}-${n}`,
    delay: (n + 1) * hourMs,
  }));
  const made = await producer.enqueueMany(items);
  const of = async (query: object) =>
    (await producer.timers.list({ queue: "b15", limit: 100, ...query })).items.map(({ input }) => input);
  expect(await of({})).toHaveLength(25);
  expect((await of({ keyPrefix: "odd-" })).toSorted()).toEqual(
    items.flatMap((_, n) => (n % 2 === 1 ? [n] : [])).toSorted(),
  );
  expect((await of({ dueBefore: made[3]?.dueAt })).toSorted()).toEqual([0, 1, 2]);
  for (let cursor: string | undefined, isFirst = true; isFirst || cursor !== undefined; isFirst = false) {
    const page = await producer.timers.list({ queue: "b15", limit: 10, ...(cursor === undefined ? {} : { cursor }) });
    for (const { key = "" } of page.items) await producer.timers.cancel({ queue: "b15", key });
    cursor = page.next;
  }
  expect(await of({})).toEqual([]);
  expect(await producer.stats({ queue: "b15" })).toMatchObject({ delayed: 0, cancelled: 25 });
});

// The audit log of a PostgreSQL store: writers commit side by side, and no reader ever misses one of their events.
import { afterAll, beforeEach, expect, test } from "vitest";
import type { Engine } from "../../src/core/engine.ts";
import type { StoredEvent } from "../../src/core/events.ts";
import { postgres } from "../../src/engines/postgres/index.ts";
import { newJob, queue, tenant } from "../../src/testing/conformance/builders.ts";
import { createSchedule } from "../../src/testing/conformance/calls.ts";
import { type Harness, type OpenTx, start } from "../../src/testing/conformance/harness.ts";
import { sharedPostgres } from "../servers/shared.ts";
import { Databases } from "./harness.ts";

const databases = new Databases({ open: (url, options) => postgres(url, options) }, async () => {
  const url = await sharedPostgres(15);
  return { url, directUrl: url };
});

let harness: Harness;

beforeEach(async () => {
  harness = await databases.open();
  return () => harness.close();
});

afterAll(() => databases.close());

type Events = Pick<Engine, "events">;

function told(count: number, parts: { readonly schedule?: string; readonly job?: string } = {}) {
  return Array.from({ length: count }, (_, index) => ({
    type: "worker:error" as const,
    tenant,
    at: start,
    data: { index },
    ...parts,
  }));
}

async function begin(): Promise<OpenTx> {
  const tx = await harness.beginTx?.();
  if (tx === undefined) throw new Error("the harness begins transactions");
  return tx;
}

/** What comes after an event, oldest first. */
async function after({ events }: Events, afterId: number): Promise<readonly StoredEvent[]> {
  return (await events.list({ afterId }, { limit: 1_000, order: "oldest" })).items;
}

test("N5: an event that is committed late is listed behind those that were seen before it", async () => {
  const { engine, other } = harness;
  const tx = await begin();
  await tx.joined.events.append(told(1, { schedule: "late" }));
  await engine.events.append(told(2, { schedule: "early" }));
  const seen = await after(other, -1);
  expect(seen.map((event) => event.schedule)).toEqual(["early", "early"]);
  await tx.commit();
  const rest = await after(engine, seen.at(-1)?.id ?? -1);
  expect(rest.map((event) => event.schedule)).toEqual(["late"]);
});

test("N5: readers that follow the log among many writers see every event once, each in the same order", async () => {
  const { engine, other } = harness;
  let writing = true;
  const follow = async (handle: Events): Promise<number[]> => {
    const ids: number[] = [];
    for (let last = false; !last; ) {
      last = !writing;
      ids.push(...(await after(handle, ids.at(-1) ?? -1)).map(({ id }) => id));
    }
    return ids;
  };
  const readers = [engine, other, engine].map(follow);
  const writers = [engine, other, engine, other].map(async (handle) => {
    for (let turn = 0; turn < 25; turn++) await handle.events.append(told(1 + (turn % 4)));
  });
  await Promise.all(writers);
  writing = false;
  const [first, ...others] = await Promise.all(readers);
  expect(first?.length).toBe(4 * (25 * 2.5 - 1.5));
  for (const ids of others) expect(ids).toEqual(first);
});

test("N5: inside a transaction its own events are listed last, and others go on meanwhile", async () => {
  const { engine, other } = harness;
  await engine.events.append(told(2, { schedule: "before" }));
  const tx = await begin();
  await tx.joined.events.append(told(1, { schedule: "own" }));
  await other.events.append(told(1, { schedule: "beside" }));
  const own = await after(tx.joined, -1);
  expect(own.map((event) => event.schedule).slice(0, 2)).toEqual(["before", "before"]);
  expect(own.map((event) => event.schedule).sort()).toEqual(["before", "before", "beside", "own"]);
  expect((await after(other, -1)).map((event) => event.schedule)).toEqual(["before", "before", "beside"]);
  await tx.commit();
  expect((await after(other, -1)).map((event) => event.schedule)).toEqual(["before", "before", "beside", "own"]);
});

test("N5: a purge that goes on beside listings takes ids away and gives none anew", async () => {
  const { engine, other, clock } = harness;
  await engine.events.append(told(20));
  const before = await after(engine, -1);
  clock.advance(1_000);
  await Promise.all([engine.events.purge({ olderThanMs: 1, limit: 100 }), after(other, -1), after(engine, -1)]);
  expect(await after(other, -1)).toEqual([]);
  await engine.events.append(told(1));
  const [event] = await after(other, -1);
  expect(event?.id).toBeGreaterThan(before.at(-1)?.id ?? 0);
});

test("N5: listings by job and by schedule page through what they name, from either end", async () => {
  const { engine } = harness;
  const { id: job } = newJob();
  for (let turn = 0; turn < 5; turn++) {
    await engine.events.append([...told(3, { schedule: "one" }), ...told(2, { job }), ...told(1)]);
  }
  for (const [filter, count] of [
    [{ tenant, schedule: "one" }, 15],
    [{ job }, 10],
    [{ types: ["worker:error" as const] }, 30],
  ] as const) {
    for (const order of ["newest", "oldest"] as const) {
      const ids: number[] = [];
      let cursor: string | undefined;
      do {
        const page = await engine.events.list(filter, { limit: 4, order, ...(cursor === undefined ? {} : { cursor }) });
        ids.push(...page.items.map(({ id }) => id));
        cursor = page.next;
      } while (cursor !== undefined);
      expect(ids).toEqual([...new Set(ids)].sort((a, b) => (order === "newest" ? b - a : a - b)));
      expect(ids.length).toBe(count);
    }
  }
});

test("J11: two processes that make a queue's or a tenant's record at once both have their say", async () => {
  const { engine, other } = harness;
  for (let turn = 0; turn < 10; turn++) {
    const name = `queue-${turn}`;
    await Promise.all([
      engine.queues.put([{ name, paused: true }]),
      other.queues.put([{ name, concurrency: 3 }]),
      engine.tenants.put([{ id: name, weight: 7 }]),
      other.tenants.put([{ id: name, concurrency: 3 }]),
    ]);
    const found = (await engine.queues.list()).find((one) => one.name === name);
    expect(found).toMatchObject({ paused: true, concurrency: 3 });
    expect(await engine.tenants.get([name])).toEqual([{ id: name, weight: 7, concurrency: 3 }]);
  }
});

test("N1: a tenant whose only insert was undone is listed nowhere", async () => {
  const { engine, other } = harness;
  const tx = await begin();
  await tx.joined.jobs.insert([{ jobs: [newJob({ tenant: "nobody", queue })] }]);
  await tx.rollback();
  await createSchedule(engine, {}, { tenant: "somebody" });
  const { items } = await other.tenants.list({}, { limit: 10 });
  expect(items.map(({ id }) => id)).toEqual(["somebody"]);
});

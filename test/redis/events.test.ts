// The audit log on Redis beyond the suite: what leads to an event, how listings find it, and how it goes.
import { expect, test } from "vitest";
import { defaults } from "../../src/core/defaults.ts";
import type { Engine } from "../../src/core/engine.ts";
import type { EventFilter, NewEvent } from "../../src/core/events.ts";
import { minuteMs, newJob, tenant } from "../../src/testing/conformance/builders.ts";
import { changeJob, insertJob, listEvents } from "../../src/testing/conformance/calls.ts";
import { start } from "../../src/testing/conformance/harness.ts";
import { openDeployment } from "./opened.ts";

type Events = Pick<Engine, "events">;

function told(count: number, parts: Partial<NewEvent> = {}): NewEvent[] {
  return Array.from({ length: count }, () => ({ type: "worker:error" as const, tenant, at: start, ...parts }));
}

/** The ids of all that pass a filter, by pages, in the order of their ids. */
async function paged({ events }: Events, filter: EventFilter, order: "newest" | "oldest", limit: number) {
  const ids: number[] = [];
  let cursor: string | undefined;
  do {
    const page = await events.list(filter, { limit, order, cursor });
    expect(page.items.length).toBeLessThanOrEqual(limit);
    ids.push(...page.items.map(({ id }) => id));
    cursor = page.next;
  } while (cursor !== undefined);
  return order === "oldest" ? ids : ids.reverse();
}

test("N5: readers that follow the log among many writers see every event once, each in the same order", async () => {
  const { engine, other } = await openDeployment();
  let writing = true;
  const follow = async ({ events }: Events): Promise<number[]> => {
    const ids: number[] = [];
    for (let last = false; !last; ) {
      last = !writing;
      const { items } = await events.list({ afterId: ids.at(-1) ?? 0 }, { limit: 1_000, order: "oldest" });
      ids.push(...items.map(({ id }) => id));
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
  expect(first).toHaveLength(4 * (25 * 2.5 - 1.5));
  for (const ids of others) expect(ids).toEqual(first);
});

test("N5: listings find what they name in a long log, however rare, from either end and in any pages", async () => {
  const { engine, other } = await openDeployment();
  const { id: job } = newJob();
  for (let turn = 0; turn < 3; turn++) {
    await engine.events.append([
      ...told(400),
      ...told(2, { tenant: "rare", schedule: "one" }),
      ...told(200, { queue: "often" }),
      ...told(1, { job }),
      ...told(2, { schedule: "one", job, actor: "ann" }),
    ]);
  }
  const filters: [EventFilter, number][] = [
    [{}, 1_815],
    [{ tenant: "rare" }, 6],
    [{ tenant: "rare", schedule: "one" }, 6],
    [{ tenant, schedule: "one" }, 6],
    [{ schedule: "one" }, 12],
    [{ job }, 9],
    [{ job, actor: "ann" }, 6],
    [{ job, tenant: "rare" }, 0],
    [{ actor: "ann", afterId: 700 }, 4],
    [{ tenant, queue: "often", afterId: 605 }, 400],
    [{ types: ["job:failed"] }, 0],
  ];
  for (const [filter, count] of filters) {
    const all = await paged(engine, filter, "oldest", 1_000);
    expect(all, JSON.stringify(filter)).toHaveLength(count);
    expect(await paged(other, filter, "newest", 7)).toEqual(all);
    expect(await paged(other, filter, "oldest", 100)).toEqual(all);
  }
});

test("N5: an event that is purged leaves nothing that leads to it", async () => {
  const { engine, clock, keys } = await openDeployment();
  const { id } = await insertJob(engine);
  await changeJob(engine, { id }, { kind: "cancel" });
  await engine.events.append([
    ...told(3, { schedule: "a/b", job: newJob().id }),
    ...told(1, { type: "tick:fired", schedule: "one", job: newJob().id }),
  ]);
  expect(await keys("e:")).toHaveLength(6);
  expect(await keys("fired")).toEqual(["fired"]);
  clock.advance(minuteMs);
  expect(await engine.events.purge({ olderThanMs: 1, limit: 100 })).toEqual({ deleted: 5, more: false });
  expect([...(await keys("e:")), ...(await keys("fired"))]).toEqual([]);
});

test("N5: an operator's purge finds old events wherever they stand in the log", async () => {
  const { engine, clock } = await openDeployment();
  const late = start + 10 * minuteMs;
  await engine.events.append([
    ...told(1, { at: late }),
    ...told(1_500, { at: late }),
    ...told(2),
    ...told(1, { at: late }),
  ]);
  clock.advance(20 * minuteMs);
  const named = { before: start + minuteMs, actor: "ann" };
  expect(await engine.events.purge({ named, limit: 1 })).toEqual({ deleted: 1, more: true });
  expect(await engine.events.purge({ named, limit: 1 })).toEqual({ deleted: 1, more: false });
  expect(await engine.events.purge({ named, limit: 1 })).toEqual({ deleted: 0, more: false });
  expect(await listEvents(engine, { before: late })).toEqual([]);
});

test("N5: operators who purge at once delete each event once, and the log tells what each of them did", async () => {
  const { engine, other, clock } = await openDeployment();
  await engine.events.append(told(40));
  clock.advance(minuteMs);
  const named = { before: start + 1, actor: "ann" };
  const purge = async ({ events }: Events) => {
    let deleted = 0;
    for (let more = true; more; ) {
      const answer = await events.purge({ named, limit: 3 });
      deleted += answer.deleted;
      more = answer.more;
    }
    return deleted;
  };
  const counts = await Promise.all([engine, other, engine].map(purge));
  const events = await listEvents(engine);
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(40);
  expect(events.reduce((sum, { data }) => sum + Number(data?.["deleted"]), 0)).toBe(40);
  expect(new Set(events.map(({ type }) => type))).toEqual(new Set(["events:purged"]));
});

test("N5: where no janitor runs the log goes with its age as events come", async () => {
  const { engine, clock, server, key } = await openDeployment({ retention: { events: "1h" } });
  const every = defaults.eventTrimEvery;
  await engine.events.append(told(every - 1));
  clock.advance(61 * minuteMs);
  await engine.events.append(told(every, { at: clock.now() }));
  expect(await server.xlen(key("events"))).toBe(every);
  expect(await server.zcard(key(`e:t${tenant}`))).toBe(every);
});

test("N5: what a foreign hand has left in the log stops neither listings nor purges", async () => {
  const { engine, clock, server, key } = await openDeployment();
  await engine.events.append(told(1, { schedule: "a" }));
  await server.xadd(key("events"), "2-0", "other", "field");
  await server.xadd(key("events"), "2-1", "e", "{}");
  await server.xadd(key("events"), "2-2", "e", "nonsense");
  await server.hset(key("meta"), "event", 2);
  await server.zadd(key(`e:t${tenant}`), 3, "no id", 7, "7");
  await engine.events.append(told(2, { schedule: "b" }));
  for (const filter of [{}, { tenant }, { types: ["worker:error" as const] }]) {
    const events = await listEvents(engine, filter);
    expect(events.map(({ id, schedule }) => [id, schedule])).toEqual([
      [1, "a"],
      [3, "b"],
      [4, "b"],
    ]);
  }
  clock.advance(minuteMs);
  await engine.events.purge({ olderThanMs: 1, limit: 100 });
  expect(await server.xlen(key("events"))).toBe(0);
});

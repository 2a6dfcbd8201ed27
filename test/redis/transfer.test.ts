// A store as values and back beyond what every engine promises: exactly the same keys, whatever was there before.
import { describe, expect, it } from "vitest";
import { fillStore } from "../../scripts/proof/filled-store.ts";
import type { Engine } from "../../src/core/engine.ts";
import { positionOf, type TransferItem, textOf } from "../../src/core/transfer.ts";
import { memory } from "../../src/engines/memory/index.ts";
import { claimRequest, completion, minuteMs, queue, tenant } from "../../src/testing/conformance/builders.ts";
import {
  activeJob,
  changeJob,
  claim,
  createSchedule,
  insertJob,
  laneCounts,
  listEvents,
  settleJob,
} from "../../src/testing/conformance/calls.ts";
import { type Opened, openDeployment } from "./opened.ts";

async function readAll({ transfer }: Engine, limit = 200): Promise<TransferItem[]> {
  const items: TransferItem[] = [];
  let cursor: string | undefined;
  do {
    const page = await transfer.read({ limit, ...(cursor === undefined ? {} : { cursor }) });
    items.push(...page.items);
    cursor = page.next;
  } while (cursor !== undefined);
  return items;
}

async function writeAll({ transfer }: Engine, items: readonly TransferItem[], size = 200): Promise<void> {
  for (let from = 0; from < items.length; from += size) {
    await transfer.write({ items: items.slice(from, from + size), remove: [] });
  }
}

/**
 * Everything the deployment's keys hold, but for what no two stores share: revisions, the numbers of lanes, and how a job's
 * text came about.
 */
async function contents({ server, key, keys }: Opened): Promise<Record<string, unknown>> {
  const lanes = Object.entries(await server.hgetall(key("lanes"))) as [string, string][];
  const named = (text: string) =>
    lanes.reduce((changed, [name, lane]) => changed.replaceAll(lane, `<${name.replace("\n", "/")}>`), text);
  const without = new Set(["meta", "g"]);
  const found: Record<string, unknown> = {};
  for (const name of await keys()) {
    const type = await server.type(key(name));
    if (without.has(name) || /^c:/.test(name)) continue;
    const value = await valueUnder(server, key(name), type);
    const isOfJobs = name === "jobs" || name === "live";
    const shown = isOfJobs ? (value as readonly string[][]).map(([seq]) => seq) : value;
    found[named(name)] = JSON.parse(named(JSON.stringify(shown)));
  }
  return found;
}

async function valueUnder(server: Opened["server"], key: string, type: string): Promise<unknown> {
  switch (type) {
    case "hash": {
      const fields = Object.entries(await server.hgetall(key)) as [string, string][];
      const kept = fields.filter(([, value]) => value !== "0" && value !== "\t");
      // Revisions are of the store that wrote them.
      const plain = kept.map(([name, value]) => [name, value.replace(/^\d+(?=[,|])/, "")] as const);
      return plain.sort(([a], [b]) => (a < b ? -1 : 1));
    }
    case "set":
      return (await server.smembers(key)).sort();
    case "zset":
      return await server.call("ZRANGE", key, "0", "-1", "WITHSCORES");
    case "stream":
      return await server.xrange(key, "-", "+");
    default:
      return await server.get(key);
  }
}

async function fill(engine: Engine, pass: (ms: number) => void): Promise<void> {
  await fillStore(engine, { jobs: 1_200, schedules: 60 }, async (ms) => pass(ms));
  await engine.queues.put([{ name: "*", paused: false }]);
  await engine.tenants.put([{ id: tenant, weight: 3, guardrails: { maxPendingJobs: 9_000 } }]);
  const job = await activeJob(engine, { queue: "own" });
  await activeJob(engine, { queue: "own", key: "k" });
  await insertJob(engine, { queue: "own", key: "k", onConflict: "replace" });
  await changeJob(engine, { id: job.id }, { kind: "cancel" });
  await insertJob(engine, { idempotency: { key: "on\nce", body: "b" } });
  await engine.records.put(
    ["\u{ff5e}", "\u{1f600}", "z", "\n"].map((key) => ({ key, value: '{"n":1}', expected: "absent", ttlMs: minuteMs })),
  );
}

describe("transfers in Redis", () => {
  it("O6 what another engine holds becomes the same store, and the same again when it is read back", async () => {
    const { engine, clock } = await openDeployment();
    const source = memory({ clock });
    await source.open();
    await fill(source, (ms) => clock.advance(ms));
    const items = await readAll(source);
    await writeAll(engine, items);
    const texts = items.map(textOf);
    expect((await readAll(engine)).map(textOf)).toEqual(texts);
    expect((await readAll(engine, 7)).map(textOf)).toEqual(texts);
    const stats = async (one: Engine) => (await one.jobs.stats({})).map((lane) => JSON.stringify(lane)).sort();
    expect(await stats(engine)).toEqual(await stats(source));
    const ids = async (one: Engine) =>
      (await one.jobs.list({ states: ["pending"] }, { limit: 1_000 })).items.map(({ id }) => id);
    expect(await ids(engine)).toEqual(await ids(source));
    const wants = ["mail", "reports", "billing", "own"].map((name) => ({ queue: name, limit: 40 }));
    for (let turn = 0; turn < 5; turn++) {
      const taken = async (one: Engine) => (await claim(one, { wants, limit: 160 })).map(({ id }) => id);
      expect(await taken(engine)).toEqual(await taken(source));
    }
    const problems = (await engine.inspection.findings()).filter(({ status, check }) => {
      return status !== "ok" && ["rows", "counters"].includes(check);
    });
    expect(problems).toEqual([]);
    await source.close();
  }, 60_000);

  it("O6 a copy has the same keys as its source", async () => {
    const [from, to] = [await openDeployment(), await openDeployment()];
    await fill(from.engine, (ms) => from.clock.advance(ms));
    await writeAll(to.engine, await readAll(from.engine));
    to.clock.advance(from.clock.now() - to.clock.now());
    // What has come due is ready in both, once a claim has looked.
    for (const { engine } of [from, to]) {
      const wants = (await engine.queues.list()).map(({ name }) => ({ queue: name, limit: 0 }));
      await engine.jobs.claim(claimRequest({ wants, limit: 0, starts: 0 }));
    }
    const [expected, found] = [await contents(from), await contents(to)];
    for (const name of new Set([...Object.keys(expected), ...Object.keys(found)])) {
      expect({ [name]: found[name] }).toEqual({ [name]: expected[name] });
    }
  }, 60_000);

  it("O6 what is removed leaves nothing behind", async () => {
    const opened = await openDeployment();
    const { engine, clock, keys } = opened;
    await fill(engine, (ms) => clock.advance(ms));
    await engine.transfer.write({ items: [], remove: (await readAll(engine)).map(positionOf) });
    expect((await readAll(engine)).map(({ kind }) => kind)).toEqual(["eventSequence"]);
    const left = (await keys()).filter((name) => !/^(?:meta|events|c:.*|t:.*)$/.test(name));
    expect(left).toEqual([]);
  }, 60_000);

  it("O6 an event before others is put in its place, and the others stay", async () => {
    const { engine } = await openDeployment();
    for (const id of ["a", "b", "c"]) await createSchedule(engine, {}, { id });
    const items = (await readAll(engine)).filter((item) => item.kind === "event");
    const before = await listEvents(engine);
    const [first, second] = items;
    if (first === undefined || second === undefined) throw new Error("there are events");
    await engine.transfer.write({ items: [], remove: [positionOf(first), positionOf(second)] });
    expect(await listEvents(engine)).toHaveLength(before.length - 2);
    await engine.transfer.write({ items: [second], remove: [] });
    await engine.transfer.write({ items: [first, second], remove: [] });
    expect(await listEvents(engine)).toEqual(before);
    expect(await listEvents(engine, { tenant, schedule: "a" })).toEqual(
      before.filter(({ schedule }) => schedule === "a"),
    );
    await engine.transfer.write({ items: [{ kind: "event", event: { ...second.event, actor: "bob" } }], remove: [] });
    expect((await listEvents(engine)).filter(({ actor }) => actor === "bob")).toHaveLength(1);
    await createSchedule(engine, {}, { id: "d" });
    expect((await listEvents(engine)).at(-1)?.id).toBe((before.at(-1)?.id ?? 0) + 1);
  });

  it("O6 a write whose guard no longer holds changes nothing", async () => {
    const { engine } = await openDeployment();
    await engine.records.put([{ key: "mark", value: "one\ntwo", expected: "absent" }]);
    const items = [{ kind: "queue" as const, queue: { name: queue, paused: true }, window: [] }];
    const write = (value: string, key = "mark") => engine.transfer.write({ items, remove: [], guard: { key, value } });
    expect(await write("one")).toBe("lost");
    expect(await write("one\ntwo", "none")).toBe("lost");
    expect(await engine.queues.list()).toEqual([]);
    expect(await write("one\ntwo")).toBe("written");
    expect(await engine.queues.list()).toMatchObject([{ name: queue, paused: true }]);
  });

  it("O6 a lane that has jobs is not removed from under them", async () => {
    const { engine } = await openDeployment();
    await settleJob(engine, completion(await activeJob(engine)));
    await insertJob(engine);
    await engine.transfer.write({ items: [], remove: [{ kind: "lane", name: [queue, tenant] }] });
    expect(await laneCounts(engine)).toMatchObject({ waiting: 1, completed: 1, totals: { completed: 0 } });
    expect(await claim(engine)).toHaveLength(1);
  });
});

// Tenants' records on Redis beyond the suite: changes that meet, what a foreign hand has done, and listings of many.
import { expect, test } from "vitest";
import { completion, queue, secondMs, tenant } from "../../src/testing/conformance/builders.ts";
import { claim, claimJob, insertJob, insertJobs, listEvents, settleJob } from "../../src/testing/conformance/calls.ts";
import { type Opened, openDeployment } from "./opened.ts";

async function listed({ engine }: Pick<Opened, "engine">, limit: number, idPrefix?: string): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await engine.tenants.list({ idPrefix }, { limit, ...(cursor === undefined ? {} : { cursor }) });
    expect(page.items.length).toBeLessThanOrEqual(limit);
    ids.push(...page.items.map(({ id }) => id));
    cursor = page.next;
  } while (cursor !== undefined);
  return ids;
}

test("N2: changes that processes make to one tenant at once are all kept, and the log tells one after another", async () => {
  const { engine, other } = await openDeployment();
  await insertJobs(engine, [{}, { queue: "other" }]);
  const changes = [
    { id: tenant, weight: 7 },
    { id: tenant, concurrency: 3 },
    { id: tenant, rate: { count: 5, periodMs: secondMs } },
    { id: tenant, guardrails: { maxPendingJobs: 9 } },
  ];
  await Promise.all(changes.map((change, turn) => (turn % 2 === 0 ? engine : other).tenants.put([change])));
  const [record] = await engine.tenants.get([tenant]);
  const rate = { count: 5, periodMs: secondMs };
  expect(record).toEqual({ id: tenant, weight: 7, concurrency: 3, rate, guardrails: { maxPendingJobs: 9 } });
  const events = await listEvents(engine, { tenant, types: ["tenant:changed"] });
  expect(events).toHaveLength(4);
  for (const [index, { data }] of events.slice(1).entries()) {
    expect(data?.["before"]).toEqual(events[index]?.data?.["after"]);
  }
});

test("J12: claims go on beside changes of a tenant's limits, and keep to them", async () => {
  const { engine, other } = await openDeployment();
  await insertJobs(
    engine,
    Array.from({ length: 20 }, () => ({})),
  );
  await engine.tenants.put([{ id: tenant, concurrency: 2 }]);
  const work = async (turns: number) => {
    for (let turn = 0; turn < turns; turn++) {
      const jobs = await claim(engine, { limit: 1, starts: 1 });
      for (const job of jobs) await settleJob(engine, completion(job));
    }
  };
  const limit = async () => {
    for (let turn = 0; turn < 10; turn++) await other.tenants.put([{ id: tenant, concurrency: 1 + (turn % 2) }]);
  };
  await Promise.all([work(15), work(15), limit()]);
  await other.tenants.put([{ id: tenant, concurrency: null }]);
  expect((await engine.tenants.list({}, { limit: 10 })).items).toMatchObject([{ pendingJobs: 0, activeJobs: 0 }]);
});

test("J12: a limit that is reached when it is set holds back the tenant's lanes, and lets them in where the others are", async () => {
  const { engine } = await openDeployment();
  const many = (owner: string) => Array.from({ length: 12 }, () => ({ tenant: owner }));
  await insertJobs(engine, [...many("a"), ...many("b")]);
  await claim(engine, { limit: 2 });
  await engine.tenants.put([{ id: "a", concurrency: 1 }]);
  expect((await claim(engine, { limit: 8 })).map((job) => job.tenant)).toEqual(Array(8).fill("b"));
  await engine.tenants.put([{ id: "a", concurrency: null }]);
  const shared = (await claim(engine, { limit: 4 })).map((job) => job.tenant).sort();
  expect(shared).toEqual(["a", "a", "b", "b"]);
});

test("J12: the same limits set again mend what a foreign hand has done to their lanes", async () => {
  const { engine, server, key } = await openDeployment();
  await engine.tenants.put([{ id: tenant, weight: 3, concurrency: 1 }]);
  await insertJobs(engine, [{}, {}]);
  const lane = await server.hget(key("lanes"), `${queue}\n${tenant}`);
  await server.hset(key(`l:${lane}`), "weight", 1);
  await server.del(key("limited"));
  await engine.tenants.put([{ id: tenant, weight: 3, concurrency: 1 }]);
  expect(await server.hget(key(`l:${lane}`), "weight")).toBe("3");
  expect(await claim(engine)).toHaveLength(1);
  expect(await listEvents(engine, { types: ["tenant:changed"] })).toHaveLength(1);
});

test("N2: a tenant whose record cannot be read shows as one that may start nothing, and stops no listing", async () => {
  const { engine, server, key } = await openDeployment();
  await engine.tenants.put(["a", "b", "c"].map((id) => ({ id, weight: 2 })));
  for (const text of ["nonsense", "7|nonsense", '7|{"weight":"2"}', '7|{"weight":2,"rate":[]}']) {
    await server.hset(key("tenants"), "b", text);
    const { items } = await engine.tenants.list({}, { limit: 10 });
    expect(items.map(({ id, weight, rate }) => [id, weight, rate?.count])).toEqual([
      ["a", 2, undefined],
      ["b", 1, 0],
      ["c", 2, undefined],
    ]);
  }
  const [mended] = await engine.tenants.put([{ id: "b", weight: 2, rate: null }]);
  expect(mended).toEqual({ id: "b", weight: 2 });
});

test("N2: a listing passes over names behind which there is nothing any more", async () => {
  const opened = await openDeployment();
  const { engine, server, key } = opened;
  await engine.tenants.put(["a", "a:1", "z"].map((id) => ({ id, weight: 2 })));
  const gone = Array.from({ length: 450 }, (_, index) => `b${index}`);
  await server.zadd(key("tenantNames"), ...gone.flatMap((name) => [0, name]));
  for (const limit of [1, 2, 100]) expect(await listed(opened, limit)).toEqual(["a", "a:1", "z"]);
  expect(await listed(opened, 1, "a")).toEqual(["a", "a:1"]);
  expect(await listed(opened, 1, "b")).toEqual([]);
});

test("J12: a tenant's summary says when its spent rate gives again", async () => {
  const { engine, clock } = await openDeployment();
  await engine.tenants.put([{ id: tenant, rate: { count: 1, periodMs: 10 * secondMs } }]);
  await insertJob(engine);
  await claimJob(engine);
  const summary = async () => (await engine.tenants.list({ id: tenant }, { limit: 1 })).items[0];
  const { regainAt = 0, ...rest } = (await summary()) ?? {};
  expect(rest).toMatchObject({ activeJobs: 1, pendingJobs: 0 });
  expect(regainAt).toBeGreaterThan(clock.now());
  clock.advance(regainAt - clock.now());
  expect((await summary())?.regainAt).toBeUndefined();
});

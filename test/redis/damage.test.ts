// Damaged values in the store, whatever a foreign hand has left where: they stop nobody else. Beside the damaged jobs of one
// tenant another one's are claimed, settled, listed and fired in the same queue.
import { expect, test } from "vitest";
import type { Engine } from "../../src/core/engine.ts";
import {
  claimRequest,
  completion,
  definition,
  failure,
  hourMs,
  minuteMs,
  newJob,
  queue,
  schedulePut,
  secondMs,
  tenant,
} from "../../src/testing/conformance/builders.ts";
import { claim, fire, insertJob, insertJobs, listEvents, listJobs } from "../../src/testing/conformance/calls.ts";
import { type Opened, openDeployment } from "./opened.ts";

const victim = "victim";
/** A queue that nobody else uses. */
const theirs = "theirs";

/** Something of a tenant in every key that there is; answers the job that is active. */
async function fill({ engine, clock }: Opened): Promise<void> {
  await engine.tenants.put([{ id: victim, weight: 2, concurrency: 50, rate: { count: 100, periodMs: hourMs } }]);
  await engine.queues.put([{ name: theirs, concurrency: 50, rate: { count: 100, periodMs: hourMs } }]);
  for (const of of [queue, theirs]) {
    const parts = { tenant: victim, queue: of };
    await insertJobs(engine, [parts, parts, parts]);
    const [first, second] = await claim(engine, { wants: [{ queue: of, limit: 3 }], leaseMs: 10 * minuteMs });
    if (first === undefined || second === undefined) throw new Error("the jobs are due");
    await engine.jobs.settle([completion(first, { keep: { ageMs: hourMs } }), failure(second)]);
    await insertJobs(engine, [parts, { ...parts, key: "k" }, { ...parts, due: { afterMs: minuteMs } }]);
    await engine.jobs.insert([{ jobs: [newJob({ ...parts, idempotency: { key: `i-${of}`, body: "" } })] }]);
    await engine.jobs.insert([{ jobs: [newJob({ ...parts, key: "k", onConflict: "replace" })] }]);
    await engine.schedules.put([schedulePut({ tenant: victim, id: of, definition: definition({ queue: of }) })]);
  }
  await engine.records.put([{ key: victim, value: "v", expected: "any", ttlMs: hourMs }]);
  clock.advance(minuteMs);
  await fire(engine);
  clock.advance(minuteMs);
}

/** What everybody else does all day; fails where something of the tenant's is in the way. */
async function expectOthersGoOn({ engine, other, clock }: Opened): Promise<void> {
  const ids = await insertJobs(other, Array(4).fill({}));
  await engine.schedules.put([schedulePut({ definition: definition({ overlap: "skip" }) })]);
  clock.advance(minuteMs);
  for (let round = 0; round < 5; round++) await fire(engine);
  const jobs = await listJobs(other, { tenant });
  expect(jobs.filter(({ schedule }) => schedule !== undefined)).toHaveLength(1);
  const got = await claimEverything(other);
  expect(ids.filter((id) => !got.has(id))).toEqual([]);
  for (const id of ids) expect(await engine.jobs.get(id)).toMatchObject({ state: "completed" });
  await expectLooks(engine);
  const revived = await engine.jobs.change([{ name: { id: ids[0] ?? "" }, change: { kind: "cancel" } }]);
  expect(revived).toMatchObject([{ outcome: "finished" }]);
  await engine.jobs.purge({ completedCountMax: 0, endedCountMax: 0, limit: 1_000 });
  await insertJob(other, { key: "again" });
}

/** Claims and completes all there is, as a worker does; a call for both queues may bring anything. */
async function claimEverything(engine: Engine): Promise<Set<string>> {
  const got = new Set<string>();
  for (let round = 0; round < 20; round++) {
    const wants = [queue, theirs].map((name) => ({ queue: name, limit: 100 }));
    const { jobs } = await engine.jobs.claim(claimRequest({ wants }));
    if (jobs.length > 0) await engine.jobs.settle(jobs.map((job) => completion(job)));
    for (const { id } of jobs) got.add(id);
  }
  return got;
}

async function expectLooks(engine: Engine): Promise<void> {
  expect((await listJobs(engine)).length).toBeGreaterThan(0);
  await listJobs(engine, { tenant: victim, queue });
  await engine.jobs.stats({});
  expect((await engine.schedules.list({ tenant }, { limit: 10 })).items).toHaveLength(1);
  await engine.queues.list();
  await engine.tenants.list({}, { limit: 10 });
  expect((await listEvents(engine, { tenant })).length).toBeGreaterThan(0);
  await listEvents(engine);
  await engine.records.list("", { limit: 10 });
  await engine.inspection.schedules("due", 10);
  await engine.inspection.findings();
}

type Make = (text: string) => string | Buffer | null;

const garbage: readonly [string, Make][] = [
  ["nothing", () => ""],
  ["no text of ours", () => "nonsense"],
  ["JSON of another shape", () => '{"a":[]}'],
  ["a list", () => '[["x"],{},1]'],
  ["the first half", (text) => text.slice(0, text.length / 2)],
  ["the second half", (text) => text.slice(text.length / 2)],
  ["other numbers", (text) => text.replaceAll(/\d+/g, "7")],
  ["texts instead of numbers", (text) => text.replaceAll(/\d+/g, "x")],
  ["separators only", (text) => text.replaceAll(/[^|,\n]/g, "")],
  ["a first line of ours and nonsense", (text) => `${text.split("\n")[0]}\nnonsense\n{}`],
  ["a first line of ours and another's detail", (text) => `${text.split("\n")[0]}\n{"i":"j_none","t":1}\n{}`],
  ["bytes that are no text", () => Buffer.from([0xff, 0xfe, 0x00, 0xc3])],
  ["a number and bytes that are no text", () => Buffer.from([0x31, 0x7c, 0xff, 0xfe, 0x00, 0xc3])],
  ["no field", () => null],
];

/** The hashes, and which of their fields are the tenant's. */
const hashes = [
  "jobs",
  "live",
  "ids",
  "slots",
  "replaced",
  "queues",
  "windows",
  "tenants",
  "schedules",
  "idempotency",
  "records",
  "fired",
  "g",
  "lanes",
  `t:${victim}`,
  "l:",
];

async function spoil({ server, key, keys }: Opened, name: string, make: Make) {
  const found = name === "l:" ? (await keys("l:")).slice(0, 2) : [name];
  let count = 0;
  for (const hash of found) {
    for (const [field, value] of Object.entries(await server.hgetall(key(hash)))) {
      const after = make(value);
      if (after === null) await server.hdel(key(hash), field);
      else await server.hset(key(hash), field, after);
      count++;
    }
  }
  expect(count).toBeGreaterThan(0);
}

for (const name of hashes) {
  test.each(garbage)(`S8: in ${name} %s stops nobody else`, { timeout: 30_000 }, async (_, make) => {
    const opened = await openDeployment();
    await fill(opened);
    await spoil(opened, name, make);
    await expectOthersGoOn(opened);
  });
}

const sets: readonly string[] = [
  "r:",
  "d:",
  "a:",
  "s:",
  "f:",
  "finished",
  "expiring",
  "due",
  "queueNames",
  "tenantNames",
  "scheduleNames",
  "recordNames",
  "recordEnds",
  "idempotencyEnds",
  "u:",
  "I:",
  "e:",
];

test.each(sets)("S8: what a foreign hand adds to %s stops nobody", { timeout: 30_000 }, async (name) => {
  const opened = await openDeployment();
  const { server, key, keys } = opened;
  await fill(opened);
  for (const found of await keys(name)) {
    const isNames = found.endsWith("Names");
    for (const [at, member] of [
      "",
      "nonsense",
      "1000000000099",
      "1000000000099:x:1000000009",
      "1:2:3",
      "a\nb",
    ].entries()) {
      await server.zadd(key(found), isNames ? 0 : at, member);
    }
  }
  await expectOthersGoOn(opened);
});

test("S8: entries of the log that cannot be read stop nobody", async () => {
  const opened = await openDeployment();
  const { server, key } = opened;
  await fill(opened);
  for (const text of ["", "nonsense", "{}", "[]"]) await server.xadd(key("events"), "*", "e", text);
  await server.xadd(key("events"), "*", "other", "field");
  await server.hset(key("meta"), "event", "99999999999999");
  await expectOthersGoOn(opened);
  opened.clock.advance(secondMs);
});

// Listings of stores that are larger than a step: whichever way the jobs are found, the same are listed, each once.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fillStore } from "../../scripts/proof/filled-store.ts";
import type { Engine, JobFilter, JobSort } from "../../src/core/engine.ts";
import { isFinished, type Job } from "../../src/core/job.ts";
import { redis } from "../../src/engines/redis/index.ts";
import { completion, newJob } from "../../src/testing/conformance/builders.ts";
import { activeJob, claim, insertJob, laneCounts, settleJob } from "../../src/testing/conformance/calls.ts";
import { sharedRedis } from "../servers/shared.ts";
import { openDeployment } from "./opened.ts";

const rare = { tenant: "rare", queue: "rare" };

/** Of a tenant of its own one job in each place: active, held, ready, deferred and ended. */
async function addRare(engine: Engine): Promise<void> {
  await engine.queues.put([{ name: "*", paused: false }]);
  await settleJob(engine, completion(await activeJob(engine, rare)));
  await activeJob(engine, { ...rare, key: "key-\u{1f600}" });
  await insertJob(engine, { ...rare, key: "key-\u{1f600}", onConflict: "replace" });
  await insertJob(engine, { ...rare, key: "key-\u{ff5e}" });
  await insertJob(engine, { ...rare, due: { afterMs: 60_000 } });
  await insertJob(engine, { tenant: "rare" });
}

async function pages(engine: Engine, filter: JobFilter, sort: JobSort, limit: number): Promise<readonly Job[]> {
  const jobs: Job[] = [];
  let cursor: string | undefined;
  do {
    const page = await engine.jobs.list(filter, { limit, sort, cursor });
    jobs.push(...page.items);
    cursor = page.next;
  } while (cursor !== undefined);
  return jobs;
}

const ids = (jobs: readonly Job[]) => jobs.map(({ id }) => id);

describe("listings in Redis", () => {
  let engine: Engine;
  let all: readonly Job[] = [];

  beforeAll(async () => {
    let now = Date.now();
    const { url, newDeployment } = await sharedRedis();
    engine = redis(url, { clock: { now: () => now }, prefix: newDeployment() });
    await engine.open();
    await fillStore(engine, { jobs: 4_000, schedules: 50 }, async (ms) => {
      now += ms;
    });
    await addRare(engine);
    all = await pages(engine, {}, "oldest", 1_000);
    expect(all.length).toBe(4_006);
  }, 60_000);
  afterAll(() => engine.close());

  const cases: readonly [title: string, filter: JobFilter, matches: (job: Job) => boolean][] = [
    ["a tenant with few jobs", { tenant: "rare" }, (job) => job.tenant === "rare"],
    ["a queue with few jobs", { queue: "rare" }, (job) => job.queue === "rare"],
    ["a lane", { tenant: "acme", queue: "mail" }, (job) => job.tenant === "acme" && job.queue === "mail"],
    ["a lane with few jobs", { tenant: "rare", queue: "mail" }, (job) => job.tenant === "rare" && job.queue === "mail"],
    ["a tenant that never had any", { tenant: "nobody" }, () => false],
    ["keys beyond the basic plane", { keyPrefix: "key-\u{1f600}" }, ({ key }) => key === "key-\u{1f600}"],
    ["keys that begin with half a character", { keyPrefix: "key-\ud83d" }, ({ key }) => key === "key-\u{1f600}"],
    ["jobs with a key", { keyed: true }, ({ key }) => key !== undefined],
    ["jobs of a schedule", { schedule: "held" }, (job) => job.schedule?.id === "held"],
    ["jobs of a task", { task: "send" }, ({ task }) => task === "send"],
    ["keys of all lanes", { keyPrefix: "key-10001" }, ({ key }) => key?.startsWith("key-10001") === true],
    ["active jobs", { states: ["active"] }, ({ state }) => state === "active"],
    [
      "active jobs of a tenant",
      { states: ["active"], tenant: "rare", queue: "rare" },
      (job) => job.state === "active" && job.tenant === "rare",
    ],
    ["active and failed jobs", { states: ["active", "failed"] }, ({ state }) => /active|failed/.test(state)],
    ["cancelled jobs", { states: ["cancelled"] }, ({ state }) => state === "cancelled"],
    [
      "pending jobs of a queue",
      { states: ["pending"], queue: "rare" },
      (job) => job.queue === "rare" && job.state === "pending",
    ],
    [
      "ended jobs of a tenant",
      { states: ["completed"], tenant: "rare" },
      (job) => job.tenant === "rare" && job.state === "completed",
    ],
  ];
  for (const [title, filter, matches] of cases) {
    it(`J14 ${title} are listed once, from either end, in pages of any size`, async () => {
      const expected = ids(all.filter(matches));
      expect(expected.length > 0).toBe(title !== "a tenant that never had any");
      for (const limit of [3, 1_000]) {
        expect(ids(await pages(engine, filter, "oldest", limit))).toEqual(expected);
        expect(ids(await pages(engine, filter, "newest", limit))).toEqual(expected.toReversed());
      }
    }, 60_000);
  }

  it("J14 the history of a queue, of a state and of all is listed by when its jobs ended", async () => {
    const ended = all.filter(({ state }) => isFinished(state));
    const filters: JobFilter[] = [{}, { queue: "mail" }, { states: ["failed", "completed"], queue: "mail" }];
    for (const filter of filters) {
      const expected = ended
        .filter((job) => filter.queue === undefined || job.queue === filter.queue)
        .filter((job) => filter.states === undefined || filter.states.includes(job.state))
        .map((job) => ({ job, order: all.indexOf(job) }))
        .sort((a, b) => (b.job.finishedAt ?? 0) - (a.job.finishedAt ?? 0) || b.order - a.order);
      const expectedIds = ids(expected.map(({ job }) => job));
      for (const limit of [7, 1_000]) {
        expect(ids(await pages(engine, filter, "finished", limit))).toEqual(expectedIds);
      }
    }
  });

  it("J14 a cursor with numbers that no page gave out is refused or lists nothing more", async () => {
    const cursor = (name: string, ...numbers: number[]) => encodeURIComponent(JSON.stringify([name, ...numbers]));
    const list = async (sort: JobSort, ...numbers: number[]) =>
      (await engine.jobs.list({}, { limit: 1, sort, cursor: cursor(sort, ...numbers) })).items.length;
    expect(await list("newest", -1e300)).toBe(0);
    expect(await list("newest", 1e300)).toBe(1);
    expect(await list("oldest", 1e300)).toBe(0);
    expect(await list("oldest", 0.5)).toBe(1);
    expect(await list("finished", -1e300, 0.5)).toBe(0);
    expect(await list("finished", 1e300, 0.5)).toBe(1);
    expect(await list("finished", 0, 1e300)).toBe(0);
  });
});

describe("listings in Redis, step by step", () => {
  it("J14 jobs that lie far apart are all listed", async () => {
    const { engine } = await openDeployment();
    // Each in a chunk of the index of its own, and more of them than one step looks at.
    const jobs = Array.from({ length: 1_100 }, (_, index) => ({ seq: 1 + index * 600, id: newJob().id }));
    const [first] = [await insertJob(engine)];
    const template = await engine.jobs.get(first.id);
    if (template === undefined) throw new Error("the job is stored");
    const items = jobs.map(({ seq, id }) => ({
      kind: "job" as const,
      seq,
      job: { ...template, id, tenant: seq % 7 === 0 ? "globex" : "acme" },
    }));
    await engine.transfer.write({ items, remove: [] });
    for (const sort of ["newest", "oldest"] as const) {
      const inOrder = sort === "oldest" ? items : items.toReversed();
      expect(ids(await pages(engine, {}, sort, 1_000))).toEqual(inOrder.map(({ job }) => job.id));
      const globex = inOrder.filter(({ job }) => job.tenant === "globex").map(({ job }) => job.id);
      expect(ids(await pages(engine, { tenant: "globex", queue: "mail" }, sort, 10))).toEqual(globex);
      // Nothing passes: every step is gone through all the same.
      expect(await pages(engine, { keyPrefix: "none" }, sort, 10)).toEqual([]);
    }
  });

  it("J14 jobs with large inputs are listed whole, a few with each step", async () => {
    const { engine } = await openDeployment();
    const input = JSON.stringify("x".repeat(200_000));
    const jobs = Array.from({ length: 90 }, () => newJob({ input }));
    await engine.jobs.insert(jobs.map((job) => ({ jobs: [job] })));
    const listed = await pages(engine, {}, "oldest", 1_000);
    expect(ids(listed)).toEqual(jobs.map(({ id }) => id));
    expect(listed.every((job) => job.input === input)).toBe(true);
    for (const job of await claim(engine, { bytesMax: 100_000_000 })) await settleJob(engine, completion(job));
    expect(ids(await pages(engine, {}, "finished", 1_000))).toEqual(jobs.map(({ id }) => id).toReversed());
  });

  it("J14 thousands of jobs that came due unobserved are counted as waiting, and stand in the line", async () => {
    const { engine, clock } = await openDeployment();
    const batch = () => Array.from({ length: 1_000 }, () => newJob({ due: { afterMs: 60_000 } }));
    for (let turn = 0; turn < 9; turn++) await engine.jobs.insert(batch().map((job) => ({ jobs: [job] })));
    const { id } = await insertJob(engine, { priority: 10 });
    expect(await laneCounts(engine)).toMatchObject({ waiting: 1, delayed: 9_000 });
    clock.advance(60_000);
    expect(await laneCounts(engine)).toMatchObject({ waiting: 9_001, delayed: 0 });
    expect(await engine.inspection.standing(id, { aheadMax: 20_000 })).toMatchObject({ ahead: 9_000 });
  }, 60_000);
});

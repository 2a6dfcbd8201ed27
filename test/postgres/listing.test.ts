// Listings of a store with more jobs than a first step looks at: whichever way live jobs are found, the same are listed.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fillStore } from "../../scripts/proof/filled-store.ts";
import type { Engine, JobFilter, JobSort } from "../../src/core/engine.ts";
import { mintJobId } from "../../src/core/id.ts";
import { isFinished, type Job, type NewJob } from "../../src/core/job.ts";
import { postgres } from "../../src/engines/postgres/index.ts";
import { afterPrefix } from "../../src/engines/postgres/job-listing.ts";
import { completion } from "../../src/testing/conformance/builders.ts";
import { sharedPostgres } from "../servers/shared.ts";

let drawn = 0;

function rareJob(parts: Partial<NewJob> = {}): NewJob {
  return {
    id: mintJobId("rare", Date.now(), [7, ++drawn]),
    tenant: "rare",
    queue: "rare",
    task: "send",
    input: "{}",
    priority: 5,
    due: { afterMs: 0 },
    ...parts,
  };
}

/** Of a tenant of its own one job in each place: active, held, ready, deferred and ended. */
async function addRare(engine: Engine): Promise<void> {
  await engine.queues.put([{ name: "*", paused: false }]);
  const insert = (job: NewJob) => engine.jobs.insert([{ jobs: [job] }]);
  const claim = () =>
    engine.jobs.claim({
      ...{ claimId: `claim-${++drawn}`, worker: "w", leaseMs: 60_000, limit: 1, starts: 1, bytesMax: 1_000 },
      wants: [{ queue: "rare", limit: 1 }],
    });
  await insert(rareJob());
  const [job] = (await claim()).jobs;
  if (job === undefined) throw new Error("the job was not claimed");
  await engine.jobs.settle([completion(job)]);
  await insert(rareJob({ key: "key-\u{1f600}" }));
  await claim();
  await insert(rareJob({ key: "key-\u{1f600}", onConflict: "replace" }));
  await insert(rareJob({ key: "key-\u{ff5e}" }));
  await insert(rareJob({ due: { afterMs: 60_000 } }));
  await insert(rareJob({ queue: "mail" }));
}

describe("listings in PostgreSQL", () => {
  let engine: Engine;
  let all: readonly Job[] = [];

  beforeAll(async () => {
    let now = Date.now();
    engine = postgres(await sharedPostgres(15), { clock: { now: () => now } }) as Engine;
    await engine.open();
    await fillStore(engine, { jobs: 4_000, schedules: 50 }, async (ms) => {
      now += ms;
    });
    await addRare(engine);
    all = await list({}, "oldest", 1_000);
    expect(all.length).toBe(4_006);
  }, 60_000);
  afterAll(() => engine.close());

  async function list(filter: JobFilter, sort: JobSort, limit: number): Promise<readonly Job[]> {
    const jobs: Job[] = [];
    let cursor: string | undefined;
    do {
      const page = await engine.jobs.list(filter, { limit, sort, cursor });
      jobs.push(...page.items);
      cursor = page.next;
    } while (cursor !== undefined);
    return jobs;
  }

  const cases: readonly [title: string, filter: JobFilter, matches: (job: Job) => boolean][] = [
    ["a tenant with few jobs", { tenant: "rare" }, (job) => job.tenant === "rare"],
    ["a queue with few jobs", { queue: "rare" }, (job) => job.queue === "rare"],
    ["a lane", { tenant: "acme", queue: "mail" }, (job) => job.tenant === "acme" && job.queue === "mail"],
    ["a tenant that never had any", { tenant: "nobody" }, () => false],
    [
      "keys of a lane by their beginning",
      { tenant: "acme", queue: "mail", keyPrefix: "key-10001" },
      ({ tenant, queue, key }) => tenant === "acme" && queue === "mail" && key?.startsWith("key-10001") === true,
    ],
    [
      "keys beyond the basic plane",
      { tenant: "rare", queue: "rare", keyPrefix: "key-\u{1f600}" },
      ({ tenant, key }) => tenant === "rare" && key === "key-\u{1f600}",
    ],
    ["keys of all lanes", { keyPrefix: "key-10001" }, ({ key }) => key?.startsWith("key-10001") === true],
    ["active jobs", { states: ["active"] }, ({ state }) => state === "active"],
    ["active and failed jobs", { states: ["active", "failed"] }, ({ state }) => /active|failed/.test(state)],
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
      const expected = all.filter(matches).map(({ id }) => id);
      const newest = [...expected].reverse();
      for (const limit of [3, 1_000]) {
        expect((await list(filter, "oldest", limit)).map(({ id }) => id)).toEqual(expected);
        expect((await list(filter, "newest", limit)).map(({ id }) => id)).toEqual(newest);
      }
    }, 60_000);
  }

  it("J14 the history of many queues is merged by when its jobs ended", async () => {
    const order = ({ finishedAt = 0 }: Job) => finishedAt;
    const ended = await list({}, "finished", 50);
    expect(ended.map(({ id }) => id).sort()).toEqual(
      all
        .filter(({ state }) => isFinished(state))
        .map(({ id }) => id)
        .sort(),
    );
    expect(ended.map(order)).toEqual(ended.map(order).sort((a, b) => b - a));
  });

  it("J14 a cursor with numbers that no page gave out is refused or lists nothing more", async () => {
    const cursor = (name: string, ...numbers: number[]) => encodeURIComponent(JSON.stringify([name, ...numbers]));
    expect((await engine.jobs.list({}, { limit: 1, cursor: cursor("newest", -1e300) })).items).toEqual([]);
    expect((await engine.jobs.list({}, { limit: 1, cursor: cursor("newest", 1e300) })).items).toHaveLength(1);
    expect(
      (await engine.jobs.list({}, { limit: 1, sort: "finished", cursor: cursor("finished", -1e300, 0.5) })).items,
    ).toEqual([]);
  });

  it("J14 the text behind all that begin with a prefix is the next one in the order of bytes", () => {
    expect(["a", "a\u{10ffff}", "\u{d7ff}", "\u{ffff}", "\u{10ffff}", ""].map(afterPrefix)).toEqual([
      ...["b", "b", "\u{e000}", "\u{10000}", null, null],
    ]);
  });
});

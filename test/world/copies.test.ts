// Random sequences of calls over worlds that follow one journal: an attempt that is taken back leaves nothing behind, a change
// set says all that has changed, and a journal that is cleaned says all that there is. The answers are memory's throughout.
import { expect, test } from "vitest";
import { resolveHistory } from "../../src/core/history.ts";
import type { Job } from "../../src/core/job.ts";
import { claimRequest, newJob } from "../../src/testing/conformance/builders.ts";
import { TestClock } from "../../src/testing/conformance/harness.ts";
import type { Run } from "../../src/world/run.ts";
import { storesOver } from "../../src/world/stores.ts";
import { World } from "../../src/world/world.ts";
import { play } from "../fuzz/sequence.ts";
import { Random } from "../simulation/random.ts";
import { Copies, type Habits } from "./copies.ts";

/** Plays seeds until one fails, and answers how much was done. */
async function playAll(from: number, to: number, habits: Habits): Promise<Copies["done"]> {
  const done = { attemptsTakenBack: 0, changeSets: 0, cleanings: 0, loads: 0 };
  for (let seed = from; seed <= to; seed++) {
    let copies: Copies | undefined;
    const { parting } = await play(seed, {
      // Each process sees by itself which lanes have due jobs.
      sharesAlike: false,
      make: ({ clock, ...history }) => {
        copies = new Copies(clock, history, habits, new Random(seed));
        return copies.engine();
      },
    });
    expect(parting === undefined ? "alike" : { seed, ...parting }).toBe("alike");
    for (const name of Object.keys(done) as (keyof typeof done)[]) done[name] += copies?.done[name] ?? 0;
  }
  return done;
}

test("J15 what is taken back leaves a world as it was, row by row, in sequences 1-50", async () => {
  const done = await playAll(1, 50, { takesBack: 0.75, cleans: 0, loads: 0 });
  expect(done.attemptsTakenBack).toBeGreaterThan(1_000);
}, 60_000);

test("J1 J2 J3 S2 T2 T3 who follows by change sets has the same world, row by row, in sequences 51-100", async () => {
  const done = await playAll(51, 100, { takesBack: 0.1, cleans: 0, loads: 0 });
  expect(done.changeSets).toBeGreaterThan(400);
}, 60_000);

test("J1 J2 J3 S2 T2 T3 a journal that is cleaned makes the same world, row by row, in sequences 101-150", async () => {
  const done = await playAll(101, 150, { takesBack: 0.1, cleans: 0.15, loads: 0.1 });
  expect(done.cleanings).toBeGreaterThan(100);
  expect(done.loads).toBeGreaterThan(100);
}, 60_000);

test("J10 what an attempt has ended beyond all that is kept is taken back too, however much that is", () => {
  const completedCountMax = 130_000;
  const world = new World(new TestClock(), resolveHistory({ retention: { completedCountMax } }));
  const ended = (index: number): Job => ({
    id: `job-${index}`,
    tenant: "acme",
    queue: "mail",
    task: "send",
    input: "{}",
    state: "completed",
    priority: 5,
    dueAt: 0,
    createdAt: 0,
    finishedAt: 1,
    attempt: 1,
    failures: 0,
    crashes: 0,
    releases: 0,
    attempts: [],
    log: [],
  });
  for (let index = 0; index < 2 * completedCountMax + 99; index++) world.trim(ended(index));
  const { changes } = world.attempt(() => world.trim(ended(-1)));
  expect(() => world.takeBack(changes)).not.toThrow();
});

/** The tenants of forty claims of one job each, where a lane came due with the first of them. */
async function tenantsClaimed(isTakenBack: boolean): Promise<readonly string[]> {
  const clock = new TestClock();
  const world = new World(clock, resolveHistory({}));
  const run: Run = async (work) => world.attempt(() => work(world, clock.now())).answer;
  const { jobs } = storesOver(run, async () => []);
  for (let index = 0; index < 50; index++) {
    await jobs.insert([
      { jobs: [newJob({ tenant: "ready" }), newJob({ tenant: "deferred", due: { afterMs: 1_000 } })] },
    ]);
  }
  const one = () => claimRequest({ limit: 1, starts: 1 });
  for (let index = 0; index < 20; index++) await jobs.claim(one());
  clock.advance(1_000);
  if (isTakenBack) {
    const takeBack: Run = async (work) => {
      const { answer, changes } = world.attempt(() => work(world, clock.now()));
      world.takeBack(changes);
      return answer;
    };
    await storesOver(takeBack, async () => []).jobs.claim(one());
  }
  const claimed: string[] = [];
  for (let index = 0; index < 40; index++) {
    for (const { tenant } of (await jobs.claim(one())).jobs) claimed.push(tenant);
  }
  return claimed;
}

test("J12 a lane whose first claim was taken back is served as if that had not been", async () => {
  expect(await tenantsClaimed(true)).toEqual(await tenantsClaimed(false));
});

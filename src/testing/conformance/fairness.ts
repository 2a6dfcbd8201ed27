// Fairness: how long a tenant's due job waits at most behind other tenants' jobs, and what each gets in the long run.
import assert from "node:assert/strict";
import type { Engine } from "../../core/engine.ts";
import type { ClaimedJob } from "../../core/job.ts";
import { completion, minuteMs, newJob } from "./builders.ts";
import { claim } from "./calls.ts";
import { type Chapter, fact } from "./harness.ts";

/** So many due jobs of a tenant, in one insert. */
async function insertMany(engine: Engine, tenant: string, count: number): Promise<void> {
  await engine.jobs.insert([{ jobs: Array.from({ length: count }, () => newJob({ tenant })) }]);
}

async function setWeight(engine: Engine, id: string, weight: number): Promise<void> {
  await engine.tenants.put([{ id, weight }]);
}

/** Claims in portions until so many are claimed, each portion completed before the next; answers whose they were. */
async function claimInTurn(engines: readonly Engine[], total: number, portion: number): Promise<string[]> {
  const tenants: string[] = [];
  for (let turn = 0; tenants.length < total; turn++) {
    const engine = engines[turn % engines.length];
    assert.ok(engine);
    const limit = Math.min(portion, total - tenants.length);
    const jobs: readonly ClaimedJob[] = await claim(engine, { limit });
    assert.equal(jobs.length, limit);
    await engine.jobs.settle(jobs.map((job) => completion(job)));
    tenants.push(...jobs.map((job) => job.tenant));
  }
  return tenants;
}

/** How many jobs each tenant got. */
function shares(tenants: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const tenant of tenants) counts[tenant] = (counts[tenant] ?? 0) + 1;
  return counts;
}

const smallTenants = Array.from({ length: 10 }, (_, index) => `small-${index}`);
/** With n tenants of equal weight, one job in every n/1 + n - 1 is a given tenant's. */
const bound = 2 * (smallTenants.length + 1) - 1;

export const fairness: Chapter = {
  title: "fairness",
  facts: [
    fact(
      "J12 tenants with one job each are served within the bound beside one with 3,000",
      async ({ engine, other }) => {
        await insertMany(engine, "big", 3_000);
        await claimInTurn([engine, other], 100, 20);
        for (const tenant of smallTenants) await insertMany(engine, tenant, 1);
        const served = await claimInTurn([engine, other], bound, 3);
        assert.deepEqual(
          smallTenants.filter((tenant) => !served.includes(tenant)),
          [],
        );
      },
    ),

    fact("J12 a tenant that comes while claims of one job are made is served within the bound", async ({ engine }) => {
      await insertMany(engine, "big", 200);
      await insertMany(engine, "other", 200);
      await claimInTurn([engine], 31, 1);
      for (let round = 0; round < 5; round++) {
        await insertMany(engine, "small", 1);
        const served = await claimInTurn([engine], 5, 1);
        assert.equal(shares(served)["small"], 1, `round ${round}: ${served.join(" ")}`);
      }
    }),

    fact("J12 a tenant of weight w among n of total W has one job in every W/w + n - 1", async ({ engine, other }) => {
      const weights: Readonly<Record<string, number>> = { a: 7, b: 3, c: 1 };
      for (const [tenant, weight] of Object.entries(weights)) {
        await setWeight(engine, tenant, weight);
        await insertMany(engine, tenant, 200);
      }
      const served = await claimInTurn([engine, other], 110, 1);
      for (const [tenant, weight] of Object.entries(weights)) {
        const every = Math.floor(11 / weight) + 2;
        for (let from = 0; from + every <= served.length; from++) {
          assert.ok(served.slice(from, from + every).includes(tenant), `${tenant} is not among ${every} from ${from}`);
        }
      }
      assert.deepEqual(shares(served), { a: 70, b: 30, c: 10 });
    }),

    fact("J12 shares follow the weights whatever the size of the claims", async ({ engine, other }) => {
      await setWeight(engine, "a", 5);
      await setWeight(engine, "b", 2);
      for (const tenant of ["a", "b", "c"]) await insertMany(engine, tenant, 300);
      const counts = shares(await claimInTurn([engine, other], 320, 13));
      for (const [tenant, share] of [
        ["a", 200],
        ["b", 80],
        ["c", 40],
      ] as const) {
        assert.ok(Math.abs((counts[tenant] ?? 0) - share) < 3, JSON.stringify(counts));
      }
    }),

    fact("J12 a tenant that empties and fills at each claim neither gains nor loses", async ({ engine }) => {
      for (const tenant of ["a", "b"]) await insertMany(engine, tenant, 100);
      const served: string[] = [];
      await insertMany(engine, "blinking", 1);
      for (let turn = 0; turn < 60; turn++) {
        const [tenant = ""] = await claimInTurn([engine], 1, 1);
        served.push(tenant);
        if (tenant === "blinking") await insertMany(engine, "blinking", 1);
      }
      assert.ok(Math.abs((shares(served)["blinking"] ?? 0) - 20) <= 1, JSON.stringify(shares(served)));
    }),

    fact("J12 jobs that come due are as fair to others as jobs that are inserted due", async ({ engine, clock }) => {
      await insertMany(engine, "big", 500);
      const due = { afterMs: minuteMs };
      await engine.jobs.insert([{ jobs: Array.from({ length: 300 }, () => newJob({ tenant: "timers", due })) }]);
      await claimInTurn([engine], 50, 10);
      clock.advance(minuteMs);
      await insertMany(engine, "small", 1);
      const served = await claimInTurn([engine], 5, 5);
      assert.equal(shares(served)["small"], 1, served.join(" "));
    }),

    fact("J12 what a claim leaves for its size is not charged to the tenant", async ({ engine }) => {
      const input = JSON.stringify("x".repeat(1_000));
      const jobs = (tenant: string) => Array.from({ length: 60 }, () => newJob({ tenant, input }));
      await engine.jobs.insert([{ jobs: jobs("large") }]);
      await insertMany(engine, "plain", 200);
      const tenants: string[] = [];
      for (let turn = 0; turn < 10; turn++) {
        const claimed = await claim(engine, { limit: 40, bytesMax: 4_000 });
        await engine.jobs.settle(claimed.map((job) => completion(job)));
        tenants.push(...claimed.map((job) => job.tenant));
      }
      const { large = 0, plain = 0 } = shares(tenants);
      assert.ok(Math.abs(large - plain) <= 10, JSON.stringify({ large, plain }));
    }),
  ],
};

// What a store keeps of tenants: their records, who is listed, and what the log says of changes.
import assert from "node:assert/strict";
import type { Engine } from "../../core/engine.ts";
import type { ClaimedJob } from "../../core/job.ts";
import type { TenantFilter, TenantSummary } from "../../core/tenant-record.ts";
import { completion, minuteMs, newJob, schedulePut, secondMs, tenant } from "./builders.ts";
import { activeJob, claim, createSchedule, insertJob, insertJobs, listEvents, settleJob } from "./calls.ts";
import { type Chapter, fact } from "./harness.ts";

const rate = { count: 5, periodMs: secondMs };

async function listed({ tenants }: Engine, filter: TenantFilter = {}): Promise<readonly TenantSummary[]> {
  return (await tenants.list(filter, { limit: 100 })).items;
}

const kept: Chapter["facts"] = [
  fact("N2 a tenant's record is what was put, until it is put anew", async ({ engine, other }) => {
    assert.deepEqual(await engine.tenants.get([tenant]), [undefined]);
    const guardrails = { maxPendingJobs: 3, minIntervalMs: "unlimited" } as const;
    const [put] = await engine.tenants.put([{ id: tenant, weight: 7, concurrency: 2, rate, guardrails }]);
    assert.deepEqual(put, { id: tenant, weight: 7, concurrency: 2, rate, guardrails });
    assert.deepEqual(await other.tenants.get([tenant, "globex"]), [put, undefined]);
    const [changed] = await other.tenants.put([
      { id: tenant, weight: null, rate: null, guardrails: { maxPendingJobs: 4 } },
    ]);
    assert.deepEqual(changed, {
      id: tenant,
      weight: 1,
      concurrency: 2,
      guardrails: { ...guardrails, maxPendingJobs: 4 },
    });
    const nothing = { minIntervalMs: null, maxPendingJobs: null };
    const [bare] = await engine.tenants.put([{ id: tenant, concurrency: null, guardrails: nothing }]);
    assert.deepEqual(bare, { id: tenant, weight: 1 });
    assert.deepEqual(await other.tenants.get([tenant]), [bare]);
  }),

  fact("N2 each tenant that has a record, jobs or schedules is listed, with what it has", async ({ engine, other }) => {
    await engine.tenants.put([{ id: "a", weight: 2 }]);
    const job = await activeJob(engine, { tenant: "b" });
    await insertJobs(engine, [{ tenant: "b" }, { tenant: "b", queue: "other", due: { afterMs: minuteMs } }]);
    await createSchedule(engine, {}, { tenant: "c", id: "one" });
    await createSchedule(engine, {}, { tenant: "c", id: "two" });
    await engine.schedules.put([schedulePut({ tenant: "c", id: "three", enabled: false })]);
    const nothing = { weight: 1, activeSchedules: 0, pendingJobs: 0, activeJobs: 0 };
    const items = [
      { ...nothing, id: "a", weight: 2 },
      { ...nothing, id: "b", pendingJobs: 2, activeJobs: 1 },
      { ...nothing, id: "c", activeSchedules: 2 },
    ];
    assert.deepEqual(await listed(other), items);
    await settleJob(engine, completion(job));
    assert.deepEqual(await listed(engine, { id: "b" }), [{ ...nothing, id: "b", pendingJobs: 2 }]);
    assert.deepEqual(await listed(engine, { id: "nobody" }), []);
  }),

  fact("N2 tenants are listed by id, in pages, and by the beginning of their ids", async ({ engine, other }) => {
    const ids = ["acme", "acme.eu", "acme:us", "acmf", "b"];
    for (const id of ids) await insertJob(engine, { tenant: id });
    await engine.tenants.put(ids.map((id) => ({ id, weight: 2 })));
    const found: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await other.tenants.list({}, { limit: 2, ...(cursor === undefined ? {} : { cursor }) });
      assert.ok(page.items.length <= 2);
      found.push(...page.items.map(({ id }) => id));
      cursor = page.next;
    } while (cursor !== undefined);
    assert.deepEqual(found, [...ids].sort());
    const begun = (await listed(engine, { idPrefix: "acme" })).map(({ id }) => id);
    assert.deepEqual(begun, ["acme", "acme.eu", "acme:us"].sort());
    await assert.rejects(engine.tenants.list({}, { limit: 2, cursor: "nonsense" }), { code: "INVALID_INPUT" });
  }),

  fact("N5 a change of a tenant's record is in its own log, with before, after and who", async ({ engine, other }) => {
    await engine.tenants.put([{ id: tenant, weight: 2 }], "ann");
    await other.tenants.put([{ id: tenant, concurrency: 1 }]);
    await engine.tenants.put([{ id: tenant, concurrency: 1 }], "bob");
    const events = await listEvents(engine, { tenant, types: ["tenant:changed"] });
    assert.deepEqual(
      events.map(({ actor, data }) => [actor, data?.["before"], data?.["after"]]),
      [
        ["ann", undefined, { id: tenant, weight: 2 }],
        [undefined, { id: tenant, weight: 2 }, { id: tenant, weight: 2, concurrency: 1 }],
      ],
    );
    assert.deepEqual(await listEvents(engine, { tenant: "globex" }), []);
  }),
];

/** How many jobs each tenant got. */
function shares(jobs: readonly { readonly tenant: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { tenant } of jobs) counts[tenant] = (counts[tenant] ?? 0) + 1;
  return counts;
}

async function insertMany(engine: Engine, owner: string, count: number): Promise<void> {
  await engine.jobs.insert([{ jobs: Array.from({ length: count }, () => newJob({ tenant: owner })) }]);
}

const weights: Chapter["facts"] = [
  fact("J12 tenants share a queue by their weights", async ({ engine, other }) => {
    await engine.tenants.put([{ id: "a", weight: 3 }]);
    for (const owner of ["a", "b"]) await insertMany(engine, owner, 100);
    await other.tenants.put([{ id: "c", weight: 6 }]);
    await insertMany(engine, "c", 100);
    const jobs = [...(await claim(engine, { limit: 30 })), ...(await claim(other, { limit: 30 }))];
    assert.deepEqual(shares(jobs), { a: 18, b: 6, c: 36 });
  }),

  fact("J12 small claims are shared by weight as large ones are", async ({ engine, other }) => {
    await engine.tenants.put([{ id: "a", weight: 4 }]);
    for (const owner of ["a", "b"]) await insertMany(engine, owner, 50);
    const jobs: ClaimedJob[] = [];
    for (let turn = 0; turn < 20; turn++) jobs.push(...(await claim(turn % 2 === 0 ? engine : other, { limit: 1 })));
    assert.deepEqual(shares(jobs), { a: 16, b: 4 });
  }),

  fact("J12 a weight that is changed holds from then on, in every queue", async ({ engine, other }) => {
    for (const owner of ["a", "b"]) {
      await insertMany(engine, owner, 100);
      await engine.jobs.insert([{ jobs: Array.from({ length: 50 }, () => newJob({ tenant: owner, queue: "other" })) }]);
    }
    assert.deepEqual(shares(await claim(engine, { limit: 20 })), { a: 10, b: 10 });
    await other.tenants.put([{ id: "a", weight: 3 }]);
    assert.deepEqual(shares(await claim(engine, { limit: 40 })), { a: 30, b: 10 });
    const wants = [{ queue: "other", limit: 40 }];
    assert.deepEqual(shares(await claim(other, { limit: 40, wants })), { a: 30, b: 10 });
    await engine.tenants.put([{ id: "a", weight: null }]);
    assert.deepEqual(shares(await claim(engine, { limit: 20 })), { a: 10, b: 10 });
  }),

  fact("J12 a claim that large inputs end early charges its lanes for what it gave", async ({ engine }) => {
    const input = JSON.stringify("x".repeat(1_000));
    for (const owner of ["a", "b"]) {
      await engine.jobs.insert([{ jobs: Array.from({ length: 20 }, () => newJob({ tenant: owner, input })) }]);
    }
    const first = await claim(engine, { limit: 20, bytesMax: 1_100 });
    const rest: ClaimedJob[] = [];
    for (let turn = 0; turn < 7; turn++) rest.push(...(await claim(engine, { limit: 20, bytesMax: 1_100 })));
    assert.deepEqual(shares([...first, ...rest]), { a: 4, b: 4 });
  }),
];

export const tenantRecords: Chapter = { title: "tenants' records and weights", facts: [...kept, ...weights] };

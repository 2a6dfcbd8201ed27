// What a look at a store's data finds: damage is named, whatever is damaged, and stops nobody; counts are compared.
import { describe, expect, it } from "vitest";
import type { Engine } from "../../src/core/engine.ts";
import { damagedReason } from "../../src/core/stored-job.ts";
import { completion, dayMs, hourMs, queue, tenant } from "../../src/testing/conformance/builders.ts";
import {
  activeJob,
  createSchedule,
  insertJob,
  laneCounts,
  listJobs,
  settleJob,
} from "../../src/testing/conformance/calls.ts";
import { type Opened, openDeployment } from "./opened.ts";

async function problems(engine: Engine): Promise<string[]> {
  const findings = await engine.inspection.findings();
  const ofData = findings.filter(({ check }) => ["rows", "counters", "retention"].includes(check));
  return ofData.filter(({ status }) => status !== "ok").map(({ what }) => what);
}

/** Writes something else where a job's text is. */
async function damage({ server, key }: Opened, id: string, change: (base: string) => string): Promise<void> {
  const seq = (await server.hget(key("ids"), id)) ?? "";
  const base = (await server.hget(key("jobs"), seq)) ?? "";
  await server.hset(key("jobs"), seq, change(base));
}

describe("findings in Redis", () => {
  it("O5 damaged texts are named, each by what it is", async () => {
    const opened = await openDeployment();
    const { engine, server, key } = opened;
    const { id } = await insertJob(engine, { metadata: '{"a":1}' });
    const other = await insertJob(engine);
    await createSchedule(engine, {}, { id: "daily" });
    await engine.tenants.put([{ id: tenant, concurrency: 3 }]);
    await engine.queues.put([{ name: queue, concurrency: 3 }]);
    expect(await problems(engine)).toEqual([]);
    await damage(opened, id, (base) => base.replace('"d":{', '"d":['));
    await damage(opened, other.id, (base) => `${base}}`);
    await server.hset(key("schedules"), `${tenant}\ndaily`, "1|{}");
    await server.hset(key("tenants"), tenant, "1|nonsense");
    await server.hset(key("queues"), queue, "nonsense");
    await server.xadd(key("events"), "*", "e", "nonsense");
    const found = await problems(engine);
    expect(found.map((what) => what.replace(/ is damaged.*/, "")).sort()).toEqual([
      expect.stringMatching(/^event \d+-\d+$/),
      ...[`job ${id}`, "queue mail", `schedule ${tenant}/daily`, `tenant ${tenant}`, `the input of job ${other.id}`],
    ]);
  });

  it("J7 a damaged job stands in listings with what can be read, and the others beside it", async () => {
    const opened = await openDeployment();
    const { engine } = opened;
    const { id } = await insertJob(engine, { metadata: '{"a":1}' });
    const { id: next } = await insertJob(engine);
    await damage(opened, id, (base) => base.replace('"d":{', '"d":['));
    const jobs = await listJobs(engine);
    expect(jobs.map((job) => [job.id, job.state, job.reason])).toEqual([
      [next, "pending", undefined],
      [id, "pending", damagedReason],
    ]);
    expect(await engine.inspection.standing(next, { aheadMax: 10 })).toMatchObject({ ahead: 1 });
    expect(await engine.inspection.standing(id, { aheadMax: 10 })).toMatchObject({ job: { reason: damagedReason } });
    await expect(engine.transfer.read({ limit: 100 })).rejects.toMatchObject({
      code: "STORE_CORRUPT",
      message: expect.stringContaining(id),
    });
  });

  it("O5 counts that disagree with the jobs are told with both numbers", async () => {
    const { engine, server, key } = await openDeployment();
    await activeJob(engine);
    await insertJob(engine);
    const lane = (await server.hget(key("lanes"), `${queue}\n${tenant}`)) ?? "";
    await server.hincrby(key(`l:${lane}`), "active", 4);
    expect(await problems(engine)).toEqual([
      `queue ${queue} counts 5 active jobs and holds 1`,
      "the store counts 6 jobs and holds 2",
    ]);
  });

  it("O5 what retention has left is told once nobody has come for it", async () => {
    const { engine, clock } = await openDeployment();
    const job = await activeJob(engine);
    await settleJob(engine, completion(job, { keep: { ageMs: hourMs } }));
    clock.advance(hourMs + 60_000);
    expect(await problems(engine)).toEqual([]);
    clock.advance(400 * dayMs);
    expect(await problems(engine)).toEqual(["there are finished jobs whose time ended 400d1m ago"]);
  });

  it("J14 lanes are counted by tenant, by queue, by both, and all of them", async () => {
    const { engine } = await openDeployment();
    for (const parts of [{}, { queue: "else" }, { tenant: "globex" }, { tenant: "globex" }]) {
      await insertJob(engine, parts);
    }
    const names = async (filter: { tenant?: string; queue?: string }) =>
      (await engine.jobs.stats(filter)).map((lane) => `${lane.queue}/${lane.tenant} ${lane.waiting}`).sort();
    expect(await names({})).toEqual(["else/acme 1", "mail/acme 1", "mail/globex 2"]);
    expect(await names({ tenant: "acme" })).toEqual(["else/acme 1", "mail/acme 1"]);
    expect(await names({ queue: "mail" })).toEqual(["mail/acme 1", "mail/globex 2"]);
    expect(await names({ tenant: "globex", queue: "mail" })).toEqual(["mail/globex 2"]);
    expect(await names({ tenant: "globex", queue: "else" })).toEqual([]);
    expect(await laneCounts(engine, { tenant: "nobody", queue: "mail" })).toMatchObject({ waiting: 0 });
  });
});

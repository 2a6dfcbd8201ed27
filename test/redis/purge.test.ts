// Retention on Redis beyond the suite: counters and indexes follow, whoever deletes at once, and whatever a foreign hand left.
import { expect, test } from "vitest";
import type { Engine, FinishedPurge } from "../../src/core/engine.ts";
import { completion, dayMs, failure, hourMs, newJob, queue, tenant } from "../../src/testing/conformance/builders.ts";
import { changeJob, claim, insertJobs, laneCounts, listEvents, listJobs } from "../../src/testing/conformance/calls.ts";
import { openDeployment } from "./opened.ts";

/** So many jobs that ended in the same instant: completed, failed and cancelled in turn, of two tenants. */
async function endMany(engine: Engine, count: number): Promise<void> {
  const owner = (index: number) => (index % 5 === 0 ? "globex" : tenant);
  const list = Array.from({ length: count }, (_, index) => ({
    tenant: owner(index),
    priority: index % 3 === 2 ? 9 : 1,
  }));
  const ids = await insertJobs(engine, list);
  for (const id of ids.filter((_, index) => index % 3 === 2)) await changeJob(engine, { id }, { kind: "cancel" });
  const jobs = await claim(engine, { limit: count, starts: count, wants: [{ queue, limit: count }] });
  await engine.jobs.settle(
    jobs.map((job) => (ids.indexOf(job.id) % 3 === 0 ? completion(job, { keep: {} }) : failure(job, { keep: {} }))),
  );
}

/** All rounds of an operator's purge; how many each deleted. */
async function purged({ jobs }: Engine, finished: FinishedPurge, limit: number): Promise<number[]> {
  const deleted: number[] = [];
  let cursor: string | undefined;
  for (let more = true; more; ) {
    const answer = await jobs.purge({ finished: { ...finished, cursor }, limit });
    deleted.push(answer.deleted);
    cursor = answer.next;
    more = answer.more;
  }
  return deleted;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

const roomy = { retention: { completedCountMax: 1_000, endedCountMax: 1_000 } };

test("J10: jobs that retention deletes leave nothing behind but their lane's totals", async () => {
  const { engine, keys } = await openDeployment({ ...roomy, retention: { ...roomy.retention, events: 0 } });
  await endMany(engine, 60);
  await engine.jobs.purge({ completedCountMax: 0, endedCountMax: 0, limit: 1_000 });
  expect(await listJobs(engine)).toEqual([]);
  const counts = await laneCounts(engine, { tenant: "globex", queue });
  expect(counts).toMatchObject({
    completed: 0,
    failed: 0,
    cancelled: 0,
    totals: { completed: 4, failed: 4, cancelled: 4 },
  });
  const left = (await keys()).filter((key) => !/^(meta|lane|l:|t:|c:|g$|queueNames|tenantNames)/.test(key));
  expect(left).toEqual([]);
});

test("J10: an operator's purge goes through jobs that ended in one instant, whatever a round takes", async () => {
  const { engine, clock } = await openDeployment(roomy);
  await endMany(engine, 61);
  clock.advance(1);
  const before = clock.now();
  for (const limit of [1, 7, 100]) {
    expect(sum(await purged(engine, { before, dryRun: true }, limit))).toBe(61);
    expect(sum(await purged(engine, { before, dryRun: true, states: ["cancelled"] }, limit))).toBe(20);
    expect(sum(await purged(engine, { before, dryRun: true, tenant: "globex", states: ["failed"] }, limit))).toBe(4);
    expect(sum(await purged(engine, { before: before - 1, dryRun: true }, limit))).toBe(0);
  }
  expect(sum(await purged(engine, { before, tenant: "globex" }, 5))).toBe(13);
  expect(sum(await purged(engine, { before, states: ["cancelled", "failed"] }, 5))).toBe(32);
  const left = await listJobs(engine);
  expect(left.map((job) => [job.tenant, job.state])).toEqual(Array(16).fill([tenant, "completed"]));
});

test("N5: operators who purge at once delete each job once, and the log tells what each of them did", async () => {
  const { engine, other, clock } = await openDeployment(roomy);
  await endMany(engine, 60);
  clock.advance(1);
  const request = { before: clock.now(), actor: "ann" };
  const counts = await Promise.all([engine, other, engine].map((handle) => purged(handle, request, 4)));
  expect(sum(counts.flat())).toBe(60);
  const told = await listEvents(engine, { types: ["jobs:purged"] });
  expect(sum(told.map(({ data }) => Number(data?.["deleted"])))).toBe(60);
  expect(told).toHaveLength(counts.flat().filter((count) => count > 0).length);
  expect(await laneCounts(engine)).toMatchObject({ completed: 0, failed: 0, cancelled: 0 });
});

test("J10: purges beside people who revive jobs delete none of those", async () => {
  const { engine, other, clock } = await openDeployment(roomy);
  await endMany(engine, 60);
  clock.advance(1);
  const failed = (await listJobs(engine, { states: ["failed"] })).map((job) => job.id);
  const revive = async () => {
    const outcomes: string[] = [];
    for (const id of failed) outcomes.push((await changeJob(other, { id }, { kind: "retry" })).outcome);
    return outcomes.filter((outcome) => outcome === "changed").length;
  };
  const [deleted, revived] = await Promise.all([purged(engine, { before: clock.now() }, 3), revive()]);
  expect(sum(deleted) + revived).toBe(60);
  expect(await listJobs(engine)).toHaveLength(revived);
  const lanes = await engine.jobs.stats({});
  expect(sum(lanes.map(({ waiting }) => waiting))).toBe(revived);
  expect(sum(lanes.map((lane) => lane.completed + lane.failed + lane.cancelled))).toBe(0);
});

test("J10: what a foreign hand has left among finished jobs stops no purge", async () => {
  const { engine, clock, server, key } = await openDeployment(roomy);
  await endMany(engine, 6);
  await server.zadd(key(`f:${queue}:c`), 1, "nonsense", 2, "1000000000099:none:7");
  await server.zadd(key("expiring"), 1, "nonsense", 2, "1000000000099:none:7:c");
  clock.advance(dayMs);
  expect(sum(await purged(engine, { before: clock.now(), dryRun: true }, 2))).toBe(6);
  await engine.jobs.purge({ completedCountMax: 0, endedCountMax: 0, limit: 1_000 });
  expect(await engine.jobs.purge({ completedCountMax: 0, endedCountMax: 0, limit: 1_000 })).toEqual({
    deleted: 0,
    more: false,
  });
  expect(await listJobs(engine)).toEqual([]);
  expect(await server.exists(key(`f:${queue}:c`), key("expiring"))).toBe(0);
});

test("J15: an idempotency key whose time is over is forgotten, in bounded rounds", async () => {
  const { engine, clock, keys } = await openDeployment();
  for (let turn = 0; turn < 5; turn++) {
    await engine.jobs.insert([{ jobs: [newJob({ idempotency: { key: `key-${turn}`, body: "" } })] }]);
  }
  clock.advance(hourMs);
  await engine.jobs.purge({ limit: 10 });
  expect(await keys("idempotency")).toEqual(["idempotency", "idempotencyEnds"]);
  clock.advance(dayMs);
  expect(await engine.jobs.purge({ limit: 2 })).toEqual({ deleted: 0, more: true });
  expect(await engine.jobs.purge({ limit: 10 })).toEqual({ deleted: 0, more: false });
  expect(await keys("idempotency")).toEqual([]);
});

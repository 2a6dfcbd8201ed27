// Batches that are large beside what Lua takes at once (8,000 values, nested texts), texts of every kind and size, and many
// tenants: what goes in comes out, whichever way through the scripts it takes.
import { expect, test } from "vitest";
import { defaults } from "../../src/core/defaults.ts";
import type { NewJob } from "../../src/core/job.ts";
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
} from "../../src/testing/conformance/builders.ts";
import { claim, fire, insertJobs, laneCounts, storedJob } from "../../src/testing/conformance/calls.ts";
import { openDeployment } from "./opened.ts";

const patience = { timeout: 60_000 };

/** A claim of so many jobs, whatever their size. */
function claimOf(limit: number, starts = limit) {
  return claimRequest({ limit, starts, wants: [{ queue, limit }], bytesMax: Number.MAX_SAFE_INTEGER });
}

const several: readonly [string, (index: number) => Partial<NewJob>][] = [
  ["plain jobs", () => ({})],
  ["jobs with keys", (index) => ({ key: `key-${index}` })],
  ["jobs with idempotency keys", (index) => ({ idempotency: { key: `key-${index}`, body: "" } })],
  ["jobs of as many tenants", (index) => ({ tenant: `tenant-${index}` })],
  ["deferred jobs", () => ({ due: { afterMs: minuteMs } })],
];

test.each(several)("T5: 10,000 %s go in together, and each is claimed and ended once", patience, async (_, parts) => {
  const { engine, other, clock } = await openDeployment({ retention: { completedCountMax: 20_000 } });
  const jobs = Array.from({ length: 10_000 }, (_, index) => newJob(parts(index)));
  // Together only where they are of one tenant.
  const isOfOne = jobs.every(({ tenant }) => tenant === jobs[0]?.tenant);
  const answers = await engine.jobs.insert(isOfOne ? [{ jobs }] : jobs.map((job) => ({ jobs: [job] })));
  expect(answers.flatMap((answer) => (answer.outcome === "inserted" ? answer.jobs : []))).toHaveLength(10_000);
  clock.advance(minuteMs);
  const claimed: string[] = [];
  for (let some = await other.jobs.claim(claimOf(5_000)); some.jobs.length > 0; ) {
    claimed.push(...some.jobs.map(({ id }) => id));
    const settled = await engine.jobs.settle(some.jobs.map((job, at) => (at % 2 === 0 ? completion : failure)(job)));
    expect(settled.filter(({ outcome }) => outcome !== "settled")).toEqual([]);
    some = await other.jobs.claim(claimOf(5_000));
  }
  expect(claimed).toHaveLength(10_000);
  expect(new Set(claimed)).toEqual(new Set(jobs.map(({ id }) => id)));
  const problems = (await engine.inspection.findings()).filter(
    ({ status, check }) => status !== "ok" && check !== "settings",
  );
  expect(problems.filter(({ check }) => check !== "retention")).toEqual([]);
});

test("J3: leases of 10,000 jobs are extended in one call, and 3,000 changes cancel what waits", patience, async () => {
  const { engine } = await openDeployment();
  const ids = await insertJobs(engine, Array(10_000).fill({}));
  const { jobs } = await engine.jobs.claim(claimOf(10_000));
  expect(jobs).toHaveLength(10_000);
  const extended = await engine.jobs.extend(
    jobs.map(({ id, queue, attempt, token, ref }) => ({ lease: { id, queue, attempt, token, ref }, started: true })),
    minuteMs,
  );
  expect(extended).toHaveLength(10_000);
  const released = await engine.jobs.settle(
    jobs.map((job) => ({ ...failure(job), outcome: "retry", endCause: undefined, due: { afterMs: 0 } })),
  );
  expect(released.every((answer) => answer.outcome === "settled")).toBe(true);
  const changed = await engine.jobs.change(
    ids.slice(0, 3_000).map((id) => ({ name: { id }, change: { kind: "cancel" } })),
  );
  expect(changed.filter(({ outcome }) => outcome !== "changed")).toEqual([]);
  expect(await laneCounts(engine)).toMatchObject({ waiting: 7_000, active: 0, totals: { cancelled: 3_000 } });
});

test("S1: 2,000 schedules are put, fired and removed together", patience, async () => {
  const { engine, clock } = await openDeployment();
  const puts = Array.from({ length: 2_000 }, (_, index) =>
    schedulePut({
      id: `schedule-${index}`,
      incarnation: `${index}`.padStart(22, "0"),
      definition: definition({ overlap: index % 2 === 0 ? "skip" : "allow", metadata: JSON.stringify({ index }) }),
    }),
  );
  const answers = await engine.schedules.put(puts);
  expect(new Set(answers.map(({ outcome }) => outcome))).toEqual(new Set(["created"]));
  clock.advance(minuteMs);
  let fired = 0;
  for (let some = await fire(engine); some.fired.length > 0; some = await fire(engine)) fired += some.fired.length;
  expect(fired).toBe(2_000);
  expect(await laneCounts(engine)).toMatchObject({ waiting: 2_000 });
  const removed = await engine.schedules.remove(puts.map(({ tenant, id }) => ({ tenant, id, cancelPending: true })));
  expect(removed).toEqual(Array(2_000).fill("removed"));
  expect(await laneCounts(engine)).toMatchObject({ waiting: 0 });
});

const unit = 'a\u0000b\ud800c\udfffd🎉é日\n\t\r\\"\u2028|,\u007f';
const texts: readonly [string, string][] = [
  ["of 512 KiB", JSON.stringify("x".repeat(defaults.payloadBytesMax - 2))],
  ["of every kind of character", JSON.stringify({ [unit]: unit })],
  ["of 512 KiB of every kind", JSON.stringify(unit.repeat(8_000))],
  ["with line feeds and tabs between its members", '{\n\t"a":\t1,\n\n"b":2\n}\n'],
  ["with numbers as they were written", "[1e400,1.0,-0,12345678901234567890,0.1e-7]"],
  ["nested deeper than the server's JSON reads", `${"[".repeat(5_000)}${"]".repeat(5_000)}`],
  ["that looks like a job of ours", '1,p,5,0,0,1000000001,0,-\n{"by":"x"}\n\t|'],
];
const ways: readonly [string, Partial<NewJob>][] = [
  ["straight", {}],
  ["by steps", { key: "k" }],
];

for (const [what, input] of texts) {
  test.each(ways)(`J13: an input ${what} comes back to the last character, %s`, async (_, parts) => {
    const { engine, other, clock } = await openDeployment();
    const [id = ""] = await insertJobs(engine, [{ ...parts, input, metadata: input }]);
    expect((await storedJob(other, id)).input).toBe(input);
    const [first] = await claim(other, { worker: unit });
    expect(first).toMatchObject({ id, input, metadata: input, worker: unit });
    clock.advance(minuteMs);
    const [again] = await claim(engine);
    expect(again).toMatchObject({ id, input, metadata: input, recovered: true });
    if (again === undefined) return;
    const log = [{ at: clock.now(), attempt: again.attempt, text: unit }];
    await engine.jobs.settle([failure(again, { reason: unit, log })]);
    expect(await storedJob(other, id)).toMatchObject({ input, metadata: input, reason: unit, log, state: "failed" });
    const revived = await other.jobs.change([{ name: { id }, change: { kind: "retry" }, actor: unit }]);
    expect(revived).toMatchObject([{ outcome: "changed" }]);
    const [last] = await claim(engine);
    expect(last).toMatchObject({ id, input });
    if (last === undefined) return;
    await engine.jobs.settle([completion(last, { output: input })]);
    expect(await storedJob(other, id)).toMatchObject({ input, output: input, log, state: "completed" });
  });
}

test("S1: a schedule's input and metadata of every kind of character reach its jobs", async () => {
  const { engine, other, clock } = await openDeployment();
  const input = JSON.stringify(unit.repeat(8_000));
  const metadata = JSON.stringify({ [unit]: unit });
  await engine.schedules.put([schedulePut({ definition: definition({ input, metadata }) })]);
  clock.advance(minuteMs);
  await fire(other);
  expect(await claim(engine)).toMatchObject([{ input, metadata }]);
});

test("J5: a thousand tenants of one queue have turns alike, however many jobs each has", patience, async () => {
  const { engine, other } = await openDeployment();
  const tenants = Array.from({ length: 1_000 }, (_, index) => `tenant-${index}`);
  // Between 1 and 19 jobs each, the first of them a hundred times as many.
  const jobs = tenants.flatMap((tenant, index) => Array(index === 0 ? 1_000 : 1 + (index % 19)).fill({ tenant }));
  await insertJobs(engine, jobs as readonly Partial<NewJob>[]);
  const counts = new Map<string, number>(tenants.map((tenant) => [tenant, 0]));
  for (let turn = 0; turn < 50; turn++) {
    const some = await (turn % 2 === 0 ? engine : other).jobs.claim(claimOf(100));
    for (const { tenant } of some.jobs) counts.set(tenant, (counts.get(tenant) ?? 0) + 1);
    if (turn === 9) expect([...counts.values()]).toEqual(Array(1_000).fill(1));
  }
  // After five rounds everybody has had five jobs, or all of its own; what they left over went round once more.
  const most = Math.max(...counts.values());
  for (const [index, tenant] of tenants.entries()) {
    const own = index === 0 ? 1_000 : 1 + (index % 19);
    expect(counts.get(tenant)).toBeGreaterThanOrEqual(Math.min(own, most - 1));
  }
});

test("J5: jobs that come due for a thousand tenants at once are promoted and shared", patience, async () => {
  const { engine, clock } = await openDeployment();
  const jobs = Array.from({ length: 3_000 }, (_, index) => ({
    tenant: `tenant-${index % 1_000}`,
    due: { afterMs: hourMs },
  }));
  await insertJobs(engine, jobs);
  clock.advance(hourMs);
  const got = new Set<string>();
  for (let turn = 0; turn < 30; turn++) {
    for (const { id } of (await engine.jobs.claim(claimOf(100))).jobs) got.add(id);
  }
  expect(got.size).toBe(3_000);
});

test(
  "T5: 30,000 plain jobs of one insert go in together: more arguments than a call's stack holds",
  patience,
  async () => {
    const { engine } = await openDeployment();
    await engine.jobs.insert([{ jobs: Array.from({ length: 30_000 }, () => newJob()) }]);
    expect((await laneCounts(engine)).waiting).toBe(30_000);
  },
);

// Writes of one turn of the event loop share a commit, and nothing else.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Engine } from "../../src/core/engine.ts";
import { GroupCommit, StepFailed } from "../../src/engines/sqlite/group-commit.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { completion, newJob, queue, secondMs, token } from "../../src/testing/conformance/builders.ts";

let folder: string;
let engine: Engine<never>;
let other: DatabaseSync;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "punctual-group-"));
  engine = sqlite(join(folder, "store.db"));
  await engine.open();
  other = new DatabaseSync(join(folder, "store.db"));
});

afterEach(async () => {
  other.close();
  await engine.close();
  rmSync(folder, { recursive: true });
});

/** What another connection sees grow with each commit of ours. */
function commits(): number {
  return Number(other.prepare("PRAGMA data_version").get()?.["data_version"]);
}

function claimRequest() {
  const wants = [{ queue, limit: 1 }];
  return { claimId: token(), worker: "w", leaseMs: 30 * secondMs, wants, limit: 1, starts: 1, bytesMax: 1_000 };
}

test("J1 writes called in one turn are one commit, each with its own answer", async () => {
  const before = commits();
  const jobs = Array.from({ length: 10 }, () => newJob());
  const answers = await Promise.all(jobs.map((job) => engine.jobs.insert([{ jobs: [job] }])));
  expect(answers.map(([answer]) => answer)).toMatchObject(jobs.map(({ id }) => ({ jobs: [{ id }] })));
  expect(commits()).toBe(before + 1);
});

test("J1 a write that throws fails alone: those called beside it are written", async () => {
  const boom = new Error("a decision that throws");
  const decide = () => {
    throw boom;
  };
  const job = newJob();
  const [fired, inserted] = await Promise.allSettled([
    engine.schedules.fire({ limit: 1, decide, only: [] }),
    engine.jobs.insert([{ jobs: [job] }]),
  ]);
  expect(fired).toMatchObject({ status: "rejected", reason: boom });
  expect(inserted.status).toBe("fulfilled");
  expect(await engine.jobs.get(job.id)).toMatchObject({ state: "pending" });
});

test("J12 a claim called after a settlement, in the same turn, finds the place that it freed", async () => {
  await engine.queues.put([{ name: queue, concurrency: 1 }]);
  await engine.jobs.insert([{ jobs: [newJob(), newJob()] }]);
  const [held] = (await engine.jobs.claim(claimRequest())).jobs;
  if (held === undefined) throw new Error("nothing was claimed");
  const [settled, claimed] = await Promise.all([
    engine.jobs.settle([completion(held)]),
    engine.jobs.claim(claimRequest()),
  ]);
  expect(settled).toMatchObject([{ outcome: "settled" }]);
  expect(claimed.jobs).toHaveLength(1);
});

test("J1 a commit whose outcome is unknown is unknown to all that shared it, and none is tried again", async () => {
  let tries = 0;
  const group = new GroupCommit<number>(() => {
    tries++;
    return Promise.reject(new Error("the commit failed"));
  });
  const outcomes = await Promise.allSettled([group.add(1), group.add(2)]);
  expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(tries).toBe(1);
});

test("J1 after one of several has thrown, each is tried alone, in the order of the calls", async () => {
  const tried: number[][] = [];
  const group = new GroupCommit<number>(async (steps) => {
    tried.push([...steps]);
    if (steps.length > 1) throw new StepFailed();
    if (steps[0] === 2) throw new RangeError("two");
    return steps;
  });
  const outcomes = await Promise.allSettled([1, 2, 3].map((step) => group.add(step)));
  expect(tried).toEqual([[1, 2, 3], [1], [2], [3]]);
  expect(outcomes).toMatchObject([{ value: 1 }, { reason: new RangeError("two") }, { value: 3 }]);
});

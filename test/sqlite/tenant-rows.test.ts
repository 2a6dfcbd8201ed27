// Rows of tenants that a foreign hand or an older version has left: each is its own tenant's trouble only (S8).
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Engine } from "../../src/core/engine.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { claimRequest, completion, leaseMs, minuteMs, newJob } from "../../src/testing/conformance/builders.ts";
import { TestClock } from "../../src/testing/conformance/harness.ts";

let folder: string;
let file: string;
let clock: TestClock;
let engine: Engine;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "punctual-tenant-rows-"));
  file = join(folder, "store.db");
  clock = new TestClock();
  engine = sqlite(file, { clock });
  await engine.open();
});

afterEach(async () => {
  await engine.close();
  rmSync(folder, { recursive: true });
});

function change(sql: string): void {
  const database = new DatabaseSync(file);
  database.exec(sql);
  database.close();
}

async function claimOne() {
  const { jobs, nextDueAt } = await engine.jobs.claim(claimRequest({ starts: 1, limit: 1 }));
  return { tenants: jobs.map(({ tenant }) => tenant), jobs, nextDueAt };
}

async function insert(...tenants: string[]): Promise<void> {
  await engine.jobs.insert(tenants.map((tenant) => ({ jobs: [newJob({ tenant })] })));
}

test.each([
  ["rate is no JSON", "rate = 'x{'"],
  ["rate is none", "rate = '[]'"],
  ["concurrency is no number", "concurrency = 'x'"],
])("S8 a tenant whose %s is given nothing and stops nobody, until its limits are set anew", async (_, damage) => {
  await engine.tenants.put([{ id: "bad", concurrency: 3, rate: { count: 5, periodMs: 1_000 } }]);
  change(`UPDATE punctual_tenants SET ${damage} WHERE id = 'bad'`);
  await insert("bad", "good");
  expect((await claimOne()).tenants).toEqual(["good"]);
  const idle = await claimOne();
  expect(idle.tenants).toEqual([]);
  expect(idle.nextDueAt).toBeGreaterThan(clock.now());
  await engine.tenants.put([{ id: "bad", concurrency: 4, rate: { count: 6, periodMs: 1_000 } }]);
  expect((await claimOne()).tenants).toEqual(["bad"]);
});

test("S8 a lease of a tenant whose rate cannot be read is not recovered, and others behind it are", async () => {
  await insert("bad", "good");
  await engine.jobs.claim(claimRequest());
  await engine.tenants.put([{ id: "bad", rate: { count: 5, periodMs: 1_000 } }]);
  change("UPDATE punctual_tenants SET rate = '{' WHERE id = 'bad'");
  clock.advance(leaseMs);
  expect((await claimOne()).tenants).toEqual(["good"]);
  expect((await claimOne()).tenants).toEqual([]);
});

test("J12 limits that are set again hold for a row that a person has mended", async () => {
  const rate = { count: 5, periodMs: 1_000 };
  await engine.tenants.put([{ id: "bad", rate }]);
  change("UPDATE punctual_tenants SET rate = '{' WHERE id = 'bad'");
  await insert("bad");
  expect((await claimOne()).tenants).toEqual([]);
  change(`UPDATE punctual_tenants SET rate = '${JSON.stringify(rate)}' WHERE id = 'bad'`);
  await engine.tenants.put([{ id: "bad", rate }]);
  expect((await claimOne()).tenants).toEqual(["bad"]);
});

test("J12 a weight that is set again reaches lanes which an older version made with another", async () => {
  await engine.tenants.put([{ id: "heavy", weight: 3 }]);
  await insert(...Array.from({ length: 20 }, () => "heavy"), ...Array.from({ length: 20 }, () => "light"));
  change("UPDATE punctual_lanes SET weight = 1");
  await engine.tenants.put([{ id: "heavy", weight: 3 }]);
  const { jobs } = await engine.jobs.claim(claimRequest({ limit: 8 }));
  expect(jobs.filter(({ tenant }) => tenant === "heavy")).toHaveLength(6);
});

test("J12 a tenant that an older version has filled gives up its place as others do", async () => {
  await engine.tenants.put([{ id: "acme", concurrency: 1 }]);
  await engine.jobs.insert([{ jobs: [newJob({ tenant: "acme", queue: "reports" })] }]);
  await engine.jobs.claim(claimRequest({ wants: [{ queue: "reports", limit: 1 }] }));
  change("UPDATE punctual_tenants SET passed_over = 0");
  await insert("acme");
  clock.advance(minuteMs);
  const { jobs } = await claimOne();
  expect(jobs).toHaveLength(1);
  const [job] = jobs;
  expect(job && (await engine.jobs.settle([completion(job)]))).toMatchObject([{ outcome: "settled" }]);
});

// Rows that a foreign hand or a damaged file has made unreadable: each stops itself and nobody else (S8).
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { createScheduler, handle, once, type Scheduler, task } from "../../src/index.ts";
import { release } from "../../src/testing/conformance/builders.ts";

const greet = task("greet");
let folder: string;
let file: string;
let scheduler: Scheduler<object>;
let ran: unknown[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "punctual-damage-"));
  file = join(folder, "store.db");
  ran = [];
  scheduler = createScheduler({ engine: sqlite(file), handlers: [handle(greet, (input) => ran.push(input))] });
});

afterEach(async () => {
  await scheduler.stop();
  rmSync(folder, { recursive: true });
});

function damage(sql: string): void {
  const database = new DatabaseSync(file);
  database.exec(sql);
  database.close();
}

test("S8 a job whose detail cannot be read fails by itself, and the jobs behind it run", async () => {
  const { id } = await scheduler.enqueue(greet, 1, { metadata: { a: 1 }, priority: "critical" });
  await scheduler.enqueue(greet, 2);
  damage("UPDATE punctual_jobs SET detail = '{oops' WHERE detail IS NOT NULL");
  const { items } = await scheduler.jobs.list();
  expect(items.map(({ state }) => state)).toEqual(["waiting", "waiting"]);

  const failed = new Promise<void>((resolve) => scheduler.on("job:completed", () => resolve()));
  await scheduler.start({ roles: ["worker"] });
  await failed;
  expect(ran).toEqual([2]);
  expect(await scheduler.jobs.get(id)).toMatchObject({ state: "failed", endCause: "input" });
  expect(await scheduler.stats()).toMatchObject({ waiting: 0, active: 0, failed: 1, completed: 1 });
});

test.each([
  ["a number of attempts", { attempts: 5 }],
  ["attempts that are none", { attempts: [null] }],
  ["a log that is none", { log: 3 }],
  ["metadata that is no text", { metadata: { a: 1 } }],
  ["a list", []],
])("S8 a job whose detail is %s fails by itself, shows in listings, and the doctor names it", async (_, detail) => {
  const { id } = await scheduler.enqueue(greet, 1, { metadata: { a: 1 }, priority: "critical" });
  await scheduler.enqueue(greet, 2);
  damage(`UPDATE punctual_jobs SET detail = '${JSON.stringify(detail)}' WHERE detail IS NOT NULL`);
  expect((await scheduler.jobs.list()).items).toHaveLength(2);
  const engine = sqlite(file);
  await engine.open();
  const findings = await engine.inspection.findings();
  expect(findings.filter(({ status }) => status === "problem")).toMatchObject([{ check: "rows" }]);
  await engine.close();
  const completed = new Promise<void>((resolve) => scheduler.on("job:completed", () => resolve()));
  await scheduler.start({ roles: ["worker"] });
  await completed;
  expect(ran).toEqual([2]);
  expect(await scheduler.jobs.get(id)).toMatchObject({ state: "failed", endCause: "input" });
});

test("S8 a running job whose detail is damaged meanwhile fails instead of waiting again", async () => {
  const engine = sqlite(file);
  await engine.open();
  const { id } = await scheduler.enqueue(greet, 1, { metadata: { a: 1 } });
  const wants = [{ queue: "default", limit: 1 }];
  const request = { worker: "w", leaseMs: 30_000, wants, limit: 1, starts: 1, bytesMax: 1_000 };
  const [job] = (await engine.jobs.claim({ ...request, claimId: "0000000000000001" })).jobs;
  if (job === undefined) throw new Error("nothing was claimed");
  damage("UPDATE punctual_jobs SET detail = '{'");
  expect(await engine.jobs.settle([release(job)])).toMatchObject([{ outcome: "settled", state: "failed" }]);
  expect(await engine.jobs.get(id)).toMatchObject({ state: "failed" });
  await engine.close();
});

test("S8 a leased job whose detail cannot be read ends when its lease does", async () => {
  const engine = sqlite(file);
  await engine.open();
  const { id } = await scheduler.enqueue(greet, 1, { metadata: { a: 1 } });
  const wants = [{ queue: "default", limit: 1 }];
  const request = { worker: "w", leaseMs: 1, wants, limit: 1, starts: 1, bytesMax: 1_000 };
  await engine.jobs.claim({ ...request, claimId: "0000000000000001" });
  damage("UPDATE punctual_jobs SET detail = '[' ");
  const leaseUntil = (await engine.jobs.get(id))?.leaseUntil ?? 0;
  while ((await engine.now()) < leaseUntil) await new Promise((resolve) => setImmediate(resolve));
  expect((await engine.jobs.claim({ ...request, claimId: "0000000000000002" })).jobs).toEqual([]);
  expect(await engine.jobs.get(id)).toMatchObject({ state: "failed" });
  await engine.close();
});

test.each([
  ["is no JSON", "'no JSON'"],
  ["is null", "'null'"],
  ["is empty", "'{}'"],
  ["has no definition", "json_remove(schedule, '$.definition')"],
  ["has no task", "json_remove(schedule, '$.definition.task')"],
  ["has a queue that is a number", "json_set(schedule, '$.definition.queue', 7)"],
  ["has no cursor", "json_remove(schedule, '$.cursor')"],
  ["has no incarnation", "json_remove(schedule, '$.incarnation')"],
  ["is another's", "json_set(schedule, '$.id', 'whole')"],
  ["holds a tick that is none", "json_set(schedule, '$.held', json('{}'))"],
  ["has a cursor that is not its column's", "json_set(schedule, '$.cursor.after', -5)"],
  ["has a jitter that is a text", "json_set(schedule, '$.definition.jitterMs', 'x')"],
])("S8 a schedule whose row %s is disabled, and its neighbours fire", async (_, value) => {
  const when = once(new Date(0));
  for (const id of ["broken", "whole"]) await scheduler.schedules.create(id, { task: "greet", when });
  damage(`UPDATE punctual_schedules SET schedule = ${value} WHERE id = 'broken'`);
  const ticked = new Promise<string>((resolve) => scheduler.on("tick:fired", (event) => resolve(event.id)));
  await scheduler.start({ roles: ["ticker"] });
  expect(await ticked).toBe("whole");
  const database = new DatabaseSync(file);
  const row = database.prepare("SELECT enabled, next_at FROM punctual_schedules WHERE id = 'broken'").get();
  expect(row).toEqual({ enabled: 0, next_at: null });
  database.close();
});

test("S8 a schedule whose row cannot be read is named, left out of listings, and can be put or removed", async () => {
  const definition = { task: "greet", when: once(new Date(Date.now() + 60_000)) };
  for (const id of ["a", "broken", "c"]) await scheduler.schedules.create(id, definition);
  const breakIt = () => damage("UPDATE punctual_schedules SET schedule = '{' WHERE id = 'broken'");
  breakIt();
  await expect(scheduler.schedules.get("broken")).rejects.toMatchObject({ code: "STORE_CORRUPT" });
  const { items } = await scheduler.schedules.list();
  expect(items.map(({ id }) => id)).toEqual(["a", "c"]);

  expect(await scheduler.schedules.ensure("broken", definition)).toMatchObject({ outcome: "created" });
  expect(await scheduler.schedules.get("broken")).toMatchObject({ id: "broken", enabled: true });
  breakIt();
  await scheduler.schedules.remove("broken");
  expect(await scheduler.schedules.get("broken")).toBeUndefined();
});

test("S8 a rate limit whose count cannot be read counts anew, and one that cannot be read itself holds its queue", async () => {
  await scheduler.queues.limit("default", { rate: { count: 100, per: "1s" } });
  await scheduler.queues.limit("other", { rate: { count: 1, per: "1s" } });
  damage("UPDATE punctual_queues SET rate_window = '{' WHERE name = 'default'");
  damage("UPDATE punctual_queues SET rate = '[]' WHERE name = 'other'");
  const queues = await scheduler.queues.list();
  expect(queues.map(({ name, paused }) => [name, paused])).toEqual([
    ["default", false],
    ["other", true],
  ]);
  await scheduler.enqueue(greet, 1);
  const completed = new Promise<void>((resolve) => scheduler.on("job:completed", () => resolve()));
  await scheduler.start({ roles: ["worker"] });
  await completed;
  expect(ran).toEqual([1]);
});

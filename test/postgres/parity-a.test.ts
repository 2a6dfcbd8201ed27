// Acceptance on PostgreSQL: what users of the BullMQ and PostgreSQL cron scheduler (PARITY.md, A) have there, here: users are
// tenants, with schedules of their own, rows that the database keeps apart, and an audit log.
import { Client } from "pg";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { postgres, type SqlClient } from "../../src/engines/postgres/index.ts";
import { cron, handle, type Scheduler, task } from "../../src/index.ts";
import { sharedPostgres } from "../servers/shared.ts";
import { eventually, processOn } from "./deployment.ts";
import { connected } from "./ear.ts";

vi.setConfig({ testTimeout: 60_000 });

const everySecond = cron("* * * * * *");
const logins = { app: "parity_a_app", master: "parity_a_master" };

let url: string;
let admin: Awaited<ReturnType<typeof connected>>;

beforeAll(async () => {
  url = await sharedPostgres();
  admin = await connected(url);
  // Opening makes the schema and the roles.
  const engine = postgres(url);
  await engine.open();
  await engine.close();
  for (const [role, login] of Object.entries(logins)) {
    await admin.query(`DROP ROLE IF EXISTS ${login}`);
    await admin.query(`CREATE ROLE ${login} LOGIN IN ROLE punctual_${role}`);
  }
});

afterAll(async () => {
  for (const login of Object.values(logins)) await admin.query(`DROP ROLE IF EXISTS ${login}`);
  await admin?.end();
});

function urlAs(role: keyof typeof logins): string {
  const own = new URL(url);
  own.username = logins[role];
  return own.href;
}

/** The view, as a role sees it; with a user set, as an application does for each of its requests. */
async function cronSchedules(role: keyof typeof logins, user?: string) {
  const client = new Client({ connectionString: urlAs(role) });
  await client.connect();
  await client.query("BEGIN");
  if (user !== undefined) await client.query("SELECT set_config('punctual.tenant', $1, true)", [user]);
  const { rows } = await client.query("SELECT * FROM punctual.cron_schedules ORDER BY user_id, id");
  await client.end();
  return rows;
}

/** How often a user's schedule has fired. */
async function ticks(scheduler: Scheduler<SqlClient>, tenant: string, id: string): Promise<number> {
  return (await scheduler.tenant(tenant).schedules.history(id, { limit: 1_000 })).items.length;
}

test("A8 two users with one cron both run; what is disabled or removed fires no more, in the next process too", async () => {
  const report = task<string>("report", { queue: "a8" });
  const ran = new Set<string>();
  const handler = handle(report, (_, { tenant }) => void ran.add(tenant));
  const scheduler = processOn(url, [handler]);
  for (const user of ["user-1", "user-2"]) {
    await scheduler.tenant(user).schedules.create("report", { task: report, input: user, when: everySecond });
  }
  await scheduler.start();
  await eventually(() => [...ran].toSorted()).toEqual(["user-1", "user-2"]);
  const first = scheduler.tenant("user-1").schedules;
  await first.disable("report");
  const firedBefore = await ticks(scheduler, "user-1", "report");
  const secondBefore = await ticks(scheduler, "user-2", "report");
  await eventually(() => ticks(scheduler, "user-2", "report")).toBeGreaterThan(secondBefore + 1);
  expect(await ticks(scheduler, "user-1", "report")).toBe(firedBefore);
  expect(await first.get("report")).toMatchObject({ enabled: false, lastFiredAt: expect.any(Date) });
  await scheduler.tenant("user-2").schedules.remove("report");
  await scheduler.stop();
  const next = processOn(url, [handler]);
  const marker = next.tenant("user-3").schedules;
  await marker.create("marker", { task: report, input: "", when: everySecond });
  await next.start();
  await eventually(() => ticks(next, "user-3", "marker")).toBeGreaterThan(1);
  expect(await ticks(next, "user-1", "report")).toBe(firedBefore);
  const left = (await next.schedules.list()).items.map(({ tenant, id, enabled }) => [tenant, id, enabled]);
  expect(left.toSorted()).toEqual([
    ["user-1", "report", false],
    ["user-3", "marker", true],
  ]);
  await marker.remove("marker");
});

test("A9 the database shows each user its own rows, the master all, and nobody's where no user is set", async () => {
  const app = processOn(urlAs("app"));
  const [anna, ben] = [app.tenant("anna"), app.tenant("ben")];
  for (const user of [anna, ben]) {
    await user.enqueue("report", {}, { queue: "a9" });
    await user.schedules.create("daily", { task: "report", when: cron("0 9 * * *") });
  }
  const [job] = (await ben.jobs.list({ queue: "a9" })).items;
  expect(await anna.jobs.get(job?.id ?? "")).toBeUndefined();
  expect((await anna.jobs.list({ queue: "a9" })).items).toHaveLength(1);
  expect((await anna.schedules.list()).items.map(({ tenant }) => tenant)).toEqual(["anna"]);
  await anna.schedules.remove("daily");
  expect(await ben.schedules.get("daily")).toMatchObject({ tenant: "ben" });
  // By SQL too, whatever the application forgets to ask for.
  const seen = async (role: keyof typeof logins, user?: string) =>
    (await cronSchedules(role, user)).map((row) => row.user_id).filter((id) => id === "anna" || id === "ben");
  expect(await seen("app", "anna")).toEqual([]);
  expect(await seen("app", "ben")).toEqual(["ben"]);
  expect(await cronSchedules("app")).toEqual([]);
  expect(await cronSchedules("app", "ben' OR true --")).toEqual([]);
  expect(await seen("master")).toEqual(["ben"]);
  const master = processOn(urlAs("master"));
  expect((await master.jobs.list({ queue: "a9" })).items.map(({ tenant }) => tenant).toSorted()).toEqual([
    "anna",
    "ben",
  ]);
});

test("A10 completed, failed, error, scheduled and cancelled are in the audit log; failed once, after the last attempt", async () => {
  const call = task<string>("call", { queue: "a10", retry: { attempts: 3, backoff: { type: "fixed", delay: 0 } } });
  const attempts: number[] = [];
  const handler = handle(call, (name, { attempt }) => {
    if (name !== "fails") return;
    attempts.push(attempt);
    throw new Error("no answer");
  });
  const scheduler = processOn(url, [handler], { engine: { audit: "all" } });
  scheduler.on("job:completed", () => {
    throw new Error("a listener that fails");
  });
  const cancelled = await scheduler.enqueue(call, "cancelled", { delay: "1h" });
  expect(await scheduler.jobs.cancel(cancelled.id, { actor: "ann" })).toBe("cancelled");
  await scheduler.start();
  const works = await scheduler.enqueue(call, "works");
  const fails = await scheduler.enqueue(call, "fails");
  const told = async (job: string) => (await scheduler.events.list({ job })).items.map(({ type }) => type).toReversed();
  await eventually(() => told(works.id)).toEqual(["job:scheduled", "job:claimed", "job:completed"]);
  await eventually(() => told(fails.id)).toEqual([
    "job:scheduled",
    ...["job:claimed", "job:retrying", "job:claimed", "job:retrying"],
    ...["job:claimed", "job:failed"],
  ]);
  expect(attempts).toEqual([1, 2, 3]);
  const [end] = (await scheduler.events.list({ job: cancelled.id, type: "job:cancelled" })).items;
  expect(end).toMatchObject({ actor: "ann" });
  await eventually(async () => (await scheduler.events.list({ type: "worker:error" })).items.length).toBeGreaterThan(0);
});

test("A14 the view's last_run and next_run are true while a schedule fires, is disabled and enabled again", async () => {
  const report = task<string>("report", { queue: "a14" });
  const scheduler = processOn(url, [handle(report, () => 0)]);
  const own = scheduler.tenant("carla").schedules;
  const made = { name: "Every second", metadata: { taskGoal: "Generate a report", pages: 2 } };
  await own.create("report", { task: report, input: "", when: everySecond, ...made });
  const row = async () => (await cronSchedules("app", "carla"))[0];
  expect(await row()).toMatchObject({
    id: "report",
    name: "Every second",
    task_goal: "Generate a report",
    cron_expression: "* * * * * *",
    user_id: "carla",
    enabled: true,
    last_run: null,
    metadata: made.metadata,
  });
  await scheduler.start();
  await eventually(async () => (await own.get("report"))?.ticksFired).toBeGreaterThan(0);
  await own.disable("report");
  const stored = await own.get("report");
  const disabled = await row();
  expect(disabled).toMatchObject({ enabled: false, last_run: stored?.lastFiredAt, next_run: null });
  expect(disabled.created_at < disabled.last_run && disabled.last_run <= disabled.updated_at).toBe(true);
  await scheduler.stop();
  const later = processOn(url).tenant("carla").schedules;
  const { nextAt } = await later.enable("report");
  expect(await row()).toMatchObject({ enabled: true, last_run: stored?.lastFiredAt, next_run: nextAt });
  await later.remove("report");
  expect(await row()).toBeUndefined();
});

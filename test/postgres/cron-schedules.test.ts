// The view cron_schedules: each user's schedules as SQL sees them, with instants that are true.
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { decideFiring } from "../../src/core/firing.ts";
import { postgres } from "../../src/engines/postgres/index.ts";
import { createScheduler, cron, every } from "../../src/index.ts";
import { TestClock } from "../../src/testing/conformance/harness.ts";
import { sharedPostgres } from "../servers/shared.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const clock = new TestClock();

let admin: Client;
let url: string;
beforeAll(async () => {
  url = await sharedPostgres(15);
  admin = new Client({ connectionString: url });
  await admin.connect();
}, 120_000);
afterAll(() => admin.end());

async function view(id: string) {
  const { rows } = await admin.query("SELECT * FROM punctual.cron_schedules WHERE id = $1 ORDER BY user_id", [id]);
  return rows;
}

test("A14 cron_schedules has the columns it is known by", async () => {
  await using scheduler = createScheduler({ engine: postgres(url, { clock }) });
  await scheduler.stats();
  const { rows } = await admin.query(`SELECT column_name, data_type FROM information_schema.columns
    WHERE table_schema = 'punctual' AND table_name = 'cron_schedules' ORDER BY ordinal_position`);
  expect(rows.map(({ column_name, data_type }) => `${column_name} ${data_type}`)).toEqual([
    "id text",
    "name text",
    "task_goal text",
    "cron_expression text",
    "user_id text",
    "enabled boolean",
    "last_run timestamp with time zone",
    "next_run timestamp with time zone",
    "metadata jsonb",
    "created_at timestamp with time zone",
    "updated_at timestamp with time zone",
  ]);
});

test("A8 last_run and next_run are true while a schedule fires, is disabled, enabled again and removed", async () => {
  const engine = postgres(url, { clock });
  await using scheduler = createScheduler({ engine });
  const daily = scheduler.tenant("user-1").schedules;
  await daily.create("daily-report", {
    task: "report",
    when: cron("0 9 * * *"),
    name: "Daily report",
    metadata: { taskGoal: "Generate daily report", pages: 2 },
  });
  const made = {
    user_id: "user-1",
    name: "Daily report",
    task_goal: "Generate daily report",
    cron_expression: "0 9 * * *",
  };
  const [first] = await view("daily-report");
  const next = first.next_run;
  expect(first).toMatchObject({
    ...made,
    enabled: true,
    last_run: null,
    metadata: { taskGoal: "Generate daily report", pages: 2 },
  });
  expect(next > new Date(clock.now()) && next.getTime() - clock.now() <= dayMs && next.getUTCHours() === 9).toBe(true);
  expect(first.created_at).toEqual(new Date(clock.now()));
  clock.set(next.getTime() + 5);
  await engine.schedules.fire({ limit: 10, decide: decideFiring });
  const [fired] = await view("daily-report");
  expect(fired).toMatchObject({ last_run: new Date(clock.now()), next_run: new Date(next.getTime() + dayMs) });
  await daily.disable("daily-report");
  expect(await view("daily-report")).toMatchObject([{ enabled: false, last_run: fired.last_run, next_run: null }]);
  clock.advance(3 * dayMs);
  expect((await engine.schedules.fire({ limit: 10, decide: decideFiring })).fired).toEqual([]);
  await daily.enable("daily-report");
  const [enabled] = await view("daily-report");
  expect(enabled).toMatchObject({ enabled: true, last_run: fired.last_run });
  expect(enabled.next_run > new Date(clock.now())).toBe(true);
  expect(enabled.updated_at).toEqual(new Date(clock.now()));
  await daily.remove("daily-report");
  expect(await view("daily-report")).toEqual([]);
});

test("A8 two users with one cron have each a schedule of their own, and both fire", async () => {
  const engine = postgres(url, { clock });
  await using scheduler = createScheduler({ engine });
  for (const user of ["user-1", "user-2"]) {
    await scheduler.tenant(user).schedules.create("same", { task: "report", when: cron("0 9 * * *") });
  }
  expect((await view("same")).map(({ user_id }) => user_id)).toEqual(["user-1", "user-2"]);
  clock.advance(dayMs);
  const { fired } = await engine.schedules.fire({ limit: 10, decide: decideFiring });
  expect(fired.map(({ tenant }) => tenant).sort()).toEqual(["user-1", "user-2"]);
  expect((await view("same")).map(({ last_run }) => last_run)).toEqual([new Date(clock.now()), new Date(clock.now())]);
});

test("A14 a rule that is no cron has no expression, and a damaged row hides no other", async () => {
  await using scheduler = createScheduler({ engine: postgres(url, { clock }) });
  await scheduler.schedules.create("often", { task: "poll", when: every("5m") });
  await scheduler.schedules.create("broken", { task: "poll", when: every("5m") });
  await scheduler.schedules.create("odd", { task: "poll", when: every("5m") });
  await admin.query("UPDATE punctual.schedules SET schedule = '{' WHERE id = 'broken'");
  await admin.query(
    `UPDATE punctual.schedules SET schedule = '{"lastFiredAt": "x", "createdAt": 1e300}' WHERE id = 'odd'`,
  );
  expect(await view("often")).toMatchObject([
    { name: "often", task_goal: "poll", cron_expression: null, metadata: null },
  ]);
  expect(await view("broken")).toMatchObject([{ name: "broken", enabled: true, last_run: null, created_at: null }]);
  expect(await view("odd")).toMatchObject([{ last_run: null, created_at: null }]);
});

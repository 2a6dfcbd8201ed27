// `punctual.config.*`: what it may say, and what goes before it.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { defineConfig } from "../../src/cli/config.ts";
import { failureIn, source, Workplace } from "./punctual.ts";

const product = JSON.stringify(source("index.ts"));

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
});
afterEach(() => place[Symbol.asyncDispose]());

describe("defineConfig", () => {
  it("answers what it was given", () => {
    const config = { engine: "memory:", roles: ["ticker"] } as const;
    expect(defineConfig(config)).toBe(config);
  });
});

describe("punctual.config", () => {
  it("gives serve its engine, tasks, schedules, roles, concurrency and queues", async () => {
    place.write(
      "tasks.ts",
      `import { handle, task } from ${product}; export const ping = handle(task("ping"), (): void => {});`,
    );
    place.write(
      "punctual.config.ts",
      `import { cron, handle, task } from ${product};
       import { defineConfig } from ${JSON.stringify(source("cli/config.ts"))};
       export default defineConfig({
         engine: "sqlite:./own.db",
         tasks: "./tasks.ts",
         handlers: [handle(task("pong", { queue: "pongs" }), () => {})],
         schedules: [{ id: "daily", task: "ping", when: cron("0 9 * * *") }],
         roles: ["worker", "ticker"],
         concurrency: 2,
         queues: ["more"],
       });`,
    );
    const serving = place.start(["serve"]);
    await serving.until(/^ready$/m);
    expect(serving.stdout).toBe(
      [
        "engine       sqlite:./own.db (from punctual.config.ts)",
        "config       punctual.config.ts",
        "roles        worker, ticker",
        "tasks        pong, ping (./tasks.ts)",
        "queues       more",
        "concurrency  2",
        "schedules    1 ensured",
        "ready\n",
      ].join("\n"),
    );
    expect(serving.stderr).toBe("");
    const { items } = await place.json<{ items: { id: string }[] }>("schedules", "list");
    expect(items.map(({ id }) => id)).toEqual(["daily"]);
  });

  it("C9 gives serve its schedule sources, and limits to it and to what defines schedules", async () => {
    place.write(
      "punctual.config.ts",
      `import { every, scheduleSource } from ${product};
       import { defineConfig } from ${JSON.stringify(source("cli/config.ts"))};
       const load = () => [{ id: 1, period: "1h" }, { id: 2, period: "1m" }];
       const toSchedule = ({ period }) => ({ task: "ping", when: every(period) });
       export default defineConfig({
         sources: [scheduleSource({ name: "pings", load, toSchedule })],
         guardrails: { minInterval: "5m" },
       });`,
    );
    const serving = place.start(["serve", "--roles", "ticker"]);
    await serving.until(/error +source: source pings, record 2: tenant default: minIntervalMs is 5m/);
    expect(serving.stdout).toMatch(/^sources +pings$/m);
    const { items } = await place.json<{ items: { id: string }[] }>("schedules", "list");
    expect(items.map(({ id }) => id)).toEqual(["pings/1"]);
    const created = await place.run(["schedules", "create", "a", "--task", "ping", "--every", "1m", "--json"]);
    expect([created.code, failureIn(created).code]).toEqual([1, "LIMIT_EXCEEDED"]);
  });

  it("gives way to options and goes before the environment", async () => {
    place.write("punctual.config.mjs", 'export const engine = "sqlite:./config.db"; export const roles = ["ticker"];');
    const env = { PUNCTUAL_URL: "sqlite:./environment.db" };
    const configured = place.start(["serve"], { env });
    await configured.until(/^ready$/m);
    expect(configured.stdout).toMatch(/^engine +sqlite:\.\/config\.db \(from punctual\.config\.mjs\)\n/);
    const named = place.start(["serve", "--engine", "sqlite:./option.db", "--roles", "janitor"], { env });
    await named.until(/^ready$/m);
    expect(named.stdout).toMatch(/^engine +sqlite:\.\/option\.db \(from --engine\)\n/);
    expect(named.stdout).toMatch(/^roles +janitor$/m);
  });

  it.each([
    ["PUNCTUAL_URL", "DATABASE_URL"],
    ["DATABASE_URL", "NATS_URL"],
    ["NATS_URL", "REDIS_URL"],
  ])("without an engine leaves it to %s before %s", async (first, second) => {
    const env = { [first]: "sqlite:./first.db", [second]: "sqlite:./second.db" };
    const serving = place.start(["serve", "--roles", "ticker"], { env });
    await serving.until(/^ready$/m);
    expect(serving.stdout).toContain(`engine       sqlite:./first.db (from ${first})`);
  });

  it("tells other commands which store to use, and enqueue which queue", async () => {
    place.write(
      "punctual.config.mjs",
      `import { handle, task } from ${product};
       export default { engine: "sqlite:./own.db", handlers: [handle(task("ping", { queue: "pings" }), () => {})] };`,
    );
    const { id } = await place.json<{ id: string }>("enqueue", "ping");
    expect(await place.json("jobs", "show", id)).toMatchObject({ queue: "pings" });
    expect(await place.json("stats", "--engine", "./own.db")).toMatchObject({ waiting: 1 });
  });

  it.each([
    ["export default { engin: 'memory:' };", "punctual.config.mjs.engin"],
    ["export default 7;", "punctual.config.mjs"],
    ["export const nothing = 1;", "punctual.config.mjs"],
    ["export default { engine: 7 };", "punctual.config.mjs: engine"],
    ["export default { tasks: ['a.ts'] };", "punctual.config.mjs: tasks"],
    ["export default { handlers: [() => {}] };", "punctual.config.mjs: handlers"],
    ["export default { concurrency: '5' };", "punctual.config.mjs: concurrency"],
    ["export default { roles: 'worker' };", "punctual.config.mjs: roles"],
    ["export default { roles: ['boss'] };", "punctual.config.mjs: roles"],
    ["export default { sources: {} };", "punctual.config.mjs: sources"],
    ["export default { roles: ['ticker'], sources: [{}] };", "punctual.config.mjs: sources[0]"],
    ["export default { guardrails: 5 };", "punctual.config.mjs: guardrails"],
    [
      "export default { roles: ['ticker'], guardrails: { minInterval: 'x' } };",
      "punctual.config.mjs: guardrails.minInterval",
    ],
    ["export default { queues: 'a' };", "punctual.config.mjs: queues"],
    ["export default { roles: ['ticker'], queues: ['a b'] };", "punctual.config.mjs: queues"],
    ["export default { tasks: './none.ts' };", "punctual.config.mjs: tasks"],
    [
      "export default { engine: 'memory:', roles: ['ticker'], schedules: [{ id: 'a', task: 'b', when: 'daily' }] };",
      "punctual.config.mjs: schedules[0].when",
    ],
    ["export default { engine: 'mysql://u:hunter2@h', roles: ['ticker'] };", "punctual.config.mjs"],
  ])("refuses %s", async (text, field) => {
    place.write("punctual.config.mjs", text);
    const ended = await place.run(["serve", "--json"]);
    expect([64, 78]).toContain(ended.code);
    const failure = failureIn({ ...ended, stderr: ended.stderr.trimEnd() });
    expect(failure.field).toBe(field);
    expect(failure.message).toMatch(/punctual\.config\.mjs|none\.ts|no engine takes/);
    expect(ended.stderr).not.toContain("hunter2");
  });
});

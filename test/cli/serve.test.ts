// `punctual serve` as a process: what it prints, what it runs, how it stops.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { failureIn, source, Workplace } from "./punctual.ts";

const product = JSON.stringify(source("index.ts"));

/** Handlers: one adds, one fails, one waits for a file to appear, one never returns. */
const tasks = `
  import { existsSync, watch } from "node:fs";
  import { handle, PermanentError, task } from ${product};
  export const add = handle(task("add"), ([a, b]) => a + b);
  export default [
    handle(task("break"), () => { throw new PermanentError("it\\nbroke"); }),
    handle(task("hold", { queue: "slow" }), async (name) => {
      const watcher = watch(".");
      await new Promise((resolve) => {
        const look = () => existsSync(name) && resolve();
        watcher.on("change", look);
        look();
      });
      watcher.close();
      return "let go";
    }),
    handle(task("hang", { queue: "slow" }), () => new Promise(() => {})),
  ];
`;

let place: Workplace;
beforeEach(() => {
  place = new Workplace();
  place.write("tasks.mjs", tasks);
});
afterEach(() => place[Symbol.asyncDispose]());

const started = (id: string) =>
  expect.poll(() => place.with(({ jobs }) => jobs.get(id)), { timeout: 10_000 }).toMatchObject({ state: "active" });
const lines = (text: string) => text.trimEnd().split("\n");

describe("punctual serve", () => {
  it("prints what it chose, one line each", async () => {
    const serving = place.start(
      ["serve", "--tasks", "tasks.mjs", "--concurrency", "3", "--queues", "extra", "--roles", "worker,janitor"],
      { env: { PUNCTUAL_URL: "sqlite:./chosen.db" } },
    );
    await serving.until(/^ready$/m);
    expect(lines(serving.stdout)).toEqual([
      "engine       sqlite:./chosen.db (from PUNCTUAL_URL)",
      "config       none",
      "roles        worker, janitor",
      "tasks        add, break, hold, hang (tasks.mjs)",
      "queues       extra",
      "concurrency  3",
      "ready",
    ]);
    expect(serving.stderr).toBe("");
  });

  it("J1 runs jobs that another process enqueues, and prints a line for each", async () => {
    const serving = place.start(["serve", "--tasks", "tasks.mjs"]);
    await serving.until(/^ready$/m);
    const added = await place.json<{ id: string }>("enqueue", "add", "[1,2]");
    const broken = await place.json<{ id: string }>("enqueue", "break", "--tenant", "acme");
    await serving.until(new RegExp(`^\\S+Z {2}completed {3}add {2}${added.id} {2}\\S+$`, "m"));
    await serving.until(
      new RegExp(`^\\S+Z {2}failed {6}break {2}${broken.id} {2}tenant acme {2}PermanentError: it broke$`, "m"),
    );
    expect(await place.json("jobs", "show", added.id)).toMatchObject({ state: "completed", output: 3 });
    expect(await place.json("jobs", "show", broken.id)).toMatchObject({ state: "failed", endCause: "permanent" });
  });

  it("prints JSON lines with --json", async () => {
    const serving = place.start(["serve", "--tasks", "tasks.mjs", "--json"]);
    await serving.until(/serve:ready/);
    const { id } = await place.json<{ id: string }>("enqueue", "add", "[1,2]");
    await serving.until(/job:completed/);
    serving.kill("SIGTERM");
    const { code, stdout } = await serving.ended;
    expect(code).toBe(0);
    const events = lines(stdout).map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events).toMatchObject([
      {
        event: "serve:starting",
        engine: { url: "sqlite:./punctual.db", source: "default" },
        roles: ["worker", "ticker", "janitor"],
        tasks: ["add", "break", "hold", "hang"],
        queues: ["default", "slow"],
        concurrency: 5,
      },
      { event: "serve:ready" },
      { event: "job:completed", id, task: "add", attempt: 1 },
      { event: "serve:stopping", signal: "SIGTERM" },
      { event: "serve:stopped" },
    ]);
    expect(events.every(({ at }) => !Number.isNaN(Date.parse(String(at))))).toBe(true);
  });

  it("prints no line per job with --quiet", async () => {
    const serving = place.start(["serve", "--tasks", "tasks.mjs", "--quiet"]);
    await serving.until(/^ready$/m);
    const { id } = await place.json<{ id: string }>("enqueue", "hold", '"gate"');
    await started(id);
    place.write("gate", "");
    serving.kill("SIGINT");
    const { stdout } = await serving.ended;
    expect(stdout).not.toContain(id);
    expect(await place.json("jobs", "show", id)).toMatchObject({ state: "completed" });
  });

  it.each(["SIGTERM", "SIGINT"] as const)("J9 %s lets a running job finish and exits with 0", async (signal) => {
    const serving = place.start(["serve", "--tasks", "tasks.mjs"]);
    await serving.until(/^ready$/m);
    const { id } = await place.json<{ id: string }>("enqueue", "hold", '"gate"');
    await started(id);
    serving.kill(signal);
    await serving.until(new RegExp(`^${signal}: waiting up to 30s for running jobs; once more to exit at once$`, "m"));
    const later = await place.json<{ id: string }>("enqueue", "add", "[1,2]");
    place.write("gate", "");
    const { code, stdout } = await serving.ended;
    expect(code).toBe(0);
    expect(lines(stdout).at(-1)).toBe("stopped");
    expect(await place.json("jobs", "show", id)).toMatchObject({ state: "completed", output: "let go" });
    expect(await place.json("jobs", "show", later.id)).toMatchObject({ state: "waiting", attempt: 0 });
  });

  it("J9 gives back at no charge what runs longer than --drain", async () => {
    const serving = place.start(["serve", "--tasks", "tasks.mjs", "--drain", "10ms"]);
    await serving.until(/^ready$/m);
    const { id } = await place.json<{ id: string }>("enqueue", "hang");
    await started(id);
    serving.kill("SIGTERM");
    expect((await serving.ended).code).toBe(0);
    expect(await place.json("jobs", "show", id)).toMatchObject({
      state: "waiting",
      failures: 0,
      attempts: [{ outcome: "released" }],
    });
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("a second %s ends it at once with %d", async (signal, exitCode) => {
    const serving = place.start(["serve", "--tasks", "tasks.mjs"]);
    await serving.until(/^ready$/m);
    const { id } = await place.json<{ id: string }>("enqueue", "hang");
    await started(id);
    expect(await serving.insist(signal)).toMatchObject({ code: exitCode });
  });

  it("takes signals that come together for one: npm passes on what the terminal has sent already", async () => {
    const serving = place.start(["serve", "--tasks", "tasks.mjs"]);
    await serving.until(/^ready$/m);
    const { id } = await place.json<{ id: string }>("enqueue", "hold", '"gate"');
    await started(id);
    serving.kill("SIGINT");
    serving.kill("SIGTERM");
    await serving.until(/waiting up to/);
    place.write("gate", "");
    expect((await serving.ended).code).toBe(0);
    expect(await place.json("jobs", "show", id)).toMatchObject({ state: "completed" });
  });

  it("O1 survives a store that is away, and tells of it on stderr", async () => {
    place.write(
      "punctual.config.mjs",
      `import { NotWrittenError, handle, once, task } from ${product};
       import { memory } from ${JSON.stringify(source("engines/memory/index.ts"))};
       const engine = memory();
       let claims = 0;
       const away = (request) => ++claims === 1
         ? Promise.reject(new NotWrittenError("the store is away"))
         : engine.jobs.claim(request);
       export default {
         engine: { ...engine, jobs: { ...engine.jobs, claim: away } },
         handlers: [handle(task("ping"), () => {})],
         schedules: [{ id: "now", task: "ping", when: once(new Date()) }],
       };`,
    );
    const serving = place.start(["serve"]);
    await serving.until(/completed {3}ping/);
    expect(serving.stderr).toMatch(/^\S+Z {2}error {7}claim: the store is away \(NOT_WRITTEN\)$/m);
    expect(serving.stdout).toContain("engine       memory (from punctual.config.mjs)");
    serving.kill("SIGTERM");
    expect((await serving.ended).code).toBe(0);
  });

  it("S2 ticks print a line each, and two processes on one file make one job per tick", async () => {
    place.write(
      "punctual.config.mjs",
      `import { every } from ${product};
       export const tasks = "./tasks.mjs";
       export const schedules = [{ id: "each", task: "add", input: [1, 2], when: every("1s"), overlap: "allow", maxTicks: 2 }];`,
    );
    const both = [place.start(["serve"]), place.start(["serve"])];
    const ticks = () => both.flatMap(({ stdout }) => [...stdout.matchAll(/tick {8}each {2}(\S+Z) {2}job (\S+) /g)]);
    await expect.poll(() => ticks().length, { timeout: 10_000 }).toBe(2);
    expect(new Set(ticks().map(([, tick]) => tick)).size).toBe(2);
    const state = () => place.with(({ jobs }) => jobs.list({ schedule: "each", state: "completed" }));
    await expect.poll(async () => (await state()).items.length, { timeout: 10_000 }).toBe(2);
  });

  it("refuses a worker without tasks, and serves the other roles without", async () => {
    const refused = await place.run(["serve", "--json"]);
    expect(refused).toMatchObject({ code: 64, stdout: "" });
    expect(failureIn(refused)).toMatchObject({ code: "NO_HANDLER", field: "--tasks" });
    const serving = place.start(["serve", "--roles", "ticker"]);
    await serving.until(/^ready$/m);
    expect(serving.stdout).toMatch(/^tasks +none$/m);
  });

  it.each([
    ["nothing.mjs", "export const a = 1;", "NO_HANDLER", "exports no handler"],
    ["broken.mjs", "throw new Error('at load');", "INVALID_INPUT", "could not be loaded: at load"],
    ["syntax.mjs", "export const = 1;", "INVALID_INPUT", "could not be loaded"],
    [
      "twins.mjs",
      `import { handle, task } from ${product}; export const a = handle(task("x"), () => 1), b = handle(task("x"), () => 2);`,
      "INVALID_INPUT",
      "two handlers for the task x",
    ],
  ])("refuses a tasks file such as %s", async (name, text, code, message) => {
    place.write(name, text);
    const ended = await place.run(["serve", "--tasks", name, "--json"]);
    expect(ended).toMatchObject({ code: 64, stdout: "" });
    expect(failureIn(ended)).toMatchObject({ code, message: expect.stringContaining(message) });
  });

  it("finds handlers in every shape of export, CommonJS too", async () => {
    place.write(
      "tasks.cjs",
      `const make = (name) => ({ task: { name }, policy: { queue: "default", retry: { attempts: 1 } }, run: () => name });
       module.exports = { one: make("one"), more: [make("two"), make("three")], other: "not a handler" };`,
    );
    const serving = place.start(["serve", "--tasks", "tasks.cjs"]);
    await serving.until(/^ready$/m);
    expect(serving.stdout).toMatch(/^tasks +one, two, three \(tasks\.cjs\)$/m);
  });
});

// Plain Jest: CommonJS, no configuration, no transform of the package.
const { writeFileSync } = require("node:fs");
const punctual = require("punctual");
const { connect } = require("punctual/connect");
const { sqlite } = require("punctual/sqlite");
const { memory } = require("punctual/memory");
const testing = require("punctual/testing");
const { runConformance, TestClock } = require("punctual/testing/conformance");
const { checkFacts } = require("./facts.cjs");
const { conformance, kitFacts } = require("./kit-facts.cjs");

test("jobs run on sqlite", () =>
  checkFacts({ scheduler: punctual, definitions: punctual, engine: sqlite(":memory:") }));

test("jobs run in memory", () => checkFacts({ scheduler: punctual, definitions: punctual, engine: memory() }));

test("an engine is loaded when it is asked for", async () => {
  const engine = await connect("sqlite:jest.db");
  await checkFacts({ scheduler: punctual, definitions: punctual, engine });
});

test("what the driver throws is told apart, although its errors are of another realm", async () => {
  writeFileSync("no-database.db", "x".repeat(4096));
  const scheduler = punctual.createScheduler({ engine: sqlite("no-database.db") });
  await expect(scheduler.stats()).rejects.toMatchObject({ code: "STORE_CORRUPT" });
});

test("a busy file is waited for", async () => {
  const { DatabaseSync } = require("node:sqlite");
  const scheduler = punctual.createScheduler({ engine: sqlite("busy.db") });
  await scheduler.stats();
  const other = new DatabaseSync("busy.db");
  other.exec("BEGIN IMMEDIATE");
  const enqueued = scheduler.enqueue("greet", {});
  setImmediate(() => other.exec("COMMIT"));
  await expect(enqueued).resolves.toMatchObject({ outcome: "created" });
  await scheduler.stop();
  other.close();
});

test("a virtual clock drives a timer", async () => {
  const clock = new testing.VirtualClock();
  const greet = punctual.task("greet");
  const ran = jest.fn();
  const engine = memory({ clock });
  const scheduler = punctual.createScheduler({ engine, clock, handlers: [punctual.handle(greet, ran)] });
  await scheduler.start();
  await scheduler.enqueue(greet, {}, { delay: "1h" });
  await clock.advance(3_599_000);
  expect(ran).not.toHaveBeenCalled();
  await clock.advance(1_000);
  expect(ran).toHaveBeenCalledTimes(1);
  await scheduler.stop();
});

afterEach(() => jest.useRealTimers());

for (const { name, run } of kitFacts({ punctual, testing })) {
  test(name, run);
  test(`with fake timers, ${name}`, async () => {
    jest.useFakeTimers();
    await run();
  });
}

test("Jest's matchers stand in matches", async () => {
  const t = await testing.testScheduler();
  await t.enqueue("mail", { to: "ada" });
  await t.expectEnqueued("mail", { input: { to: expect.any(String) } });
  await t.expectNotEnqueued("mail", { input: { to: expect.stringContaining("eve") } });
  await t.stop();
});

conformance({ memory, runConformance, TestClock }, { describe, test });

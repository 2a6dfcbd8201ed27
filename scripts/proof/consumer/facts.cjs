// What a user of the installed package relies on, whichever way it was loaded; throws at the first fact that is not so.
// The scheduler, the definitions and the engine may come from different copies of the package in one process.
const assert = require("node:assert/strict");

/** @param {{ scheduler: object, definitions: object, engine: object }} copies two copies of "punctual", and an engine */
exports.checkFacts = async ({ scheduler: runs, definitions: defines, engine }) => {
  const greet = defines.task("greet", { retry: { attempts: 3 } });
  const refuse = defines.task("refuse", { retry: { attempts: 3 } });
  const scheduler = runs.createScheduler({
    engine,
    handlers: [
      defines.handle(greet, ({ name }) => `hello ${name}`),
      defines.handle(refuse, () => {
        throw new defines.PermanentError("another attempt cannot help");
      }),
    ],
  });
  await scheduler.start();
  try {
    const greeted = await settled(scheduler, greet, { name: "Ada" });
    assert.deepEqual([greeted.state, greeted.output], ["completed", "hello Ada"]);
    const refused = await settled(scheduler, refuse, {});
    assert.deepEqual([refused.state, refused.attempt], ["failed", 1], "PermanentError is known by its code");
    await checkRefusals(scheduler, runs, defines, greet);
    await checkSchedule(scheduler, defines, greet);
  } finally {
    await scheduler.stop();
  }
};

async function settled(scheduler, task, input) {
  const { promise, resolve } = Promise.withResolvers();
  const off = [scheduler.on("job:completed", resolve), scheduler.on("job:failed", resolve)];
  const { id } = await scheduler.enqueue(task, input);
  await promise;
  for (const stop of off) stop();
  return await scheduler.jobs.get(id);
}

async function checkRefusals(scheduler, runs, defines, greet) {
  const later = { delay: "1h", key: "k", onConflict: "error" };
  await scheduler.enqueue(greet, { name: "later" }, later);
  await refuses(runs, defines, "KEY_IN_USE", () => scheduler.enqueue(greet, { name: "again" }, later));
  const once = { delay: "1h", idempotencyKey: "once" };
  await scheduler.enqueue(greet, { name: "a" }, once);
  await refuses(runs, defines, "IDEMPOTENCY_MISMATCH", () => scheduler.enqueue(greet, { name: "b" }, once));
  await refuses(runs, defines, "NOT_FOUND", () => scheduler.jobs.retry("0195b1d8-0000-7000-8000-000000000000"));
  await refuses(runs, defines, "INVALID_CRON", async () => defines.cron("no cron"));
}

async function refuses(runs, defines, code, call) {
  const error = await call().then(
    () => assert.fail(`${code} was to be thrown`),
    (thrown) => thrown,
  );
  assert.equal(error.code, code, error.stack);
  assert.ok(runs.hasCode(error, code) && defines.hasCode(error, code) && defines.isPunctualError(error), code);
}

async function checkSchedule(scheduler, defines, greet) {
  const rule = { task: greet, input: { name: "tick" }, when: defines.every("1s") };
  const { schedule } = await scheduler.schedules.ensure("each-second", rule);
  assert.equal((await scheduler.schedules.ensure("each-second", rule)).outcome, "unchanged");
  await ticked(scheduler);
  await scheduler.schedules.update("each-second", { when: defines.cron("0 9 * * 1-5", { timezone: "Europe/Paris" }) });
  const stale = scheduler.schedules.update("each-second", { name: "stale" }, { revision: schedule.revision });
  await refuses(defines, defines, "REVISION_CONFLICT", () => stale);
}

async function ticked(scheduler) {
  const { promise, resolve } = Promise.withResolvers();
  const stop = scheduler.on("job:completed", resolve);
  await promise;
  stop();
  const { items } = await scheduler.jobs.list({ schedule: "each-second", state: "completed" });
  assert.ok(items.length >= 1 && items[0].output === "hello tick");
}

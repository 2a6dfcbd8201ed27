// A user's tests with the kit, for any runner: each has a name and throws when it does not hold.
const assert = require("node:assert/strict");

/** @param {{ punctual: object, testing: object }} loaded "punctual" and "punctual/testing", imported or required */
exports.kitFacts = ({ punctual: { cron, handle, task }, testing: { testScheduler } }) => [
  {
    name: "customers are billed across a clock change",
    run: async () => {
      const bill = task("bill");
      const zone = { timezone: "Europe/Berlin" };
      const handlers = [handle(bill, (_, ctx) => ctx.scheduledAt.toISOString())];
      const t = await testScheduler({ handlers, startAt: "2026-01-15T00:00", ...zone });
      await t.schedules.ensure("billing", { task: bill, when: cron("30 2 29 * *", zone) });
      await t.clock.advanceTo("2026-04-30T00:00");
      await t.expectTick("billing", { count: 3 });
      await t.expectTick("billing", { at: "2026-03-29T01:00:00Z" });
      await t.expectCompleted(bill, { count: 3 });
      await t.stop();
    },
  },
  {
    name: "failures, slowness and a crash happen on the test's clock",
    run: async () => {
      const work = task("work", { timeout: "1m", retry: { attempts: 5, backoff: { type: "fixed", delay: "1m" } } });
      const t = await testScheduler({ handlers: [handle(work, () => "done")] });
      t.fail(work);
      t.slow(work, "1h", { after: 1 });
      t.slow(work, "10s");
      await t.enqueue(work, {});
      await t.settle();
      await t.expectEnqueued(work, { state: "delayed", dueIn: "1m", reason: "the test made it fail" });
      await t.clock.advance("3m");
      await t.expectEnqueued(work, { state: "active" });
      t.crash();
      await t.clock.advance("1m");
      const { attempts } = await t.expectCompleted(work, { output: "done" });
      assert.deepEqual(
        attempts.map(({ outcome }) => outcome),
        ["failed", "timed-out", "lost", "completed"],
      );
      await t.stop();
    },
  },
  {
    name: "jobs run inline, or by hand",
    run: async () => {
      const greet = task("greet");
      const refused = new RangeError("no name");
      const run = ({ name }) => {
        if (name === undefined) throw refused;
        return `hello ${name}`;
      };
      const inline = await testScheduler({ mode: "inline", handlers: [handle(greet, run)] });
      await inline.enqueue(greet, { name: "Ada" });
      await inline.expectCompleted(greet, { output: "hello Ada" });
      await assert.rejects(inline.enqueue(greet, {}), (error) => error === refused);
      await inline.stop();
      const manual = await testScheduler({ mode: "manual", handlers: [handle(greet, run)] });
      await manual.enqueueMany([
        { task: greet, input: { name: "Ada" } },
        { task: greet, input: { name: "Bob" } },
      ]);
      assert.deepEqual(
        (await manual.drain()).map(({ output }) => output),
        ["hello Ada", "hello Bob"],
      );
      await manual.stop();
    },
  },
  {
    name: "a handler that makes work without end is told, one whose time is up is not let go on",
    run: async () => {
      const chain = task("chain");
      const again = handle(chain, (_, ctx) => ctx.enqueue(chain, {}));
      const endless = await testScheduler({ handlers: [again], jobsPerInstantMax: 50 });
      await endless.enqueue(chain, {});
      await assert.rejects(endless.settle(), { name: "AssertionError", message: /^50 jobs ran at .*chain, chain\./ });
      await endless.stop();
      const slow = task("slow", { timeout: "1m", retry: { attempts: 1 } });
      let wentOn = false;
      const sleeps = handle(slow, async (_, ctx) => {
        await t.clock.sleep("2m", ctx.signal);
        wentOn = true;
      });
      const t = await testScheduler({ handlers: [sleeps] });
      await t.enqueue(slow, {});
      await t.clock.advance("3m");
      await t.expectFailed(slow, { reason: "longer than 1m" });
      assert.equal(wentOn, false);
      await t.stop();
    },
  },
  {
    name: "an assertion that fails says what there is",
    run: async () => {
      const t = await testScheduler();
      await t.enqueue("mail", { to: "ada" });
      await assert.rejects(t.expectEnqueued("mail", { input: { to: "eve" } }), {
        name: "AssertionError",
        message: /found 0\njobs of mail .*\n.*"ada".*\n\s+input\.to is "ada", expected "eve"/,
      });
      await t.stop();
    },
  },
];

/** The conformance suite with the memory engine, for a runner's describe and test. */
exports.conformance = ({ memory, runConformance, TestClock }, { describe, test }) =>
  runConformance({ describe, test }, "memory", async () => {
    const clock = new TestClock();
    const engine = memory({ clock });
    await engine.open();
    return {
      engine,
      other: engine,
      clock,
      openWith: async (options) => memory({ clock, ...options }),
      close: () => engine.close(),
    };
  });

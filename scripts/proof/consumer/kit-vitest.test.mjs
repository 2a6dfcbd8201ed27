// Vitest with the kit, its own fake timers and matchers among it, and the conformance suite.
import * as punctual from "punctual";
import { memory } from "punctual/memory";
import * as testing from "punctual/testing";
import { runConformance, TestClock } from "punctual/testing/conformance";
import { afterEach, describe, expect, test, vi } from "vitest";
import facts from "./kit-facts.cjs";

afterEach(() => vi.useRealTimers());

for (const { name, run } of facts.kitFacts({ punctual, testing })) {
  test(name, run);
  test(`with fake timers, ${name}`, async () => {
    vi.useFakeTimers();
    await run();
  });
  test(`with everything faked, ${name}`, async () => {
    vi.useFakeTimers({
      toFake: ["setTimeout", "setInterval", "setImmediate", "Date", "performance", "queueMicrotask", "nextTick"],
    });
    await run();
  });
}

test("Vitest's matchers stand in matches", async () => {
  const t = await testing.testScheduler();
  await t.enqueue("mail", { to: "ada", n: 1 });
  await t.expectEnqueued("mail", { input: { to: expect.any(String), n: expect.any(Number) } });
  await t.expectNotEnqueued("mail", { input: expect.objectContaining({ to: "eve" }) });
  await t.stop();
});

facts.conformance({ memory, runConformance, TestClock }, { describe, test });

// The conformance suite on the memory engine: one store inside this process, both handles the same object.
import { memory } from "../../src/engines/memory/index.ts";
import { TestClock } from "../../src/testing/conformance/harness.ts";
import { runSuite } from "./run-suite.ts";

runSuite("memory", async () => {
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

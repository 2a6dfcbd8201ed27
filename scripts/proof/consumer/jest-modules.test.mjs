// Jest with ES modules, as `--experimental-vm-modules` runs them.
import * as punctual from "punctual";
import { connect } from "punctual/connect";
import { sqlite } from "punctual/sqlite";
import * as testing from "punctual/testing";
import facts from "./facts.cjs";
import kit from "./kit-facts.cjs";

test("jobs run on sqlite", () =>
  facts.checkFacts({ scheduler: punctual, definitions: punctual, engine: sqlite(":memory:") }));

test("an engine is loaded when it is asked for", async () => {
  await facts.checkFacts({ scheduler: punctual, definitions: punctual, engine: await connect("memory:") });
});

const { jest } = import.meta;
afterEach(() => jest.useRealTimers());

for (const { name, run } of kit.kitFacts({ punctual, testing })) {
  test(name, run);
  test(`with fake timers, ${name}`, async () => {
    jest.useFakeTimers();
    await run();
  });
}

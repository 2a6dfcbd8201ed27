// The conformance suite on the SQLite engine over a user's own database in memory: one connection, which the engine
// and the caller's transactions share.
import { DatabaseSync } from "node:sqlite";
import type { Engine } from "../../src/core/engine.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { TestClock } from "../../src/testing/conformance/harness.ts";
import { runSuite } from "./run-suite.ts";
import { beginOn } from "./sqlite-store.ts";

runSuite("sqlite in memory", async () => {
  const clock = new TestClock();
  const database = new DatabaseSync(":memory:");
  const engine = sqlite(database, { clock });
  await engine.open();
  const more: Engine[] = [];
  return {
    engine,
    other: engine,
    clock,
    beginTx: async () => beginOn(database, engine, false),
    openWith: async (options) => {
      const opened = sqlite(":memory:", { clock, ...options });
      more.push(opened);
      await opened.open();
      return opened;
    },
    close: async () => {
      await Promise.all([engine, ...more].map((one) => one.close()));
      database.close();
    },
  };
});

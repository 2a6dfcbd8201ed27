// The conformance suite on the SQLite engine over a user's own database in memory: one connection, which the engine
// and the caller's transactions share.
import { DatabaseSync } from "node:sqlite";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { TestClock } from "../conformance/harness.ts";
import { runSuite } from "./run-suite.ts";
import { beginOn } from "./sqlite-store.ts";

runSuite("sqlite in memory", async () => {
  const clock = new TestClock();
  const database = new DatabaseSync(":memory:");
  const engine = sqlite(database, { clock });
  await engine.open();
  return {
    engine,
    other: engine,
    clock,
    beginTx: async () => beginOn(database, engine, false),
    close: async () => {
      await engine.close();
      database.close();
    },
  };
});

// The conformance suite on the SQLite engine: one file, two handles in one process.
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { TestClock } from "../conformance/harness.ts";
import { runSuite } from "./run-suite.ts";
import { beginOnFile, freshFile } from "./sqlite-store.ts";

runSuite("sqlite on a file", async () => {
  const clock = new TestClock();
  const file = freshFile();
  const engine = sqlite(file.path, { clock });
  const other = sqlite(file.path, { clock });
  await engine.open();
  await other.open();
  return {
    engine,
    other,
    clock,
    beginTx: async () => beginOnFile(file.path, engine),
    close: async () => {
      await Promise.all([engine.close(), other.close()]);
      file.remove();
    },
  };
});

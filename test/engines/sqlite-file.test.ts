// The conformance suite on the SQLite engine: one file, two handles in one process.
import type { Engine } from "../../src/core/engine.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { TestClock } from "../../src/testing/conformance/harness.ts";
import { runSuite } from "./run-suite.ts";
import { beginOnFile, freshFile } from "./sqlite-store.ts";

runSuite("sqlite on a file", async () => {
  const clock = new TestClock();
  const file = freshFile();
  const engine = sqlite(file.path, { clock });
  const other = sqlite(file.path, { clock });
  await engine.open();
  await other.open();
  const more: Engine[] = [];
  return {
    engine,
    other,
    clock,
    beginTx: async () => beginOnFile(file.path, engine),
    openWith: async (options) => {
      const opened = sqlite(`${file.path}-${more.length}.db`, { clock, ...options });
      more.push(opened);
      await opened.open();
      return opened;
    },
    close: async () => {
      await Promise.all([engine, other, ...more].map((one) => one.close()));
      file.remove();
    },
  };
});

// The conformance suite on the SQLite engine: one file, two processes. The primary handle's calls are made by both in
// turn, so that each fact is carried by both.
import { afterAll } from "vitest";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { TestClock } from "../conformance/harness.ts";
import { alternating, RemoteProcess, remoteEngine } from "./remote-process.ts";
import { runSuite } from "./run-suite.ts";
import { beginOnFile, freshFile } from "./sqlite-store.ts";

const remote = new RemoteProcess();
afterAll(() => remote.end());

runSuite("sqlite in two processes", async () => {
  const clock = new TestClock();
  const file = freshFile();
  const local = sqlite(file.path, { clock });
  const other = remoteEngine(remote, file.path, clock, local);
  await Promise.all([local.open(), other.open()]);
  return {
    engine: alternating(local, other),
    other,
    clock,
    beginTx: async () => beginOnFile(file.path, local),
    close: async () => {
      await Promise.all([local.close(), other.close()]);
      file.remove();
    },
  };
});

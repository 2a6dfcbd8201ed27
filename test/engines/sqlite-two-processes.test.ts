// The conformance suite on the SQLite engine: one file, two processes. The primary handle's calls are made by both in
// turn, so that each fact is carried by both.
import { afterAll } from "vitest";
import type { Engine } from "../../src/core/engine.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { TestClock } from "../../src/testing/conformance/harness.ts";
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
  const more: Engine[] = [];
  return {
    engine: alternating(local, other),
    other,
    clock,
    beginTx: async () => beginOnFile(file.path, local),
    openWith: async (options) => {
      const path = `${file.path}-${more.length}.db`;
      const here = sqlite(path, { clock, ...options });
      const there = remoteEngine(remote, path, clock, here, options);
      more.push(here, there);
      await Promise.all([here.open(), there.open()]);
      return alternating(here, there);
    },
    close: async () => {
      await Promise.all([local, other, ...more].map((one) => one.close()));
      file.remove();
    },
  };
});

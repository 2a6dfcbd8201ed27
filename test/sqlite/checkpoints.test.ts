// The log is folded into the file in a quiet moment, before SQLite would do it in the middle of somebody's commit.
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { newJob } from "../../src/testing/conformance/builders.ts";

test("S11 after many commits and a quiet moment the file holds what was only in its log", async () => {
  const folder = mkdtempSync(join(tmpdir(), "punctual-checkpoints-"));
  const file = join(folder, "store.db");
  const engine = sqlite(file);
  await engine.open();
  try {
    const before = statSync(file).size;
    for (let commit = 0; commit < 300; commit++) await engine.jobs.insert([{ jobs: [newJob()] }]);
    // No reader, no close and no full log brings it there: a timer of some ms does.
    await expect.poll(() => statSync(file).size, { timeout: 10_000 }).toBeGreaterThan(before);
  } finally {
    await engine.close();
    rmSync(folder, { recursive: true });
  }
});

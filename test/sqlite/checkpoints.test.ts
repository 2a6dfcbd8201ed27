// The log is folded into the file in a quiet moment, or by a thread where there is none, before SQLite would do it in the
// middle of somebody's commit.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CheckpointThread } from "../../src/engines/sqlite/checkpoint-thread.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { newJob } from "../../src/testing/conformance/builders.ts";

/** The log at which SQLite checkpoints by itself. */
const fullLogBytes = 8_000 * 4_096;

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "punctual-checkpoints-"));
  file = join(folder, "store.db");
});
afterEach(() => rmSync(folder, { recursive: true }));

const size = (path: string) => statSync(path).size;

test("S11 after many commits and a quiet moment the file holds what was only in its log", async () => {
  const engine = sqlite(file);
  await engine.open();
  try {
    const before = size(file);
    for (let commit = 0; commit < 300; commit++) await engine.jobs.insert([{ jobs: [newJob()] }]);
    // No reader, no close and no full log brings it there: a timer of some ms does.
    await expect.poll(() => size(file), { timeout: 10_000 }).toBeGreaterThan(before);
  } finally {
    await engine.close();
  }
});

test("S11 where no moment is quiet the log is folded into the file all the same, before it is full", async () => {
  const engine = sqlite(file);
  await engine.open();
  try {
    const before = size(file);
    while (size(file) === before && size(`${file}-wal`) < fullLogBytes) {
      await engine.jobs.insert([{ jobs: [newJob()] }]);
      await sleep(1);
    }
    expect(size(`${file}-wal`)).toBeLessThan(fullLogBytes);
  } finally {
    await engine.close();
  }
  // The thread has let go of it: who closes last removes the log.
  expect(existsSync(`${file}-wal`)).toBe(false);
});

test("S11 a process that has worked without a quiet moment and closes nothing ends all the same", async () => {
  const program = `
    import { setTimeout as sleep } from "node:timers/promises";
    import { statSync } from "node:fs";
    import { createScheduler } from "punctual";
    import { sqlite } from "punctual/sqlite";
    const file = process.argv[1];
    const scheduler = createScheduler({ engine: sqlite(file) });
    await scheduler.enqueue("greet", {});
    const before = statSync(file).size;
    while (statSync(file).size === before) {
      await scheduler.enqueue("greet", {});
      await sleep(1);
    }`;
  const args = [
    "--conditions=source",
    "--disable-warning=ExperimentalWarning",
    "--input-type=module",
    "-e",
    program,
    file,
  ];
  const root = fileURLToPath(new URL("../../", import.meta.url));
  const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (text) => {
    said += text;
  });
  expect(await once(child, "close")).toEqual([0, null]);
  expect(said).toBe("");
}, 30_000);

test("S11 the thread moves what the log holds, and stopping it waits for that", async () => {
  const database = new DatabaseSync(file);
  try {
    database.exec("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (text)");
    for (let row = 0; row < 100; row++) database.exec("INSERT INTO t VALUES (zeroblob(10000))");
    const before = size(file);
    let moves = 0;
    const thread = new CheckpointThread(file, () => {
      moves++;
    });
    thread.move();
    await expect.poll(() => moves, { timeout: 10_000 }).toBe(1);
    expect(size(file)).toBeGreaterThan(before + 100 * 10_000);
    for (let row = 0; row < 100; row++) database.exec("INSERT INTO t VALUES (zeroblob(10000))");
    thread.move();
    await thread.stop();
    expect(size(file)).toBeGreaterThan(before + 200 * 10_000);
    expect(thread.gone).toBe(true);
  } finally {
    database.close();
  }
});

test("S11 a thread that cannot open the file makes none, and is gone", async () => {
  const thread = new CheckpointThread(file, () => {});
  thread.move();
  await expect.poll(() => thread.gone, { timeout: 10_000 }).toBe(true);
  thread.move();
  await thread.stop();
  expect(existsSync(file)).toBe(false);
});

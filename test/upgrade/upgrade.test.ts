// Upgrades from the first released version, whose sources lie packed beside this file: it serves on while this version
// migrates the store under it.
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newRoot, startVersion, unpackOldVersion } from "../../scripts/proof/old-version.ts";
import { refuseTogether, runSideBySide } from "../../scripts/proof/side-by-side.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { createScheduler, handle, task } from "../../src/index.ts";

let folder: string;
let oldRoot: string;
let oldStore: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "punctual-upgrade-"));
  oldRoot = unpackOldVersion(folder);
  oldStore = join(folder, "old.db");
  const { code } = await startVersion(oldRoot, "fill", oldStore).ended;
  expect(code).toBe(0);
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A copy of the store that the old version has filled. */
function copyOfOld(name: string): string {
  const path = join(folder, name);
  copyFileSync(oldStore, path);
  return path;
}

function stepsIn(path: string): unknown[] {
  const database = new DatabaseSync(path, { timeout: 5_000 });
  const rows = database.prepare("SELECT id FROM punctual_migrations ORDER BY id").all() as { id: number }[];
  database.close();
  return rows.map(({ id }) => id);
}

describe("a store of the first version", () => {
  test("O3 with data in every table is opened, migrated and served", { timeout: 60_000 }, async () => {
    const path = copyOfOld("served.db");
    expect(stepsIn(path)).toEqual([1]);
    const before = new DatabaseSync(path, { readOnly: true });
    for (const table of ["jobs", "finished", "lanes", "queues", "schedules", "idempotency", "records", "events"]) {
      const { rows } = before.prepare(`SELECT count(*) AS rows FROM punctual_${table}`).get() as { rows: number };
      expect(rows, table).toBeGreaterThan(0);
    }
    before.close();
    let ran = 0;
    await using scheduler = createScheduler({
      engine: sqlite(path),
      handlers: [
        handle(task("send"), () => {
          ran++;
        }),
      ],
      worker: { concurrency: 50, queues: ["mail", "reports", "billing"] },
    });
    const { waiting } = await scheduler.stats();
    await scheduler.queues.limit("billing", { rate: null });
    await scheduler.start();
    await scheduler.resume();
    await expect.poll(async () => (await scheduler.stats()).waiting, { timeout: 30_000 }).toBe(0);
    expect(ran).toBeGreaterThanOrEqual(waiting);
    expect(stepsIn(path)).toEqual([1, 2, 3]);
  });

  test("O4 is migrated once by ten processes that open it together", { timeout: 60_000 }, async () => {
    const path = copyOfOld("many.db");
    const openers = Array.from({ length: 10 }, () => startVersion(newRoot, "open", path));
    const endings = await Promise.all(openers.map(({ ended }) => ended));
    expect(endings.map(({ code }) => code)).toEqual(Array.from({ length: 10 }, () => 0));
    expect(stepsIn(path)).toEqual([1, 2, 3]);
  });

  test("O4 is refused by who does not want to migrate it, and left as it was", async () => {
    const path = copyOfOld("careful.db");
    const engine = sqlite(path, { migrate: false });
    await expect(engine.open()).rejects.toMatchObject({ code: "STORE_OUTDATED", details: { steps: [2, 3] } });
    expect(stepsIn(path)).toEqual([1]);
    expect((await engine.migrations.apply()).map(({ id }) => id)).toEqual([2, 3]);
    await engine.open();
    expect((await engine.migrations.state()).drift).toEqual([]);
    await engine.close();
  });
});

describe("two versions on one store", () => {
  test("O3 the old one serves on while the new one migrates: every job and tick once", {
    timeout: 90_000,
  }, async () => {
    const file = join(folder, "shared.db");
    const least = { jobs: 40, ticks: 4 };
    const result = await runSideBySide(oldRoot, file, join(folder, "shared.journal"), least);
    expect(result).toMatchObject({ badEndings: [], errors: [], missing: [], twice: [] });
    expect(Math.min(result.byOld, result.byNew)).toBeGreaterThanOrEqual(least.jobs);
    expect(stepsIn(file)).toEqual([1, 2, 3]);
  });

  test("O3 a breaking step of a newer version stops both in claim and fire", { timeout: 90_000 }, async () => {
    const file = join(folder, "broken.db");
    const ran = await refuseTogether(oldRoot, file, join(folder, "broken.journal"), () => {
      const database = new DatabaseSync(file, { timeout: 5_000 });
      database.exec(
        "INSERT INTO punctual_migrations (id, name, breaking, applied_at) VALUES (999, 'of-tomorrow', 1, 0)",
      );
      database.close();
    });
    expect(ran).toEqual([]);
  });
});

// What a SQLite file may be when it is opened: ours, new, or refused and left as it was.
import { spawn } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { createScheduler, isPunctualError } from "../../src/index.ts";

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "punctual-opening-"));
  file = join(folder, "store.db");
});
afterEach(() => {
  chmodSync(folder, 0o755);
  rmSync(folder, { recursive: true });
});

/** Makes a store with one job, closed and checkpointed into its file. */
async function makeStore(): Promise<void> {
  const scheduler = createScheduler({ engine: sqlite(file) });
  await scheduler.enqueue("greet", { name: "Ada" });
  await scheduler.stop();
}

async function refusal(location: string = file): Promise<{ code: string; message: string }> {
  const engine = sqlite(location);
  const error: unknown = await engine.open().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  await engine.close();
  if (!isPunctualError(error)) throw new Error(`it was not refused: ${String(error)}`);
  return error;
}

function breakSchema(): void {
  const database = new DatabaseSync(file);
  database.exec("INSERT INTO punctual_migrations (id, name, breaking, applied_at) VALUES (999, 'of-tomorrow', 1, 0)");
  database.close();
}

describe("a file that is not ours to touch", () => {
  test("O5 a text file is refused and left as it was", async () => {
    writeFileSync(file, "not a database, but somebody's notes\n".repeat(50));
    const before = readFileSync(file);
    expect(await refusal()).toMatchObject({ code: "STORE_CORRUPT", message: expect.stringContaining(file) });
    expect(readFileSync(file)).toEqual(before);
    expect(readdirSync(folder)).toEqual(["store.db"]);
  });

  test("O5 a truncated store is refused and left as it was", async () => {
    await makeStore();
    truncateSync(file, 6_000);
    const before = readFileSync(file);
    expect(await refusal()).toMatchObject({ code: "STORE_CORRUPT" });
    expect(readFileSync(file)).toEqual(before);
  });

  test("O5 a store with damaged pages is refused and left as it was", async () => {
    await makeStore();
    const damaged = readFileSync(file);
    damaged.fill(0xa5, 4_096, 3 * 4_096);
    writeFileSync(file, damaged);
    expect(await refusal()).toMatchObject({ code: "STORE_CORRUPT" });
    expect(readFileSync(file)).toEqual(damaged);
  });

  test("O5 another application's database is refused and left as it was", async () => {
    const database = new DatabaseSync(file);
    database.exec("PRAGMA application_id = 1234; CREATE TABLE notes (text TEXT)");
    database.close();
    const before = readFileSync(file);
    expect(await refusal()).toMatchObject({ code: "STORE_CORRUPT", message: expect.stringContaining("1234") });
    expect(readFileSync(file)).toEqual(before);
  });

  test("O5 a database whose own table has one of our names is refused and left as it was", async () => {
    for (const table of ["punctual_jobs", "punctual_migrations"]) {
      rmSync(file, { force: true });
      const database = new DatabaseSync(file);
      database.exec(`CREATE TABLE ${table} (id INTEGER)`);
      database.close();
      const before = readFileSync(file);
      expect(await refusal()).toMatchObject({ code: "STORE_CORRUPT", message: expect.stringContaining(table) });
      expect(readFileSync(file)).toEqual(before);
    }
  });

  test("O5 a store that has lost a table is refused, also while it runs", async () => {
    await makeStore();
    const engine = sqlite(file);
    await engine.open();
    const database = new DatabaseSync(file);
    database.exec("DROP TABLE punctual_queues");
    database.close();
    await expect(engine.queues.list()).rejects.toMatchObject({ code: "STORE_CORRUPT" });
    await engine.close();
    expect(await refusal()).toMatchObject({
      code: "STORE_CORRUPT",
      message: expect.stringContaining("punctual_queues"),
    });
  });

  test("O5 who only looks makes no store: mustExist refuses a database without one and leaves it as it was", async () => {
    await expect(sqlite(file, { mustExist: true }).open()).rejects.toMatchObject({ code: "ENGINE_NOT_CONFIGURED" });
    expect(readdirSync(folder)).toEqual([]);
    const database = new DatabaseSync(file);
    database.exec("CREATE TABLE users (name TEXT)");
    database.close();
    const before = readFileSync(file);
    await expect(sqlite(file, { mustExist: true }).open()).rejects.toMatchObject({ code: "ENGINE_NOT_CONFIGURED" });
    expect(readFileSync(file)).toEqual(before);
  });

  test("O3 a store that a newer breaking version has migrated is refused and left as it was", async () => {
    await makeStore();
    breakSchema();
    const before = readFileSync(file);
    expect(await refusal()).toMatchObject({ code: "STORE_TOO_NEW", message: expect.stringContaining("of-tomorrow") });
    expect(readFileSync(file)).toEqual(before);
  });

  test("O3 a newer breaking step that is still in the log is refused, file and log left as they were", async () => {
    await makeStore();
    const writer = new DatabaseSync(file);
    writer.exec("INSERT INTO punctual_migrations (id, name, breaking, applied_at) VALUES (999, 'of-tomorrow', 1, 0)");
    // As a killed process leaves them.
    const killed = join(folder, "killed.db");
    for (const end of ["", "-wal"]) copyFileSync(file + end, killed + end);
    writer.close();
    const before = ["", "-wal"].map((end) => readFileSync(killed + end));
    expect(await refusal(killed)).toMatchObject({ code: "STORE_TOO_NEW" });
    expect(["", "-wal"].map((end) => readFileSync(killed + end))).toEqual(before);
  });

  test("O3 a newer compatible step is accepted", async () => {
    await makeStore();
    const database = new DatabaseSync(file);
    database.exec("INSERT INTO punctual_migrations (id, name, breaking, applied_at) VALUES (999, 'an-index', 0, 0)");
    database.close();
    const engine = sqlite(file);
    await engine.open();
    expect(await engine.jobs.stats({})).toMatchObject([{ waiting: 1 }]);
    await engine.close();
  });

  test("O3 claim and fire refuse a store that was migrated while they ran", async () => {
    await makeStore();
    const engine = sqlite(file);
    await engine.open();
    breakSchema();
    const wants = [{ queue: "default", limit: 1 }];
    const request = {
      claimId: "0123456789abcdef",
      worker: "w",
      leaseMs: 1_000,
      wants,
      limit: 1,
      starts: 1,
      bytesMax: 1,
    };
    await expect(engine.jobs.claim(request)).rejects.toMatchObject({ code: "STORE_TOO_NEW" });
    await expect(engine.schedules.fire({ limit: 1, decide: () => [] })).rejects.toMatchObject({
      code: "STORE_TOO_NEW",
    });
    await engine.close();
  });

  test("O5 a folder that is missing, and a folder in the file's place, are named", async () => {
    const missing = join(folder, "missing", "store.db");
    expect(await refusal(missing)).toMatchObject({
      code: "ENGINE_NOT_CONFIGURED",
      message: expect.stringContaining(join(folder, "missing")),
    });
    mkdirSync(join(folder, "taken.db"));
    expect(await refusal(join(folder, "taken.db"))).toMatchObject({ code: "ENGINE_NOT_CONFIGURED" });
  });

  test("O5 a file that may not be written is refused as one, not as a store that is away", async () => {
    await makeStore();
    // Root may write anything; a folder in which nothing can be made is the same to everybody.
    const place = join("/proc", "store.db");
    expect(await refusal(process.getuid?.() === 0 ? place : lock())).toMatchObject({ code: "ENGINE_NOT_CONFIGURED" });

    function lock(): string {
      chmodSync(file, 0o444);
      chmodSync(folder, 0o555);
      return file;
    }
  });

  test("O5 a refused file can be opened once it is mended", async () => {
    writeFileSync(file, "x".repeat(200));
    const engine = sqlite(file);
    await expect(engine.open()).rejects.toMatchObject({ code: "STORE_CORRUPT" });
    rmSync(file);
    await engine.open();
    expect(await engine.jobs.stats({})).toEqual([]);
    await engine.close();
  });
});

describe("a file that is ours", () => {
  test("O4 ten processes that start at once on a new file all open it, and migrate it once", async () => {
    const source = new URL("../../src/engines/sqlite/index.ts", import.meta.url).href;
    const program = `
      const { sqlite } = await import(${JSON.stringify(source)});
      const engine = sqlite(process.argv[1]);
      await engine.open();
      await engine.close();`;
    const codes = Array.from({ length: 10 }, () => {
      const child = spawn(process.execPath, ["--input-type=module", "--eval", program, file], { stdio: "ignore" });
      return new Promise((resolve) => child.on("close", resolve));
    });
    expect(await Promise.all(codes)).toEqual(Array.from({ length: 10 }, () => 0));
    const database = new DatabaseSync(file);
    const applied = database
      .prepare("SELECT id FROM punctual_migrations ORDER BY id")
      .all()
      .map(({ id }) => id);
    expect(applied).toEqual(applied.map((_, index) => index + 1));
    database.close();
  });

  test("O4 a user's own database holds a store beside its tables, and keeps its own mark", async () => {
    const own = new DatabaseSync(file);
    own.exec("PRAGMA application_id = 77; CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('kept')");
    const scheduler = createScheduler({ engine: sqlite(own) });
    const { id } = await scheduler.enqueue("greet", 1);
    await scheduler.stop();
    expect(own.prepare("SELECT text FROM notes").get()).toEqual({ text: "kept" });
    expect(own.prepare("PRAGMA application_id").get()).toEqual({ application_id: 77 });
    const again = createScheduler({ engine: sqlite(own) });
    expect(await again.jobs.get(id)).toMatchObject({ state: "waiting", input: 1 });
    await again.stop();
    own.close();
  });

  test("D9 a scheduler on a file stops and starts again, with everything still there", async () => {
    const scheduler = createScheduler({ engine: sqlite(file) });
    for (const count of [1, 2, 3]) {
      await scheduler.start({ roles: ["ticker", "janitor"] });
      await scheduler.enqueue("greet", count);
      expect(await scheduler.stats()).toMatchObject({ waiting: count });
      await scheduler.stop();
    }
  });
});

describe("a user's own connection", () => {
  test("J1 using refuses what is no open database, and one that is open on another file", async () => {
    await makeStore();
    const scheduler = createScheduler({ engine: sqlite(file) });
    expect(() => scheduler.using({} as never)).toThrow("tx must be an open database");
    const other = new DatabaseSync(join(folder, "other.db"));
    for (const _ of ["once", "again"]) {
      await expect(scheduler.using(other).enqueue("greet", 1)).rejects.toMatchObject({
        code: "INVALID_INPUT",
        field: "tx",
      });
    }
    other.close();
    await expect(scheduler.using(other).enqueue("greet", 1)).rejects.toMatchObject({ code: "STOPPED" });
    const own = new DatabaseSync(file);
    own.exec("BEGIN IMMEDIATE");
    await scheduler.using(own).enqueue("greet", 2);
    own.exec("ROLLBACK");
    own.close();
    expect(await scheduler.stats()).toMatchObject({ waiting: 1 });
    await scheduler.stop();
  });
});

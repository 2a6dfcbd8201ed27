// `punctual migrate`: applies, prints and checks the steps of a SQLite store.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { failureIn, Workplace } from "./punctual.ts";

const archive = fileURLToPath(new URL("../upgrade/punctual-0.1.0-src.tar.gz", import.meta.url));

describe("punctual migrate", () => {
  const place = new Workplace();
  afterAll(() => place[Symbol.asyncDispose]());
  const old = join(place.folder, "old.db");

  /** A store of the first version. */
  beforeAll(() => {
    const root = join(place.folder, "old");
    mkdirSync(root);
    execFileSync("tar", ["-xzf", archive, "-C", root]);
    place.write(
      "make.mjs",
      `import { sqlite } from "./old/src/engines/sqlite/index.ts"; const e = sqlite(${JSON.stringify(old)}); await e.open(); await e.close();`,
    );
    execFileSync(process.execPath, ["--disable-warning=ExperimentalWarning", join(place.folder, "make.mjs")]);
  });

  const change = (sql: string, path = place.file) => {
    const database = new DatabaseSync(path);
    database.exec(sql);
    database.close();
  };

  it("O4 prints what an older store lacks, with what it means for older versions, and applies nothing", async () => {
    const { code, stdout } = await place.run(["migrate", "--print", "--engine", old]);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^-- One transaction: .*\nBEGIN;\n\n-- step 2 \(disabled-schedules\), compatible: older versions go on\n/,
    );
    expect(stdout).toContain("CREATE INDEX punctual_schedules_disabled");
    expect(stdout).not.toContain("step 1");
    const checked = await place.run(["migrate", "--check", "--engine", old, "--json"]);
    expect(checked).toMatchObject({ code: 78, stdout: "" });
    expect(failureIn(checked)).toMatchObject({
      code: "STORE_OUTDATED",
      message: expect.stringContaining("2 (disabled-schedules)"),
    });
  });

  it("O4 applies what is missing, once", async () => {
    const path = join(place.folder, "applied.db");
    execFileSync("cp", [old, path]);
    const applied = await place.json<{ applied: { id: number; breaking: boolean; appliedAt: string }[] }>(
      "migrate",
      "--engine",
      path,
    );
    const step = { breaking: false, appliedAt: expect.any(String) };
    expect(applied.applied).toMatchObject([
      { id: 2, ...step },
      { id: 3, ...step },
    ]);
    expect(await place.json("migrate", "--engine", path)).toEqual({ applied: [] });
    const { code, stdout } = await place.run(["migrate", "--check", "--engine", path]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: "nothing is missing\n" });
  });

  it("O4 makes a store where there is none, and prints all its steps on demand", async () => {
    const { stdout } = await place.run(["migrate"]);
    expect(stdout).toMatch(/^applied 1 \(initial\), breaking: older versions refuse the store\napplied 2 /);
    const printed = await place.run(["migrate", "--print", "--all"]);
    expect(printed.stdout).toMatch(/BEGIN;\n\n-- step 1 \(initial\).*, applied \d{4}-/);
    expect((await place.run(["migrate", "--print"])).stdout).toBe("-- nothing is missing\n");
  });

  it.each([
    [
      "a column that is gone",
      "ALTER TABLE punctual_events DROP COLUMN actor",
      "the column actor of punctual_events is missing",
    ],
    [
      "a column too many",
      "ALTER TABLE punctual_lanes ADD COLUMN mine TEXT",
      "the column mine of punctual_lanes is not Punctual's",
    ],
    [
      "an index that is gone",
      "DROP INDEX punctual_jobs_ready",
      "the index punctual_jobs_ready of punctual_jobs is missing",
    ],
    [
      "an index that is another",
      "DROP INDEX punctual_jobs_ready; CREATE INDEX punctual_jobs_ready ON punctual_jobs (queue)",
      "the index punctual_jobs_ready of punctual_jobs is not as it was made",
    ],
    ["a table that is gone", "DROP TABLE punctual_idempotency", "the table punctual_idempotency is missing"],
    [
      "a column of another type",
      "DROP TABLE punctual_queues; CREATE TABLE punctual_queues (name TEXT PRIMARY KEY, paused TEXT NOT NULL, concurrency INTEGER, rate TEXT, rate_window TEXT) WITHOUT ROWID",
      "the column paused of punctual_queues is TEXT NOT NULL, should be INTEGER NOT NULL",
    ],
  ])("O4 --check names %s", async (name, sql, what) => {
    const path = join(place.folder, `${name.replaceAll(" ", "-")}.db`);
    await place.run(["migrate", "--engine", path]);
    change(sql, path);
    const checked = await place.run(["migrate", "--check", "--engine", path, "--json"]);
    expect(checked.code).toBe(65);
    expect(failureIn(checked)).toMatchObject({ code: "STORE_CORRUPT", message: expect.stringContaining(what) });
  });

  it("O3 --check tells of compatible steps of a newer version, and finds nothing wrong with them", async () => {
    const path = join(place.folder, "newer.db");
    await place.run(["migrate", "--engine", path]);
    change(
      "INSERT INTO punctual_migrations VALUES (999, 'of-tomorrow', 0, 0); ALTER TABLE punctual_lanes ADD COLUMN new TEXT",
      path,
    );
    const { code, stdout } = await place.run(["migrate", "--check", "--engine", path]);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout:
        "nothing is missing\nstep 999 (of-tomorrow), compatible: older versions go on was applied by a newer version\n",
    });
  });

  it.each([
    [["--print", "--check"], "--print"],
    [["--all"], "--all"],
    [["--all", "--check"], "--all"],
    [["--tenant", "acme"], "--tenant"],
  ])("O4 refuses %j, which would be left out in silence", async (args, field) => {
    const refused = await place.run(["migrate", ...args, "--json"]);
    expect(refused).toMatchObject({ code: 64, stdout: "" });
    expect(failureIn(refused)).toMatchObject({ code: "INVALID_INPUT", field });
  });

  it("O4 says that a store in memory has nothing to migrate", async () => {
    expect((await place.run(["migrate", "--engine", "memory:"])).stdout).toBe(
      "nothing to migrate: this store has no schema\n",
    );
  });

  it("O4 refuses a file that is none of Punctual's", async () => {
    const path = place.write("notes.db", "somebody's notes, which are no database at all\n".repeat(40));
    const checked = await place.run(["migrate", "--check", "--engine", path, "--json"]);
    expect(failureIn(checked)).toMatchObject({ code: "STORE_CORRUPT" });
  });
});

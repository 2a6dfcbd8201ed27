// `punctual copy`: the whole way from a paused store to an equal one, killed half way and run again.
import { existsSync, linkSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fillStore } from "../../scripts/proof/filled-store.ts";
import { copyMarkKey } from "../../src/core/transfer.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { failureIn, Workplace } from "./punctual.ts";

interface Copied {
  readonly counts: Readonly<Record<string, number>>;
  readonly digest: string;
  readonly written: number;
  readonly resumed: boolean;
}

describe("punctual copy", () => {
  const place = new Workplace();
  afterAll(() => place[Symbol.asyncDispose]());
  const at = (name: string) => join(place.folder, name);
  const jobs = 3_000;

  beforeAll(async () => {
    let now = Date.now();
    const engine = sqlite(place.file, { clock: { now: () => now } });
    await engine.open();
    await fillStore(engine, { jobs, schedules: 200 }, async (ms) => {
      now += ms;
    });
    await engine.close();
  });

  /** Jobs that another process has committed so far. */
  function jobsIn(path: string): number {
    try {
      const database = new DatabaseSync(path, { readOnly: true, timeout: 1_000 });
      const sql = "SELECT (SELECT count(*) FROM punctual_jobs) + (SELECT count(*) FROM punctual_finished) AS jobs";
      const row = database.prepare(sql).get() as { jobs: number };
      database.close();
      return row.jobs;
    } catch {
      return 0;
    }
  }

  it("O6 killed half way and run again, makes an equal store and says so", { timeout: 30_000 }, async () => {
    const to = at("killed.db");
    const args = ["copy", "--from", place.file, "--to", to];
    const first = place.start(args);
    await expect.poll(() => jobsIn(to), { interval: 5, timeout: 10_000 }).toBeGreaterThan(jobs / 10);
    first.kill("SIGKILL");
    await first.ended;
    const there = jobsIn(to);
    const second = await place.run([...args, "--json"]);
    expect(second).toMatchObject({ code: 0, stderr: "" });
    const copied = JSON.parse(second.stdout) as Copied;
    expect(copied.counts).toMatchObject({ job: jobs, schedule: 201 });
    // A fast machine may have been done before the signal came.
    if (there < jobs) expect(copied).toMatchObject({ resumed: true });
    const third = await place.json<Copied>(...args);
    expect(third).toMatchObject({ digest: copied.digest, counts: copied.counts, written: 0 });
  });

  it("O6 shows how far it has come, and what to do next", async () => {
    const { code, stdout, stderr } = await place.run([
      "copy",
      "--from",
      place.file,
      "--to",
      `sqlite:${at("shown.db")}`,
    ]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^copying +\d+% .* of [\d,]+ /);
    expect(stderr).toMatch(/verifying/);
    // Also where each stage is over before a line is due: the last count of both.
    expect(stderr).toMatch(/^copying 100% .*\n(?:.*\n)*verifying 100% .*\n$/m);
    expect(stdout).toContain("the same of both");
    expect(stdout).toContain(`punctual queues resume --all --engine sqlite:${at("shown.db")}`);
  });

  it("O6 refuses a source that is not paused, and changes nothing", async () => {
    const from = at("running.db");
    await place.run(["enqueue", "greet", "--engine", from]);
    const refused = await place.run(["copy", "--from", from, "--to", at("none.db"), "--json"]);
    expect(refused.code).toBe(1);
    expect(failureIn(refused)).toMatchObject({
      code: "COPY_REFUSED",
      message: "the source is not paused",
      mend: expect.stringContaining("punctual queues pause --all"),
    });
    expect(existsSync(at("none.db"))).toBe(false);
  });

  it.each([
    ["a symbolic link", symlinkSync],
    ["a hard link", linkSync],
  ] as const)("O6 refuses a target that is the source through %s", async (name, link) => {
    const to = at(`${name.replaceAll(" ", "-")}.db`);
    link(place.file, to);
    const refused = await place.run(["copy", "--from", place.file, "--to", to, "--json"]);
    expect(refused).toMatchObject({ code: 64, stdout: "" });
    expect(failureIn(refused)).toMatchObject({ code: "INVALID_INPUT", field: "--to" });
  });

  describe("an unfinished copy", () => {
    const to = at("unfinished.db");
    const source = `sqlite:${place.file}`;

    /** As a copy leaves it that is cut off, with something that the source has no longer. */
    beforeAll(async () => {
      await place.run(["enqueue", "greet", "--engine", to]);
      const engine = sqlite(to);
      await engine.open();
      const value = JSON.stringify({ source, run: "cut off" });
      await engine.records.put([{ key: copyMarkKey, value, expected: "absent" }]);
      await engine.close();
    });

    it("O6 is a problem to the doctor, and nothing else is said of its work", async () => {
      const { code, stdout } = await place.run(["doctor", "--engine", to]);
      expect(code).toBe(1);
      expect(stdout).toContain(`PROBLEM  copy: this is an unfinished copy of ${source}`);
      expect(stdout).toContain("Run punctual copy again");
      expect(stdout).toMatch(/^ok +integrity: /m);
      expect(stdout).not.toMatch(/backlog|pauses/);
    });

    it.each([
      ["queues", "pause", "--all"],
      ["explain", "hourly"],
      ["enqueue", "greet"],
    ])("O6 is refused by %s %s", async (...args) => {
      const refused = await place.run([...args, "--engine", to, "--json"]);
      expect(refused).toMatchObject({ code: 1, stdout: "" });
      expect(failureIn(refused)).toMatchObject({
        code: "COPY_REFUSED",
        message: expect.stringContaining("unfinished copy"),
        mend: expect.stringContaining("punctual copy"),
      });
    });

    it("O6 goes on, and says what it has removed", async () => {
      const { code, stdout } = await place.run(["copy", "--from", place.file, "--to", to]);
      expect(code).toBe(0);
      expect(stdout).toMatch(/^removed +\d+ items? that the source no longer has$/m);
      expect(jobsIn(to)).toBe(jobs);
    });
  });

  it("O6 refuses a target with something of its own", async () => {
    const to = at("mine.db");
    await place.run(["enqueue", "greet", "--engine", to]);
    const refused = await place.run(["copy", "--from", place.file, "--to", to, "--json"]);
    expect(failureIn(refused)).toMatchObject({ code: "COPY_REFUSED", message: expect.stringContaining("not empty") });
    expect(jobsIn(to)).toBe(1);
  });

  it.each([
    [["--from", "memory:", "--to", "a.db"], "--from"],
    [["--from", "a.db", "--to", "memory:"], "--to"],
    [["--from", "a.db", "--to", "sqlite::memory:"], "--to"],
    [["--from", "a.db", "--to", "sqlite:./a.db"], "--to"],
    [["--from", "a.db", "--to", "b.db", "--tenant", "acme"], "--tenant"],
    [["--from", "a.db", "--to", "b.db", "--engine", "c.db"], "--engine"],
    [["--from", "absent.db", "--to", "b.db"], "--from"],
    [["--from", "a.db", "--to", "mysql://host"], "--to"],
  ])("O6 refuses %j", async (args, field) => {
    await place.run(["migrate", "--engine", "a.db"]);
    const refused = await place.run(["copy", ...args, "--json"]);
    expect(refused.code).not.toBe(0);
    expect(failureIn(refused).field).toBe(field);
  });
});

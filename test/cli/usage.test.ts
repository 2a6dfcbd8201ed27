// What every command shares: refusals, exit codes, errors as JSON, and what must never be printed.
import { readdirSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { failureIn, Workplace } from "./punctual.ts";

const place = new Workplace();
afterAll(() => place[Symbol.asyncDispose]());

describe("the command line", () => {
  it("prints its help and its version", async () => {
    const help = await place.run(["--help"]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    for (const name of ["serve", "enqueue", "jobs", "schedules", "next", "stats", "queues", "tenants"]) {
      expect(help.stdout).toMatch(new RegExp(`^ {2}${name}\\b`, "m"));
    }
    expect((await place.run(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it("prints the help of a group without its command and exits with 64", async () => {
    const ended = await place.run(["jobs"]);
    expect(ended).toMatchObject({ code: 64, stdout: "" });
    expect(ended.stderr).toMatch(/^Usage: punctual jobs/);
  });

  it.each([
    [["jobs", "list", "--colour"], "--colour"],
    [["serve", "--task", "x.ts"], "--task"],
    [["frobnicate"], "frobnicate"],
    [["jobs", "lst"], "lst"],
    [["jobs", "show"], "ID"],
    [["jobs", "show", "a b"], "ID"],
    [["jobs", "list", "--limit"], "--limit"],
    [["jobs", "list", "--limit", "ten"], "--limit"],
    [["jobs", "list", "--state", "waiting,gone"], "--state"],
    [["schedules", "list", "--enabled", "--disabled"], "--enabled"],
    [["queues", "list", "--tenant", "acme"], "--tenant"],
    [["queues", "pause"], "QUEUE"],
    [["serve", "--tenant", "acme"], "--tenant"],
    [["serve", "--roles", "worker,boss"], "--roles"],
    [["serve", "--roles", "ticker", "--concurrency", "0"], "--concurrency"],
    [["serve", "--roles", "ticker", "--queues", "a b"], "--queues"],
    [["serve", "--roles", "ticker", "--drain", "soon"], "--drain"],
    [["serve", "--tasks", "none.ts"], "--tasks"],
    [["stats", "--engine", ""], "--engine"],
  ])("refuses %j with exit code 64 and names %s", async (args, field) => {
    // A store that exists, so that only the arguments can be at fault.
    const ended = await place.run([...args, "--json"], { env: { PUNCTUAL_URL: "memory:" } });
    expect(ended).toMatchObject({ code: 64, stdout: "" });
    expect(failureIn(ended)).toEqual({
      code: "INVALID_INPUT",
      message: expect.any(String),
      field,
      mend: expect.any(String),
    });
    expect(readdirSync(place.folder)).toEqual([]);
  });

  it("says an error in one line and its mend in another, without a stack trace", async () => {
    const { code, stderr } = await place.run(["stats"]);
    expect(code).toBe(78);
    expect(stderr).toBe(
      "punctual: there is no store at ./punctual.db\n" +
        "Name the store's file, or let `punctual serve` or `punctual enqueue` create it.\n",
    );
  });

  it("adds the stack trace with DEBUG=punctual", async () => {
    const { stderr } = await place.run(["stats"], { env: { DEBUG: "punctual" } });
    expect(stderr).toMatch(/\n {4}at /);
  });

  it("O5 exits with 78 for a URL that no engine takes and says which engines there are", async () => {
    const ended = await place.run(["stats", "--engine", "mysql://host", "--json"]);
    expect(ended.code).toBe(78);
    expect(failureIn(ended)).toMatchObject({ code: "ENGINE_NOT_CONFIGURED", field: "--engine" });
    expect(failureIn(ended).message).toContain("memory, sqlite");
  });

  it("O5 exits with 65 for a file that is no store and leaves it untouched", async () => {
    await using other = new Workplace();
    other.write("punctual.db", "these are notes, not a database".repeat(10));
    const ended = await other.run(["stats", "--json"]);
    expect(ended.code).toBe(65);
    expect(failureIn(ended).code).toBe("STORE_CORRUPT");
  });

  it.each([
    [["stats", "--engine", "postgres://user:hunter2@host/db"]],
    [["stats", "--engine", "myql://user:hunter2@host/db"]],
    [["stats", "--engin=postgres://user:hunter2@host/db"]],
    [["stats", "postgres://user:hunter2@host/db"]],
    [["postgres://user:hunter2@host/db"]],
    [["serve", "--roles", "ticker", "--engine", "redis://:hunter2@host"]],
    [["stats", "--engine", "nats://user:hunter2@host"]],
    [["stats", "--engine", "nats://hunter2@host,other"]],
  ])("prints no password for %j", async (args) => {
    const plain = await place.run(args, { env: { DEBUG: "punctual" } });
    const asJson = await place.run([...args, "--json"]);
    for (const { code, stdout, stderr } of [plain, asJson]) {
      expect(code).not.toBe(0);
      expect(stdout + stderr).not.toContain("hunter2");
    }
  });

  it("prints no password of an environment's URL", async () => {
    for (const name of ["PUNCTUAL_URL", "DATABASE_URL", "NATS_URL", "REDIS_URL"]) {
      const ended = await place.run(["stats", "--json"], { env: { [name]: "mysql://user:hunter2@host" } });
      expect(ended.code).toBe(78);
      expect(failureIn(ended).field).toBe(name);
      expect(ended.stderr).not.toContain("hunter2");
    }
  });

  it("lets no warning about node:sqlite through, and every other one", async () => {
    place.write("warns.mjs", 'process.emitWarning("look here", "ExperimentalWarning"); export default [];');
    const { stderr } = await place.run(["serve", "--engine", "sqlite::memory:", "--tasks", "warns.mjs"]);
    expect(stderr).toContain("look here");
    const quiet = await place.run(["queues", "list", "--engine", "sqlite::memory:"]);
    expect(quiet).toEqual({ code: 0, stdout: "no queues\n", stderr: "" });
  });
});

// The command line on a PostgreSQL URL: migrate and doctor.
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { failureIn, Workplace } from "../cli/punctual.ts";
import { sharedPostgres } from "../servers/shared.ts";

describe("punctual migrate on PostgreSQL", () => {
  const place = new Workplace();
  let url: string;
  let admin: Client;
  beforeAll(async () => {
    url = await sharedPostgres(15);
    admin = new Client({ connectionString: url });
    await admin.connect();
  }, 120_000);
  afterAll(async () => {
    await admin.end();
    await place[Symbol.asyncDispose]();
  });

  it("O4 prints what an empty database lacks, applies nothing, and its check fails", async () => {
    const { code, stdout } = await place.run(["migrate", "--print", "--engine", url]);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^-- One transaction: .*\nBEGIN;\n\n-- step 1 \(initial\), breaking: older versions refuse the store\nCREATE SCHEMA IF NOT EXISTS punctual;/,
    );
    expect(stdout).toContain("-- step 2 (row-security), compatible: older versions go on");
    expect(stdout).toContain("CREATE ROLE");
    expect(stdout).toMatch(/\nCOMMIT;\n$/);
    const checked = await place.run(["migrate", "--check", "--engine", url, "--json"]);
    expect(checked.code).toBe(78);
    expect(failureIn(checked)).toMatchObject({ code: "STORE_OUTDATED" });
    expect((await admin.query("SELECT 1 FROM pg_namespace WHERE nspname = 'punctual'")).rows).toEqual([]);
  });

  it("O4 applies what is missing, once; then its check is content", async () => {
    const applied = await place.json<{ applied: { id: number }[] }>("migrate", "--engine", url);
    expect(applied.applied.map(({ id }) => id)).toEqual([1, 2, 3]);
    expect((await place.run(["migrate", "--engine", url])).stdout).toBe("nothing is missing\n");
    expect((await place.run(["migrate", "--check", "--engine", url])).code).toBe(0);
  });

  it("B12 its check names the table and column that have drifted, and so does the doctor", async () => {
    await admin.query("ALTER TABLE punctual.lanes ALTER COLUMN pass DROP NOT NULL");
    const checked = await place.run(["migrate", "--check", "--engine", url, "--json"]);
    expect(checked.code).toBe(65);
    expect(failureIn(checked)).toMatchObject({
      code: "STORE_CORRUPT",
      message: expect.stringContaining("the column pass of lanes"),
    });
    const looked = await place.run(["doctor", "--engine", url]);
    expect(looked.code).toBe(1);
    expect(looked.stdout).toMatch(/^PROBLEM {2}schema: the column pass of lanes is /m);
    await admin.query("ALTER TABLE punctual.lanes ALTER COLUMN pass SET NOT NULL");
  });

  it("O5 the doctor looks at server, connections, old transactions, dead rows, indexes and rights", async () => {
    const { stdout } = await place.run(["doctor", "--engine", url]);
    for (const check of [
      "server",
      "schema",
      "connections",
      "snapshots",
      "dead rows",
      "indexes",
      "rights",
      "rows",
      "counters",
    ]) {
      expect(stdout).toMatch(new RegExp(`^ok +${check}: `, "m"));
    }
  });
});

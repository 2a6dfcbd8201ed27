// docs/bullmq.md: its program runs as it is written, on PostgreSQL and BullMQ, and says what the page says.
import { spawn } from "node:child_process";
import { readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, test, vi } from "vitest";
import { placePrograms, programsOf } from "../../scripts/proof/page-programs.ts";
import { startRedis } from "../../scripts/services/redis.ts";
import { sharedPostgres } from "../servers/shared.ts";
import { newFolder } from "./stage.ts";

vi.setConfig({ testTimeout: 120_000 });

const root = fileURLToPath(new URL("../..", import.meta.url));

test("A15 PostgreSQL schedules and BullMQ executes, in the one line that the page has", async () => {
  const folder = newFolder();
  const programs = programsOf("docs/bullmq.md");
  expect(programs.map(({ file }) => file)).toEqual(["schedules-on-postgresql-execution-by-bullmq.ts"]);
  placePrograms(folder, programs);
  for (const driver of ["pg", "ioredis", "bullmq"]) {
    symlinkSync(join(root, "node_modules", driver), join(folder, "node_modules", driver));
  }
  const redis = await startRedis();
  try {
    const env = { ...process.env, DATABASE_URL: await sharedPostgres(), REDIS_URL: redis.url };
    const child = spawn(process.execPath, ["--conditions=source", programs[0]?.file ?? ""], { cwd: folder, env });
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
    expect({ out, err }).toEqual({ out: "completed send-report for a1\n", err: "" });
    expect(readFileSync(join(root, "docs/bullmq.md"), "utf8")).toContain(`It prints \`${out.trim()}\`.`);
  } finally {
    await redis.close();
  }
});

// docs/coming-from.md: its programs run as they are written, say what is expected, and have the right types.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { placePrograms, programsOf } from "../../scripts/proof/page-programs.ts";
import { startNats } from "../../scripts/services/nats.ts";
import { startRedis } from "../../scripts/services/redis.ts";
import { sharedPostgres } from "../servers/shared.ts";

vi.setConfig({ testTimeout: 120_000 });

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "punctual-coming-from-"));
const programs = programsOf("docs/coming-from.md");

beforeAll(() => {
  placePrograms(folder, programs);
  for (const driver of ["pg", "ioredis", "@nats-io"]) {
    symlinkSync(join(root, "node_modules", driver), join(folder, "node_modules", driver));
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, args, { cwd: folder, env: { ...process.env, ...env } });
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { out: out.trim().split("\n"), err };
}

async function runProgram(file: string, env: Readonly<Record<string, string>> = {}) {
  expect(programs.map((program) => program.file)).toContain(file);
  return await run(["--conditions=source", file], { DATABASE_URL: await sharedPostgres(), ...env });
}

test("B1 the program of outbox timers orders, reminds once and cancels in its own transactions", async () => {
  expect(await runProgram("outbox-timers.ts")).toEqual({
    out: [
      "o-1, a second time: existing",
      "o-2, a second time: existing",
      "the reminder of o-2: cancelled",
      "reminded of o-1",
      "[ { id: 'o-1', reminded: true }, { id: 'o-2', reminded: false } ]",
    ],
    err: "",
  });
});

test("A1 the program of bullmq-cron-scheduler schedules at once, later and by cron, cancels and counts", async () => {
  expect(await runProgram("bullmq-cron-scheduler.ts")).toEqual({
    out: [
      "user 1: task 1",
      "{ waiting: 0, active: 0, completed: 1, failed: 0, delayed: 1 }",
      "delayed cancelled",
      "[ { id: 'daily-backup', enabled: true } ]",
      "2 [ 'job:cancelled', 'job:scheduled' ]",
    ],
    err: "",
  });
});

test("C9 the program of redis-distro-scheduler runs what its table and its channel say", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const { out, err } = await runProgram("redis-distro-scheduler.ts", { REDIS_URL: redis.url });
  expect({ first: out[0], err }).toEqual({ first: "acme: to boss@acme.example", err: "" });
});

test("D3 the program of the weedbox scheduler ensures, submits once, and its one handler is given every job", async () => {
  const nats = await startNats();
  onTestFinished(() => nats.close());
  expect(await runProgram("weedbox-scheduler.ts", { NATS_URL: nats.url })).toEqual({
    out: ["a reminder for 7", "[ 'daily_cleanup', 'hourly_metrics', 'reminder-7' ]"],
    err: "",
  });
});

test("the programs have the right types", async () => {
  const { compilerOptions } = JSON.parse(readFileSync(join(root, "tsconfig.json"), "utf8")) as {
    compilerOptions: object;
  };
  const files = programs.map(({ file }) => file);
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
  expect(await run([join(root, "node_modules/typescript/bin/tsc"), "-p", "."])).toEqual({ out: [""], err: "" });
});

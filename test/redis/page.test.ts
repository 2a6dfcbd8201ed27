// docs/engines/redis.md: its program runs as it is written, and the user that it makes may do what the engine does.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { placePrograms, programsOf } from "../../scripts/proof/page-programs.ts";
import { type RedisServer, startRedis } from "../../scripts/services/redis.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const page = "docs/engines/redis.md";

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis({ durability: "everysec" });
}, 60_000);

afterAll(() => server.close());

/** What the page's first program prints. */
async function run(url: string): Promise<{ readonly out: string; readonly err: string }> {
  const folder = mkdtempSync(join(tmpdir(), "punctual-page-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [program] = programsOf(page);
  if (program === undefined) throw new Error("the page has a program");
  placePrograms(folder, [{ ...program, file: "program.ts" }]);
  symlinkSync(join(root, "node_modules/ioredis"), join(folder, "node_modules/ioredis"));
  const env = { ...process.env, REDIS_URL: url };
  const child = spawn(process.execPath, ["--conditions=source", "program.ts"], { cwd: folder, env });
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { out, err };
}

test("the page's program runs as it is written, and ends by itself", { timeout: 60_000 }, async () => {
  expect(await run(server.url)).toEqual({ out: "hello Ada\n", err: "" });
});

test("O5 the page's user has the rights that the engine needs, and doctor has nothing to ask for", {
  timeout: 60_000,
}, async () => {
  const [, line = ""] = /^(ACL SETUSER .*)$/m.exec(readFileSync(join(root, page), "utf8")) ?? [];
  const [name = "", ...args] = line.replaceAll("{punctual}", "{hello}").split(" ");
  expect(args).toContain(">secret");
  await server.command(name, ...args);
  const url = server.url.replace("//", "//punctual:secret@");
  expect(await run(url)).toEqual({ out: "hello Ada\n", err: "" });
  expect(await server.command("ACL", "LOG")).toEqual([]);
});

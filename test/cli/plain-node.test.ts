// The command line as JavaScript on a Node that does not read TypeScript, as 22.13 to 22.17 do.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Workplace } from "./punctual.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
// Inside the project, so that commander is found.
mkdirSync(join(root, ".reports"), { recursive: true });
const built = mkdtempSync(join(root, ".reports", "plain-node-"));
const place = new Workplace();

beforeAll(() => {
  copyFileSync(join(root, "package.json"), join(built, "package.json"));
  for (const file of readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".ts")) continue;
    const text = stripTypeScriptTypes(readFileSync(join(root, "src", file), "utf8"));
    const to = join(built, "dist", file.replace(/\.ts$/, ".js"));
    mkdirSync(dirname(to), { recursive: true });
    writeFileSync(to, text.replace(/(["']\.{1,2}\/[^"'\n]*)\.ts(["'])/g, "$1.js$2"));
  }
});
afterAll(async () => {
  rmSync(built, { recursive: true, force: true });
  await place[Symbol.asyncDispose]();
});

function run(...args: string[]) {
  return spawnSync(
    process.execPath,
    ["--no-experimental-strip-types", join(built, "dist", "cli", "main.js"), ...args, "--json"],
    { cwd: place.folder, encoding: "utf8", env: { PATH: process.env["PATH"] } },
  );
}

describe("on a Node that does not read TypeScript", () => {
  it("commands run", () => {
    expect(run("enqueue", "a").status).toBe(0);
    expect(JSON.parse(run("stats").stdout)).toMatchObject({ waiting: 1 });
  });

  it("a tasks file or a config in TypeScript is refused with what to do about it", () => {
    place.write("tasks.ts", "export const a: number = 1;");
    const tasks = run("serve", "--tasks", "tasks.ts");
    expect(tasks.status).toBe(64);
    expect(JSON.parse(tasks.stderr)).toMatchObject({
      error: { code: "INVALID_INPUT", field: "--tasks", mend: expect.stringContaining("Node 22.18") },
    });
    place.write("punctual.config.ts", "export const roles: string[] = ['ticker'];");
    const config = run("serve");
    expect(config.status).toBe(64);
    expect(JSON.parse(config.stderr)).toMatchObject({ error: { field: "punctual.config.ts" } });
  });
});

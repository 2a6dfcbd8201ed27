// docs/testing.md: every program on the page runs as it is written, and has the right types under the strictest settings.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { placePrograms, programsOf } from "../../scripts/proof/page-programs.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const programs = programsOf("docs/testing.md");

describe("the programs of docs/testing.md", () => {
  const folder = mkdtempSync(join(tmpdir(), "punctual-testing-page-"));

  beforeAll(() => placePrograms(folder, programs));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const run = (...args: string[]) =>
    spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8", timeout: 110_000 });

  it("are each under a heading of their own", () => {
    expect(programs.length).toBeGreaterThan(10);
    expect(new Set(programs.map(({ file }) => file)).size).toBe(programs.length);
  });

  it.each(programs)("run: $file", { timeout: 120_000 }, ({ file }) => {
    const { status, stdout, stderr } = run("--conditions=source", "--disable-warning=ExperimentalWarning", file);
    expect(stderr).toBe("");
    expect(status, stdout.slice(-5_000)).toBe(0);
  });

  it("have the right types", { timeout: 120_000 }, () => {
    const { compilerOptions } = JSON.parse(readFileSync(join(root, "tsconfig.json"), "utf8")) as {
      compilerOptions: object;
    };
    const files = programs.map(({ file }) => file);
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
    expect(run(join(root, "node_modules/typescript/bin/tsc"), "-p", ".").stdout).toBe("");
  });
});

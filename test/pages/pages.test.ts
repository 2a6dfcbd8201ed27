// The pages of the project: their links lead somewhere, the scripts they name exist, and the README's program runs.
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const foreign = new Set(["node_modules", ".git", ".reports", ".services", "dist", "coverage"]);

function findPages(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (foreign.has(entry.name)) return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return findPages(path);
    return entry.name.endsWith(".md") ? [path] : [];
  });
}

/** A page's text without its code, where what looks like a link is none. */
function proseOf(path: string): string {
  return readFileSync(path, "utf8")
    .replace(/^( *)```[\s\S]*?^\1```$/gm, "")
    .replace(/`[^`\n]*`/g, "");
}

/** The anchors that GitHub gives a page's headings. */
function anchorsOf(path: string): Set<string> {
  const headings = readFileSync(path, "utf8").matchAll(/^#+ (.+)$/gm);
  return new Set(
    [...headings].map(([, heading = ""]) =>
      heading
        .toLowerCase()
        .replace(/[^\p{Letter}\p{Number}\s_-]/gu, "")
        .replace(/\s/g, "-"),
    ),
  );
}

function brokenLinks(path: string): string[] {
  const links = [...proseOf(path).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
  return links
    .filter((target) => !/^[a-z]+:/i.test(target))
    .filter((target) => {
      const [file = "", anchor] = target.split("#");
      const at = file === "" ? path : resolve(dirname(path), file);
      if (!existsSync(at)) return true;
      return anchor !== undefined && !anchorsOf(at).has(anchor);
    })
    .map((target) => `${relative(root, path)}: ${target}`);
}

const pages = findPages(root);

describe("the pages", () => {
  it("lead only to files and headings that exist", () => {
    expect(pages.flatMap(brokenLinks)).toEqual([]);
  });

  it("name only scripts that package.json has", () => {
    const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: object };
    const named = pages.flatMap((page) =>
      [...readFileSync(page, "utf8").matchAll(/\bnpm run (?:--?[a-z]+ )*([a-z][a-z:-]*)/g)].map(
        ([, name = ""]) => name,
      ),
    );
    expect(named.filter((name) => !Object.hasOwn(scripts, name))).toEqual([]);
  });
});

describe("the README's program", () => {
  const folder = mkdtempSync(join(tmpdir(), "punctual-readme-"));
  const [, program = ""] = /^```ts\n([\s\S]*?)^```$/m.exec(readFileSync(join(root, "README.md"), "utf8")) ?? [];

  // As after `npm install punctual`, but for the package being the sources.
  beforeAll(() => {
    mkdirSync(join(folder, "node_modules"));
    symlinkSync(root, join(folder, "node_modules/punctual"));
    symlinkSync(join(root, "node_modules/@types"), join(folder, "node_modules/@types"));
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    writeFileSync(join(folder, "hello.ts"), program);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const run = (...args: string[]): string => {
    const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8", timeout: 25_000 });
    return stdout + stderr;
  };

  it("runs as it is written, and ends by itself", { timeout: 30_000 }, () => {
    const lines = run("--conditions=source", "hello.ts").trim().split("\n");
    expect(lines.filter((line) => line.startsWith("hello Ada"))).toHaveLength(1);
    expect(lines.filter((line) => line.startsWith("hello world")).length).toBeGreaterThanOrEqual(2);
    expect(existsSync(join(folder, "punctual.db"))).toBe(true);
  });

  it("has the right types under the strictest settings", { timeout: 30_000 }, () => {
    const { compilerOptions } = JSON.parse(readFileSync(join(root, "tsconfig.json"), "utf8")) as {
      compilerOptions: object;
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["hello.ts"] }));
    expect(run(join(root, "node_modules/typescript/bin/tsc"), "-p", ".")).toBe("");
  });
});

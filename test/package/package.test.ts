// The package as users get it, in a quick form: built, packed, installed offline into an empty folder, used on this Node.
// scripts/proof/package.ts asks the same and more of every Node, TypeScript and of Jest, with a registry.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  addPrograms,
  checkCommand,
  checkContents,
  checkLoads,
  checkSubpaths,
  checkTypes,
  runProgram,
  typesCases,
} from "../../scripts/proof/package-checks.ts";
import { installOffline, packCopy, type Tarball } from "../../scripts/proof/tarball.ts";
import { isBusy } from "../../src/engines/sqlite/database.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "punctual-package-test-"));
const user = { folder: join(folder, "user"), node: process.execPath };
let tarball: Tarball;

interface Manifest {
  readonly version: string;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, unknown>>>>;
  readonly dependencies: object;
}

function readManifest(path: string): Manifest {
  return JSON.parse(readFileSync(join(path, "package.json"), "utf8")) as Manifest;
}

beforeAll(() => {
  tarball = packCopy(folder);
  installOffline(user.folder, tarball);
  addPrograms(user.folder);
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the manifest", () => {
  it("gives every subpath an import and a require build with declarations, named after its source", () => {
    for (const [subpath, target] of Object.entries(readManifest(root).exports)) {
      if (typeof target === "string") continue;
      const built = String(target["source"]).replace(/^\.\/src\/(.+)\.ts$/, "./dist/$1");
      expect(target, subpath).toEqual({
        source: target["source"],
        import: { types: `${built}.d.ts`, default: `${built}.js` },
        require: { types: `${built}.d.cts`, default: `${built}.cjs` },
      });
    }
  });

  it("has no more than the two dependencies that the README names", () => {
    expect(Object.keys(readManifest(root).dependencies)).toEqual(["@standard-schema/spec", "commander"]);
  });
});

describe("the packed package", { timeout: 60_000 }, () => {
  it("holds code, declarations, maps and pages only, with nothing internal and no path of this machine", () => {
    checkContents(tarball.unpacked);
    for (const file of tarball.files) {
      const text = readFileSync(join(tarball.unpacked, file), "utf8");
      expect(text.includes(root) || text.includes(`${tmpdir()}/punctual`), file).toBe(false);
    }
  });

  it("has the files that its manifest names", () => {
    const named = JSON.stringify(readManifest(tarball.unpacked).exports).match(/dist\/[^"]+/g) ?? [];
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((file) => !tarball.files.includes(file))).toEqual([]);
  });

  it("gives import and require the same names", () => {
    expect(checkSubpaths(user, "exports.cjs")).toBe(checkSubpaths(user, "exports.mjs"));
  });

  it("loads no engine, driver or dependency for its main entry", () => {
    checkLoads(user, "loads.mjs");
    checkLoads(user, "loads.cjs");
  });

  it("runs jobs on sqlite and in memory when imported", () => {
    runProgram(user, "job.mjs");
  });

  it("runs jobs on sqlite and in memory when required", () => {
    runProgram(user, "job.cjs");
  });

  it("may be there twice in one process: errors are matched by code", () => {
    runProgram(user, "copies.mjs");
  });

  it("names the package to install where Node has no SQLite", () => {
    runProgram(user, "no-driver.mjs", "--no-experimental-sqlite");
  });

  it("brings the command, which serves handlers of either kind of module", async () => {
    await checkCommand(user, readManifest(tarball.unpacked).version);
  });

  it.each(typesCases)("has the right types under $name", (typesCase) => {
    checkTypes(user.folder, join(root, "node_modules/typescript/bin/tsc"), typesCase, root);
  });
});

describe("what a driver throws in another realm", () => {
  it("is told apart as it is in this one, for Jest's sake", () => {
    const foreign = Object.assign(runInNewContext("new Error('database is locked')"), { errcode: 5 });
    expect(foreign instanceof Error).toBe(false);
    expect(isBusy(foreign)).toBe(true);
  });
});

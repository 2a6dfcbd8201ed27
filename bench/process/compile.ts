// Compiles the sources and the runner to JavaScript in a folder, as users run it: stripping types at the start costs a
// process about 30 MB that no user's process pays.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const project = fileURLToPath(new URL("../..", import.meta.url));

/** A compiled copy of the project. */
export interface Compiled {
  readonly folder: string;
  /** The compiled file of a source. */
  fileOf(source: string): string;
}

/** @throws Error when the compiler wrote nothing */
export function compile(): Compiled {
  const folder = mkdtempSync(join(tmpdir(), "punctual-bench-js-"));
  const flags = ["--noEmit", "false", "--allowImportingTsExtensions", "false", "--rewriteRelativeImportExtensions"];
  const tsc = join(project, "node_modules/typescript/bin/tsc");
  const made = spawnSync(process.execPath, [tsc, "-p", project, ...flags, "--outDir", folder, "--rootDir", project], {
    encoding: "utf8",
  });
  const fileOf = (source: string) => join(folder, relative(project, source)).replace(/\.ts$/, ".js");
  if (!existsSync(fileOf(join(project, "bench/child.ts")))) throw new Error(`nothing was compiled: ${made.stdout}`);
  const { name, type, exports } = JSON.parse(readFileSync(join(project, "package.json"), "utf8")) as {
    readonly name: string;
    readonly type: string;
    readonly exports: Readonly<Record<string, { readonly source?: string }>>;
  };
  const sources = Object.entries(exports).flatMap(([path, { source }]) =>
    source === undefined ? [] : [[path, source.replace(/\.ts$/, ".js")]],
  );
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name, type, exports: Object.fromEntries(sources) }));
  symlinkSync(join(project, "node_modules"), join(folder, "node_modules"));
  return { folder, fileOf };
}

// Builds dist/: every subpath of package.json as ES module (.js, .d.ts) and as CommonJS (.cjs, .d.cts), and the command.
// The subpaths and their sources are read from package.json's `exports`, so there is no second list of them.
// Usage: node scripts/build.ts
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const root = fileURLToPath(new URL("..", import.meta.url));
process.chdir(root);
const command = "src/cli/main.ts";
const manifest = JSON.parse(readFileSync("package.json", "utf8")) as {
  readonly exports: Readonly<Record<string, string | { readonly source: string }>>;
};
const subpaths = Object.values(manifest.exports).flatMap((target) => (typeof target === "string" ? [] : target.source));

/** `./src/engines/sqlite/index.ts` is built as `engines/sqlite/index`. */
function nameOf(source: string): string {
  return source.replace(/^(?:\.\/)?src\//, "").replace(/\.ts$/, "");
}

async function buildCode(format: "esm" | "cjs", sources: readonly string[]): Promise<void> {
  const extension = format === "esm" ? "js" : "cjs";
  const bundle = await rolldown({
    input: Object.fromEntries(sources.map((source) => [nameOf(source), source])),
    platform: "node",
    external: (id) => !id.startsWith(".") && !isAbsolute(id),
    onLog: (_level, log) => {
      throw new Error(log.message);
    },
  });
  await bundle.write({
    dir: "dist",
    format,
    entryFileNames: `[name].${extension}`,
    chunkFileNames: `chunks/[name].${extension}`,
    // Jest runs CommonJS where `import()` is refused: there a lazy import has to be a lazy require.
    dynamicImportInCjs: false,
    // The declarations have them.
    comments: { legal: true, annotation: true, jsdoc: false },
    sourcemap: true,
    sourcemapExcludeSources: true,
  });
  await bundle.close();
  // The suite for authors of engines is the largest part of the package, and nobody debugs it by its map.
  const suite = `dist/testing/conformance/index.${extension}`;
  rmSync(`${suite}.map`);
  writeFileSync(suite, readFileSync(suite, "utf8").replace(/\n\/\/# sourceMappingURL=.*\n?$/, "\n"));
}

/** The declarations that the subpaths reach, once for each kind of module. */
function buildDeclarations(): void {
  const emitted = mkdtempSync(join(tmpdir(), "punctual-declarations-"));
  try {
    const compiler = join("node_modules", "typescript", "bin", "tsc");
    execFileSync(process.execPath, [compiler, "-p", "tsconfig.build.json", "--outDir", emitted], { stdio: "inherit" });
    const names = new Set(subpaths.map(nameOf));
    for (const name of names) {
      const text = readFileSync(join(emitted, `${name}.d.ts`), "utf8");
      for (const [, path = ""] of text.matchAll(relativeImport)) names.add(join(dirname(name), path));
      write(`${name}.d.ts`, text.replace(relativeImport, '"$1.js"'));
      write(`${name}.d.cts`, text.replace(relativeImport, '"$1.cjs"'));
    }
  } finally {
    rmSync(emitted, { recursive: true, force: true });
  }
}

const relativeImport = /"(\.\.?\/[^"\n]+)\.ts"/g;

function write(path: string, text: string): void {
  mkdirSync(dirname(join("dist", path)), { recursive: true });
  writeFileSync(join("dist", path), text);
}

rmSync("dist", { recursive: true, force: true });
await Promise.all([buildCode("esm", [...subpaths, command]), buildCode("cjs", subpaths)]);
buildDeclarations();
chmodSync("dist/cli/main.js", 0o755);

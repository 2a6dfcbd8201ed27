// Tools of the package's proof, each at an exact version, installed by npm into a temporary folder of its own.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { run } from "./tarball.ts";

/** Other Nodes, compilers and checkers, below one folder. */
export class Workshop {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The binary of a version of Node. */
  node(version: string): string {
    return version === process.version.slice(1)
      ? process.execPath
      : join(this.#install(`node-${version}`, `node@${version}`), "node", "bin", "node");
  }

  /** The compiler of a version of TypeScript. */
  typescript(version: string): string {
    return join(this.#install(`typescript-${version}`, `typescript@${version}`), "typescript", "bin", "tsc");
  }

  /** What the checker of the manifest says about a package folder; nothing when all is well. */
  publint(packageFolder: string): string {
    const folder = this.#install("publint", "publint@0.3.25");
    const program = `
      import { publint } from "publint";
      import { formatMessage } from "publint/utils";
      const { messages, pkg } = await publint({ pkgDir: ${JSON.stringify(packageFolder)}, pack: false, strict: true });
      for (const message of messages) console.log(formatMessage(message, pkg));`;
    return runProgram(folder, program);
  }

  /** What the checker of types per kind of module says about a tarball; the long gone node10 is not asked for. */
  areTheTypesWrong(tarball: string): string {
    const folder = this.#install("attw", "@arethetypeswrong/core@0.18.5");
    const program = `
      import { readFileSync } from "node:fs";
      import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
      const result = await checkPackage(createPackageFromTarballData(readFileSync(${JSON.stringify(tarball)})));
      if (result.types === false) console.log("the package has no types");
      for (const problem of result.problems ?? []) {
        if (problem.resolutionKind !== "node10") console.log(JSON.stringify(problem));
      }`;
    return runProgram(folder, program);
  }

  #install(name: string, ...packages: readonly string[]): string {
    const folder = join(this.#folder, name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }\n');
    run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", ...packages], folder);
    return join(folder, "node_modules");
  }
}

function runProgram(modules: string, text: string): string {
  const file = join(dirname(modules), "program.mjs");
  writeFileSync(file, text);
  return run(process.execPath, [file], dirname(modules)).trim();
}

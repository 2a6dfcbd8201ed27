// How long the tests of docs/testing.md take, each in a process of its own; the billing across a clock change has 100 ms.
// Usage: node --conditions=source scripts/proof/recipes.ts [--times 5]
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { placePrograms, programsOf } from "./page-programs.ts";
import { run } from "./tarball.ts";
import { percentile, Verdict } from "./verdict.ts";

const { values: flags } = parseArgs({ options: { times: { type: "string", default: "5" } } });
const billing = "A monthly billing across a clock change";
const billingMsMax = 100;

const folder = mkdtempSync(join(tmpdir(), "punctual-recipes-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
const recipes = programsOf("docs/testing.md").filter(({ text }) => /^test\(/m.test(text));
placePrograms(folder, recipes);

const verdict = new Verdict();
for (const { heading, file } of recipes) {
  const took = Array.from({ length: Number(flags.times) }, () => msOf(file)).sort((a, b) => a - b);
  // The fastest is the recipe's own time; what the machine does beside it only adds.
  const fastest = took[0] ?? Number.NaN;
  verdict.figure(
    `${heading}, ms`,
    `${fastest.toFixed(0)}, median of ${took.length}: ${percentile(took, 0.5).toFixed(0)}`,
  );
  if (heading === billing) {
    verdict.require(fastest < billingMsMax, `${heading}: ${fastest.toFixed(0)} ms, not under ${billingMsMax}`);
  }
}
verdict.require(
  recipes.some(({ heading }) => heading === billing),
  `the page has no recipe "${billing}"`,
);
verdict.conclude("recipes");

/** What the runner says that a recipe's tests took, together, without loading. */
function msOf(file: string): number {
  const args = ["--conditions=source", "--disable-warning=ExperimentalWarning", "--test-reporter=tap", file];
  const said = run(process.execPath, args, folder);
  const each = said.matchAll(/^ok \d+[^\n]*\n +---\n +duration_ms: ([\d.]+)/gm);
  return [...each].reduce((sum, [, ms]) => sum + Number(ms), 0);
}

// Proves O3 and O4: the first released version goes on serving while this one migrates the store under it, ten processes
// that open an old store together migrate it once, a store full of old data serves on, and a breaking newer step stops
// everybody. Usage: node --conditions=source scripts/proof/upgrade.ts [--jobs 1000] [--ticks 60]
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { parseArgs } from "node:util";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { newRoot, startVersion, unpackOldVersion } from "./old-version.ts";
import { refuseTogether, runSideBySide } from "./side-by-side.ts";
import { Verdict } from "./verdict.ts";

const { values } = parseArgs({ options: { jobs: { type: "string" }, ticks: { type: "string" } } });
const least = { jobs: Number(values.jobs ?? 1_000), ticks: Number(values.ticks ?? 60) };
const folder = mkdtempSync(join(tmpdir(), "punctual-upgrade-"));
const oldRoot = unpackOldVersion(folder);
const at = (name: string) => join(folder, name);
const verdict = new Verdict();

interface Step {
  readonly id: number;
  readonly name: string;
}

function ledgerOf(path: string): Step[] {
  const database = new DatabaseSync(path, { timeout: 5_000 });
  const steps = database.prepare("SELECT id, name FROM punctual_migrations ORDER BY id").all() as unknown as Step[];
  database.close();
  return steps;
}

console.log("side by side");
const result = await runSideBySide(oldRoot, at("shared.db"), at("shared.journal"), least);
verdict.figure("jobs accepted", result.accepted);
verdict.figure("ticks run", result.ticks);
verdict.figure("run by the old version beside the new one", result.byOld);
verdict.figure("run by the new version beside the old one", result.byNew);
verdict.none("jobs that were not run", result.missing);
verdict.none("jobs and ticks that were run twice", result.twice);
verdict.none("errors of either", result.errors);
verdict.none("processes that did not end well", result.badEndings);
const steps = ledgerOf(at("shared.db"));
verdict.figure("steps afterwards", steps.map(({ id, name }) => `${id} ${name}`).join(", "));
verdict.require(steps.length > 1 && steps[0]?.id === 1, "the new version has not migrated the store");

console.log("old data");
const filled = startVersion(oldRoot, "fill", at("full.db"));
verdict.require((await filled.ended).code === 0, "the old version could not fill a store");
verdict.require(ledgerOf(at("full.db")).length === 1, "the old version has applied more than its own step");
copyFileSync(at("full.db"), at("many.db"));
const engine = sqlite(at("full.db"));
await engine.open();
const counts = await engine.transfer.counts();
for (const [kind, count] of Object.entries(counts)) verdict.figure(`  ${kind}`, count);
verdict.require(
  Object.values(counts).every((count) => count > 0),
  "some table of the old store is empty",
);
const { drift, unknown } = await engine.migrations.state();
verdict.none(
  "drift after the upgrade",
  drift.map(({ what }) => what),
);
verdict.require(unknown.length === 0, "the new version does not know a step of the old one");
const problems = (await engine.inspection.findings()).filter(({ status }) => status === "problem");
verdict.none(
  "problems that the new version finds",
  problems.map(({ what }) => what),
);
await engine.close();

console.log("ten at once");
const openers = Array.from({ length: 10 }, () => startVersion(newRoot, "open", at("many.db")));
const opened = await Promise.all(openers.map(({ ended }) => ended));
verdict.figure("processes that opened it", opened.filter(({ code }) => code === 0).length);
verdict.require(
  opened.every(({ code }) => code === 0),
  "not all of them could open it",
);
verdict.require(
  JSON.stringify(ledgerOf(at("many.db"))) === JSON.stringify(steps),
  "the ledger is not that of one migration",
);

console.log("a breaking step");
const ranAfter = await refuseTogether(oldRoot, at("broken.db"), at("broken.journal"), () => {
  const database = new DatabaseSync(at("broken.db"), { timeout: 5_000 });
  database.exec("INSERT INTO punctual_migrations (id, name, breaking, applied_at) VALUES (999, 'of-tomorrow', 1, 0)");
  database.close();
});
verdict.figure("both refuse to claim and to fire", "yes");
verdict.none("jobs run after both had refused", ranAfter);

rmSync(folder, { recursive: true, force: true });
verdict.conclude("upgrade");

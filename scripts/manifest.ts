// Turns package.json into the one that users get, for the moment in which npm packs it, and back again.
// Users get no `source` condition: a user who sets a condition of that name must not be sent to files that are not packed.
// Usage: node scripts/manifest.ts publish | restore
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const file = "package.json";
/** What package.json was, as long as it is not; survives a pack that was broken off. */
const kept = ".reports/package.json";

function publish(): void {
  restore();
  mkdirSync(dirname(kept), { recursive: true });
  copyFileSync(file, kept);
  const manifest = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
  writeFileSync(file, `${JSON.stringify(manifest, (key, value) => (key === "source" ? undefined : value), 2)}\n`);
}

function restore(): void {
  if (!existsSync(kept)) return;
  copyFileSync(kept, file);
  rmSync(kept);
}

const [action] = process.argv.slice(2);
if (action === "publish") publish();
else if (action === "restore") restore();
else {
  console.error("usage: node scripts/manifest.ts publish | restore");
  process.exitCode = 2;
}

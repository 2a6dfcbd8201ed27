// Releases a version: gates, checks, CHANGELOG, package.json, a commit and a tag here; the publication in CI, with provenance.
// What was done before is found done, so that a release that was broken off is called again.
// Usage: npm run release -- 0.2.0 [--dry-run]
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { isTaggedHere, type ProjectState, refusals, releasedChangelog } from "./release-gate.ts";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    /** Asks the gates and says what would be done. */
    "dry-run": { type: "boolean", default: false },
  },
});
const [version = ""] = positionals;
const isDry = flags["dry-run"];
/** Where npm can prove which commit and which run a package was made from. */
const canPublish = process.env["ACTIONS_ID_TOKEN_REQUEST_URL"] !== undefined;

function git(...args: readonly string[]): string {
  return execFileSync("git", args, { encoding: "utf8" }).trim();
}

function lines(text: string): string[] {
  return text === "" ? [] : text.split("\n");
}

function readState(): ProjectState {
  const manifest = JSON.parse(readFileSync("package.json", "utf8")) as { version: string; repository?: unknown };
  return {
    version: manifest.version,
    changelog: readFileSync("CHANGELOG.md", "utf8"),
    hasRepository: manifest.repository !== undefined,
    changes: lines(git("status", "--porcelain")),
    onMain: canPublish
      ? spawnSync("git", ["merge-base", "--is-ancestor", "HEAD", "origin/main"]).status === 0
      : git("branch", "--show-current") === "main",
    tags: lines(git("tag", "--list", "v*")),
    tagsHere: lines(git("tag", "--list", "v*", "--points-at", "HEAD")),
  };
}

/** One step: said, and done unless this is a dry run. A command that fails ends the release. */
function step(command: string, ...args: readonly string[]): void {
  console.log(`${isDry ? "would run" : "runs"}: ${[command, ...args].join(" ")}`);
  if (isDry) return;
  const { status, error } = spawnSync(command, args, { stdio: "inherit" });
  if (status === 0) return;
  console.error(`release: ${command} ${args[0] ?? ""} failed${error === undefined ? "" : `: ${error.message}`}`);
  process.exit(1);
}

function prepare(state: ProjectState): void {
  step("npm", "run", "check");
  step("npm", "test");
  const date = new Date().toISOString().slice(0, 10);
  const changelog = releasedChangelog(state.changelog, version, date);
  if ("refusal" in changelog) throw new Error(changelog.refusal);
  console.log(`${isDry ? "would write" : "writes"}: CHANGELOG.md, [${version}] - ${date}`);
  if (!isDry) writeFileSync("CHANGELOG.md", changelog.text);
  step("npm", "version", version, "--no-git-tag-version", "--allow-same-version", "--ignore-scripts");
  step("git", "add", "package.json", "package-lock.json", "CHANGELOG.md");
  // Nothing to commit: package.json and CHANGELOG.md said this version before.
  if (isDry || spawnSync("git", ["diff", "--cached", "--quiet"]).status !== 0)
    step("git", "commit", "-m", `Release ${version}`);
  step("git", "tag", "-a", `v${version}`, "-m", `Version ${version}`);
}

/** Publishes the very tarball that was proved; only where its provenance can be stated. */
function publish(name: string): void {
  const tarball = `${name}-${version}.tgz`;
  const command = ["npm", "publish", `./${tarball}`, "--provenance", "--access", "public"] as const;
  const tag = version.includes("-") ? ["--tag", "next"] : [];
  if (!canPublish) {
    console.log(`next: git push --follow-tags; then CI runs: ${[...command, ...tag].join(" ")}`);
    return;
  }
  if (
    spawnSync("npm", ["view", `${name}@${version}`, "version"])
      .stdout?.toString()
      .trim() === version
  ) {
    console.log(`${name} ${version} is published already`);
    return;
  }
  step("npm", "pack");
  step("npm", "run", "proof:package", "--", "--tarball", tarball);
  step(...command, ...tag);
  if (!isDry) rmSync(tarball, { force: true });
}

const state = readState();
const refused = refusals(version, state);
for (const refusal of refused) console.error(`refused: ${refusal}`);
if (refused.length > 0) process.exit(1);
if (isTaggedHere(version, state)) console.log(`v${version} is tagged here already`);
else prepare(state);
publish((JSON.parse(readFileSync("package.json", "utf8")) as { name: string }).name);

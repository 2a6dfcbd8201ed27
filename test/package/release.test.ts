// The gates of a release, on a project of a few files in a repository of its own.
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { refusals, releasedChangelog } from "../../scripts/release-gate.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const changelog =
  "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A thing.\n\n## [0.1.0] - 2026-01-01\n\n- The first.\n";
const emptyChangelog = changelog.replace("### Added\n\n- A thing.\n\n", "");
let folder: string;

function git(...args: readonly string[]): string {
  const name = ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "tag.gpgSign=false"];
  return execFileSync("git", [...name, ...args], { cwd: folder, encoding: "utf8", stdio: "pipe" }).trim();
}

function write(file: string, text: string): void {
  writeFileSync(join(folder, file), text);
}

function read(file: string): string {
  return readFileSync(join(folder, file), "utf8");
}

function release(...args: readonly string[]): { readonly status: number | null; readonly said: string } {
  const identity = { NAME: "Test", EMAIL: "test@example.com" };
  const env = {
    ...process.env,
    ...Object.fromEntries(
      Object.entries(identity).flatMap(([key, value]) => [
        [`GIT_AUTHOR_${key}`, value],
        [`GIT_COMMITTER_${key}`, value],
      ]),
    ),
    ACTIONS_ID_TOKEN_REQUEST_URL: undefined,
  };
  const { status, stdout, stderr } = spawnSync(process.execPath, ["scripts/release.ts", ...args], {
    cwd: folder,
    encoding: "utf8",
    env,
  });
  return { status, said: stdout + stderr };
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "punctual-release-"));
  mkdirSync(join(folder, "scripts"));
  for (const file of ["scripts/release.ts", "scripts/release-gate.ts"]) cpSync(join(root, file), join(folder, file));
  const manifest = {
    name: "released",
    version: "0.1.0",
    type: "module",
    repository: "github:example/released",
    scripts: { check: "node -e 0", test: "node -e 0" },
  };
  write("package.json", `${JSON.stringify(manifest, undefined, 2)}\n`);
  write("package-lock.json", JSON.stringify({ name: "released", version: "0.1.0", lockfileVersion: 3, packages: {} }));
  write("CHANGELOG.md", changelog);
  git("init", "--quiet", "--initial-branch=main");
  git("add", ".");
  git("commit", "--quiet", "-m", "first");
  git("tag", "v0.1.0");
  write("later.txt", "later");
  git("add", ".");
  git("commit", "--quiet", "-m", "second");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("npm run release", { timeout: 60_000 }, () => {
  it("says with --dry-run what it would do, and does nothing", () => {
    const { status, said } = release("0.2.0", "--dry-run");
    expect(said).toContain("would run: npm run check");
    expect(said).toContain("would run: git tag -a v0.2.0");
    expect(said).toContain("npm publish ./released-0.2.0.tgz --provenance --access public");
    expect(status).toBe(0);
    expect([git("status", "--porcelain"), git("tag")]).toEqual(["", "v0.1.0"]);
  });

  it("moves what was unreleased under the version, commits, tags, and leaves the publication to CI; once", () => {
    const first = release("0.2.0");
    expect(first.status, first.said).toBe(0);
    expect(read("CHANGELOG.md")).toMatch(
      /## \[Unreleased\]\n\n## \[0\.2\.0\] - \d{4}-\d\d-\d\d\n\n### Added\n\n- A thing\./,
    );
    expect(JSON.parse(read("package.json"))).toMatchObject({ version: "0.2.0" });
    expect(JSON.parse(read("package-lock.json"))).toMatchObject({ version: "0.2.0" });
    expect([git("status", "--porcelain"), git("tag", "--points-at", "HEAD")]).toEqual(["", "v0.2.0"]);
    const commit = git("rev-parse", "HEAD");
    const again = release("0.2.0");
    expect(again.said).toContain("v0.2.0 is tagged here already");
    expect(again.said).toContain("npm publish ./released-0.2.0.tgz --provenance");
    expect([again.status, git("rev-parse", "HEAD")]).toEqual([0, commit]);
  });

  it("refuses a tree that is not clean", () => {
    write("stray.txt", "stray");
    expect(release("0.2.0", "--dry-run")).toEqual({
      status: 1,
      said: "refused: the tree is not clean: ?? stray.txt\n",
    });
  });

  it("refuses another branch than main", () => {
    git("checkout", "--quiet", "-b", "other");
    expect(release("0.2.0", "--dry-run")).toEqual({ status: 1, said: "refused: HEAD is not on main\n" });
  });

  it("refuses when nothing is said under Unreleased", () => {
    write("CHANGELOG.md", emptyChangelog);
    git("commit", "--quiet", "-a", "-m", "nothing new");
    const { status, said } = release("0.2.0");
    expect({ status, said }).toEqual({ status: 1, said: "refused: CHANGELOG.md says nothing under [Unreleased]\n" });
  });

  it("refuses a version that is not higher, and a tag that is on another commit", () => {
    expect(release("0.0.9", "--dry-run").said).toContain("0.0.9 is not higher than 0.1.0");
    expect(release("0.1.0", "--dry-run").said).toContain("the tag v0.1.0 is on another commit");
  });

  it("changes and tags nothing when a check fails", () => {
    write("package.json", read("package.json").replace('"check": "node -e 0"', '"check": "node -e process.exit(3)"'));
    git("commit", "--quiet", "-a", "-m", "a check that fails");
    const { status, said } = release("0.2.0");
    expect(said).toContain("release: npm run failed");
    expect([status, git("status", "--porcelain"), git("tag")]).toEqual([1, "", "v0.1.0"]);
  });
});

describe("the gates", () => {
  const state = { version: "1.2.3", changelog, hasRepository: true, changes: [], onMain: true, tags: [], tagsHere: [] };

  it.each([
    ["1.2.4", []],
    ["1.2.3", []],
    ["1.3.0-beta.1", []],
    ["1.2.3-beta.1", ["1.2.3-beta.1 is not higher than 1.2.3, which package.json has"]],
    ["1.2", ["1.2 is no version such as 1.2.3 or 1.2.3-beta.1"]],
    ["", [" is no version such as 1.2.3 or 1.2.3-beta.1"]],
  ])("answer for %j after 1.2.3, never tagged: %j", (version, expected) => {
    expect(refusals(version, state)).toEqual(expected);
  });

  it.each([
    ["2.0.0-beta.2", "2.0.0-beta.11"],
    ["2.0.0-beta", "2.0.0"],
    ["2.0.0-1", "2.0.0-beta"],
    ["1.10.0", "1.11.0"],
    ["2.0.0-beta", "2.0.0-beta.1"],
  ])("know that %s comes before %s", (lower, higher) => {
    expect(refusals(higher, { ...state, tags: [`v${lower}`] })).toEqual([]);
    expect(refusals(lower, { ...state, version: "1.0.0", tags: [`v${higher}`] })).toHaveLength(1);
  });

  it("refuse a manifest without its repository, without which there is no provenance", () => {
    expect(refusals("2.0.0", { ...state, hasRepository: false })).toHaveLength(1);
  });

  it("take a section that was written for the version, unless there is news beside it", () => {
    const written = emptyChangelog.replace("[0.1.0]", "[2.0.0]");
    expect(releasedChangelog(written, "2.0.0", "2026-01-02")).toEqual({ text: written });
    expect(releasedChangelog(changelog, "0.1.0", "2026-01-02")).toHaveProperty("refusal");
    expect(releasedChangelog("# Changelog\n", "2.0.0", "2026-01-02")).toHaveProperty("refusal");
  });
});

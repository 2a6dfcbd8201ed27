// docs/guarantees.md against the tests: every promise is listed once, and every test title that begins with an id
// stands there with its file, and nothing else does. `UPDATE_DOCS=1 npx vitest run test/docs` rewrites the lists of files.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync } from "oxc-parser";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const page = join(root, "docs/guarantees.md");
const lineLengthMax = 120;
const othersHeading = "## Other ids";

/** How many promises each letter has. `C` are the rules of cron expressions, which docs/cron.md spells out. */
const promiseCounts = { J: 15, T: 7, S: 13, N: 5, O: 6, CRON: 8 } as const;
const promiseIds = Object.entries(promiseCounts).flatMap(([letter, count]) =>
  Array.from({ length: count }, (_, index) => `${letter}${index + 1}`),
);

interface Promised {
  readonly id: string;
  readonly status: string;
  readonly files: readonly string[];
}

/** The ids at the page's end: `- ID: files`. */
function readOthers(text: string): Record<string, string[]> {
  const [, others = ""] = text.split(othersHeading);
  return Object.fromEntries(
    [...others.matchAll(/^- ([A-Z]+\d+):/gm)].map(([, id = ""]) => [id, filesOf(item(others, id))]),
  );
}

/** The sections of the page: `### ID title`, then a promise, then the items Status and Tests. */
function readPage(text: string): Promised[] {
  const [promises = ""] = text.split(othersHeading);
  return promises
    .split(/^### /m)
    .slice(1)
    .map((section) => ({
      id: /^\S+/.exec(section)?.[0] ?? "",
      status: item(section, "Status"),
      files: filesOf(item(section, "Tests")),
    }));
}

function filesOf(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, file = ""]) => file).sort();
}

/** The text of `- Name: ...`, its continuation lines included. */
function item(section: string, name: string): string {
  const found = new RegExp(`^- ${name}:((?:.*)(?:\\n {2}.*)*)`, "m").exec(section);
  return found?.[1]?.replace(/\s+/g, " ").trim() ?? "";
}

/** The files of tests, and of the conformance suite, that hold a title beginning with an id, by id. */
function readTests(): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  const files = ["test", "src/testing/conformance"].flatMap((folder) =>
    readdirSync(join(root, folder), { withFileTypes: true, recursive: true }),
  );
  for (const entry of files) {
    if (!entry.isFile() || !entry.name.endsWith(".ts")) continue;
    const path = join(entry.parentPath, entry.name);
    const file = relative(root, path).replaceAll("\\", "/");
    if (file.startsWith("test/mutants/") || file.startsWith("test/docs/")) continue;
    for (const title of titlesOf(path)) {
      const ids = /^(?:[A-Z]+\d+,? )+/.exec(title)?.[0].match(/[A-Z]+\d+/g) ?? [];
      for (const id of ids) found.set(id, (found.get(id) ?? new Set()).add(file));
    }
  }
  return found;
}

/** The texts that calls in a file begin with: titles are the first argument, whatever the function is called. */
function titlesOf(path: string): string[] {
  const titles: string[] = [];
  const visit = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    if ("type" in node && node.type === "CallExpression" && "arguments" in node && Array.isArray(node.arguments)) {
      const first = node.arguments[0] as { type?: string; value?: unknown; quasis?: { value: { cooked: string } }[] };
      if (typeof first?.value === "string") titles.push(first.value);
      else if (first?.type === "TemplateLiteral") titles.push(first.quasis?.[0]?.value.cooked ?? "");
    }
    for (const inner of Object.values(node)) visit(inner);
  };
  visit(parseSync(path, readFileSync(path, "utf8")).program);
  return titles;
}

function listItem(name: string, files: readonly string[]): string {
  if (files.length === 0) return `- ${name}: none`;
  const lines = [`- ${name}:`];
  for (const [index, file] of files.entries()) {
    const word = ` \`${file}\`${index < files.length - 1 ? "," : ""}`;
    const last = lines.length - 1;
    if (`${lines[last]}${word}`.length > lineLengthMax) lines.push(` ${word}`);
    else lines[last] += word;
  }
  return lines.join("\n");
}

const tests = readTests();
const filesWith = (id: string): string[] => [...(tests.get(id) ?? [])].sort();
const otherIds = [...tests.keys()]
  .filter((id) => !promiseIds.includes(id))
  .sort((a, b) => (a[0] ?? "").localeCompare(b[0] ?? "") || Number(a.slice(1)) - Number(b.slice(1)));

if (process.env["UPDATE_DOCS"] === "1") {
  const [promises = "", others = ""] = readFileSync(page, "utf8").split(othersHeading);
  const updated = promises.split(/^(?=### )/m).map((section) => {
    const id = /^### (\S+)/.exec(section)?.[1];
    if (id === undefined) return section;
    return section.replace(/^- Tests:.*(?:\n {2}.*)*/m, listItem("Tests", filesWith(id)));
  });
  const [introduction = ""] = others.split(/^- /m);
  const list = otherIds.map((id) => listItem(id, filesWith(id)));
  writeFileSync(page, `${updated.join("")}${othersHeading}${introduction.trimEnd()}\n\n${list.join("\n")}\n`);
}

const text = readFileSync(page, "utf8");
const promised = readPage(text);

describe("docs/guarantees.md", () => {
  it("lists every promise once, in order", () => {
    expect(promised.map(({ id }) => id)).toEqual(promiseIds);
  });

  it("says of each promise whether it is kept, partly kept or not yet kept", () => {
    for (const { id, status } of promised) {
      expect(status, `the status of ${id}`).toMatch(/^(?:kept|partly: \S.*|not yet: \S.*)$/);
    }
  });

  it("names at least one test for every promise that is kept", () => {
    const bare = promised.filter(({ status, files }) => status === "kept" && files.length === 0);
    expect(bare.map(({ id }) => id)).toEqual([]);
  });

  it("names the files that hold a test of each id, and no others", () => {
    const listed = { ...Object.fromEntries(promised.map(({ id, files }) => [id, files])), ...readOthers(text) };
    const held = Object.fromEntries([...promiseIds, ...otherIds].map((id) => [id, filesWith(id)]));
    expect(listed, "UPDATE_DOCS=1 npx vitest run test/docs rewrites the lists").toEqual(held);
  });
});

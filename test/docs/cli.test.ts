// docs/cli.md against the command line's own help: the same commands, the same options.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The options that each section's table lists, by the section's command. */
function readPage(): Map<string, string[]> {
  const text = readFileSync(new URL("../../docs/cli.md", import.meta.url), "utf8");
  const sections = text.split(/^## /m).slice(1);
  const commands = sections.flatMap((section): [string, string[]][] => {
    const title = /^`punctual (.+)`$/m.exec(section.split("\n")[0] ?? "")?.[1] ?? "";
    const options = [...section.matchAll(/^\| `(--[a-z-]+)/gm)].map(([, option = ""]) => option);
    if (section.startsWith("Every command")) return [["", options.sort()]];
    return title === "" ? [] : [[title, options.sort()]];
  });
  return new Map(commands);
}

function help(command: string): string {
  const args = ["--conditions=source", "src/cli/main.ts", ...command.split(" ").filter(Boolean), "--help"];
  return execFileSync(process.execPath, args, { cwd: root, encoding: "utf8" });
}

/** What a help text lists under a heading: each entry's first word. */
function entries(text: string, heading: string): string[] {
  const block = new RegExp(`^${heading}:\\n((?: .*\\n|\\n(?= ))*)`, "m").exec(text)?.[1] ?? "";
  return [...block.matchAll(/^ {2}(?:-\w, )?([a-z-]\S*)/gm)].map(([, word = ""]) => word);
}

/** Every command without subcommands, with its options; those of all commands under "". */
function readHelp(command = ""): [string, string[]][] {
  const text = help(command);
  const own = entries(text, "Options").filter((option) => command === "" || option !== "--help");
  const inner = entries(text, "Commands").flatMap((name) => readHelp(`${command} ${name}`.trim()));
  return inner.length === 0 || command === "" ? [[command, own.sort()], ...inner] : inner;
}

describe("docs/cli.md", () => {
  it("lists the commands and options that there are, and no others", { timeout: 60_000 }, () => {
    expect(Object.fromEntries(readPage())).toEqual(Object.fromEntries(readHelp()));
  });
});

// docs/cli.md against the command line's own help: the same commands, the same options.
import { readFileSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import { run } from "../../src/cli/run.ts";

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

async function help(command: string): Promise<string> {
  const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  try {
    await run([...command.split(" ").filter(Boolean), "--help"]);
    return write.mock.calls.map(([text]) => String(text)).join("");
  } finally {
    write.mockRestore();
  }
}

/** What a help text lists under a heading: each entry's first word. */
function entries(text: string, heading: string): string[] {
  const block = new RegExp(`^${heading}:\\n((?: .*\\n|\\n(?= ))*)`, "m").exec(text)?.[1] ?? "";
  return [...block.matchAll(/^ {2}(?:-\w, )?([a-z-]\S*)/gm)].map(([, word = ""]) => word);
}

/** Every command without subcommands, with its options; those of all commands under "". */
async function readHelp(command = ""): Promise<[string, string[]][]> {
  const text = await help(command);
  const own = entries(text, "Options").filter((option) => command === "" || option !== "--help");
  const inner: [string, string[]][] = [];
  for (const name of entries(text, "Commands")) inner.push(...(await readHelp(`${command} ${name}`.trim())));
  return inner.length === 0 || command === "" ? [[command, own.sort()], ...inner] : inner;
}

describe("docs/cli.md", () => {
  it("lists the commands and options that there are, and no others", async () => {
    expect(Object.fromEntries(readPage())).toEqual(Object.fromEntries(await readHelp()));
  });
});

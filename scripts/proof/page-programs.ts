// The programs of a page of the documentation, in a folder where they run as they are written.
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

export interface Program {
  readonly heading: string;
  /** Its name in the folder. */
  readonly file: string;
  readonly text: string;
}

/** The TypeScript of a page, by the headings it stands under: one program each. */
export function programsOf(page: string): Program[] {
  const sections = readFileSync(join(root, page), "utf8").split(/^## /m);
  return sections.flatMap((section) => {
    const heading = section.split("\n")[0] ?? "";
    const file = `${heading.toLowerCase().replace(/[^a-z]+/g, "-")}.ts`;
    return [...section.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, text = ""]) => ({ heading, file, text }));
  });
}

/** Puts programs into an empty folder, as after `npm install punctual`, but for the package being the sources. */
export function placePrograms(folder: string, programs: readonly Program[]): void {
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules/punctual"));
  symlinkSync(join(root, "node_modules/@types"), join(folder, "node_modules/@types"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  for (const { file, text } of programs) writeFileSync(join(folder, file), text);
}

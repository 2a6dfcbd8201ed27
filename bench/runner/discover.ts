// Finds engines, peers and workloads: every file of the three folders is one, so that adding one is adding a file.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Subject } from "./subject.ts";
import type { Workload } from "./workload.ts";

/** A subject and the file it came from, by which child processes load it. */
export interface Found {
  readonly subject: Subject;
  readonly file: string;
  readonly kind: "engine" | "peer";
  /** Its package is there. */
  readonly installed: boolean;
}

const bench = fileURLToPath(new URL("..", import.meta.url));

/** Paths of the TypeScript files of a folder of bench/, in order of name. */
function filesOf(folder: string): string[] {
  return readdirSync(join(bench, folder))
    .filter((name) => name.endsWith(".ts"))
    .sort()
    .map((name) => join(bench, folder, name));
}

export async function findSubjects(): Promise<Found[]> {
  const found: Found[] = [];
  for (const [kind, folder] of [
    ["engine", "engines"],
    ["peer", "peers"],
  ] as const) {
    for (const file of filesOf(folder)) {
      const { subject } = (await import(pathToFileURL(file).href)) as { readonly subject: Subject };
      const { package: name } = subject;
      const installed = name === undefined || existsSync(join(bench, "peers/node_modules", name, "package.json"));
      found.push({ subject, file, kind, installed });
    }
  }
  return found;
}

export async function findWorkloads(): Promise<Workload[]> {
  const modules = await Promise.all(
    filesOf("workloads").map((file) => import(pathToFileURL(file).href) as Promise<{ readonly workload: Workload }>),
  );
  const order = new Intl.Collator("en", { numeric: true });
  const rank = ({ name }: Workload) => (/^W\d/.test(name) ? 0 : 1);
  return modules.map(({ workload }) => workload).sort((a, b) => rank(a) - rank(b) || order.compare(a.name, b.name));
}

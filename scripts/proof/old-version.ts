// The first released version's sources, unpacked beside the store that it serves.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Child, startScript } from "./child.ts";

const archive = fileURLToPath(new URL("../../test/upgrade/punctual-0.1.0-src.tar.gz", import.meta.url));
const script = fileURLToPath(new URL("version-process.ts", import.meta.url));

/** This checkout. */
export const newRoot = fileURLToPath(new URL("../..", import.meta.url));

/** Unpacks the old sources into a folder and answers their root. */
export function unpackOldVersion(folder: string): string {
  const root = join(folder, "punctual-0.1.0");
  mkdirSync(root);
  execFileSync("tar", ["-xzf", archive, "-C", root]);
  return root;
}

/** Starts a process of the version at `root`. */
export function startVersion(root: string, mode: "fill" | "serve" | "open", ...args: readonly string[]): Child {
  return startScript(script, [mode, root, ...args]);
}

// A script of ours: Lua that the server runs as one step. Its text begins with its name and its promise, so that slow logs
// and MONITOR lead back to code.
import { createHash } from "node:crypto";

/** A script, under the name that the server knows it by. */
export interface Script {
  /** The operation, as "jobs.claim". */
  readonly name: string;
  readonly text: string;
  /** SHA-1 of the text, in hex. */
  readonly sha: string;
}

/** Puts a script together: fragments of the prelude that it needs, in their order, and its body. */
export function script(name: string, promise: string, ...parts: readonly string[]): Script {
  const text = [`-- ${name}`, `-- ${promise}`, ...parts.map((part) => part.trim())].join("\n");
  return { name, text, sha: createHash("sha1").update(text).digest("hex") };
}

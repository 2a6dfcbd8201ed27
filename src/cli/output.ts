// What a command prints: JSON for programs, tables for people.
import type { GlobalOptions } from "./options.ts";

/** Prints a value as JSON, or as `human` says it; `width` is the terminal's, undefined where there is none. */
export function print(options: GlobalOptions, value: unknown, human: (width: number | undefined) => string): void {
  if (options.json === true) {
    console.log(JSON.stringify(value, undefined, process.stdout.isTTY ? 2 : 0));
    return;
  }
  // Some terminals say that they are 0 wide.
  const text = human(process.stdout.isTTY && process.stdout.columns > 0 ? process.stdout.columns : undefined);
  if (text !== "") console.log(text);
}

/** A remark for people, which must not mix with what a command prints. */
export function note(options: GlobalOptions, text: string): void {
  if (options.json !== true) console.error(text);
}

// Asks a person before something large is done; programs have said it by calling.
import { createInterface } from "node:readline/promises";
import { InvalidInputError } from "../index.ts";
import type { GlobalOptions } from "./options.ts";

/** What a command that asks takes. */
export interface AskingOptions extends GlobalOptions {
  readonly yes?: boolean;
}

/** Whether there is somebody to ask, who has not answered with --yes. */
export function asks({ yes, json }: AskingOptions): boolean {
  return yes !== true && json !== true && process.stdin.isTTY && process.stderr.isTTY;
}

/** @param done what the refusal says was not done: "copied" @throws InvalidInputError for any answer but yes */
export async function confirm(question: string, done: string): Promise<void> {
  const asked = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await asked.question(`${question} [y/N] `).finally(() => asked.close());
  if (/^y(?:es)?$/i.test(answer.trim())) return;
  throw new InvalidInputError(`nothing was ${done}`, { field: "--yes", mend: "Answer y, or give --yes." });
}

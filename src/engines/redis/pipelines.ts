// Many reads, in pipelines that hold up nobody for long.
import type { Client, Command, Reply } from "./client.ts";

/** Reads in one pipeline, at most. */
const readsMax = 1_000;

/** Answers of many reads, in order. */
export async function readMany(client: Client, commands: readonly Command[]): Promise<Reply[]> {
  const answers: Reply[] = [];
  for (let from = 0; from < commands.length; from += readsMax) {
    answers.push(...(await client.read(commands.slice(from, from + readsMax))));
  }
  return answers;
}

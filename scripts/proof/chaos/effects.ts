// What the processes of a chaos proof did: each appends its effects, numbered in sequence, to a file of its own.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type JournalLine, type lineOf, readJournal, writeJournal } from "../journal.ts";

/** A line with its place in the sequence of its process. */
export interface Effect extends JournalLine {
  readonly seq: number;
}

/** This process's own file; every line is the operating system's when `write` returns. */
export class Journal {
  readonly #path: string;
  #seq = 0;

  constructor(folder: string) {
    this.#path = join(folder, `journal-${process.pid}`);
  }

  write(fact: Omit<Effect, "at" | "pid" | "seq">): void {
    this.#seq++;
    const numbered: Parameters<typeof lineOf>[0] & { readonly seq: number } = { seq: this.#seq, ...fact };
    writeJournal(this.#path, numbered);
  }
}

/** Every line of every process, in the order of time. */
export function readEffects(folder: string): Effect[] {
  const files = readdirSync(folder).filter((name) => name.startsWith("journal-"));
  const lines = files.flatMap((name) => readJournal(join(folder, name)) as Effect[]);
  return lines.sort((a, b) => a.at - b.at || a.seq - b.seq);
}

/** Places of the sequences where a line is missing or comes twice: such a file says nothing. */
export function brokenSequences(effects: readonly Effect[]): string[] {
  const last = new Map<number, number>();
  return effects.flatMap(({ pid, seq }) => {
    const expected = (last.get(pid) ?? 0) + 1;
    last.set(pid, seq);
    return seq === expected ? [] : [`process ${pid}: ${seq} where ${expected} should be`];
  });
}
